"""From a draft to a connection that people sign in by, and off again; and whether passwords are refused beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.identity.rules import sso as rules
from services.identity.rules.sso import Connection
from services.identity.store import accounts, projections, sso_connections, sso_sign_ins
from services.identity.store.sso_connections import Enforcement
from services.identity.usecases.second_factors import Told, mail_to
from services.identity.usecases.sso_connections import (
    WhichConnection,
    check_included,
    hold,
    seen,
    which_of,
)
from services.identity.usecases.sso_flows import CONNECTION_PAGE, cookie_of, new_flow, provider_url
from services.identity.usecases.sso_lockout import check_keeps_an_admin
from services.identity.usecases.sso_views import SsoConnectionView
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events.identity_sso import SsoConnectionActivated, SsoConnectionSwitchedOff, SsoEnforcementChanged
from shared.fields import Message, Nothing, Versioned, View
from shared.service import Answer, Ctx

MOST_NAMED = 100


class GoTo(View):
    """Where the browser goes next; it has the cookie that its return is recognised by."""

    url: str


async def begin_verification(ctx: Ctx, which: WhichConnection) -> Answer[GoTo]:
    """Begins *Verify configuration*: go to `url` and sign in there with your own address. It works on a draft, for an Admin alone.

    The browser comes back to `/console/sso/{id}`, with `verified=true` or with the step that failed.
    """
    async with ctx.tx() as tx:
        connection = which_of(await hold(tx, ctx), which.connection_id)
        await check_included(tx, ctx)
        rules.check_may_be_verified(connection, await sso_connections.proven_domains(tx, ctx.actor.org()))
        account = await accounts.by_id(tx, ctx.actor.person())
    if account is None:
        raise Problem("session_ended")
    place = CONNECTION_PAGE.format(connection_id=connection.connection_id)
    flow = new_flow(ctx, connection, "verification", place, account.user_id, ctx.actor.session_id)
    url = await provider_url(ctx, connection, flow, account.email)
    return Answer(GoTo(url=url), cookies=(cookie_of(ctx, connection, flow),))


class AffectedPerson(View):
    """Somebody who has never signed in at the provider: whether they can is unproven."""

    id: str
    name: str
    email: str
    admin: bool
    has_password: bool


class SsoImpact(View):
    """What signing in at the provider alone would mean. `data` names those who never did, Admins first, at most 100."""

    people: int
    never_signed_in: int
    admins_never_signed_in: int
    data: list[AffectedPerson]


async def preview_activation(ctx: Ctx, which: WhichConnection) -> SsoImpact:
    """Who would no longer sign in with a password, and who of them has never signed in at the provider."""
    async with ctx.read() as read:
        connection = await sso_connections.one(read, ctx.actor.org(), which.connection_id)
        if connection is None:
            raise Problem("not_found")
        return await _impact(read, connection.org_id, [connection])


async def activate_connection(ctx: Ctx, which: WhichConnection) -> SsoConnectionView:
    """Lets people of the connection's domains sign in by it, and by a password no longer. It must have been verified.

    Sessions that were begun before go on until they end.
    """
    async with ctx.tx() as tx:
        held = await hold(tx, ctx)
        before = which_of(held, which.connection_id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        await check_included(tx, ctx)
        if before.status == "active":
            return await seen(tx, ctx, before)
        others = [one for one in held if one.connection_id != before.connection_id]
        proven = await sso_connections.proven_domains(tx, ctx.actor.org())
        rules.check_may_be_activated(before, proven, others)
        after = replace(before, status="active", activated_at=ctx.now, **_by(ctx))
        await check_keeps_an_admin(tx, after.org_id, [after, *(one for one in others if one.status == "active")])
        await sso_connections.keep(tx, after)
        await tx.emit(SsoConnectionActivated(org_id=after.org_id, connection=after.state()))
        await tell_admins(tx, ctx, "sso_activated", after)
        return await seen(tx, ctx, replace(after, version=before.version + 1))


async def switch_off_connection(ctx: Ctx, which: WhichConnection) -> SsoConnectionView:
    """Switches a connection off, on any plan. Its people use a password again; who has none sets one by "forgot password"."""
    async with ctx.tx() as tx:
        before = which_of(await hold(tx, ctx), which.connection_id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        if before.status != "active":
            return await seen(tx, ctx, before)
        after = replace(before, status="off", **_by(ctx))
        await sso_connections.keep(tx, after)
        await tx.emit(SsoConnectionSwitchedOff(org_id=after.org_id, connection=after.state()))
        await tell_admins(tx, ctx, "sso_switched_off", after)
        return await seen(tx, ctx, replace(after, version=before.version + 1))


class SsoEnforcement(Versioned):
    """`enforced`: passwords are refused to people of the domains of active connections. `impact` says whom that concerns."""

    enforced: bool
    impact: SsoImpact


class SetEnforcement(Message):
    enforced: bool


async def read_enforcement(ctx: Ctx, _: Nothing) -> SsoEnforcement:
    """Whether passwords are refused beside single sign-on, and who depends on the provider then."""
    async with ctx.read() as read:
        return await _enforcement(read, ctx.actor.org())


async def set_enforcement(ctx: Ctx, wanted: SetEnforcement) -> SsoEnforcement:
    """Refuses passwords beside single sign-on (that is how it begins), or lets people of its domains use both.

    Refusing them needs the plan; letting people use them again never does. It is said for the connections that are active or will be:
    without one it concerns nobody, as `impact` says.
    """
    async with ctx.tx() as tx:
        held = await hold(tx, ctx)
        before = await sso_connections.enforcement(tx, ctx.actor.org())
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        if wanted.enforced != before.enforced:
            if wanted.enforced:
                await check_included(tx, ctx)
            after = Enforcement(wanted.enforced, before.version + 1, ctx.actor.user_id, ctx.now)
            await sso_connections.keep_enforcement(tx, ctx.actor.org(), after)
            await check_keeps_an_admin(tx, ctx.actor.org(), [one for one in held if one.status == "active"])
            await tx.emit(
                SsoEnforcementChanged(org_id=ctx.actor.org(), enforced=wanted.enforced, previous=before.enforced)
            )
        return await _enforcement(tx, ctx.actor.org())


async def tell_admins(tx: Tx, ctx: Ctx, template: Told, connection: Connection, **values: str) -> None:
    """A mail to every Admin of the connection's organization."""
    organization = await projections.organization_name(tx, connection.org_id) or ""
    by = await accounts.by_id(tx, ctx.actor.user_id or "")
    told = {
        "organization": organization,
        "connection": connection.name,
        "domains": ", ".join(connection.domains),
        "admin": by.name if by else "",
        **values,
    }
    for admin in await accounts.by_ids(tx, await projections.admins(tx, connection.org_id)):
        await tx.emit(mail_to(admin, template, **told))


