"""Who among the users has a second factor and who was here lately: as filters of the list, and as what is counted above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from services.org.store import members, security_policies
from services.org.store.members import Wanted
from shared.db import Read
from shared.fields import Message, View
from shared.service import Ctx

TwoFactor = Literal["on", "off", "missing"]
LastActive = Literal["day", "week", "month", "quarter", "longer", "never"]

# Until how long ago, and from how long ago on: what lies nearer belongs to the span before.
SPANS: Mapping[str, tuple[timedelta | None, timedelta | None]] = {
    "day": (timedelta(days=1), None),
    "week": (timedelta(days=7), timedelta(days=1)),
    "month": (timedelta(days=30), timedelta(days=7)),
    "quarter": (timedelta(days=90), timedelta(days=30)),
    "longer": (None, timedelta(days=90)),
}


async def narrowed(
    read: Read, org_id: str, wanted: Wanted, two_factor: TwoFactor | None, last_active: LastActive | None, now: datetime
) -> Wanted:
    """Those who fit both, where they are given. While the organization requires no second factor, none is missing."""
    if two_factor == "missing" and not (await security_policies.one(read, org_id)).two_factor_required:
        wanted = replace(wanted, among=())
    if two_factor is not None:
        wanted = replace(wanted, two_factor=two_factor == "on")
    if last_active == "never":
        return replace(wanted, seen=False)
    if last_active is not None:
        since, until = SPANS[last_active]
        after, before = (now - span if span is not None else None for span in (since, until))
        return replace(wanted, seen=True, active_after=after, active_until=before)
    return wanted


class WhoseFacets(Message):
    status: Literal["active", "inactive"] = "active"


class TwoFactorFacet(View):
    """How many have a second factor, and haven't. `required`: the organization asks everybody for one."""

    on: int
    off: int
    required: bool


class ActivityFacet(View):
    """How many were last active in a span, as the list's `last_active` says it."""

    last_active: LastActive
    users: int


class UserFacets(View):
    """What the users with a status are like, in numbers; each of them is a filter of `GET /v1/users`."""

    users: int
    two_factor: TwoFactorFacet
    last_active: list[ActivityFacet]


async def read_user_facets(ctx: Ctx, query: WhoseFacets) -> UserFacets:
    """How many users have a second factor, and how long ago users were last active: the last day, 1 to 7, 7 to 30, 30 to 90 days ago, longer, never."""
    org_id = ctx.actor.org()
    moments = [ctx.now - since for since, _ in SPANS.values() if since is not None]
    async with ctx.read() as read:
        required = (await security_policies.one(read, org_id)).two_factor_required
        counted = await members.facets(read, org_id, query.status, moments)
    return UserFacets(
        users=counted["users"],
        two_factor=TwoFactorFacet(
            on=counted["two_factor"], off=counted["users"] - counted["two_factor"], required=required
        ),
        last_active=[ActivityFacet(last_active=span, users=counted[span]) for span in (*SPANS, "never")],
    )
