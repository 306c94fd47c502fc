"""What the plan says of single sign-on: whether it may be set up, and who is told when that changes. Signing in never depends on it."""

from __future__ import annotations

from services.identity.store import plans, sso_connections
from services.identity.store.plans import Plan
from shared.db import Read, Tx
from shared.events.billing import Entitlements
from shared.events.identity_sso import SsoConnectionsResumed, SsoConnectionsSuspended


async def is_included(read: Read, org_id: str) -> tuple[bool, str | None]:
    """Whether single sign-on may be set up, and what the plan is called."""
    plan = await plans.find(read, org_id)
    return (plan.single_sign_on, plan.plan) if plan else (False, None)


async def tell_plan_change(tx: Tx, org_id: str, had: Plan | None, has: Entitlements) -> None:
    """Says of connections that they can't be changed any more, or can again."""
    if had is None or had.single_sign_on == has.single_sign_on:
        return
    ids = [one.connection_id for one in await sso_connections.every(tx, org_id)]
    if ids and has.single_sign_on:
        await tx.emit(SsoConnectionsResumed(org_id=org_id, connection_ids=ids, plan=has.plan))
    elif ids:
        await tx.emit(SsoConnectionsSuspended(org_id=org_id, connection_ids=ids, cause="plan", plan=has.plan))
