"""What every service answers about itself to the gateway and to operators: how far a change has come, what was said, what is dead."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import orjson
from pydantic import Field

from shared.fields import Message, Nothing, View
from shared.ids import EventId, OrgId
from shared.inbox import APPLIED_BY
from shared.service import Ctx, Route, get, post, service


class WhichChange(Message):
    event_id: EventId


class ChangeStanding(View):
    """`owner` is set where the event was said; `state` where it is heard: `unknown` means not arrived yet."""

    service: str
    owner: bool = False
    org_id: str | None = None
    subject: str | None = None
    type: str | None = None
    said_at: datetime | None = None
    published_at: datetime | None = None
    hears: bool = False
    concerned: bool = False
    state: Literal["applied", "waiting", "dead", "unknown"] | None = None
    applied_at: datetime | None = None


async def change_standing(ctx: Ctx, which: WhichChange) -> ChangeStanding:
    """Where one event stands in this service."""
    name = ctx.env.service.name
    async with ctx.read("") as read:
        own = await read.row(
            "select org_id, subject, type, said_at, published_at from outbox where id = $1", which.event_id
        )
        heard = await read.row(APPLIED_BY, which.event_id)
    if own is not None:
        return ChangeStanding(service=name, owner=True, **dict(own))
    if heard is None:
        return ChangeStanding(service=name, hears=bool(ctx.env.service.sources), state="unknown")
    return ChangeStanding(
        service=name,
        hears=True,
        concerned=heard["concerned"],
        state=heard["held_by"] or "applied",
        applied_at=heard["applied_at"],
    )


class ReadEvents(Message):
    """Events of one organization after a position of this service's outbox; `org_id` empty means all (for operators)."""

    org_id: str = ""
    after: int = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


async def read_events(ctx: Ctx, query: ReadEvents) -> list[dict[str, object]]:
    """What this service said, in the order of its outbox: `[{"position", "event"}]`."""
    async with ctx.read("") as read:
        rows = await read.rows(
            "select position, body from outbox where position > $1 and ($2 = '' or org_id = $2) order by position limit $3",
            query.after,
            query.org_id,
            query.limit,
        )
    return [{"position": row["position"], "event": orjson.loads(row["body"])} for row in rows]


class OrganizationEvents(Message):
    """What this service said of one organization, after the `after`-th."""

    org_id: OrgId
    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


async def read_organization_events(ctx: Ctx, query: OrganizationEvents) -> list[dict[str, object]]:
    """`[{"sequence", "event"}]`. By sequence, which has no gaps, and not by position, which a slow transaction may fill in later."""
    async with ctx.read("") as read:
        rows = await read.rows(
            "select sequence, body from outbox where subject = $1 and sequence > $2 order by sequence limit $3",
            query.org_id,
            query.after,
            query.limit,
        )
    return [{"sequence": row["sequence"], "event": orjson.loads(row["body"])} for row in rows]


class WhichOrganization(Message):
    org_id: OrgId


async def newest_organization_event(ctx: Ctx, which: WhichOrganization) -> dict[str, int]:
    """How many events this service has said of one organization."""
    async with ctx.read("") as read:
        sequence = await read.value("select sequence from outbox_subjects where subject = $1", which.org_id)
    return {"sequence": sequence or 0}


class DeadEvent(View):
    id: str
    handler: str
    type: str
    org_id: str | None
    sequence: int
    attempts: int
    error: str | None
    received_at: datetime


async def dead_events(ctx: Ctx, _: Nothing) -> list[dict[str, object]]:
    """Events that failed for good here, oldest first."""
    async with ctx.read("") as read:
        rows = await read.rows("select * from inbox where state = 'dead' order by received_at limit 500")
    return [DeadEvent(**{name: row[name] for name in DeadEvent.model_fields}).model_dump(mode="json") for row in rows]


class Revive(Message):
    event_id: EventId | None = None


async def revive_events(ctx: Ctx, wanted: Revive) -> dict[str, int]:
    """Gives dead events another round of attempts."""
    async with ctx.tx("") as tx:
        revived = await tx.run(
            "update inbox set state = 'waiting', attempts = 0, not_before = now() where state = 'dead' and ($1::text is null or id = $1)",
            wanted.event_id,
        )
    return {"revived": revived}


ROUTES: tuple[Route, ...] = (
    get("/internal/changes/{event_id}", change_standing, service("changes.read")),
    get("/internal/events", read_events, service("events.read")),
    get("/internal/organization-events", read_organization_events, service("events.read")),
    get("/internal/organization-events/newest", newest_organization_event, service("events.read")),
    get("/internal/dead-events", dead_events, service("events.read")),
    post("/internal/dead-events/revivals", revive_events, service("events.revive")),
)
