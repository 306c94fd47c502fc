"""Embed secrets: an organization has one from its first moment on."""

from __future__ import annotations

import secrets
from datetime import datetime

from services.sharing.store import secrets as store
from shared.db import Tx
from shared.events.sharing import EmbedSecretReset
from shared.fields import Nothing, View
from shared.ids import new_id
from shared.paging import Page
from shared.sealing import Sealer
from shared.service import Ctx

SECRET_BYTES = 48


class EmbedSecret(View):
    """A secret's facts; never the secret. `expires_at` is null for the one in force."""

    id: str
    created_at: datetime
    expires_at: datetime | None


async def list_embed_secrets(ctx: Ctx, _: Nothing) -> Page[EmbedSecret]:
    """The organization's embed secrets, the one in force first."""
    async with ctx.read() as read:
        kept = await store.secrets(read, ctx.actor.org())
    return Page(
        data=[EmbedSecret(id=one.secret_id, created_at=one.created_at, expires_at=one.expires_at) for one in kept]
    )


async def create_secret(ctx: Ctx, tx: Tx, org_id: str) -> None:
    """Makes a new secret: text that embedders use as it is, sealed and bound to its row."""
    secret_id = new_id("sec", now=ctx.now.timestamp())
    sealer = Sealer(ctx.env.settings.secrets.master)
    sealed = sealer.seal(secrets.token_urlsafe(SECRET_BYTES), store.TABLE, secret_id, org_id)
    await store.add_secret(tx, org_id, secret_id, sealed, ctx.now)
    await tx.emit(EmbedSecretReset(org_id=org_id, secret_id=secret_id, created_at=ctx.now, expiring={}))
