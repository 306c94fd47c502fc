"""Slots over time: as data for a chart with a forecast, and day by day with the events that explain them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from services.billing import store as subscriptions
from services.billing.rules.usage import LOOKS_BACK, Held, SlotKind, days_of, expected, first_forecast, full_in
from services.billing.store import usage as store
from services.billing.usecases.own_time import in_own_time
from services.billing.usecases.subscription import known
from shared.errors import invalid
from shared.fields import Message, View
from shared.ids import EventId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

MOST_DAYS = 400


class UsageQuery(Message):
    """Days in UTC, both included; the last 30 when none are given, at most 400."""

    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None


class SlotDay(View):
    day: date
    author: int
    viewer: int


class SlotCounts(View):
    author: int
    viewer: int


class SlotLimits(View):
    """Null means unlimited."""

    author: int | None
    viewer: int | None


class Forecast(View):
    """If it goes on as in the days since `since`: so many at `day`, and full on that day (null: not in sight)."""

    since: date
    day: date
    expected: SlotCounts
    author_full_on: date | None
    viewer_full_on: date | None


class SlotUsage(View):
    """How many slots were held at the end of each day; today's is the present. `slot_days` is their sum.

    The forecast needs 30 days of history; until then it is null, and `forecast_from` is the first day that has one.

    Who held them, and by which event, is listed per day at `/v1/usage/slot-holders`.
    """

    days: tuple[SlotDay, ...]
    slot_days: SlotCounts
    now: SlotCounts
    limits: SlotLimits
    forecast: Forecast | None
    forecast_from: date | None


class ListHolders(ListQuery):
    """Who held a slot at the end of a day (today: who holds one now)."""

    day: date | None = None
    kind: SlotKind | None = None


class SlotHolder(View):
    """A member or an open invitation. The slot was taken by the event `taken_by`, and given back by `freed_by` if it was."""

    id: str
    kind: SlotKind
    taken_at: datetime
    taken_by: EventId
    freed_at: datetime | None
    freed_by: EventId | None


@in_own_time
async def read_slot_usage(ctx: Ctx, query: UsageQuery) -> SlotUsage:
    """How many slots were held day by day, and how many will be if it goes on so."""
    today = ctx.now.astimezone(UTC).date()
    last = query.last or today
    if last > today or last.year < 2000:
        raise invalid("/to", "range", "That day hasn't come yet, or was before all of this.")
    first = query.first or last - timedelta(days=LOOKS_BACK - 1)
    if first.year < 2000 or not 0 <= (last - first).days < MOST_DAYS:
        raise invalid("/from", "range", f"Ask for 1 to {MOST_DAYS} days.", limit=MOST_DAYS)
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        known(await subscriptions.subscription(read, org_id))
        granted = await subscriptions.entitlements(read, org_id)
        days = days_of(
            first,
            last,
            *await store.held_before(read, org_id, _begin(first)),
            await store.turns(read, org_id, first, _begin(last + timedelta(days=1))),
        )
        now = await store.held_before(read, org_id, _begin(today + timedelta(days=1)))
        since = today - timedelta(days=LOOKS_BACK)
        then = await store.held_before(read, org_id, _begin(since + timedelta(days=1)))
        began = await store.began(read, org_id)
    enough = first_forecast(began.astimezone(UTC).date() if began else today)
    limits = SlotLimits(author=granted.author_slots if granted else 0, viewer=granted.viewer_slots if granted else 0)
    return SlotUsage(
        days=[SlotDay(day=one.day, author=one.author, viewer=one.viewer) for one in days],
        slot_days=_sum(days),
        now=SlotCounts(author=now[0], viewer=now[1]),
        limits=limits,
        forecast=_forecast(today, since, then, now, limits) if enough <= today else None,
        forecast_from=enough if enough > today else None,
    )


@in_own_time
async def list_slot_holders(ctx: Ctx, query: ListHolders) -> Page[SlotHolder]:
    """Who held a slot at the end of a day, in the order of their ids, each with the event that gave it to them."""
    today = ctx.now.astimezone(UTC).date()
    day = query.day or today
    if day > today:
        raise invalid("/day", "future", "That day hasn't come yet.")
    if day.year < 2000:
        raise invalid("/day", "range", "That was before all of this.")
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read() as read:
        rows = await store.holders(
            read,
            ctx.actor.org(),
            _begin(day + timedelta(days=1)),
            query.kind,
            str(position[0]) if position else None,
            query.limit + 1,
        )
    found = [
        SlotHolder(id=row["holder_id"], **{n: row[n] for n in SlotHolder.model_fields if n != "id"}) for row in rows
    ]
    return cursors.page(found, query, lambda one: [one.id])


def _forecast(today: date, began: date, then: tuple[int, int], now: tuple[int, int], limits: SlotLimits) -> Forecast:
    full = [
        full_in(before, after, LOOKS_BACK, limit)
        for before, after, limit in zip(then, now, (limits.author, limits.viewer), strict=True)
    ]
    author, viewer = (expected(before, after, LOOKS_BACK, LOOKS_BACK) for before, after in zip(then, now, strict=True))
    return Forecast(
        since=began,
        day=today + timedelta(days=LOOKS_BACK),
        expected=SlotCounts(author=author, viewer=viewer),
        author_full_on=None if full[0] is None else today + timedelta(days=full[0]),
        viewer_full_on=None if full[1] is None else today + timedelta(days=full[1]),
    )


def _sum(days: Sequence[Held]) -> SlotCounts:
    return SlotCounts(author=sum(one.author for one in days), viewer=sum(one.viewer for one in days))


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
