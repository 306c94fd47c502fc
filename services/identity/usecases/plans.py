"""What a plan changes here, and the closing of an organization: whether API keys count, and whether single sign-on may be set up. Nothing is deleted."""

from __future__ import annotations

from datetime import datetime

from services.identity.store import api_keys, plans, projections, sso_connections
from services.identity.store.plans import Plan
from shared.db import Tx
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.identity import ApiKeysResumed, ApiKeysSuspended
from shared.events.identity_sso import SsoConnectionsResumed, SsoConnectionsSuspended
from shared.events.org import OrganizationClosed, OrganizationReopened
from shared.service import Ctx


async def project_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """What the plan includes from now on. What was set up is kept as it is: whether it counts follows from this."""
    at = ctx.cause.time if ctx.cause else ctx.now
    async with ctx.tx() as tx:
        had = await plans.find(tx, told.org_id)
        if await plans.keep(tx, told.org_id, told.entitlements, at) and had is not None:
            if had.api_keys != told.entitlements.api_keys and not await projections.is_closed(tx, told.org_id):
                await _tell_of_keys(tx, told.org_id, told.entitlements, at)
            await _tell_of_connections(tx, told.org_id, had, told.entitlements)


async def project_closing(ctx: Ctx, told: OrganizationClosed | OrganizationReopened) -> None:
    """A closed organization's keys prove nothing. Whoever remembers them is told once that is so here."""
    closed = isinstance(told, OrganizationClosed)
    async with ctx.tx() as tx:
        await projections.set_closed(tx, told.org_id, closed=closed)
        plan = await plans.find(tx, told.org_id)
        if plan is None or not plan.api_keys or not (key_ids := await api_keys.ids(tx, told.org_id)):
            return
        if closed:
            at = ctx.cause.time if ctx.cause else ctx.now
            await tx.emit(
                ApiKeysSuspended(
                    org_id=told.org_id,
                    key_ids=key_ids,
                    cause="organization_closed",
                    plan=plan.plan,
                    suspended_at=at,
                )
            )
        else:
            await tx.emit(ApiKeysResumed(org_id=told.org_id, key_ids=key_ids, plan=plan.plan))


async def _tell_of_keys(tx: Tx, org_id: str, has: Entitlements, at: datetime) -> None:
    key_ids = await api_keys.ids(tx, org_id)
    if key_ids and has.api_keys:
        await tx.emit(ApiKeysResumed(org_id=org_id, key_ids=key_ids, plan=has.plan))
    elif key_ids:
        await tx.emit(ApiKeysSuspended(org_id=org_id, key_ids=key_ids, cause="plan", plan=has.plan, suspended_at=at))


async def _tell_of_connections(tx: Tx, org_id: str, had: Plan, has: Entitlements) -> None:
    """Who signs in by a connection goes on doing so: it is setting up that the plan ends."""
    changed = had.single_sign_on != has.single_sign_on
    ids = [one.connection_id for one in await sso_connections.every(tx, org_id)] if changed else []
    if ids and has.single_sign_on:
        await tx.emit(SsoConnectionsResumed(org_id=org_id, connection_ids=ids, plan=has.plan))
    elif ids:
        await tx.emit(SsoConnectionsSuspended(org_id=org_id, connection_ids=ids, cause="plan", plan=has.plan))
