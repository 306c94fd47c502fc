"""What the gateway asks before it believes a token or a cookie: is the session still live, and whose is it."""

from __future__ import annotations

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Session
from services.identity.store import accounts, projections, sessions
from services.identity.usecases.opened import opened
from shared.db import EVERY_ORG, Read
from shared.fields import Message, View
from shared.service import Ctx


class SessionStanding(View):
    """Of a session that is over, or never was, only that is told. `barred_from`: organizations where it counts again after a new proof."""

    session_id: str | None
    live: bool = False
    user_id: str | None = None
    org_id: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    email: str | None = None
    name: str | None = None
    barred_from: tuple[str, ...] = ()


class AskedSession(Message):
    session_id: str


class AskedCookie(Message):
    token: SecretStr


async def session_standing(ctx: Ctx, asked: AskedSession) -> SessionStanding:
    """Whether a session is live, and what it says about its person."""
    async with ctx.read(EVERY_ORG) as read:
        return await _standing(read, await sessions.live(read, asked.session_id, ctx.now), asked.session_id)


async def cookie_standing(ctx: Ctx, asked: AskedCookie) -> SessionStanding:
    """Whose session a console cookie is; asking counts as using it."""
    presented = rules.read_session_token(asked.token.get_secret_value(), "cookie")
    if presented is None:
        return SessionStanding(session_id=None)
    async with ctx.read(EVERY_ORG) as read:
        session = await sessions.live(read, presented.session_id, ctx.now)
        if session is None or not presented.is_genuine(session, opened(ctx).keys.sessions):
            return SessionStanding(session_id=None)
        if rules.standing_of(presented.generation, session, ctx.now) == "reused":
            return SessionStanding(session_id=None)
        standing = await _standing(read, session, session.session_id)
    if standing.live and ctx.now - session.last_used_at >= rules.TOUCHED_EVERY:
        async with ctx.tx("") as tx:
            await sessions.touch(tx, session.used(ctx.now))
    return standing


async def _standing(read: Read, session: Session | None, session_id: str) -> SessionStanding:
    account = await accounts.by_id(read, session.user_id) if session else None
    if session is None or account is None:
        return SessionStanding(session_id=session_id)
    return SessionStanding(
        session_id=session.session_id,
        live=True,
        user_id=session.user_id,
        org_id=session.org_id,
        amr=tuple(session.amr),
        auth_time=int(session.authenticated_at.timestamp()),
        email=account.email,
        name=account.name,
        barred_from=tuple(await projections.barred_from(read, session.user_id, session.authenticated_at)),
    )
