"""What other services ask: who is what where, what a plan would do, and what this actor may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from services.org import rules
from services.org.rules import Kind, Role
from services.org.rules.domains import Domain, is_included
from services.org.store import domains, groups, members, organizations
from services.org.usecases.organization import Slots, slots_of
from shared.capabilities import Because, Capabilities, Capability
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.billing import Entitlements
from shared.fields import Message, Nothing, View
from shared.ids import OrgId, UserId
from shared.outbox import newest_change
from shared.service import Ctx

GROUPS_NAMED = 200


class WhoseStanding(Message):
    """`org_id` empty means the person's first organization in which they are active."""

    user_id: UserId
    org_id: str = ""


class StandingIn(View):
    org_id: str
    name: str
    role: Role
    status: Literal["active", "inactive"]
    closed: bool


class Standing(View):
    """`status` is `none` for somebody who never was a member there; `role` and `effective_role` are null then.

    `closed`: only Admins get in. An organization that is being erased has no members any more.
    """

    user_id: str
    org_id: str | None
    role: Role | None
    effective_role: Role | None
    status: Literal["active", "inactive", "removed", "none"]
    closed: bool = False
    organizations: list[StandingIn]


class WhatIf(Message):
    org_id: OrgId
    entitlements: Entitlements


class AffectedGroup(View):
    group_id: str
    name: str
    members: int


class AffectedMember(View):
    user_id: str
    name: str
    email: str
    role: Role


class AffectedDomain(View):
    domain_id: str
    name: str


class PlanEffects(View):
    """What would be different. `state` grows with every change of the organization: a preview is good while it stays.

    Groups are all counted, and the first 200 listed by name.
    """

    state: int
    groups_suspended: list[AffectedGroup]
    groups_suspended_count: int
    groups_resumed: list[AffectedGroup]
    groups_resumed_count: int
    author_slots: dict[str, int | None]
    viewer_slots: dict[str, int | None]
    losing_author_slot: list[AffectedMember]
    domains_suspended: list[AffectedDomain]
    domains_resumed: list[AffectedDomain]


async def standing_of(ctx: Ctx, which: WhoseStanding) -> Standing:
    """What a person is in an organization, and where else they belong."""
    async with ctx.read(EVERY_ORG) as read:
        rows = [row for row in await members.memberships(read, which.user_id) if not row["erasing"]]
        wanted = which.org_id or next((row["org_id"] for row in rows if row["status"] == "active"), None)
        here = next((row for row in rows if row["org_id"] == wanted), None)
        effective = None
        if here is not None and here["status"] != "removed":
            overlay = await organizations.overlay_of(read, here["org_id"])
            effective = overlay.effective_role(await members.one(read, here["org_id"], which.user_id))
    return Standing(
        user_id=which.user_id,
        org_id=wanted,
        role=here["role"] if here and effective else None,
        effective_role=effective,
        status=here["status"] if here else "none",
        closed=bool(here and here["closed"]),
        organizations=[
            StandingIn(
                org_id=row["org_id"],
                name=row["org_name"],
                role=row["role"],
                status=row["status"],
                closed=row["closed"],
            )
            for row in rows
            if row["status"] != "removed"
        ],
    )


