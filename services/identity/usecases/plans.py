"""What a plan changes here, and the closing of an organization: whether API keys and provisioning tokens count, and whether single sign-on may be set up. Nothing is deleted."""

from __future__ import annotations

from datetime import datetime

from services.identity.store import api_keys, plans, projections, scim_tokens, sso_connections
from services.identity.store.plans import Plan
from shared.db import Tx
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.identity import ApiKeysResumed, ApiKeysSuspended, ScimTokensResumed, ScimTokensSuspended
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
    """A closed organization's keys and its provider's tokens prove nothing. Whoever remembers them is told once that is so here."""
    closed = isinstance(told, OrganizationClosed)
    at = ctx.cause.time if ctx.cause else ctx.now
    async with ctx.tx() as tx:
        await projections.set_closed(tx, told.org_id, closed=closed)
        plan = await plans.find(tx, told.org_id)
        if plan is not None and plan.api_keys:
            await _tell_of_closed_keys(tx, told.org_id, plan.plan, at, closed=closed)
        token_ids = [token.token_id for token in await scim_tokens.every(tx, told.org_id)]
        if token_ids and closed:
            await tx.emit(ScimTokensSuspended(org_id=told.org_id, token_ids=token_ids, suspended_at=at))
        elif token_ids:
            await tx.emit(ScimTokensResumed(org_id=told.org_id, token_ids=token_ids))


async def _tell_of_closed_keys(tx: Tx, org_id: str, plan: str, at: datetime, *, closed: bool) -> None:
    key_ids = await api_keys.ids(tx, org_id)
    if key_ids and closed:
        told = ApiKeysSuspended(org_id=org_id, key_ids=key_ids, cause="organization_closed", plan=plan, suspended_at=at)
        await tx.emit(told)
    elif key_ids:
        await tx.emit(ApiKeysResumed(org_id=org_id, key_ids=key_ids, plan=plan))


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
