"""Whether sessions live and what members may: asked of identity and org, remembered while their events arrive."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.gateway.api_keys import Keys
from services.gateway.remembered import Remembered, V, get_fact, trim
from shared.auth import Role
from shared.errors import Problem
from shared.internal import Internal

log = structlog.get_logger()

LOOK_UP_SECONDS = 2.5
TOLD_AS_IT_IS = frozenset({"not_yet_consistent", "session_ended"})


class Session(BaseModel):
    """What identity says of a session. Of one that is over, only that."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str | None = None
    live: bool
    user_id: str | None = None
    org_id: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    email: str | None = None
    name: str | None = None
    barred_from: tuple[str, ...] = ()


class Organization(BaseModel):
    """One organization of a person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    org_id: str
    name: str
    role: str
    status: str
    closed: bool = False


class Membership(BaseModel):
    """What org says of a person in one organization, and in which others they are."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: str
    org_id: str | None = None
    role: Role | None = None
    effective_role: Role | None = None
    status: Literal["active", "inactive", "removed", "none"]
    closed: bool = False
    organizations: tuple[Organization, ...] = ()

    @property
    def active(self) -> bool:
        """Whether the person works there: in a closed organization nobody does, and its Admins look around."""
        return (
            self.status == "active" and self.org_id is not None and (not self.closed or self.effective_role == "admin")
        )


@dataclass(frozen=True, slots=True)
class AllEnded:
    """All of a person's sessions began before this moment are over, but for one."""

    at: float
    except_session_id: str | None


