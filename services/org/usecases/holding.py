"""Writing to an organization: one writer at a time, who is still allowed to, and whose effect on slots is told at the end.

Every event that carries a member's or a group's whole state is said while the organization is held, so that a later
event never carries an older state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.org import rules
from services.org.rules.closing import check_open
from services.org.store import members, organizations
from services.org.store.organizations import Organization
from shared.db import Tx
from shared.errors import Problem
from shared.events.org import Member, MemberSlotResumed, MemberSlotSuspended
from shared.service import Ctx


@dataclass
class Held:
    """An organization in the hands of one transaction. `overlay` is what the plan makes of the facts as they are now.

    `by` is a person, or an API key; `acting` is there for the Admin who acts, not for a key.
    """

    tx: Tx
    facts: Organization
    overlay: rules.Overlay
    now: datetime
    by: str | None
    acting: rules.Member | None = None

    @property
    def id(self) -> str:
        return self.facts.org_id

    @property
    def plan(self) -> rules.Plan:
        return self.overlay.plan

    @property
    def by_person(self) -> str:
        assert self.by is not None
        return self.by

    def state(self, member: rules.Member) -> Member:
        return self.overlay.state(member)

    async def look_again(self) -> None:
        """To be called after members or the plan changed, before their state is said: nobody else notices who lost a slot."""
        self.overlay = await organizations.overlay_of(self.tx, self.id)

    async def check_slot(self, role: str) -> None:
        """Refuses when there is no slot left for one more of this role."""
        kind = rules.kind_of(role)
        if self.plan.limit(kind) is not None:
            used = await members.slots_used(self.tx, self.id, self.now)
            rules.check_slot(self.plan, kind, used[kind])

    def check_may_make_admin(self, member: rules.Member, role: str) -> None:
        """A key has no person who answers for it, so it makes nobody an Admin."""
        if self.acting is None and role == "admin" and member.role != "admin":
            raise Problem(
                "forbidden", "Only an Admin makes others Admins.", meta={"because": "role", "roles": ["admin"]}
            )

    async def check_keeps_an_admin(self, member: rules.Member) -> None:
        rules.check_keeps_an_admin(member, await members.other_admins(self.tx, self.id, member.user_id))


@asynccontextmanager
async def holding(ctx: Ctx, tx: Tx, org_id: str) -> AsyncIterator[Held]:
    """Holds an organization until the transaction ends. At the end of the block, whose effective role flipped is told."""
    facts = await organizations.lock(tx, org_id)
    if facts is None:
        raise Problem("not_found")
    before = await organizations.overlay_of(tx, org_id)
    held = Held(tx, facts, before, ctx.now, ctx.actor.user_id or ctx.actor.key_id)
    yield held
    await _tell_flipped(held, before.slotless)


@asynccontextmanager
async def administering(ctx: Ctx, action: str, *, while_closed: bool = False) -> AsyncIterator[Held]:
    """Holds the actor's organization, if the actor is an Admin of it at this very moment, whatever their token says; or one of its keys.

    In a closed organization only what is allowed `while_closed`.
    """
    async with ctx.tx() as tx, holding(ctx, tx, ctx.actor.org()) as held:
        if ctx.actor.kind == "key":
            if not while_closed:
                check_open(held.facts.closed_at)
            yield held
            return
        acting = await members.find(tx, held.id, ctx.actor.person())
        may = acting is not None and acting.status == "active"
        rules.check_role(held.overlay.effective_role(acting) if acting and may else None, action)
        if not while_closed:
            check_open(held.facts.closed_at)
        held.acting = acting
        yield held


async def _tell_flipped(held: Held, before: frozenset[str]) -> None:
    after = held.overlay.slotless
    for member in await members.some(held.tx, held.id, sorted(after - before)):
        await held.tx.emit(MemberSlotSuspended(org_id=held.id, member=held.state(member)))
    for member in await members.some(held.tx, held.id, sorted(before - after)):
        if member.status == "active" and member.role in rules.AUTHORS:
            await held.tx.emit(MemberSlotResumed(org_id=held.id, member=held.state(member)))
