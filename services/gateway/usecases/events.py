"""What happened in the caller's organization, for those without AMQP: page by page, or as it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from services.gateway.documents import publishers
from services.gateway.own import Ctx
from services.gateway.streams import COMMENT, Stream, frame
from shared.errors import invalid
from shared.fields import Message, View
from shared.service import Answer

POLL_SECONDS = 1.0
COMMENT_SECONDS = 15.0

Place = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z]{2,20}-[0-9]{1,15}(\.[a-z]{2,20}-[0-9]{1,15}){0,15})?$"),
    Field(description="`next` of the page before, or the id of the last event of a stream."),
]
Types = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_.,]{0,500}$"),
    Field(description="Types, or how they begin, with commas between: `org.member,billing`."),
]


class ReadEvents(Message):
    """From the oldest on, or with `order=newest` from the newest back, unless `after` says otherwise."""

    after: Place = ""
    order: Literal["oldest", "newest"] = "oldest"
    types: Types = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class FollowEvents(Message):
    """From now on, unless `after` (or the header `Last-Event-ID`) says otherwise."""

    after: Place = ""
    types: Types = ""


class EventsPage(View):
    """CloudEvents in the order of each source. `next` leads on in the order that was asked for, even when nothing is left for now; `more` says whether something is."""

    data: list[dict[str, Any]]
    next: str
    more: bool


@dataclass(frozen=True)
class _Told:
    source: str
    sequence: int
    event: dict[str, Any]


async def read_events(ctx: Ctx, query: ReadEvents) -> EventsPage:
    """What happened in the organization, as it was published; ask again with `after` set to `next` for what came since, or, with `order=newest`, before."""
    if query.order == "newest":
        return await _back(ctx, query)
    place = _place(query.after)
    told = await _told_after(ctx, place, query.limit)
    for one in told[: query.limit]:
        place[one.source] = one.sequence
    return EventsPage(
        data=[one.event for one in told[: query.limit] if _wanted(one, query.types)],
        next=_written(place),
        more=len(told) > query.limit,
    )


async def _back(ctx: Ctx, query: ReadEvents) -> EventsPage:
    """The newest events up to a place. Each source counts without gaps, so `next` is what is left of each."""
    known = publishers(ctx.house.docs)
    asked = _place(query.after) if query.after else await _newest(ctx)
    place = {name: until for name, until in asked.items() if name in known}
    pages = await asyncio.gather(*(_up_to(ctx, name, until, query.limit) for name, until in place.items()))
    told = merge(*(reversed(page) for page in pages), key=lambda one: str(one.event["time"]), reverse=True)
    shown = list(islice(told, query.limit))
    left = {
        name: max(0, until - query.limit) if not page else until
        for (name, until), page in zip(place.items(), pages, strict=True)
    }
    for one in shown:
        left[one.source] = one.sequence - 1
    return EventsPage(
        data=[one.event for one in shown if _wanted(one, query.types)],
        next=_written(left),
        more=any(left.values()),
    )


async def _up_to(ctx: Ctx, service: str, until: int, limit: int) -> list[_Told]:
    """What a service said up to a place, its own order kept; at most `limit` of it."""
    told = await _of_one(ctx, service, max(0, until - limit), limit)
    return [one for one in told if one.sequence <= until]


async def follow_events(ctx: Ctx, query: FollowEvents) -> Answer[Stream]:
    """What happens in the organization, as server-sent events: `id` is where to go on from, `event` the type, `data` the CloudEvent."""
    after = query.after or ctx.request.headers.get("Last-Event-ID", "")
    if after and after != query.after:
        try:
            after = FollowEvents(after=after).after
        except ValueError:
            raise invalid(
                "/after", "not_a_place", "The header Last-Event-ID isn't the id of an event of this stream."
            ) from None
    place = _place(after) if after else await _newest(ctx)
    return Answer(Stream(_following(ctx, place, query.types)))


async def _following(ctx: Ctx, place: dict[str, int], types: str) -> AsyncIterator[bytes]:
    yield frame(id=_written(place))
    quiet_since = time.monotonic()
    while True:
        told = await _told_after(ctx, place, 200)
        for one in told:
            place[one.source] = one.sequence
            if _wanted(one, types):
                quiet_since = time.monotonic()
                yield frame(id=_written(place), event=one.event["type"], data=orjson.dumps(one.event))
        if time.monotonic() - quiet_since > COMMENT_SECONDS:
            quiet_since = time.monotonic()
            yield COMMENT
        if not told:
            await asyncio.sleep(POLL_SECONDS)
        await ctx.check_still_proven()


async def _told_after(ctx: Ctx, place: Mapping[str, int], limit: int) -> list[_Told]:
    """What every service said after a place, each in its own order, one more than `limit` at least if there is more."""
    names = publishers(ctx.house.docs)
    pages = await asyncio.gather(*(_of_one(ctx, name, place.get(name, 0), limit + 1) for name in names))
    return list(merge(*pages, key=lambda one: str(one.event["time"])))


async def _of_one(ctx: Ctx, service: str, after: int, limit: int) -> list[_Told]:
    query = {"org_id": ctx.actor.org(), "after": str(after), "limit": str(limit)}
    answer = await ctx.house.internal.call(service, "GET", "/internal/organization-events", query=query)
    return [_Told(service, one["sequence"], one["event"]) for one in answer]


async def _newest(ctx: Ctx) -> dict[str, int]:
    names = publishers(ctx.house.docs)
    query = {"org_id": ctx.actor.org()}
    asked = (
        ctx.house.internal.call(name, "GET", "/internal/organization-events/newest", query=query) for name in names
    )
    answers = await asyncio.gather(*asked)
    return {name: answer["sequence"] for name, answer in zip(names, answers, strict=True) if answer["sequence"]}


def _wanted(told: _Told, types: str) -> bool:
    kind = told.event["type"]
    return not types or any(kind == one or kind.startswith(f"{one}.") for one in types.split(",") if one)


def _place(written: str) -> dict[str, int]:
    place = {}
    for part in written.split(".") if written else ():
        source, _, sequence = part.partition("-")
        place[source] = int(sequence)
    return place


def _written(place: Mapping[str, int]) -> str:
    return ".".join(f"{source}-{sequence}" for source, sequence in sorted(place.items()))
