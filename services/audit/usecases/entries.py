"""Looking things up in the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from services.audit import store
from services.audit.rules import entries as rules
from services.audit.rules.search import Condition, conditions_of
from services.audit.store import Wanted
from shared.capabilities import Because, Capabilities, Capability
from shared.db import Read, Row
from shared.errors import Problem
from shared.fields import Message, Moment, Nothing, View
from shared.ids import ApiKeyId, AuditId, ScimTokenId, UserId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

Action = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]*\*?$", min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Interval = Literal["hour", "day", "week", "month"]
SEARCH = (
    "Words that an entry must have, and qualifiers: `actor:ana`, `action:org.member.*`, `target:finance`, `ip:10.0.0.0/8`,"
    " `event:evt_…`, `request:…`, `auth:otp` (how they had signed in, RFC 8176), `created:>2026-11-01` (`<`, `>=`, `<=`, a day, or `a..b`). A minus excludes; quotes keep words together."
)
MOST_BARS = 2000
WithZone = Annotated[Moment | None, Field(description="RFC 3339 with a zone.")]


class ActorView(View):
    """Who it was, as they were last known here."""

    id: str
    name: str | None
    email: str | None


class AuditEntry(View):
    """One event, as it is kept for ever. `hash` covers `previous_hash` and everything but `actor` and `people`, which only add names."""

    id: AuditId
    org_id: str
    number: int
    at: datetime
    actor_id: str | None
    actor: ActorView | None
    actor_amr: Annotated[
        list[str] | None,
        Field(description="How the actor had signed in, in words of RFC 8176: `pwd`, `otp`, `hwk`, `mfa`, …"),
    ]
    action: str
    subject: str
    target_id: str | None
    target_name: str | None
    source_ip: str | None
    event_id: str
    source: str
    sequence: int
    correlation_id: str | None
    causation_id: str | None
    data: dict[str, Any]
    people: Annotated[
        dict[str, str],
        Field(
            description="The names of the members that the entry is about or mentions, by id, as they were last known here."
        ),
    ]
    previous_hash: str
    hash: str


class Filter(Message):
    """What narrows the log down; all of it must hold."""

    action: Annotated[Action | None, Field(description="An event type, or the beginning of some: `org.member.*`.")] = (
        None
    )
    actor: UserId | ApiKeyId | ScimTokenId | None = None
    target: Annotated[str | None, StringConstraints(max_length=200)] = None
    since: Annotated[WithZone, Field(alias="from")] = None
    until: Annotated[WithZone, Field(alias="to")] = None
    q: Annotated[Text | None, Field(description=SEARCH)] = None


class FindEntries(ListQuery, Filter):
    pass


class CountEntries(Filter):
    interval: Annotated[Interval, Field(description="In UTC; weeks begin on Monday.")] = "day"


class Bar(View):
    """How many entries there are in an interval that begins at `at`. Intervals without any are left out."""

    at: datetime
    count: int


class Histogram(View):
    """The newest interval last. `truncated`: there are older ones."""

    interval: Interval
    bars: tuple[Bar, ...]
    truncated: bool


class WhichEntry(Message):
    entry_id: AuditId


async def list_audit_entries(ctx: Ctx, query: FindEntries) -> Page[AuditEntry]:
    """What happened in the organization, the newest first, as far back as the plan shows it.

    Filter by action, actor, target and time (`from` included, `to` not), or search with `q`.
    """
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    before = None if position is None else int(position[0])
    async with ctx.read() as read:
        found = await wanted(ctx, read, query)
        views = await views_of(read, found.org_id, await store.entries(read, found, before, query.limit + 1))
        total = await store.count(read, found)
    return cursors.page(views, query, lambda entry: [entry.number], total)


async def count_audit_entries(ctx: Ctx, query: CountEntries) -> Histogram:
    """How much happened when: the same entries as in the list, counted by interval."""
    async with ctx.read() as read:
        rows = await store.histogram(read, await wanted(ctx, read, query), query.interval, MOST_BARS + 1)
    bars = [Bar(at=row["begins"], count=row["count"]) for row in rows[:MOST_BARS]]
    return Histogram(interval=query.interval, bars=bars[::-1], truncated=len(rows) > MOST_BARS)


async def read_audit_entry(ctx: Ctx, which: WhichEntry) -> AuditEntry:
    """One entry."""
    async with ctx.read() as read:
        row = await store.entry(read, ctx.actor.org(), which.entry_id, await shown_since(ctx, read))
        if row is None:
            raise Problem("not_found")
        (view,) = await views_of(read, ctx.actor.org(), [row])
    return view


async def wanted(ctx: Ctx, read: Read, asked: Filter) -> Wanted:
    """What a filter names, as far back as the plan shows."""
    conditions = conditions_of(asked.q) if asked.q else []
    if asked.action:
        conditions.append(Condition("action", asked.action))
    if asked.actor:
        conditions.append(Condition("actor_id", asked.actor))
    if asked.target:
        conditions.append(Condition("target_id", asked.target))
    if asked.since:
        conditions.append(Condition("since", asked.since))
    if asked.until:
        conditions.append(Condition("until", asked.until))
    return Wanted(ctx.actor.org(), await shown_since(ctx, read), conditions)


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Audit's actions for this actor."""
    allowed = ctx.actor.org_id is not None and ctx.actor.role == "admin"
    because = None if allowed else Because(kind="role", roles=["admin"], detail="Only an Admin reads the audit log.")
    return Capabilities(capabilities=[Capability(action="audit.read", allowed=allowed, because=because)])


async def shown_since(ctx: Ctx, read: Read) -> datetime:
    return rules.shown_since(await store.days_shown(read, ctx.actor.org()), ctx.now)


async def views_of(read: Read, org_id: str, rows: Sequence[Row]) -> list[AuditEntry]:
    """Entries with the names of all whom they mention."""
    mentioned = {row["id"]: rules.mentioned_in(row["subject"], row["data"]) for row in rows}
    names = await store.names_of(read, org_id, sorted(set().union(*mentioned.values())))
    return [
        view_of(row, {user_id: names[user_id] for user_id in sorted(mentioned[row["id"]]) if user_id in names})
        for row in rows
    ]


def view_of(row: Row, people: Mapping[str, str]) -> AuditEntry:
    fields = dict(row)
    name, email = fields.pop("actor_name"), fields.pop("actor_email")
    actor = ActorView(id=row["actor_id"], name=name, email=email) if row["actor_id"] else None
    return AuditEntry(**{**fields, "data": orjson.loads(row["data"])}, actor=actor, people=dict(people))
