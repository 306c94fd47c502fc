"""Slots over time: who held one from when to when, and how many were held each day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.org.rules import Kind, most_held
from services.org.store import slots
from services.org.usecases.own import own
from shared.fields import Message, View
from shared.paging import ListQuery, Page
from shared.service import Ctx

MOST_DAYS = 400
USUAL_DAYS = 30

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]


class SlotSpell(View):
    """One holder's time in a slot: a member while active, or an invitation while open. `until` is null while it lasts.

    `name` is the member's.
    """

    id: str
    kind: Kind
    holder: Literal["member", "invitation"]
    holder_id: str
    email: str
    name: str | None
    since: datetime
    until: datetime | None


class ListSlotSpells(ListQuery):
    """The slot ledger."""

    kind: Kind | None = None


class AskSlotUsage(Message):
    """Days in UTC, both included: the last 30 unless others are named, at most 400."""

    first: Day | None = None
    last: Day | None = None

    @model_validator(mode="after")
    def _not_too_many_days(self) -> AskSlotUsage:
        if self.first is not None and self.last is not None and not 0 <= (self.last - self.first).days < MOST_DAYS:
            raise ValueError(f"first comes before last, and they are at most {MOST_DAYS} days apart")
        return self


class SlotDay(View):
    """The most slots of each kind that were held at one moment of this day (UTC)."""

    day: date
    author: int
    viewer: int


class SlotUsage(View):
    days: list[SlotDay]


async def list_slot_spells(ctx: Ctx, query: ListSlotSpells) -> Page[SlotSpell]:
    """Who took a slot from when to when, the last first: what every day of every slot is explained by."""
    cursors = own(ctx).cursors
    async with ctx.read() as read:
        found = await slots.spells(read, ctx.actor.org(), query.kind, ctx.now, cursors.read(query), query.limit + 1)
    page = cursors.page(found, query, lambda last: (last.since, last.position))
    return Page(data=[_view(spell) for spell in page.data], page=page.page)


async def read_slot_usage(ctx: Ctx, asked: AskSlotUsage) -> SlotUsage:
    """How many slots were held each day."""
    last = asked.last or (
        asked.first + timedelta(days=USUAL_DAYS - 1) if asked.first else ctx.now.astimezone(UTC).date()
    )
    first = asked.first or last - timedelta(days=USUAL_DAYS - 1)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    begins, ends = _midnight(first), _midnight(last) + timedelta(days=1)
    async with ctx.read() as read:
        held = await slots.held_before(read, ctx.actor.org(), begins, ctx.now)
        steps = await slots.steps(read, ctx.actor.org(), begins, ends, ctx.now)
    most = most_held(held, steps, days)
    return SlotUsage(
        days=[SlotDay(day=day, author=m["author"], viewer=m["viewer"]) for day, m in zip(days, most, strict=True)]
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _view(spell: slots.Spell) -> SlotSpell:
    told = vars(spell) | {"id": str(spell.position)}
    return SlotSpell(**{name: told[name] for name in SlotSpell.model_fields})
