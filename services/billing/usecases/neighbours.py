"""What org and sharing say a plan would do: the two synchronous questions that billing asks, both with a deadline.

The answers must be current, because an admin decides by them. When either is away there is no preview and no change: 503.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from shared.capabilities import SlotUse
from shared.errors import Problem
from shared.events.billing import Entitlements
from shared.fields import View
from shared.service import Ctx

SECONDS = 3.0


class GroupEffect(View):
    group_id: str
    name: str
    members: int


class SlotLoser(View):
    user_id: str
    name: str
    email: str
    role: str


class PersonEffect(View):
    user_id: str
    name: str
    email: str


class LosingDashboard(View):
    """A dashboard, who loses it (all counted, the first by name), and through which groups they see it now."""

    dashboard_id: str
    title: str
    losing: tuple[PersonEffect, ...]
    losing_count: int
    through: tuple[str, ...] = ()


class GainingDashboard(View):
    dashboard_id: str
    title: str
    gaining: tuple[PersonEffect, ...]
    gaining_count: int
    through: tuple[str, ...] = ()


class DomainEffect(View):
    domain_id: str
    name: str


class OrgEffects(View):
    """Groups are all counted, the first of them by name."""

    groups_suspended: tuple[GroupEffect, ...]
    groups_suspended_count: int
    groups_resumed: tuple[GroupEffect, ...]
    groups_resumed_count: int
    author_slots: SlotUse
    viewer_slots: SlotUse
    losing_author_slot: tuple[SlotLoser, ...]
    domains_suspended: tuple[DomainEffect, ...] = ()
    domains_resumed: tuple[DomainEffect, ...] = ()


class AffectedLink(View):
    link_id: str
    name: str
    dashboard_id: str
    title: str


class SharingEffects(View):
    """The first dashboards and links of each kind by name, and how many there are."""

    dashboards_losing: tuple[LosingDashboard, ...] = Field(validation_alias="dashboards")
    dashboards_losing_count: int = Field(validation_alias="dashboards_count")
    dashboards_gaining: tuple[GainingDashboard, ...] = Field(validation_alias="gaining")
    dashboards_gaining_count: int = Field(validation_alias="gaining_count")
    links_suspended: tuple[AffectedLink, ...] = ()
    links_suspended_count: int = 0
    links_resumed: tuple[AffectedLink, ...] = ()
    links_resumed_count: int = 0


@dataclass(frozen=True)
class Effects:
    """Both answers, the state of each service that they were made from, and the entitlements that were asked about."""

    asked: Entitlements
    org: OrgEffects
    org_state: int
    sharing: SharingEffects
    sharing_state: int

    def facts(self) -> dict[str, Any]:
        """What a fingerprint is made of: the states, and what was shown (a projection may have caught up since)."""
        return {
            "org": [self.org_state, self.org.model_dump(mode="json")],
            "sharing": [self.sharing_state, self.sharing.model_dump(mode="json")],
        }


async def effects_of(ctx: Ctx, entitlements: Entitlements) -> Effects:
    """What would be if these entitlements came to be, asked of both at once."""
    question = {"org_id": ctx.actor.org(), "entitlements": entitlements.model_dump(mode="json")}
    org, sharing = await asyncio.gather(_ask(ctx, "org", question), _ask(ctx, "sharing", question))
    return Effects(entitlements, OrgEffects(**org), int(org["state"]), SharingEffects(**sharing), int(sharing["state"]))


async def _ask(ctx: Ctx, neighbour: str, question: dict[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await ctx.env.internal.call(
            neighbour, "POST", "/internal/plan-effects", body=question, after=ctx.request.after, seconds=SECONDS
        )
    except Problem as why:
        if why.code == "not_yet_consistent":
            raise
        detail = f"The service {neighbour} can't say now what this plan would do ({why.code})."
        raise Problem("unavailable", detail, retry_after=2, meta={"because": "neighbour_away"}) from why
    return answer
