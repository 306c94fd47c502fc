"""Before identity forgets an organization: whoever is signed in there is signed out, and no account points at it any more."""

from __future__ import annotations

from services.identity.store import accounts, sessions
from shared.db import Tx
from shared.events.identity import SessionEnded
from shared.service import Ctx

AT_ONCE = 500


async def let_everybody_out(ctx: Ctx, tx: Tx, org_id: str) -> bool:
    """Some sessions at a time; True when none is left. Accounts stay: they are their people's own."""
    ended = await sessions.end_some_in_org(tx, org_id, AT_ONCE)
    for session in ended:
        await tx.emit(
            SessionEnded(
                user_id=session.user_id, session_id=session.session_id, org_id=org_id, reason="member_deactivated"
            )
        )
    forgotten = await accounts.forget_organization(tx, org_id, AT_ONCE)
    return not ended and not forgotten
