"""Courier: sends the mails that others asked for in their transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.courier.consumers import store_mail
from services.courier.routes import ROUTES
from services.courier.usecases.sending import Sender
from services.courier.usecases.transports import transport_of
from shared.events.courier import MailRequested
from shared.service import Environment, Service, on


@asynccontextmanager
async def the_sender(env: Environment) -> AsyncIterator[Sender]:
    sender = Sender(env, transport_of(env.settings.mail))
    sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


service = Service(
    name="courier",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    sources=("identity", "org", "sharing", "billing"),
    consumers=(on(MailRequested, store_mail),),
    opens=the_sender,
)
