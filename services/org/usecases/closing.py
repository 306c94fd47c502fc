"""Closing an organization, and taking that back: what an Admin does within thirty days."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from services.org.rules import closing as rules
from services.org.store import closures, members, organizations
from services.org.store.organizations import Organization, Person
from services.org.usecases.admins_mail import tell_admins
from services.org.usecases.holding import administering
from shared.db import Read
from shared.errors import Problem
from shared.events.org import OrganizationClosed, OrganizationReopened
from shared.fields import Message, Name, Nothing, View
from shared.service import Ctx

KEPT = (
    "Invoices that were issued, as the law demands, under no organization.",
    "The accounts of your people, which are theirs.",
    "The organization's id, and that it was erased.",
)


class Closure(View):
    """A closed organization: nobody works in it, its links, embeds and keys open nothing, and at `erased_at` it is erased everywhere."""

    closed_by: str
    closed_at: datetime
    erased_at: datetime


class ClosureState(View):
    """`closure` is null while the organization is open."""

    state: Literal["open", "closed"]
    closure: Closure | None


class RecordsErased(View):
    """How many rows a service holds under a name."""

    service: str
    name: str
    rows: int


class ClosurePreview(View):
    """What closing now would erase, and when. `active_users` lose access at once."""

    name: str
    erased_at: datetime
    active_users: int
    erased: tuple[RecordsErased, ...]
    kept: tuple[str, ...]


class CloseOrganization(Message):
    """`name`: the organization's name, typed."""

    name: Name


async def preview_closure(ctx: Ctx, _: Nothing) -> ClosurePreview:
    """What would be erased, counted now by every service, and what stays. 503 when one of them doesn't answer."""
    async with ctx.read() as read:
        facts = await organizations.one(read, ctx.actor.org())
        active = await members.active(read, facts.org_id)
    erased = [
        RecordsErased(service=service, name=one["name"], rows=one["rows"])
        for service in ("org", *rules.CONFIRMING)
        for one in await ctx.env.internal.call(
            service, "GET", "/internal/organization-records", query={"org_id": facts.org_id}
        )
    ]
    erased_at = facts.erased_at or ctx.now + rules.GRACE
    return ClosurePreview(name=facts.name, erased_at=erased_at, active_users=active, erased=erased, kept=KEPT)


async def read_closure(ctx: Ctx, _: Nothing) -> ClosureState:
    """Whether the organization is closed, and until when that can be taken back."""
    async with ctx.read() as read:
        facts = await organizations.one(read, ctx.actor.org())
        return await state_of(read, facts)


async def state_of(read: Read, facts: Organization) -> ClosureState:
    found = await closures.find(read, facts.org_id) if facts.closed_at is not None else None
    if found is None or facts.closed_at is None or facts.erased_at is None:
        return ClosureState(state="open", closure=None)
    return ClosureState(
        state="closed",
        closure=Closure(closed_by=found.closed_by, closed_at=facts.closed_at, erased_at=facts.erased_at),
    )


async def close_organization(ctx: Ctx, wanted: CloseOrganization) -> Closure:
    """Closes the organization. At once nobody but its Admins gets in, and they can only look, take their data along, and take it back.

    After thirty days it is erased everywhere. All Admins are told, and reminded a week and a day before.
    """
    async with administering(ctx, "organization.close") as held:
        rules.check_typed(wanted.name, held.facts.name)
        assert held.acting is not None
        erased_at = ctx.now + rules.GRACE
        by = Person(held.acting.user_id, held.acting.email, held.acting.name)
        await closures.close(held.tx, held.id, by, ctx.now, erased_at, rules.next_at(erased_at, 0))
        await held.tx.emit(
            OrganizationClosed(org_id=held.id, closed_by=by.user_id, closed_at=ctx.now, erased_at=erased_at)
        )
        values = {"by": by.name, "erased_at": erased_at.isoformat()}
        await tell_admins(held.tx, held.facts, "organization_closed", **values)
    return Closure(closed_by=by.user_id, closed_at=ctx.now, erased_at=erased_at)


async def reopen_organization(ctx: Ctx, _: Nothing) -> None:
    """Takes the closing back: everybody and everything is as it was. Any Admin can, whoever closed it."""
    async with administering(ctx, "organization.close", while_closed=True) as held:
        if held.facts.closed_at is None:
            return
        found = await closures.find(held.tx, held.id)
        if found is None or found.asked_at is not None:
            raise Problem("gone", "The organization is being erased.", meta={"because": "erased"})
        await closures.reopen(held.tx, held.id)
        await held.tx.emit(OrganizationReopened(org_id=held.id, reopened_by=held.by_person))
        assert held.acting is not None
        await tell_admins(held.tx, held.facts, "organization_reopened", by=held.acting.name)
