"""What a plan of billing's changes here: whether API keys count, and whether single sign-on may be set up. Nothing is deleted."""

from __future__ import annotations

from datetime import datetime

from services.identity.store import api_keys, plans, sso_connections
from services.identity.store.plans import Plan
from shared.db import Tx
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.identity import ApiKeysResumed, ApiKeysSuspended
from shared.events.identity_sso import SsoConnectionsResumed, SsoConnectionsSuspended
from shared.service import Ctx


async def project_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """What the plan includes from now on. What was set up is kept as it is: whether it counts follows from this."""
    at = ctx.cause.time if ctx.cause else ctx.now
    async with ctx.tx() as tx:
        had = await plans.find(tx, told.org_id)
        if await plans.keep(tx, told.org_id, told.entitlements, at) and had is not None:
            await _tell_of_keys(tx, told.org_id, had, told.entitlements, at)
            await _tell_of_connections(tx, told.org_id, had, told.entitlements)


async def _tell_of_keys(tx: Tx, org_id: str, had: Plan, has: Entitlements, at: datetime) -> None:
    key_ids = await api_keys.ids(tx, org_id) if had.api_keys != has.api_keys else []
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
