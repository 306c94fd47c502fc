"""Sessions: signing in, proving oneself anew, switching the organization, looking at one's sessions and ending them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.identity import rules
from services.identity.rules import Account, Kind, Session
from services.identity.store import accounts, projections, sessions
from services.identity.usecases.passwords import Password, me, prove_password, refuse
from services.identity.usecases.tokens import (
    AccessToken,
    Tokens,
    access_token_for,
    cookie_for,
    no_cookie,
    tokens_for,
)
from shared.auth import FRESH_SECONDS
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity import AllSessionsEnded, SessionChanged, SessionEnded, SessionStarted
from shared.fields import Email, Message, Nothing, View, canonical_email
from shared.ids import OrgId, new_id
from shared.paging import Cursors, ListQuery, Page
from shared.service import Answer, Ctx


class Discover(Message):
    email: Email


class WayIn(View):
    method: Literal["password"]


async def discover(ctx: Ctx, wanted: Discover) -> WayIn:
    """How a person with this address signs in. It says nothing about whether there is an account."""
    return WayIn(method="password")


class SignIn(Message):
    email: Email
    password: Password
    keep: Kind = "bearer"


async def sign_in(ctx: Ctx, wanted: SignIn) -> Answer[Tokens] | Problem:
    """Starts a session: tokens for a program, or, with `"keep": "cookie"`, the console's cookie and no tokens.

    An unknown address, a wrong password, an unconfirmed or a closed account get one and the same refusal.
    """
    proof = await prove_password(ctx, canonical_email(wanted.email), wanted.password.get_secret_value())
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx(EVERY_ORG) as tx:
        account = await accounts.lock(tx, proof.account.user_id)
        if account is None or account.password_hash != proof.account.password_hash:
            return await refuse(ctx, None, proof.attempt)
        if proof.new_hash is not None:
            await accounts.set_password(tx, account.user_id, proof.new_hash)
        session = _new_session(ctx, account, wanted.keep, await _first_org(tx, account))
        await sessions.begin(tx, session)
        await proof.attempt.forgive(tx, ctx)
        await tx.emit(
            SessionStarted(
                user_id=account.user_id,
                session_id=session.session_id,
                org_id=session.org_id,
                amr=list(session.amr),
                source_ip=session.source_ip,
                user_agent=session.user_agent,
            )
        )
    return Answer(tokens_for(ctx, session), cookie_for(ctx, session))


async def _first_org(tx: Tx, account: Account) -> str | None:
    """Where the person was last, if they still are a member; else the organization that they joined first."""
    orgs = await projections.active_organizations(tx, account.user_id)
    return account.last_org_id if account.last_org_id in orgs else next(iter(orgs), None)


def _new_session(ctx: Ctx, account: Account, kind: Kind, org_id: str | None) -> Session:
    expires_at = ctx.now + rules.life_of(kind)
    return Session(
        session_id=new_id("ses"),
        user_id=account.user_id,
        org_id=org_id,
        kind=kind,
        root=secrets.token_bytes(32),
        generation=0,
        rotated_at=ctx.now,
        amr=("pwd",),
        authenticated_at=ctx.now,
        started_at=ctx.now,
        last_used_at=ctx.now,
        expires_at=expires_at,
        ends_at=rules.ends_at(kind, ctx.now, expires_at),
        source_ip=ctx.request.source_ip,
        user_agent=rules.device_of(ctx.request.user_agent),
    )


class Reauthenticate(Message):
    password: Password


class Reauthenticated(AccessToken):
    authenticated_at: datetime


async def reauthenticate(ctx: Ctx, wanted: Reauthenticate) -> Answer[Reauthenticated] | Problem:
    """Proves oneself anew for what asks for a fresh proof. The access token answered, and a cookie's session at once, carry it."""
    known = await me(ctx)
    proof = await prove_password(ctx, known.canonical_email, wanted.password.get_secret_value())
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx() as tx:
        account = await accounts.lock(tx, known.user_id)
        session = await _own_session(tx, ctx)
        if account is None or account.password_hash != proof.account.password_hash:
            raise Problem("session_ended")
        # A cookie that may do more is another cookie; a program's next access token is another one anyway.
        session = session.rotated(ctx.now) if session.kind == "cookie" else session.used(ctx.now)
        session = replace(session, authenticated_at=ctx.now)
        await sessions.keep(tx, session)
        await proof.attempt.forgive(tx, ctx)
        await tx.emit(_changed(session))
    answer = Reauthenticated(**access_token_for(ctx, session).model_dump(), authenticated_at=session.authenticated_at)
    return Answer(answer, cookie_for(ctx, session))