async def _enforcement(read: Read, org_id: str) -> SsoEnforcement:
    now = await sso_connections.enforcement(read, org_id)
    active = [one for one in await sso_connections.every(read, org_id) if one.status == "active"]
    return SsoEnforcement(enforced=now.enforced, version=now.version, impact=await _impact(read, org_id, active))


async def _impact(read: Read, org_id: str, connections: list[Connection]) -> SsoImpact:
    domains = sorted({domain for one in connections for domain in one.domains})
    ids = [one.connection_id for one in connections]
    verified = {one.verified_by for one in connections}
    people = await sso_sign_ins.affected(read, org_id, domains, ids)
    never = [one for one in people if not (one.has_signed_in or one.user_id in verified)]
    never.sort(key=lambda one: (not one.admin, one.email))
    return SsoImpact(
        people=len(people),
        never_signed_in=len(never),
        admins_never_signed_in=sum(one.admin for one in never),
        data=[
            AffectedPerson(
                id=one.user_id,
                name=one.name,
                email=one.email,
                admin=one.admin,
                has_password=one.has_password,
            )
            for one in never[:MOST_NAMED]
        ],
    )


def _by(ctx: Ctx) -> dict[str, Any]:
    return {"changed_at": ctx.now, "changed_by": ctx.actor.person()}
