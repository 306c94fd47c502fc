"""Who am I, in which organizations, and what may I do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pydantic import ValidationError

from services.gateway.own import Ctx
from shared.auth import Actor, Role
from shared.capabilities import Because, Capabilities, Capability
from shared.errors import Problem
from shared.fields import Nothing, View
from shared.service import Permission


class MyUser(View):
    id: str
    email: str
    name: str


class MySession(View):
    """`amr` names how the person proved themselves (RFC 8176), `proven_at` when they last did."""

    id: str
    amr: tuple[str, ...]
    proven_at: datetime


class MyOrganization(View):
    """The organization that this credential speaks for. `effective_role` is lower than `role` while the plan has no author slot.

    `closed`: Admins look, take it back or take its data along; everybody else is in no organization while it is closed.
    """

    id: str
    name: str
    role: Role
    effective_role: Role
    closed: bool


class MyMembership(View):
    id: str
    name: str
    role: str
    status: str
    closed: bool


class Me(View):
    """`organization` is null until one is active. `csrf_token` goes into `X-CSRF-Token` of each write; only console sessions have one."""

    user: MyUser
    session: MySession
    organization: MyOrganization | None
    organizations: list[MyMembership]
    csrf_token: str | None


async def read_me(ctx: Ctx, _: Nothing) -> Me:
    """Who is signed in, in which organization, and in which others they are."""
    actor, session, member = ctx.actor, ctx.caller.session, ctx.caller.member
    if session is None or member is None or session.user_id is None or session.session_id is None:
        raise Problem("unauthenticated")
    organization = None
    if member.active and member.org_id and member.role and member.effective_role:
        name = next((one.name for one in member.organizations if one.org_id == member.org_id), "")
        organization = MyOrganization(
            id=member.org_id,
            name=name,
            role=member.role,
            effective_role=member.effective_role,
            closed=member.closed,
        )
    return Me(
        user=MyUser(id=session.user_id, email=session.email or "", name=session.name or ""),
        session=MySession(id=session.session_id, amr=actor.amr, proven_at=datetime.fromtimestamp(actor.auth_time, UTC)),
        organization=organization,
        organizations=[
            MyMembership(id=one.org_id, name=one.name, role=one.role, status=one.status, closed=one.closed)
            for one in member.organizations
        ],
        csrf_token=ctx.caller.csrf,
    )


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Every action, and whether the person may take it now; if not, why."""

    async def ask() -> Capabilities:
        return await _asked_everywhere(ctx)

    actor, house = ctx.actor, ctx.house
    if actor.org_id is None or ctx.after is not None or not house.feed.alive:
        return await ask()
    return await house.possibilities.get(actor.person(), actor.org_id, ask)


async def _asked_everywhere(ctx: Ctx) -> Capabilities:
    services = sorted({one.service for one in ctx.house.operations} - {"gateway"})
    answers = await asyncio.gather(*(_capabilities_of(ctx, service) for service in services))
    merged = {may.action: _own(may, ctx.actor) for may in ctx.house.permissions}
    for answer in answers:
        for one in answer.capabilities:
            if one.action not in merged or merged[one.action].allowed:
                merged[one.action] = one
    if ctx.actor.closed:
        still = {one.action for one in ctx.house.operations if one.while_closed}
        merged |= {action: _closed(one) for action, one in merged.items() if action not in still}
    return Capabilities(capabilities=[merged[action] for action in sorted(merged)])


def _closed(one: Capability) -> Capability:
    why = Because(kind="state", code="organization_closed", detail="The organization is closed.")
    return Capability(action=one.action, allowed=False, because=one.because or why)


def _own(may: Permission, actor: Actor) -> Capability:
    if may.allows(actor):
        return Capability(action=may.action)
    why = Because(kind="role", roles=sorted(may.roles), detail=f"Only for the role {' or '.join(sorted(may.roles))}.")
    return Capability(action=may.action, allowed=False, because=why)


async def _capabilities_of(ctx: Ctx, service: str) -> Capabilities:
    internal = ctx.house.internal
    try:
        answer = await internal.call(service, "GET", "/internal/capabilities", actor=ctx.actor, after=ctx.after)
        return Capabilities.model_validate(answer)
    except (Problem, ValidationError) as away:
        if isinstance(away, Problem) and away.code == "not_yet_consistent":
            raise
        raise Problem(
            "unavailable",
            f"The service {service} doesn't say what is possible.",
            meta={"because": "no_capabilities", "service": service},
            retry_after=1,
        ) from None
