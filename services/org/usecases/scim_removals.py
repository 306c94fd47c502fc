"""Taking access away for an identity provider: at once, unless it wants to take it from too many within an hour. Then an Admin decides."""

from __future__ import annotations

from datetime import timedelta

from services.org import rules
from services.org.store import scim as store
from services.org.store.scim import Kind, Linked
from services.org.usecases.admins_mail import tell_admins
from services.org.usecases.holding import Held
from services.org.usecases.users import deactivate, remove
from shared.events.org import RemovalHeld

WINDOW = timedelta(hours=1)


async def take_away(held: Held, linked: Linked, kind: Kind) -> None:
    """Deactivates or removes a member, or holds that for an Admin. The last Admin can't be taken away, nor held."""
    member = linked.member
    if member.status == "active":
        await held.check_keeps_an_admin(member)
        if linked.held is not None or await _too_many(held):
            await _hold(held, linked, kind)
            return
    await carry_out(held, member, kind)


async def carry_out(held: Held, member: rules.Member, kind: Kind) -> None:
    if kind == "deletion":
        await remove(held, member)
    else:
        await deactivate(held, member)
        await store.let_go(held.tx, held.id, [member.user_id])


async def _too_many(held: Held) -> bool:
    settings = await store.settings(held.tx, held.id)
    return await store.removed_since(held.tx, held.id, held.now - WINDOW) >= settings.removals_per_hour


async def _hold(held: Held, linked: Linked, kind: Kind) -> None:
    is_first = not await store.held(held.tx, held.id)
    if await store.hold(held.tx, held.id, linked.member.user_id, kind, held.now):
        await held.tx.emit(RemovalHeld(org_id=held.id, user_id=linked.member.user_id, kind=kind))
    if is_first:
        await _tell_admins(held)


async def _tell_admins(held: Held) -> None:
    limit = (await store.settings(held.tx, held.id)).removals_per_hour
    await tell_admins(held.tx, held.facts, "removals_held", limit=str(limit))
