"""What becomes of API keys by itself: a plan without them suspends them, and their time ends."""

from __future__ import annotations

from datetime import timedelta

from services.identity.store import api_keys
from services.identity.usecases.api_keys import tell_admins
from shared.events.identity import ApiKeyExpired
from shared.service import Ctx

AHEAD = timedelta(days=7)
AT_ONCE = 200


async def tell_of_endings(ctx: Ctx) -> None:
    """Warns all Admins a week before a key ends, and says of each that is over that it is."""
    async with ctx.tx() as tx:
        for key in await api_keys.take_ending(tx, ctx.now, AHEAD, AT_ONCE):
            assert key.expires_at is not None
            values = {"key": key.name, "expires_at": key.expires_at.isoformat()}
            await tell_admins(tx, ctx, key.org_id, "api_key_expiring", **values)
        for key in await api_keys.take_expired(tx, ctx.now, AT_ONCE):
            await tx.emit(ApiKeyExpired(org_id=key.org_id, key=key.state()))
