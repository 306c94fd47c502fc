"""Signed heads: once a minute the end of every log that has grown is told to others, who keep it where nobody reaches who could change the log."""

from __future__ import annotations

from services.audit import store
from shared.audit_chain import Head, sign
from shared.auth import private_key
from shared.events.audit import HeadSigned
from shared.service import Ctx

MOST_AT_ONCE = 500


async def sign_heads(ctx: Ctx) -> None:
    """Signs the heads that are new; a person without organization has nobody to tell."""
    key = private_key(ctx.env.settings.secrets.signing[ctx.env.service.name])
    async with ctx.tx() as tx:
        for org_id, number, digest in await store.unsigned_ends(tx, MOST_AT_ONCE):
            signed = sign(Head(org_id, number, digest, ctx.now.isoformat()), key)
            await tx.emit(
                HeadSigned(
                    org_id=org_id,
                    number=number,
                    digest=digest,
                    signed_at=signed.signed_at,
                    signature=signed.signature,
                    key=signed.key,
                )
            )
            await store.mark_signed(tx, org_id, number)
