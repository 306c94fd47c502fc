"""What nobody asks for: expired sign-ups, resets, changes of addresses, sessions and throttles go."""

from __future__ import annotations

from services.identity.store import email_changes, password_resets, sessions, signups, throttles
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
    """Drops sign-ups that were never confirmed, resets that were never made, changes of addresses that are settled, and attempts that no longer count."""
    async with ctx.tx() as tx:
        await signups.purge(tx, ctx.now)
        await password_resets.purge(tx, ctx.now)
        await email_changes.purge(tx, ctx.now)
        await throttles.purge(tx, ctx.now)
