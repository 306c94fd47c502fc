"""What a change would do, by name, before it is made: a departure, another role, the end of a group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from services.org import rules
from services.org.rules import Kind, Role
from services.org.store import groups, invitations, members, organizations
from services.org.usecases.groups import WhichGroup
from services.org.usecases.users import ChangeRoleAndGroups, GroupRef, WhichUser, check_role_and_groups
from shared.db import Read
from shared.errors import Problem
from shared.fields import Composed, View
from shared.service import Ctx


class DashboardRef(View):
    id: str
    title: str


class DashboardsCounted(View):
    """All counted; the first 500 by title."""

    count: int
    dashboards: list[DashboardRef]


class Colleague(View):
    id: str
    name: str


class LinkRef(View):
    id: str
    name: str
    dashboard_id: str


class LinksCounted(View):
    """All counted, the first 500 by name."""

    count: int
    links: list[LinkRef]


class KeyRef(View):
    """`last_used_at` is known to the minute."""

    id: str
    kind: Literal["api_key", "scim_token"]
    name: str
    last_used_at: datetime | None


class DeparturePreview(Composed):
    """What somebody's departure means, with the ETag that deactivation and removal take.

    `owns` stays theirs until it is handed over, and the `links` that they made go on opening; `loses` is what they see of it and of others. `slot` becomes free.
    `keys`, by name, that they made are the organization's and go on working: rotate or revoke those whose token they may have kept. Invitations that they sent
    stay open. While `last_admin` is true they can't leave.
    """

    user_id: str
    last_admin: bool
    slot: Kind | None
    groups: list[GroupRef]
    owns: DashboardsCounted
    links: LinksCounted
    keys: list[KeyRef]
    loses: DashboardsCounted
    open_invitations: int


class RoleAndGroupsPreview(Composed):
    """What another role and other groups would mean, with the ETag that the change takes.

    `effective_role` is what the user would act as. Others who would lose or get back their author slot are named.
    """

    role: Role
    effective_role: Role
    joins: list[GroupRef]
    leaves: list[GroupRef]
    gains: DashboardsCounted
    loses: DashboardsCounted
    slot_suspended: list[Colleague]
    slot_resumed: list[Colleague]


class LosingDashboardRef(View):
    """Who loses a dashboard: all counted, the first 200 by name."""

    id: str
    title: str
    people: int
    losing: list[Colleague]


class DeletionPreview(Composed):
    """`people` lose `dashboards_count` dashboards that they see through this group alone; the first 500 are listed.

    A suspended group is counted as it will be when the plan includes it again. `invitations` promise it to the invited.
    """

    group_id: str
    name: str
    members: int
    invitations: int
    suspended: bool
    people: int
    dashboards_count: int
    dashboards: list[LosingDashboardRef]


async def preview_departure(ctx: Ctx, which: WhichUser) -> DeparturePreview:
    """What a user owns and loses when they are deactivated or removed, and whether they may leave at all."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        member = await members.one(read, org_id, which.user_id)
        overlay = await organizations.overlay_of(read, org_id)
        held = (await groups.held(read, org_id, [member.user_id]))[member.user_id]
        last = member.role == "admin" and member.status == "active"
        last = last and not await members.other_admins(read, org_id, member.user_id)
        sent = await invitations.open_by(read, org_id, member.user_id, ctx.now)
    standing = _standing(member, overlay.effective_role(member), held)
    effects, made = await asyncio.gather(
        _member_effects(ctx, member, standing, standing | {"active": False}), _keys_made_by(ctx, member)
    )
    return DeparturePreview(
        version=member.version,
        user_id=member.user_id,
        last_admin=last,
        slot=rules.kind_of(member.role) if member.status == "active" else None,
        groups=_refs(held),
        owns=_dashboards(effects["owns"]),
        links=LinksCounted(
            count=effects["links"]["count"],
            links=[
                LinkRef(id=one["link_id"], name=one["name"], dashboard_id=one["dashboard_id"])
                for one in effects["links"]["links"]
            ],
        ),
        keys=made,
        loses=_dashboards(effects["losing"]),
        open_invitations=sent,
    )


