"""What courier opens once and keeps: those who send, and the keys of its lists and secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.courier.usecases.delivering import Deliverer
from services.courier.usecases.sending import Sender
from services.courier.usecases.transports import Transport
from shared.outbound import Outbound
from shared.paging import Cursors
from shared.sealing import Sealer
from shared.service import Ctx, Environment


@dataclass(frozen=True)
class Own:
    """Made when the service starts."""

    mails: Sender
    webhooks: Deliverer
    outbound: Outbound
    cursors: Cursors
    sealer: Sealer


@asynccontextmanager
async def senders(env: Environment, transport: Transport, outbound: Outbound) -> AsyncIterator[Own]:
    """Senders of both kinds at work, until the block ends."""
    secrets = env.settings.secrets
    mails = Sender(env, transport)
    sealer = Sealer(secrets.master)
    webhooks = Deliverer(env, outbound, sealer, mails.wake)
    mails.start()
    webhooks.start()
    try:
        yield Own(mails, webhooks, outbound, Cursors(secrets.bytes("cursors")), sealer)
    finally:
        await webhooks.stop()
        await mails.stop()


def own(ctx: Ctx) -> Own:
    kept = ctx.own
    assert isinstance(kept, Own)
    return kept
