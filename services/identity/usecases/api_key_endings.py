"""What becomes of API keys by itself: a plan without them suspends them, and their time ends."""

from __future__ import annotations

from datetime import timedelta

from services.identity.store import api_keys, plans
from services.identity.usecases.api_keys import tell_admins
from shared.events.billing import EntitlementsChanged
from shared.events.identity import ApiKeyExpired, ApiKeysResumed, ApiKeysSuspended
from shared.service import Ctx

AHEAD = timedelta(days=7)
AT_ONCE = 200


async def project_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """What the plan includes from now on. Keys are kept as they are: whether they count follows from this."""
    at = ctx.cause.time if ctx.cause else ctx.now
    async with ctx.tx() as tx:
        had = await plans.find(tx, told.org_id)
        if not await plans.keep(tx, told.org_id, told.entitlements, at):
            return
        has = told.entitlements
        key_ids = await api_keys.ids(tx, told.org_id) if had is not None and had.api_keys != has.api_keys else []
        if key_ids and has.api_keys:
            await tx.emit(ApiKeysResumed(org_id=told.org_id, key_ids=key_ids, plan=has.plan))
        elif key_ids:
            await tx.emit(
                ApiKeysSuspended(org_id=told.org_id, key_ids=key_ids, cause="plan", plan=has.plan, suspended_at=at)
            )


async def tell_of_endings(ctx: Ctx) -> None:
    """Warns all Admins a week before a key ends, and says of each that is over that it is."""
    async with ctx.tx() as tx:
        for key in await api_keys.take_ending(tx, ctx.now, AHEAD, AT_ONCE):
            assert key.expires_at is not None
            values = {"key": key.name, "expires_at": key.expires_at.isoformat()}
            await tell_admins(tx, ctx, key.org_id, "api_key_expiring", **values)
        for key in await api_keys.take_expired(tx, ctx.now, AT_ONCE):
            await tx.emit(ApiKeyExpired(org_id=key.org_id, key=key.state()))
