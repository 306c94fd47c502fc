"""How far a change has come: which services have applied the event that a write caused."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from services.gateway.documents import hearers
from services.gateway.own import Ctx
from shared.errors import Problem
from shared.fields import Message, View
from shared.ids import EventId, may_come_from
from shared.oversight import ChangeStanding


class WhichChange(Message):
    event_id: EventId


class Subscriber(View):
    """A service that the event concerns. `unknown`: it is away and can't be asked."""

    service: str
    state: Literal["applied", "waiting", "dead", "unknown"]
    applied_at: datetime | None = None


class ChangeProgress(View):
    id: str
    type: str
    said_at: datetime
    published_at: datetime | None
    subscribers: list[Subscriber]


async def read_change(ctx: Ctx, which: WhichChange) -> ChangeProgress:
    """Where a change stands: when it was said and published, and which services have applied it.

    The id is what a write answers as `Tenantry-Change`. When a subscriber has applied it, it has applied all that the
    same organization or person caused before.
    """
    source, said = await _said(ctx, which.event_id)
    concerned = hearers(ctx.house.docs, source, said.type or "")
    others = [name for name in _asked(ctx) if name != source]
    standings = await asyncio.gather(*(_heard(ctx, name, which.event_id) for name in others))
    subscribers = [
        Subscriber(service=name, state=_state(one), applied_at=one.applied_at if one else None)
        for name, one in zip(others, standings, strict=True)
        if _is_concerned(one, name in concerned)
    ]
    assert said.type is not None
    assert said.said_at is not None
    return ChangeProgress(
        id=which.event_id,
        type=said.type,
        said_at=said.said_at,
        published_at=said.published_at,
        subscribers=subscribers,
    )


async def _said(ctx: Ctx, event_id: str) -> tuple[str, ChangeStanding]:
    """Who said it, and what they know of it: 404 unless it is about the caller or their organization."""
    for name in _asked(ctx):
        if may_come_from(event_id, name):
            said = await _standing(ctx, name, event_id)
            if said.owner:
                own = said.org_id == ctx.actor.org_id if said.org_id else said.subject == ctx.actor.user_id
                if own or said.subject == ctx.actor.user_id:
                    return name, said
    raise Problem("not_found")


async def _heard(ctx: Ctx, service: str, event_id: str) -> ChangeStanding | None:
    try:
        return await _standing(ctx, service, event_id)
    except (Problem, ValidationError):
        return None


async def _standing(ctx: Ctx, service: str, event_id: str) -> ChangeStanding:
    answer = await ctx.house.internal.call(service, "GET", f"/internal/changes/{event_id}")
    return ChangeStanding.model_validate(answer)


def _asked(ctx: Ctx) -> list[str]:
    return [name for name in ctx.house.settings.urls if name != "gateway"]


def _is_concerned(standing: ChangeStanding | None, hears: bool) -> bool:
    """Once it has arrived, a service knows; before, the published documents do."""
    arrived = standing is not None and standing.state not in (None, "unknown")
    return standing.concerned if standing is not None and arrived else hears


def _state(standing: ChangeStanding | None) -> Literal["applied", "waiting", "dead", "unknown"]:
    if standing is None:
        return "unknown"
    return "waiting" if standing.state in (None, "unknown") else standing.state
