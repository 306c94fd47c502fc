"""An Admin ends a user's sessions: those in the Admin's own organization, and what was elsewhere enters it only after a new proof."""

from __future__ import annotations

from services.identity.store import accounts, projections, sessions
from shared.events.courier import MailRequested
from shared.events.identity import SessionEnded, SessionsEndedInOrganization
from shared.fields import Message
from shared.ids import UserId
from shared.service import Ctx


class WhoseSessions(Message):
    user_id: UserId


async def revoke_sessions(ctx: Ctx, whose: WhoseSessions) -> None:
    """Ends all of a user's sessions in this organization; the user is told by mail.

    Sessions in other organizations go on, for they are none of ours. They can't switch to this one until the user has proven
    themselves anew, and tokens that they were given here before are refused.
    """
    org_id = ctx.actor.org()
    async with ctx.tx() as tx:
        account = await accounts.lock(tx, whose.user_id)
        await projections.mark_revoked(tx, org_id, whose.user_id, ctx.now)
        await tx.emit(SessionsEndedInOrganization(user_id=whose.user_id, org_id=org_id))
        ended = await sessions.end_in_org(tx, whose.user_id, org_id)
        for session in ended:
            told = SessionEnded(
                user_id=session.user_id, session_id=session.session_id, org_id=org_id, reason="revoked_by_admin"
            )
            await tx.emit(told)
        if account is not None and ended:
            name = await projections.organization_name(tx, org_id)
            await tx.emit(
                MailRequested(
                    about=account.user_id,
                    to=account.email,
                    template="sessions_revoked",
                    values={"name": account.name, "organization": name or ""},
                    language=account.language,
                )
            )
