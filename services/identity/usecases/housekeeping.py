"""What nobody asks for: expired sign-ups, resets, changes of addresses, challenges, sessions and throttles go."""

from __future__ import annotations

from services.identity.rules import KNOWN_DEVICE_LIFE
from services.identity.store import (
    break_glass,
    challenges,
    email_changes,
    known_devices,
    password_resets,
    saml,
    sessions,
    signups,
    sso_sessions,
    sso_sign_ins,
    throttles,
)
from shared.db import EVERY_ORG
from shared.events.identity import SessionEnded
from shared.service import Ctx

AT_ONCE = 500


async def end_expired_sessions(ctx: Ctx) -> None:
    """Says of each session that nobody ended that it is over."""
    async with ctx.tx() as tx:
        for session in await sessions.take_expired(tx, ctx.now, AT_ONCE):
            await tx.emit(
                SessionEnded(
                    user_id=session.user_id, session_id=session.session_id, org_id=session.org_id, reason="expired"
                )
            )


async def forget_the_past(ctx: Ctx) -> None:
    """Drops what was begun and never finished, or is settled: sign-ups, resets, changes of addresses, challenges; devices long unseen, and old attempts."""
    async with ctx.tx() as tx:
        await signups.purge(tx, ctx.now)
        await password_resets.purge(tx, ctx.now)
        await email_changes.purge(tx, ctx.now)
        await challenges.purge(tx, ctx.now)
        await known_devices.purge(tx, ctx.now - KNOWN_DEVICE_LIFE)
        await throttles.purge(tx, ctx.now)
        await sso_sign_ins.purge_results(tx, ctx.now)
    async with ctx.tx(EVERY_ORG) as tx:
        await break_glass.purge(tx, ctx.now)
        await saml.purge_assertions(tx, ctx.now)
        await sso_sessions.purge(tx, ctx.now)