class Standing:
    """What the gateway knows of sessions and members. `believe` says whether news of both owners is arriving."""

    def __init__(self, internal: Internal, monotonic: Callable[[], float]) -> None:
        self._internal = internal
        self.keys = Keys(self._ask, monotonic)
        self._sessions: Remembered[Session] = Remembered(_tags_of_session, monotonic)
        self._members: Remembered[Membership] = Remembered(_tags_of_membership, monotonic)
        self._cookies: dict[str, Session] = {}
        self._ended: dict[str, None] = {}
        self._all_ended: dict[str, AllEnded] = {}
        self._revoked_members: dict[tuple[str, str], int] = {}

    # What is known

    def remembered(self, key: str, user_id: str, org_id: str) -> tuple[Session, Membership] | None:
        """Both facts, when both are remembered."""
        session = self._sessions.kept(key)
        member = self._members.kept(_member_key(user_id, org_id))
        return (session.value, member.value) if session is not None and member is not None else None

    def remembered_by_cookie(self, key: str) -> tuple[Session, Membership] | None:
        session = self._sessions.kept(key)
        if session is None or session.value.user_id is None:
            return None
        member = self._members.kept(_member_key(session.value.user_id, session.value.org_id or ""))
        return (session.value, member.value) if member is not None else None

    def check_not_ended(self, session_id: str, user_id: str, began_by: float) -> None:
        """`session_ended` for what is known to be over, without asking anybody. `began_by`: the session is at least as old as that."""
        if session_id in self._ended or self._is_among_all_ended(session_id, user_id, began_by):
            raise session_ended()

    def _is_among_all_ended(self, session_id: str, user_id: str, began_by: float) -> bool:
        over = self._all_ended.get(user_id)
        return over is not None and began_by < over.at and session_id != over.except_session_id

    async def session(self, session_id: str, *, believe: bool, after: str | None) -> Session:
        async def ask() -> Session:
            return await self._ask(Session, "identity", "GET", f"/internal/sessions/{session_id}", after=after)

        return await get_fact(self._sessions, session_id, ask, believe=believe, after=after)

    async def cookie_session(self, cookie: str, *, believe: bool, after: str | None) -> Session:
        async def ask() -> Session:
            body = {"token": cookie}
            return await self._ask(Session, "identity", "POST", "/internal/cookie-sessions", body=body, after=after)

        key = cookie_key(cookie)
        last = self._cookies.get(key)
        if last is not None and last.session_id in self._ended:
            raise session_ended()
        try:
            session = await get_fact(self._sessions, key, ask, believe=believe, after=after)
        except Problem:
            # when a cookie's session began isn't known, only when its person last proved themselves: identity knows better
            if last is not None and self._is_among_all_ended(
                last.session_id or "", last.user_id or "", last.auth_time or 0
            ):
                raise session_ended() from None
            raise
        if session.live and session is not last:
            self._cookies[key] = session
            trim(self._cookies)
        return session

    async def membership(self, user_id: str, org_id: str, *, believe: bool, after: str | None) -> Membership:
        """The person's membership in one organization; in their first active one when none is named."""

        async def ask() -> Membership:
            query = {"org_id": org_id}
            return await self._ask(Membership, "org", "GET", f"/internal/standings/{user_id}", query=query, after=after)

        try:
            found = await get_fact(self._members, _member_key(user_id, org_id), ask, believe=believe, after=after)
        except Problem:
            if (user_id, org_id) in self._revoked_members:
                raise session_ended() from None
            raise
        return found

    async def _ask(self, shape: type[V], service: str, method: str, path: str, **options: Any) -> V:
        """`auth_unavailable` unless the owner gives a proper answer."""
        try:
            answer = await self._internal.call(service, method, path, seconds=LOOK_UP_SECONDS, **options)
            return shape.model_validate(answer)  # type: ignore[attr-defined,no-any-return]
        except ValidationError:
            log.error("an owner's answer about standing can't be read", service=service)
        except Problem as away:
            if away.code in TOLD_AS_IT_IS:
                raise
            log.warning("an owner doesn't tell a standing", service=service, code=away.code)
        raise Problem("auth_unavailable", meta={"service": service}, retry_after=1)

    # What events say

    def end_session(self, session_id: str) -> None:
        """One session is over, for good."""
        self._ended[session_id] = None
        trim(self._ended)
        self._sessions.drop(session_id)

    def end_all(self, user_id: str, at: float, except_session_id: str | None = None) -> None:
        """All sessions of a person that began before are over, but for one."""
        self._all_ended.pop(user_id, None)
        self._all_ended[user_id] = AllEnded(at, except_session_id)
        trim(self._all_ended)
        self._sessions.drop(user_id)

    def member_changed(self, user_id: str, org_id: str, sequence: int, *, active: bool) -> None:
        """A membership changed. Only while org can't be asked does what is remembered here count."""
        known = self._revoked_members.get((user_id, org_id))
        if known is None or sequence >= known:
            self._revoked_members.pop((user_id, org_id), None)
            if not active:
                self._revoked_members[user_id, org_id] = sequence
                trim(self._revoked_members)
        self.drop(user_id)

    def drop(self, tag: str) -> None:
        """Something about this session, person, API key or organization changed."""
        self._sessions.drop(tag)
        self._members.drop(tag)
        self.keys.drop(tag)

    def forget(self) -> None:
        """News may have been missed: nothing that was answered counts any more. What is over stays over."""
        self._sessions.forget()
        self._members.forget()
        self.keys.forget()


def csrf_token(key: bytes, session_id: str) -> str:
    """What the console sends with every write, so that another site's page, which can't read it, can't write."""
    return hmac.digest(key, f"csrf\n{session_id}".encode(), hashlib.sha256).hex()


def cookie_key(cookie: str) -> str:
    """Under what a cookie's session is remembered: the cookie itself stays out of long-lived memory."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def session_ended() -> Problem:
    return Problem("session_ended", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


async def both(session: Awaitable[Session], member: Awaitable[Membership]) -> tuple[Session, Membership]:
    """The two answers; the refusal that says more when both fail."""
    found = await asyncio.gather(session, member, return_exceptions=True)
    failures = [one for one in found if isinstance(one, BaseException)]
    if failures:
        ended = [one for one in failures if isinstance(one, Problem) and one.code == "session_ended"]
        raise (ended or failures)[0]
    return found  # type: ignore[return-value]


def _member_key(user_id: str, org_id: str) -> str:
    return f"{user_id} {org_id}"


def _tags_of_session(key: str, session: Session) -> frozenset[str]:
    return frozenset(tag for tag in (key, session.session_id, session.user_id) if tag is not None)


def _tags_of_membership(key: str, member: Membership) -> frozenset[str]:
    return frozenset({member.user_id, *(one.org_id for one in member.organizations)})
