"""Looking things up in the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, Field, StringConstraints

from services.audit import rules, store
from shared.capabilities import Because, Capabilities, Capability
from shared.db import Read, Row
from shared.errors import Problem
from shared.fields import Message, Nothing, View
from shared.ids import AuditId, UserId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

Action = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]*\*?$", min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Moment = Annotated[AwareDatetime | None, Field(description="RFC 3339 with a zone.")]


class ActorView(View):
    """Who it was, as they were last known here."""

    id: str
    name: str | None
    email: str | None


class AuditEntry(View):
    """One event, as it is kept for ever. `hash` covers `previous_hash` and everything but `actor`, which only adds the name."""

    id: AuditId
    org_id: str
    number: int
    at: datetime
    actor_id: str | None
    actor: ActorView | None
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
    previous_hash: str
    hash: str


class FindEntries(ListQuery):
    action: Annotated[Action | None, Field(description="An event type, or the beginning of some: `org.member.*`.")] = (
        None
    )
    actor: UserId | None = None
    target: Annotated[str | None, StringConstraints(max_length=200)] = None
    since: Annotated[Moment, Field(alias="from")] = None
    until: Annotated[Moment, Field(alias="to")] = None
    q: Text | None = None


class WhichEntry(Message):
    entry_id: AuditId


async def list_audit_entries(ctx: Ctx, query: FindEntries) -> Page[AuditEntry]:
    """What happened in the organization, the newest first, as far back as the plan shows it.

    Filter by action, actor, target, time (`from` included, `to` not), or text anywhere in an entry.
    """
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    before = None if position is None else int(position[0])
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        wanted: store.Filter = (
            await _shown_since(ctx, read),
            store.pattern_of(query.action),
            query.actor,
            query.target,
            query.since,
            query.until,
            store.containing(query.q),
        )
        rows = await store.entries(read, org_id, wanted, before, query.limit + 1)
        total = await store.count(read, org_id, wanted)
    return cursors.page([_view(row) for row in rows], query, lambda entry: [entry.number], total)


async def read_audit_entry(ctx: Ctx, which: WhichEntry) -> AuditEntry:
    """One entry."""
    async with ctx.read() as read:
        row = await store.entry(read, ctx.actor.org(), which.entry_id, await _shown_since(ctx, read))
    if row is None:
        raise Problem("not_found")
    return _view(row)


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Audit's actions for this actor."""
    allowed = ctx.actor.org_id is not None and ctx.actor.role == "admin"
    because = None if allowed else Because(kind="role", detail="Only an Admin reads the audit log.")
    return Capabilities(capabilities=[Capability(action="audit.read", allowed=allowed, because=because)])


async def _shown_since(ctx: Ctx, read: Read) -> datetime:
    return rules.shown_since(await store.days_shown(read, ctx.actor.org()), ctx.now)


def _view(row: Row) -> AuditEntry:
    fields = dict(row)
    name, email = fields.pop("actor_name"), fields.pop("actor_email")
    actor = ActorView(id=row["actor_id"], name=name, email=email) if row["actor_id"] else None
    return AuditEntry(**{**fields, "data": orjson.loads(row["data"])}, actor=actor)
