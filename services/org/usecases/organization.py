"""The organization itself: company details, preferences, slots."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.org.rules import Plan
from services.org.store import members, organizations
from services.org.usecases.changing import change
from services.org.usecases.closing import Closure, state_of
from services.org.usecases.holding import administering
from services.org.usecases.preferences import TimeZone
from services.org.usecases.presets import WeekStart
from shared.capabilities import SlotUse
from shared.fields import Composed, Email, Message, Name, Nothing, View
from shared.service import Ctx


class Slots(View):
    author: SlotUse
    viewer: SlotUse


class OrganizationView(Composed):
    """`plan` is the plan's key as billing told it; `unknown` for the moment before it did. `closure` is null while it is open."""

    id: str
    name: str
    location: Literal["eu", "us"]
    contact_email: str
    product_mails: bool
    time_zone: str
    week_start: WeekStart
    created_at: datetime
    plan: str
    slots: Slots
    closure: Closure | None


class ChangeOrganization(Message):
    """A merge patch: what isn't named stays as it is."""

    name: Name = Field(default_factory=str)
    contact_email: Email = Field(default_factory=str)
    product_mails: bool = Field(default_factory=bool)
    time_zone: TimeZone = Field(default_factory=str)
    week_start: WeekStart = Field(default_factory=lambda: "monday")


async def read_organization(ctx: Ctx, _: Nothing) -> OrganizationView:
    """The organization's details, preferences and slots."""
    async with ctx.read() as read:
        facts = await organizations.one(read, ctx.actor.org())
        plan = await organizations.plan(read, facts.org_id)
        slots = slots_of(plan, await members.slots_used(read, facts.org_id, ctx.now))
        return _view(facts, plan, slots, (await state_of(read, facts)).closure)


async def change_organization(ctx: Ctx, wanted: ChangeOrganization) -> OrganizationView:
    """Changes company details or preferences. A conflict lists who changed what meanwhile."""
    changed = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    async with administering(ctx, "organization.manage") as held:
        facts = await change(ctx, held, changed)
        used = await members.slots_used(held.tx, held.id, ctx.now)
        return _view(facts, held.plan, slots_of(held.plan, used))


def slots_of(plan: Plan, used: dict[Literal["author", "viewer"], int]) -> Slots:
    return Slots(
        author=SlotUse(used=used["author"], limit=plan.limit("author")),
        viewer=SlotUse(used=used["viewer"], limit=plan.limit("viewer")),
    )


def _view(
    facts: organizations.Organization, plan: Plan, slots: Slots, closure: Closure | None = None
) -> OrganizationView:
    return OrganizationView(
        **facts.state().model_dump(),
        id=facts.org_id,
        created_at=facts.created_at,
        version=facts.version,
        plan=plan.entitlements.plan,
        slots=slots,
        closure=closure,
    )
