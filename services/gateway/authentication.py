"""Who sends a request: from a credential, by way of the standing of its session and its membership, to an actor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from services.gateway.access_tokens import AccessTokens, Claims, bad_token
from services.gateway.api_keys import actor_of, refused_key
from services.gateway.credentials import ApiKey, Bearer, Credential, SessionCookie
from services.gateway.feed import Feed
from services.gateway.standing import Membership, Session, Standing, both, cookie_key, csrf_token, session_ended
from shared.api_keys import read_token
from shared.auth import ANONYMOUS, Actor
from shared.clock import Clock
from shared.errors import Problem
from shared.ids import may_come_from

BEARS_ON_STANDING = ("identity", "org", "billing")


MOST_CALLERS = 50_000


@dataclass(frozen=True, slots=True)
class Caller:
    """An actor and what its proof showed. `csrf` is there for the console's cookie alone.

    `answers` keeps answers that follow from nothing else than this.
    """

    actor: Actor
    session: Session | None = None
    member: Membership | None = None
    csrf: str | None = None
    answers: dict[str, bytes] = field(default_factory=dict, compare=False)


NOBODY = Caller(ANONYMOUS)


class Authentication:
    """Tells who calls. Says yes only on what the owners say now, or said and haven't taken back while they are heard."""

    def __init__(self, tokens: AccessTokens, standing: Standing, feed: Feed, csrf_key: bytes, clock: Clock) -> None:
        self._tokens = tokens
        self._standing = standing
        self._feed = feed
        self._csrf_key = csrf_key
        self._clock = clock
        self._callers: dict[str, Caller] = {}

    def at_once(self, credential: Credential, after: str | None) -> Caller | None:
        """Who calls, if what is remembered tells and counts; otherwise `caller` does, or refuses."""
        if (after is not None and bears_on_standing(after)) or not self._feed.alive:
            return None
        if isinstance(credential, Bearer):
            claims = self._tokens.known(credential.token)
            if claims is None:
                return None
            facts = self._standing.remembered(claims.session_id, claims.user_id, claims.org_id or "")
            return self._told(credential.token, *facts, claims) if facts is not None else None
        if isinstance(credential, SessionCookie):
            key = cookie_key(credential.value)
            facts = self._standing.remembered_by_cookie(key)
            return self._told(key, *facts, None) if facts is not None else None
        if isinstance(credential, ApiKey):
            known = self._standing.keys.remembered(cookie_key(credential.token))
            return Caller(actor_of(known, self._clock.now())) if known is not None else None
        return None

    async def caller(self, credential: Credential, after: str | None, source: str = "") -> Caller:
        """Raises `unauthenticated`, `session_ended` or `auth_unavailable` for who can't be told."""
        asked_after = after if after is not None and bears_on_standing(after) else None
        if isinstance(credential, Bearer):
            return await self._by_token(credential.token, asked_after)
        if isinstance(credential, SessionCookie):
            return await self._by_cookie(credential.value, asked_after)
        if isinstance(credential, ApiKey):
            return await self._by_key(credential.token, source, asked_after)
        raise bad_token("The Authorization header or session cookie can't be read.")

    async def _by_token(self, token: str, after: str | None) -> Caller:
        claims = await self._tokens.read(token)
        believe = after is None and self._feed.alive
        self._standing.check_not_ended(claims.session_id, claims.user_id, claims.issued_at)
        session, member = await both(
            self._standing.session(claims.session_id, believe=believe, after=after),
            self._standing.membership(claims.user_id, claims.org_id or "", believe=believe, after=after),
        )
        return self._told(token, session, member, claims)

    async def _by_cookie(self, cookie: str, after: str | None) -> Caller:
        believe = after is None and self._feed.alive
        session = await self._standing.cookie_session(cookie, believe=believe, after=after)
        if not session.live or session.user_id is None or session.session_id is None:
            raise session_ended()
        member = await self._standing.membership(session.user_id, session.org_id or "", believe=believe, after=after)
        return self._told(cookie_key(cookie), session, member, None)

    async def _by_key(self, token: str, source: str, after: str | None) -> Caller:
        keys, key_id = self._standing.keys, read_token(token)
        believe = after is None and self._feed.alive
        if keys.has_ended(key_id.key_id if key_id is not None else ""):
            with suppress(Problem):  # identity is told of it; the answer is no, whatever it says
                await keys.find(token, cookie_key(token), source, believe=believe, after=None)
            raise refused_key()
        found = await keys.find(token, cookie_key(token), source, believe=believe, after=after)
        if keys.has_ended(found.key_id or ""):
            raise refused_key()
        return Caller(actor_of(found, self._clock.now()))

    def _told(self, key: str, session: Session, member: Membership, claims: Claims | None) -> Caller:
        """The caller that these facts tell of, the same one as long as the facts are the same."""
        began_by = claims.issued_at if claims is not None else float("inf")
        self._standing.check_not_ended(session.session_id or "", session.user_id or "", began_by)
        known = self._callers.get(key)
        if known is not None and known.session is session and known.member is member:
            return known
        if not session.live or session.session_id is None or (claims is not None and session.user_id != claims.user_id):
            raise session_ended()
        org_id = session.org_id if claims is None else claims.org_id
        csrf = csrf_token(self._csrf_key, session.session_id) if claims is None else None
        caller = Caller(_actor(session, member, org_id or "", claims), session, member, csrf)
        self._callers.pop(key, None)
        self._callers[key] = caller
        if len(self._callers) > MOST_CALLERS:
            for oldest in list(islice(self._callers, MOST_CALLERS // 10)):
                del self._callers[oldest]
        return caller


def _actor(session: Session, member: Membership, org_id: str, claims: Claims | None) -> Actor:
    """Without an active membership a person acts without organization and role; deactivated in the one they work in, or signed out of it by an Admin, not at all."""
    if member.user_id != session.user_id or (member.active and org_id and member.org_id != org_id):
        raise Problem("auth_unavailable", retry_after=1)
    if org_id and member.status in ("inactive", "removed"):
        raise session_ended()
    if member.active and member.org_id in session.barred_from:
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
        closed=member.active and member.closed,
    )


def bears_on_standing(change: str) -> bool:
    """Whether a change may bear on who the caller is: then the owners are asked, and wait for it themselves."""
    return any(may_come_from(change, source) for source in BEARS_ON_STANDING)