class ChooseOrganization(Message):
    org_id: OrgId


class ActiveOrganization(AccessToken):
    org_id: str


async def choose_organization(ctx: Ctx, wanted: ChooseOrganization) -> ActiveOrganization:
    """Makes another of one's organizations the session's. The access token answered speaks for it.

    Where an Admin has ended one's sessions since one last proved oneself, it asks for a fresh proof first.
    """
    user_id = ctx.actor.person()
    async with ctx.tx(wanted.org_id) as tx:
        await accounts.lock(tx, user_id)
        session = await _own_session(tx, ctx)
        if not await projections.is_active_member(tx, wanted.org_id, user_id):
            raise Problem("not_found")
        if session.org_id != wanted.org_id:
            if await projections.was_revoked_since(tx, wanted.org_id, user_id, session.authenticated_at):
                raise _proof_needed()
            session = replace(session.used(ctx.now), org_id=wanted.org_id)
            await sessions.keep(tx, session)
            await accounts.set_last_org(tx, user_id, wanted.org_id)
            await tx.emit(_changed(session))
    return ActiveOrganization(**access_token_for(ctx, session).model_dump(), org_id=wanted.org_id)


def _proof_needed() -> Problem:
    challenge = f'Bearer error="insufficient_user_authentication", max_age={FRESH_SECONDS}'
    return Problem(
        "insufficient_user_authentication",
        "An Admin of this organization has ended your sessions there.",
        headers={"WWW-Authenticate": challenge},
    )


async def _own_session(tx: Tx, ctx: Ctx) -> Session:
    session = await sessions.lock(tx, ctx.actor.session_id or "", ctx.now)
    if session is None or session.user_id != ctx.actor.person():
        raise Problem("session_ended")
    return session


def _changed(session: Session) -> SessionChanged:
    return SessionChanged(
        user_id=session.user_id,
        session_id=session.session_id,
        org_id=session.org_id,
        authenticated_at=session.authenticated_at,
    )


class SessionView(View):
    """`kind` is `cookie` for the console in a browser, `bearer` for a program; `user_agent` and `source_ip` are those of the last use."""

    id: str
    current: bool
    kind: Kind
    org_id: str | None
    amr: list[str]
    source_ip: str | None
    user_agent: str | None
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime


class ListSessions(ListQuery):
    """One's own sessions."""


async def list_sessions(ctx: Ctx, query: ListSessions) -> Page[SessionView]:
    """One's own live sessions, the newest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read("") as read:
        rows, total = await sessions.of_person(
            read, ctx.actor.person(), ctx.now, position[0] if position else None, query.limit + 1
        )
    views = [
        SessionView(
            id=session.session_id,
            current=session.session_id == ctx.actor.session_id,
            amr=list(session.amr),
            **{
                name: getattr(session, name)
                for name in SessionView.model_fields
                if name not in ("id", "current", "amr")
            },
        )
        for session in rows
    ]
    return cursors.page(views, query, lambda view: [view.id], total)


class WhichSession(Message):
    session_id: str


async def end_session(ctx: Ctx, which: WhichSession) -> Answer[None]:
    """Ends one of one's own sessions; `current` is the one that asks."""
    current = ctx.actor.session_id or ""
    session_id = current if which.session_id == "current" else which.session_id
    async with ctx.tx("") as tx:
        session = await sessions.end(tx, ctx.actor.person(), session_id)
        if session is None:
            raise Problem("not_found")
        await tx.emit(
            SessionEnded(
                user_id=session.user_id,
                session_id=session.session_id,
                org_id=session.org_id,
                reason="signed_out" if session_id == current else "revoked",
            )
        )
    return Answer(None, no_cookie(session) if session_id == current else {})


async def end_other_sessions(ctx: Ctx, _: Nothing) -> None:
    """Ends all of one's own sessions but the one that asks."""
    user_id, current = ctx.actor.person(), ctx.actor.session_id or ""
    async with ctx.tx("") as tx:
        await accounts.lock(tx, user_id)
        if await sessions.end_others(tx, user_id, current):
            await tx.emit(
                AllSessionsEnded(user_id=user_id, reason="signed_out_everywhere", except_session_id=current or None)
            )
