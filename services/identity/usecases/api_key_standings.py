"""What the gateway asks before it believes an API key: whose it is, what it may, and until when."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from services.identity import rules
from services.identity.store import api_keys, plans, projections, scim_tokens
from services.identity.store.api_keys import Key
from services.identity.usecases.api_keys import digest_of
from shared.api_keys import PROVISIONING, ReadToken, read_token, scopes_of
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.refusals import Because
from shared.fields import Message, View
from shared.refusals import note_refusal
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
    if read_as.key_id.startswith("sct_"):
        return await _of_provider(ctx, read_as, asked.source_ip)
    digest = digest_of(read_as.token)
    async with ctx.read(EVERY_ORG) as read:
        key = await api_keys.by_id(read, read_as.key_id)
        plan = await plans.find(read, key.org_id) if key is not None else None
        closed = key is not None and await projections.is_closed(read, key.org_id)
        revoked = await api_keys.revoked(read, read_as.key_id) if key is None else None
    if revoked is not None and hmac.compare_digest(digest, revoked[1]):
        await _note(ctx, asked, read_as, revoked[0], "revoked")
    if key is None or (shown := _shown(key, digest)) is None:
        return UNKNOWN
    if shown == "replaced" and (key.previous_until is None or key.previous_until <= ctx.now):
        await _note(ctx, asked, read_as, key.org_id, "replaced")
        return UNKNOWN
    ends_at = _ends_at(key, shown)
    standing = KeyStanding(
        key_id=key.key_id,
        org_id=key.org_id,
        plan=plan.plan if plan else None,
        scopes=scopes_of(key.access, key.areas),
        api_version=key.api_version,
        ends_at=ends_at,
    )
    if ends_at is not None and ends_at <= ctx.now:
        await _note(ctx, asked, read_as, key.org_id, "expired")
        return standing.model_copy(update={"refused": "expired"})
    if closed:
        return standing.model_copy(update={"refused": "organization_closed"})
    if plan is None or not plan.api_keys:
        await _note(ctx, asked, read_as, key.org_id, "suspended")
        return standing.model_copy(update={"refused": "suspended"})
    if key.last_used_at is None or ctx.now - key.last_used_at >= rules.TOUCHED_EVERY:
        async with ctx.tx(key.org_id) as tx:
            await api_keys.touch(tx, key, asked.source_ip, ctx.now)
    return standing


async def _of_provider(ctx: Ctx, read_as: ReadToken, source_ip: str | None) -> KeyStanding:
    """An identity provider's token counts on any plan: a lapse must not keep it from taking access away."""
    async with ctx.read(EVERY_ORG) as read:
        token = await scim_tokens.by_id(read, read_as.key_id)
        closed = token is not None and await projections.is_closed(read, token.org_id)
    if token is None or not hmac.compare_digest(digest_of(read_as.token), token.digest):
        return UNKNOWN
    if closed:
        return KeyStanding(key_id=token.token_id, org_id=token.org_id, refused="organization_closed")
    if token.last_used_at is None or ctx.now - token.last_used_at >= rules.TOUCHED_EVERY:
        async with ctx.tx(token.org_id) as tx:
            await scim_tokens.touch(tx, token, source_ip, ctx.now)
    return KeyStanding(key_id=token.token_id, org_id=token.org_id, scopes=(PROVISIONING,))


def _shown(key: Key, digest: bytes) -> Literal["newest", "replaced"] | None:
    """Which of the key's tokens has this digest, if one has."""
    if hmac.compare_digest(digest, key.digest):
        return "newest"
    if key.previous_digest is not None and hmac.compare_digest(digest, key.previous_digest):
        return "replaced"
    return None


def _ends_at(key: Key, shown: Literal["newest", "replaced"]) -> datetime | None:
    """When this token of the key ends."""
    if shown == "newest" or key.previous_until is None:
        return key.expires_at
    return min(key.previous_until, key.expires_at) if key.expires_at else key.previous_until


async def _note(ctx: Ctx, asked: AskedKey, read_as: ReadToken, org_id: str, because: Because) -> None:
    """Who shows the whole token of a key that is over is told of; who only knows its id isn't, or anybody could write into the log."""
    actor = Actor("key", org_id=org_id, key_id=read_as.key_id)
    facts = replace(ctx.request, source_ip=asked.source_ip)
    await note_refusal(ctx.env, actor, "api_keys.use", facts, because)