async def plan_effects(ctx: Ctx, wanted: WhatIf) -> PlanEffects:
    """What these entitlements would do to groups and slots, by name."""
    async with ctx.read(wanted.org_id) as read:
        if await organizations.find(read, wanted.org_id) is None:
            raise Problem("not_found")
        now = await organizations.overlay_of(read, wanted.org_id)
        # what isn't granted yet has no version of its own, and would pass for a plan that nobody has heard of
        granted = wanted.entitlements.model_copy(update={"version": now.plan.entitlements.version + 1})
        then = await organizations.overlay_of(read, wanted.org_id, now.plan.followed_by(granted, ctx.now))
        affected, how_many = [], 0
        if now.groups_suspended != then.groups_suspended:
            named, how_many = await groups.first_custom(read, wanted.org_id, GROUPS_NAMED)
            affected = [AffectedGroup(**dict(group)) for group in named]
        losing = await members.some(read, wanted.org_id, sorted(then.slotless - now.slotless))
        slots: Slots = slots_of(then.plan, await members.slots_used(read, wanted.org_id, ctx.now))
        standing = [domain for domain in await domains.every(read, wanted.org_id) if domain.stands]
        state = await newest_change(read, wanted.org_id)
    return PlanEffects(
        state=state,
        groups_suspended=affected if then.groups_suspended else [],
        groups_suspended_count=how_many if then.groups_suspended else 0,
        groups_resumed=affected if not then.groups_suspended else [],
        groups_resumed_count=how_many if not then.groups_suspended else 0,
        author_slots=slots.author.model_dump(),
        viewer_slots=slots.viewer.model_dump(),
        losing_author_slot=[
            AffectedMember(user_id=m.user_id, name=m.name, email=m.email, role=m.role)
            for m in sorted(losing, key=lambda m: (m.joined_at, m.user_id))
        ],
        domains_suspended=_only_under(standing, now.plan, then.plan),
        domains_resumed=_only_under(standing, then.plan, now.plan),
    )


def _only_under(standing: Sequence[Domain], plan: rules.Plan, other: rules.Plan) -> list[AffectedDomain]:
    """The domains that count on one plan and not on the other."""
    return [
        AffectedDomain(domain_id=domain.domain_id, name=domain.name)
        for domain in standing
        if is_included(domain, plan) and not is_included(domain, other)
    ]


async def list_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """What the actor may do with the organization at this moment, and why not."""
    if ctx.actor.org_id is None:
        no_organization = Because(kind="state", code="no_organization", detail="No organization is active.")
        return _all_refused(no_organization)
    async with ctx.read() as read:
        member = await members.find(read, ctx.actor.org_id, ctx.actor.person())
        if member is None or member.status != "active":
            return _all_refused(
                Because(kind="state", code="not_a_member", detail="You are no active member of this organization.")
            )
        overlay = await organizations.overlay_of(read, ctx.actor.org_id)
        used = await members.slots_used(read, ctx.actor.org_id, ctx.now)
    role = overlay.effective_role(member)
    return Capabilities(
        capabilities=[
            _capability(action, None if role in roles else _not_for(role, roles), overlay.plan, used)
            for action, roles in rules.ACTIONS.items()
        ]
    )


def _capability(action: str, because: Because | None, plan: rules.Plan, used: dict[Kind, int]) -> Capability:
    because = because or _held_back(action, plan, used)
    return Capability(action=action, allowed=because is None, because=because)


def _held_back(action: str, plan: rules.Plan, used: dict[Kind, int]) -> Because | None:
    """What the plan says against an action that the role allows."""
    if action in rules.NEEDS_GROUPS and not plan.entitlements.custom_groups:
        return Because(kind="plan", plan=rules.PLAN_WITH_GROUPS, detail="Your plan doesn't include custom groups.")
    if action in rules.NEEDS_DOMAINS and plan.entitlements.additional_domains == "none":
        return Because(kind="plan", plan=rules.PLAN_WITH_DOMAINS, detail="Your plan doesn't include more domains.")
    kinds = rules.NEEDS_SLOT.get(action, ())
    full = [kind for kind in kinds if (limit := plan.limit(kind)) is not None and used[kind] >= limit]
    if kinds and len(full) == len(kinds):
        return Because(
            kind="limit",
            code=f"no_{full[0]}_slot" if len(full) == 1 else "no_slot",
            plan=plan.entitlements.plan,
            limit=plan.limit(full[0]),
            used=used[full[0]],
            detail=f"All {' and '.join(full)} slots are taken.",
        )
    return None


def _not_for(role: str, roles: frozenset[str]) -> Because:
    return Because(
        kind="role", roles=sorted(roles), detail=f"Only for {' and '.join(sorted(roles))}; you act as {role}."
    )


def _all_refused(because: Because) -> Capabilities:
    return Capabilities(
        capabilities=[Capability(action=action, allowed=False, because=because) for action in rules.ACTIONS]
    )
