"""The organization itself: company details, preferences, slots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.org.rules import Plan
from services.org.store import members, organizations
from services.org.usecases.holding import administering
from shared.capabilities import SlotUse
from shared.errors import invalid
from shared.events.org import OrganizationChanged
from shared.fields import Composed, Email, Message, Name, Nothing, View
from shared.service import Ctx


class Slots(View):
    author: SlotUse
    viewer: SlotUse


class OrganizationView(Composed):
    """`plan` is the plan's key as billing told it; `unknown` for the moment before it did."""

    id: str
    name: str
    location: Literal["eu", "us"]
    contact_email: str
    product_mails: bool
    time_zone: str
    week_start: Literal["monday", "sunday"]
    created_at: datetime
    plan: str
    slots: Slots


class ChangeOrganization(Message):
    """A merge patch: what isn't named stays as it is."""

    name: Name = Field(default_factory=str)
    contact_email: Email = Field(default_factory=str)
    product_mails: bool = Field(default_factory=bool)
    time_zone: Annotated[
        str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"), Field(description="An IANA name.")
    ] = Field(default_factory=str)
    week_start: Literal["monday", "sunday"] = Field(default_factory=lambda: "monday")


async def read_organization(ctx: Ctx, _: Nothing) -> OrganizationView:
    """The organization's details, preferences and slots."""
    async with ctx.read() as read:
        facts = await organizations.one(read, ctx.actor.org())
        plan = await organizations.plan(read, facts.org_id)
        return _view(facts, plan, slots_of(plan, await members.slots_used(read, facts.org_id, ctx.now)))


async def change_organization(ctx: Ctx, wanted: ChangeOrganization) -> OrganizationView:
    """Changes company details or preferences."""
    changed = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    async with administering(ctx, "organization.manage") as held:
        facts = held.facts
        ctx.check_version(facts.version, facts.changed_by, facts.changed_at)
        different = {name: value for name, value in changed.items() if getattr(facts, name) != value}
        if "time_zone" in different and not await organizations.is_time_zone(held.tx, wanted.time_zone):
            raise invalid("/time_zone", "unknown_time_zone", "This isn't a time zone of the IANA database.")
        if different:
            previous = {name: getattr(facts, name) for name in different}
            facts = await organizations.change(held.tx, held.id, different, held.by_person, ctx.now)
            await held.tx.emit(OrganizationChanged(org_id=held.id, organization=facts.state(), previous=previous))
        used = await members.slots_used(held.tx, held.id, ctx.now)
        return _view(facts, held.plan, slots_of(held.plan, used))


def slots_of(plan: Plan, used: dict[Literal["author", "viewer"], int]) -> Slots:
    return Slots(
        author=SlotUse(used=used["author"], limit=plan.limit("author")),
        viewer=SlotUse(used=used["viewer"], limit=plan.limit("viewer")),
    )


def _view(facts: organizations.Organization, plan: Plan, slots: Slots) -> OrganizationView:
    return OrganizationView(
        **facts.state().model_dump(),
        id=facts.org_id,
        created_at=facts.created_at,
        version=facts.version,
        plan=plan.entitlements.plan,
        slots=slots,
    )
