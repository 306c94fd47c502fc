"""Sessions: proving oneself anew, switching the organization, looking at one's sessions and ending them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import SecretStr, model_validator

from services.identity import rules
from services.identity.rules import Account, Kind, Session
from services.identity.store import accounts, challenges, projections, requirements, sessions
from services.identity.usecases.attempts import Attempt, pay
from services.identity.usecases.challenges import open_challenge, pay_for_answer, use_up
from services.identity.usecases.passkey_proofs import proves, read_assertion
from services.identity.usecases.passwords import Password, me, prove_password
from services.identity.usecases.second_factors import (
    Code,
    FactorFrozen,
    factors_of,
    is_totp,
    one_of,
    second_factor_failed,
)
from services.identity.usecases.sso_proofs import take_proof
from services.identity.usecases.tokens import AccessToken, access_token_for, cookie_for, no_cookie
from shared.auth import FRESH_SECONDS
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity import AllSessionsEnded, SessionChanged, SessionEnded
from shared.fields import Message, Nothing, View
from shared.ids import OrgId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Answer, Ctx


class PasskeyProof(Message):
    """The browser's answer (AuthenticationResponseJSON) to a challenge of POST /v1/auth/challenges."""

    challenge_id: str
    token: SecretStr
    credential: dict[str, Any]


class Reauthenticate(Message):
    """One of the proofs."""

    password: Password | None = None
    totp: Code | None = None
    passkey: PasskeyProof | None = None
    sso: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        return one_of(self, "password", "totp", "passkey", "sso")


class Reauthenticated(AccessToken):
    authenticated_at: datetime


async def reauthenticate(ctx: Ctx, wanted: Reauthenticate) -> Answer[Reauthenticated] | Problem:
    """Proves oneself anew for what asks for a fresh proof: by password, by a code of one's authenticator app, by passkey, or at
    one's identity provider (`sso`: after POST /v1/auth/sso/proofs, in the browser that came back from there).

    The access token answered, and a cookie's session at once, carry it.
    """
    known = await me(ctx)
    if wanted.totp is not None:
        return await _by_totp(ctx, known, wanted.totp)
    if wanted.passkey is not None:
        return await _by_passkey(ctx, known, wanted.passkey)
    if wanted.sso:
        return await _at_provider(ctx, known)
    password = wanted.password.get_secret_value() if wanted.password else ""
    proof = await prove_password(ctx, known.canonical_email, password)
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx() as tx:
        account = await accounts.lock(tx, known.user_id)
        session = await _own_session(tx, ctx)
        if account is None or account.password_hash != proof.account.password_hash:
            raise Problem("session_ended")
        return await _proven(tx, ctx, session, proof.attempt)


async def _by_totp(ctx: Ctx, known: Account, code: SecretStr) -> Answer[Reauthenticated] | Problem:
    attempt = await pay(ctx, (rules.BY_SECOND_FACTOR, known.user_id))
    async with ctx.tx() as tx:
        await accounts.lock(tx, known.user_id)
        session = await _own_session(tx, ctx)
        try:
            is_right = await is_totp(tx, ctx, known.user_id, code)
        except FactorFrozen:
            return await second_factor_failed(tx, ctx, known.user_id, attempt, "factor_frozen")
        if not is_right:
            return await second_factor_failed(tx, ctx, known.user_id, attempt)
        return await _proven(tx, ctx, replace(session, amr=rules.with_factor(session.amr, "otp")), attempt)


async def _by_passkey(ctx: Ctx, known: Account, given: PasskeyProof) -> Answer[Reauthenticated] | Problem:
    challenge = await open_challenge(ctx, given.challenge_id, given.token, "passkey")
    attempt = await pay_for_answer(ctx, challenge, known.user_id)
    async with ctx.tx() as tx:
        await accounts.lock(tx, known.user_id)
        session = await _own_session(tx, ctx)
        await use_up(tx, ctx, challenge)
        proof = await proves(tx, ctx, challenge, known.user_id, read_assertion(given.credential))
        if proof is None:
            return await second_factor_failed(tx, ctx, known.user_id, attempt)
        await challenges.end(tx, challenge.challenge_id)
        return await _proven(tx, ctx, replace(session, amr=rules.with_factor(session.amr, proof)), attempt)


async def _at_provider(ctx: Ctx, known: Account) -> Answer[Reauthenticated]:
    async with ctx.tx(EVERY_ORG) as tx:
        await accounts.lock(tx, known.user_id)
        session = await _own_session(tx, ctx)
        await take_proof(tx, ctx, known, session.session_id)
        amr = tuple(dict.fromkeys((*session.amr, "sso")))
        return await _proven(tx, ctx, replace(session, amr=amr), Attempt({}))


async def _proven(tx: Tx, ctx: Ctx, session: Session, attempt: Attempt) -> Answer[Reauthenticated]:
    # A cookie that may do more is another cookie; a program's next access token is another one anyway.
    session = session.rotated(ctx.now) if session.kind == "cookie" else session.used(ctx.now)
    session = replace(session, authenticated_at=ctx.now)
    await sessions.keep(tx, session)
    await attempt.forgive(tx, ctx)
    await tx.emit(_changed(session, "proven"))
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
        if await requirements.is_due_in(tx, wanted.org_id, user_id, ctx.now) and not await factors_of(tx, user_id):
            raise Problem("two_factor_required")
        if session.org_id != wanted.org_id:
            if await projections.was_revoked_since(tx, wanted.org_id, user_id, session.authenticated_at):
                raise _proof_needed()
            session = replace(session.used(ctx.now), org_id=wanted.org_id)
            await sessions.keep(tx, session)
            await accounts.set_last_org(tx, user_id, wanted.org_id)
            await tx.emit(_changed(session, "switched"))
    return ActiveOrganization(**access_token_for(ctx, session).model_dump(), org_id=wanted.org_id)


def _proof_needed() -> Problem:
    challenge = f'Bearer error="insufficient_user_authentication", max_age={FRESH_SECONDS}'
    return Problem(
        "insufficient_user_authentication",
        "An Admin of this organization has ended your sessions there.",
        headers={"WWW-Authenticate": challenge},
        meta={"because": "sessions_ended"},
    )


async def _own_session(tx: Tx, ctx: Ctx) -> Session:
    session = await sessions.lock(tx, ctx.actor.session_id or "", ctx.now)
    if session is None or session.user_id != ctx.actor.person():
        raise Problem("session_ended")
    return session


def _changed(session: Session, reason: Literal["proven", "switched"]) -> SessionChanged:
    return SessionChanged(
        user_id=session.user_id,
        session_id=session.session_id,
        org_id=session.org_id,
        authenticated_at=session.authenticated_at,
        reason=reason,
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
