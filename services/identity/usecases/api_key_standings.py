"""What the gateway asks before it believes an API key: whose it is, what it may, and until when."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from services.identity import rules
from services.identity.store import api_keys, plans, projections
from services.identity.store.api_keys import Key
from services.identity.usecases.api_keys import digest_of
from shared.api_keys import read_token, scopes_of
from shared.db import EVERY_ORG
from shared.fields import Message, View
from shared.service import Ctx


class AskedKey(Message):
    token: SecretStr
    source_ip: str | None = None


class KeyStanding(View):
    """Of what is no key's token only that is told. `ends_at` is when this token is over, unless something else ends it before."""

    key_id: str | None = None
    refused: Literal["unknown", "expired", "suspended", "organization_closed"] | None = None
    org_id: str | None = None
    plan: str | None = None
    scopes: tuple[str, ...] = ()
    api_version: str | None = None
    ends_at: datetime | None = None


UNKNOWN = KeyStanding(refused="unknown")


async def api_key_standing(ctx: Ctx, asked: AskedKey) -> KeyStanding:
    """Which key a token is of, and what it may; asking counts as using it."""
    read_as = read_token(asked.token.get_secret_value())
    if read_as is None:
        return UNKNOWN
    async with ctx.read(EVERY_ORG) as read:
        key = await api_keys.by_id(read, read_as.key_id)
        plan = await plans.find(read, key.org_id) if key is not None else None
        closed = key is not None and await projections.is_closed(read, key.org_id)
    if key is None or (ends := _ends_of(key, digest_of(read_as.token), ctx.now)) is None:
        return UNKNOWN
    ends_at = ends[0]
    standing = KeyStanding(
        key_id=key.key_id,
        org_id=key.org_id,
        plan=plan.plan if plan else None,
        scopes=scopes_of(key.access, key.areas),
        api_version=key.api_version,
        ends_at=ends_at,
    )
    if ends_at is not None and ends_at <= ctx.now:
        return standing.model_copy(update={"refused": "expired"})
    if closed:
        return standing.model_copy(update={"refused": "organization_closed"})
    if plan is None or not plan.api_keys:
        return standing.model_copy(update={"refused": "suspended"})
    if key.last_used_at is None or ctx.now - key.last_used_at >= rules.TOUCHED_EVERY:
        async with ctx.tx(key.org_id) as tx:
            await api_keys.touch(tx, key, asked.source_ip, ctx.now)
    return standing


def _ends_of(key: Key, digest: bytes, now: datetime) -> tuple[datetime | None] | None:
    """When this token of the key ends; None when it is none of its tokens, or one that was replaced."""
    if hmac.compare_digest(digest, key.digest):
        return (key.expires_at,)
    if (
        key.previous_digest is None
        or key.previous_until is None
        or not hmac.compare_digest(digest, key.previous_digest)
    ):
        return None
    if key.previous_until <= now:
        return None
    return (min(key.previous_until, key.expires_at) if key.expires_at else key.previous_until,)
