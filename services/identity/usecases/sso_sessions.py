"""What is remembered of a person's session at their provider, so that signing out there signs out here, and the other way round."""

from __future__ import annotations

import json

from services.identity.rules import flows
from services.identity.rules.flows import Flow
from services.identity.rules.sso import PROVIDER_SESSION_WAITS, Connection, Shown
from services.identity.store import sso_sessions, sso_sign_ins
from services.identity.store.sso_sessions import ProviderSession
from services.identity.usecases.opened import opened
from shared.db import Tx
from shared.events.identity import SessionEnded
from shared.service import Ctx


async def remember(tx: Tx, ctx: Ctx, connection: Connection, flow: Flow, shown: Shown) -> None:
    """Until ours begins or is proven by it, it waits; then it goes with ours."""
    where = (connection.org_id, connection.connection_id)
    told = json.dumps({"session": shown.session, "hint": dict(shown.hint)})
    digest = _digest(connection, shown.session, opened(ctx).keys.sso[0]) if shown.session else None
    sealed = opened(ctx).sealer.seal(told, "sso session", *where, flow.flow_id)
    there = ProviderSession(*where, flow.flow_id, shown.subject, digest, sealed)
    await sso_sessions.keep(tx, there, ctx.now + PROVIDER_SESSION_WAITS)


def told_by(ctx: Ctx, there: ProviderSession) -> tuple[str | None, dict[str, str]]:
    """What the provider calls the session, and what it wants to be shown when that is to end."""
    place = ("sso session", there.org_id, there.connection_id, there.flow_id)
    told = json.loads(opened(ctx).sealer.open(bytes(there.sealed), *place))
    return told["session"], told["hint"]


async def end_ours(
    tx: Tx, ctx: Ctx, connection: Connection, subject: str | None, sessions: tuple[str, ...] | None
) -> None:
    """Ends the sessions that this connection began for a subject, for some sessions of it, or for a session alone; and sign-ins under way."""
    digests = [_digest(connection, one, key) for one in sessions for key in opened(ctx).keys.sso] if sessions else None
    where = (connection.org_id, connection.connection_id)
    if subject is not None:
        await sso_sign_ins.forget_under_way(tx, connection.connection_id, subject)
    for session in await sso_sessions.end(tx, *where, subject, digests):
        await tx.emit(
            SessionEnded(
                user_id=session.user_id,
                session_id=session.session_id,
                org_id=session.org_id,
                reason="provider_signed_out",
            )
        )


def _digest(connection: Connection, session: str, key: bytes) -> bytes:
    return flows.session_digest(connection.org_id, connection.connection_id, session, key)
