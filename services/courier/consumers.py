"""How a request becomes a mail: stored in the transaction that takes it from the inbox, so there is one per request."""

from __future__ import annotations

from services.courier import store
from services.courier.usecases.sending import Sender
from shared.events.courier import MailRequested
from shared.ids import new_id
from shared.service import Ctx


async def store_mail(ctx: Ctx, asked: MailRequested) -> None:
    """Keeps the mail, and wakes the sender once that is certain."""
    sender: Sender = ctx.own
    if ctx.cause is None:
        raise RuntimeError("a mail is asked for by an event")
    async with ctx.tx() as tx:
        if await store.add(tx, new_id("mail"), ctx.cause.id, asked, ctx.now):
            tx.after_commit(sender.wake)
