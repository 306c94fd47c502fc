"""What follows when nobody receives at an address."""

from __future__ import annotations

from services.courier import rules
from services.courier.store import dead_addresses as store
from shared.db import Tx
from shared.events.courier import AddressFoundDead
from shared.fields import canonical_email
from shared.service import Ctx


def key_of(recipient: str) -> str:
    """One spelling per address; what isn't even an address has its own."""
    try:
        return canonical_email(recipient)
    except ValueError:
        return recipient.casefold()


async def find_dead(ctx: Ctx, tx: Tx, org_id: str, address: str, status: str, reason: str) -> None:
    """Notes that nobody receives at an address, and says so to the organization whose mail found out."""
    until = ctx.now + rules.DEAD_FOR
    if await store.keep(tx, org_id, address, status, reason[:500], ctx.now, until) and org_id:
        await tx.emit(AddressFoundDead(org_id=org_id, address=address, status=status, reason=reason[:500], until=until))
