"""Who sends a request: from a credential, by way of the standing of its session and its membership, to an actor."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.access_tokens import AccessTokens, Claims, bad_token
from services.gateway.credentials import Bearer, Credential, SessionCookie, check_made_by_console
from services.gateway.feed import Feed
from services.gateway.standing import Membership, Session, Standing, both, csrf_token, session_ended
from shared.auth import ANONYMOUS, Actor
from shared.errors import Problem
from shared.ids import may_come_from
from shared.web.server import Request

BEARS_ON_STANDING = ("identity", "org", "billing")


@dataclass(frozen=True, slots=True)
class Caller:
    """An actor and what its proof showed. `csrf` is there for the console's cookie alone."""

    actor: Actor
    session: Session | None = None
    member: Membership | None = None
    csrf: str | None = None


NOBODY = Caller(ANONYMOUS)


class Authentication:
    """Tells who calls. Says yes only on what the owners say now, or said and haven't taken back while they are heard."""

    def __init__(self, tokens: AccessTokens, standing: Standing, feed: Feed, csrf_key: bytes, origin: str) -> None:
        self._tokens = tokens
        self._standing = standing
        self._feed = feed
        self._csrf_key = csrf_key
        self._origin = origin

    def knows(self, credential: Credential) -> bool:
        """Whether telling costs no look-up and no verification."""
        if isinstance(credential, Bearer):
            return self._tokens.known(credential.token) is not None
        return isinstance(credential, SessionCookie) and self._standing.remembered_cookie(credential.value) is not None

    async def caller(self, credential: Credential, request: Request) -> Caller:
        """Raises `unauthenticated`, `session_ended`, `csrf` or `auth_unavailable` for who can't be told."""
        after = _after(request.headers.get("Tenantry-After"))
        if isinstance(credential, Bearer):
            return await self._by_token(credential.token, after)
        if isinstance(credential, SessionCookie):
            return await self._by_cookie(credential.value, request, after)
        raise bad_token("The Authorization header or session cookie can't be read." if credential else "Sign in first.")

    async def _by_token(self, token: str, after: str | None) -> Caller:
        claims = self._tokens.known(token) or await self._tokens.read(token)
        org_id = claims.org_id or ""
        self._standing.check_not_ended(claims.session_id, claims.user_id, claims.issued_at)
        believe = after is None and self._feed.alive
        facts = self._standing.remembered(claims.session_id, claims.user_id, org_id) if believe else None
        if facts is None:
            facts = await both(
                self._standing.session(claims.session_id, believe=believe, after=after),
                self._standing.membership(claims.user_id, org_id, believe=believe, after=after),
            )
            self._standing.check_not_ended(claims.session_id, claims.user_id, claims.issued_at)
        session, member = facts
        if not session.live or session.user_id != claims.user_id:
            raise session_ended()
        return Caller(_actor(session, member, org_id, claims), session, member)

    async def _by_cookie(self, cookie: str, request: Request, after: str | None) -> Caller:
        believe = after is None and self._feed.alive
        session = await self._standing.cookie_session(cookie, believe=believe, after=after)
        if not session.live or session.user_id is None or session.session_id is None:
            raise session_ended()
        org_id = session.org_id or ""
        member = await self._standing.membership(session.user_id, org_id, believe=believe, after=after)
        self._standing.check_not_ended(session.session_id, session.user_id, float("inf"))
        csrf = csrf_token(self._csrf_key, session.session_id)
        check_made_by_console(request.method, request.headers, self._origin, csrf)
        return Caller(_actor(session, member, org_id, None), session, member, csrf)


def _actor(session: Session, member: Membership, org_id: str, claims: Claims | None) -> Actor:
    """Without an active membership a person acts without organization and role; deactivated in the one they work in, not at all."""
    if member.user_id != session.user_id or (member.active and org_id and member.org_id != org_id):
        raise Problem("auth_unavailable", retry_after=1)
    if org_id and member.status in ("inactive", "removed"):
        raise session_ended()
    proof = claims if claims is not None and claims.auth_time >= (session.auth_time or 0) else session
    return Actor(
        "person",
        user_id=session.user_id,
        org_id=member.org_id if member.active else None,
        role=member.effective_role if member.active else None,
        session_id=session.session_id,
        amr=proof.amr,
        auth_time=proof.auth_time or 0,
    )


def _after(header: str | None) -> str | None:
    """A change that may bear on who the caller is: then the owners are asked, and wait for it themselves."""
    if header is not None and any(may_come_from(header, source) for source in BEARS_ON_STANDING):
        return header
    return None