async def preview_role_and_groups(ctx: Ctx, wanted: ChangeRoleAndGroups) -> RoleAndGroupsPreview:
    """What a user and others would gain and lose by another role and other groups; refused where the change would be."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        member = await members.one(read, org_id, wanted.user_id)
        now = await organizations.overlay_of(read, org_id)
        change = await check_role_and_groups(read, org_id, now.plan, ctx.now, member, wanted.role, wanted.group_ids)
        then = await _overlay_with(read, org_id, now, replace(member, role=wanted.role))
        suspended = await members.some(read, org_id, sorted(then.slotless - now.slotless - {member.user_id}))
        resumed = await members.some(read, org_id, sorted(now.slotless - then.slotless - {member.user_id}))
    becomes = then.effective_role(replace(member, role=wanted.role))
    kept = [group for group in change.had if group not in change.leaves]
    effects = await _member_effects(
        ctx,
        member,
        _standing(member, now.effective_role(member), change.had),
        _standing(member, becomes, [*kept, *change.joins]),
    )
    return RoleAndGroupsPreview(
        version=member.version,
        role=wanted.role,
        effective_role=becomes,
        joins=_refs(change.joins),
        leaves=_refs(change.leaves),
        gains=_dashboards(effects["gaining"]),
        loses=_dashboards(effects["losing"]),
        slot_suspended=_colleagues(suspended),
        slot_resumed=_colleagues(resumed),
    )


async def preview_deletion(ctx: Ctx, which: WhichGroup) -> DeletionPreview:
    """Who would lose which dashboards if this group were deleted."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        group = await groups.one(read, org_id, which.group_id)
        if group.kind != "custom":
            raise Problem("built_in")
        overlay = await organizations.overlay_of(read, org_id)
        size = (await groups.sizes(read, org_id, [group], overlay.slotless))[group.group_id]
        promised = await invitations.promising(read, org_id, group.group_id, ctx.now)
    asked = {"org_id": org_id, "group_id": group.group_id}
    effects = await ctx.env.internal.call(
        "sharing", "POST", "/internal/group-effects", body=asked, after=ctx.request.after
    )
    return DeletionPreview(
        version=group.version,
        group_id=group.group_id,
        name=group.name,
        members=size,
        invitations=promised,
        suspended=overlay.groups_suspended,
        people=effects["people"],
        dashboards_count=effects["dashboards_count"],
        dashboards=[
            LosingDashboardRef(
                id=one["dashboard_id"],
                title=one["title"],
                people=one["losing_count"],
                losing=[Colleague(id=person["user_id"], name=person["name"]) for person in one["losing"]],
            )
            for one in effects["dashboards"]
        ],
    )


async def _overlay_with(read: Read, org_id: str, now: rules.Overlay, member: rules.Member) -> rules.Overlay:
    """What the plan would make of the organization with this member in another role."""
    others = [one for one in await organizations.authors(read, org_id) if one.user_id != member.user_id]
    if member.status == "active" and member.role in rules.AUTHORS:
        others.append(rules.Author(member.user_id, member.role, member.joined_at))
    return rules.overlay(now.plan, others)


async def _member_effects(ctx: Ctx, member: rules.Member, before: dict[str, Any], after: dict[str, Any]) -> Any:
    """Asked of sharing, and as current as the question: nobody decides by what was true a moment ago."""
    asked = {"org_id": ctx.actor.org(), "user_id": member.user_id, "before": before, "after": after}
    return await ctx.env.internal.call(
        "sharing", "POST", "/internal/member-effects", body=asked, after=ctx.request.after
    )


async def _keys_made_by(ctx: Ctx, member: rules.Member) -> list[KeyRef]:
    path = f"/internal/organizations/{ctx.actor.org()}/keys-made-by/{member.user_id}"
    told = await ctx.env.internal.call("identity", "GET", path)
    return [
        KeyRef(id=one["key_id"], kind=one["kind"], name=one["name"], last_used_at=one["last_used_at"])
        for one in told["keys"]
    ]


def _standing(member: rules.Member, acts_as: Role, held: Sequence[rules.Group]) -> dict[str, Any]:
    return {
        "active": member.status == "active",
        "author": acts_as in rules.AUTHORS,
        "group_ids": [group.group_id for group in held],
    }


def _dashboards(told: Any) -> DashboardsCounted:
    return DashboardsCounted(
        count=told["count"],
        dashboards=[DashboardRef(id=one["dashboard_id"], title=one["title"]) for one in told["dashboards"]],
    )


def _refs(held: Sequence[rules.Group]) -> list[GroupRef]:
    return [GroupRef(id=group.group_id, kind=group.kind, name=group.name) for group in held]


def _colleagues(found: Sequence[rules.Member]) -> list[Colleague]:
    return [Colleague(id=member.user_id, name=member.name) for member in found]
