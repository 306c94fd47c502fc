"""Leaving all organizations at once, as a person does who closes their account: out of each, or out of none."""

from __future__ import annotations

from services.org.rules import Role
from services.org.store import members, organizations
from services.org.usecases.holding import Held, holding
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.org import MemberRemoved
from shared.fields import Message, View
from shared.ids import UserId
from shared.service import Ctx


class WhoLeaves(Message):
    user_id: UserId


class Belonging(View):
    """An organization that a person would leave. `last_admin`: it would be left without an Admin, so they can't."""

    org_id: str
    name: str
    role: Role
    last_admin: bool


class Belongings(View):
    organizations: list[Belonging]


async def preview_leaving(ctx: Ctx, who: WhoLeaves) -> Belongings:
    """Which organizations a person would leave, and which of them can't do without."""
    found = []
    async with ctx.read(EVERY_ORG) as read:
        for org_id in await organizations.organizations_of(read, who.user_id):
            organization, member = await organizations.one(read, org_id), await members.one(read, org_id, who.user_id)
            last = member.is_active_admin and not await members.other_admins(read, org_id, who.user_id)
            found.append(Belonging(org_id=org_id, name=organization.name, role=member.role, last_admin=last))
    return Belongings(organizations=found)


async def leave_everywhere(ctx: Ctx, who: WhoLeaves) -> None:
    """Takes a person out of all their organizations; out of none when one of them would be left without an Admin."""
    kept: list[Held] = []
    async with ctx.tx(EVERY_ORG) as tx:
        for org_id in await organizations.organizations_of(tx, who.user_id):
            async with holding(ctx, tx, org_id) as held:
                if not await take_out(held, who.user_id, who.user_id):
                    kept.append(held)
    if kept:
        names = sorted(held.facts.name for held in kept)
        raise Problem(
            "last_admin",
            f"You are the last active Admin of {', '.join(names)}.",
            meta={
                "because": "oneself",
                "names": names,
                "organizations": [{"org_id": held.id, "name": held.facts.name} for held in kept],
            },
            remedy=[f"Make somebody else an Admin of {name}, then try again." for name in names],
        )


async def take_out(held: Held, user_id: str, by: str | None) -> bool:
    """Removes a member, unless that is the last active Admin."""
    member = await members.find(held.tx, held.id, user_id)
    if member is None:
        return True
    if member.is_active_admin and not await members.other_admins(held.tx, held.id, user_id):
        return False
    removed = await members.remove(held.tx, held.id, user_id, by, held.now)
    await held.look_again()
    await held.tx.emit(MemberRemoved(org_id=held.id, member=held.state(removed)))
    return True
