"""Signing in: the address, the password, and the second factor of who has one. No token leaves before all of them are right."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self
from urllib.parse import urlencode

from pydantic import SecretStr, model_validator
from webauthn.helpers.structs import AuthenticationCredential

from services.identity import rules
from services.identity.rules import Account, Challenge, Kind, Session, Subject
from services.identity.rules.sso import BREAK_GLASS_SESSION_LIFE, Provider
from services.identity.rules.words import device_of
from services.identity.store import accounts, challenges, passkeys, projections, requirements, sessions, sso_connections
from services.identity.usecases.challenges import (
    ChallengeView,
    begin_challenge,
    open_challenge,
    pay_for_answer,
    use_up,
)
from services.identity.usecases.passkey_proofs import passkey_of, proves, read_assertion, registered
from services.identity.usecases.passkeys import added
from services.identity.usecases.passwords import Password, is_sso_only, prove_password, refuse
from services.identity.usecases.second_factors import (
    Code,
    FactorFrozen,
    factors_of,
    is_recovery_code,
    is_totp,
    one_of,
    second_factor_failed,
)
from services.identity.usecases.sso_linking import attach, complete
from services.identity.usecases.tokens import Tokens, cookie_for, tokens_for
from services.identity.usecases.totp import activated
from shared.auth import BREAK_GLASS
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity import Factor, SessionStarted
from shared.fields import Email, Message, Name, View, canonical_email, domain_of
from shared.ids import new_id
from shared.service import Answer, Ctx

FactorProof = Literal["otp", "hwk", "swk"]


class Discover(Message):
    email: Email


class SsoWayIn(View):
    """Send the browser to `url`."""

    connection_id: str
    name: str
    provider: Provider
    url: str


class WayIn(View):
    """`password_works` beside single sign-on when the organization lets people use both."""

    method: Literal["password", "sso"]
    sso: SsoWayIn | None = None
    password_works: bool = True


async def discover(ctx: Ctx, wanted: Discover) -> WayIn:
    """How a person with this address signs in. It follows from the domain alone, and says nothing about whether there is an account."""
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.bound_to(read, domain_of(wanted.email))
        if connection is None:
            return WayIn(method="password")
        enforced = (await sso_connections.enforcement(read, connection.org_id)).enforced
    query = urlencode({"login_hint": wanted.email})
    url = f"/v1/auth/sso/{connection.connection_id}/authorize?{query}"
    way = SsoWayIn(connection_id=connection.connection_id, name=connection.name, provider=connection.provider, url=url)
    return WayIn(method="sso", sso=way, password_works=not enforced)


class SignedIn(View):
    """A session with its tokens (none for one by cookie), or a `challenge` and nothing else."""

    session_id: str | None = None
    access_token: str | None = None
    token_type: str | None = None
    expires_in: int | None = None
    refresh_token: str | None = None
    challenge: ChallengeView | None = None


class SignIn(Message):
    email: Email
    password: Password
    keep: Kind = "bearer"


async def sign_in(ctx: Ctx, wanted: SignIn) -> Answer[SignedIn] | Problem:
    """Starts a session: tokens for a program, or, with `"keep": "cookie"`, the console's cookie and no tokens.

    Who has a second factor gets a challenge instead; so does who has none, when an organization of theirs requires one by now. An unknown address, a wrong password, an unconfirmed or a closed account get
    one and the same refusal.
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
        await proof.attempt.forgive(tx, ctx)
        return await let_in(tx, ctx, account, wanted.keep, ("pwd",))


async def let_in(
    tx: Tx,
    ctx: Ctx,
    account: Account,
    keep: Kind,
    amr: tuple[str, ...],
    org_id: str | None = None,
    shown: Subject | None = None,
    *,
    opened: bool = False,
) -> Answer[SignedIn]:
    """Who has shown a first factor gets a session, or the challenge for a second one.

    `org_id`: where they rather go. `shown`: whom a provider has shown; `opened`: for them the account was opened just now.
    """
    factors = await factors_of(tx, account.user_id)
    if factors or await requirements.is_due(tx, account.user_id, ctx.now):
        return Answer(SignedIn(challenge=await _challenge(tx, ctx, account, keep, factors, amr, org_id, shown)))
    session = await begin_session(tx, ctx, account, keep, amr, org_id, shown, opened=opened)
    return Answer(SignedIn(**tokens_for(ctx, session).model_dump()), cookie_for(ctx, session))


async def _challenge(
    tx: Tx,
    ctx: Ctx,
    account: Account,
    kind: Kind,
    factors: list[Factor],
    amr: tuple[str, ...],
    org_id: str | None,
    shown: Subject | None,
) -> ChallengeView:
    expires_at = ctx.now + rules.CHALLENGE_LIFE
    purpose: rules.Purpose = "second_factor" if factors else "enrolment"
    challenge = Challenge(new_id("chl"), account.user_id, kind, amr, expires_at, purpose, org_id)
    if shown is not None:
        challenge = replace(
            challenge,
            connection_id=shown.connection_id,
            subject=shown.subject,
            may_link=shown.may_link,
            flow_id=shown.flow_id,
        )
    credentials = [passkey.credential_id for passkey in await passkeys.of_person(tx, account.user_id)]
    return await begin_challenge(tx, ctx, challenge, factors, credentials)


class NewPasskey(Message):
    """`credential` is the browser's answer as `toJSON()` writes it (RegistrationResponseJSON)."""

    name: Name
    credential: dict[str, Any]


class AnswerChallenge(Message):
    """`passkey` is the browser's answer as `toJSON()` writes it (AuthenticationResponseJSON); `new_passkey` is for enrolment."""

    challenge_id: str
    token: SecretStr
    totp: Code | None = None
    recovery_code: Code | None = None
    passkey: dict[str, Any] | None = None
    new_passkey: NewPasskey | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        return one_of(self, "totp", "recovery_code", "passkey", "new_passkey")


class ChallengeAnswered(Tokens):
    """`recovery_codes` are there for who has just set up a first second factor, this once."""

    recovery_codes: list[str]


async def answer_challenge(ctx: Ctx, wanted: AnswerChallenge) -> Answer[ChallengeAnswered] | Problem:
    """Shows a second factor: a code of the authenticator app, a passkey, or a recovery code. The session starts.

    Five wrong answers are heard; the sixth gets 429, and the challenge is void. All challenges and factors of a person share ten
    wrong answers an hour: then it is `second_factor_locked`. An app that got a hundred wrong codes in a row is `factor_frozen`. Where passwords
    became no use meanwhile, it is `sso_required`. A challenge that was asked for without a password takes a passkey alone, which must have verified its person;
    one for enrolment takes a code of the app, or the passkey, that was begun with it.
    """
    challenge = await open_challenge(ctx, wanted.challenge_id, wanted.token, "second_factor", "passkey", "enrolment")
    attempt = await pay_for_answer(ctx, challenge, challenge.user_id)
    assertion = read_assertion(wanted.passkey) if wanted.passkey is not None else None
    async with ctx.tx(EVERY_ORG) as tx:
        account = await _who_answers(tx, challenge, assertion)
        await use_up(tx, ctx, challenge)
        if account is None:
            return Problem("invalid_code")
        codes: list[str] = []
        try:
            if challenge.purpose == "enrolment":
                proof, codes = await _enrolled(tx, ctx, challenge, account, wanted)
            else:
                proof = await _proof(tx, ctx, challenge, account, wanted, assertion)
        except FactorFrozen:
            return await second_factor_failed(tx, ctx, account.user_id, attempt, "factor_frozen")
        if proof is None:
            return await second_factor_failed(tx, ctx, account.user_id, attempt)
        await challenges.end(tx, challenge.challenge_id)
        await attempt.forgive(tx, ctx)
        amr = rules.with_factor(challenge.amr, proof)
        session = await begin_session(tx, ctx, account, challenge.kind, amr, challenge.org_id, challenge.shown)
    answered = ChallengeAnswered(**tokens_for(ctx, session).model_dump(), recovery_codes=codes)
    return Answer(answered, cookie_for(ctx, session))


async def _enrolled(
    tx: Tx, ctx: Ctx, challenge: Challenge, account: Account, wanted: AnswerChallenge
) -> tuple[FactorProof | None, list[str]]:
    """What is proven by who answers with the app or the passkey that they were asked to set up, and their recovery codes."""
    if wanted.totp is not None:
        codes = await activated(tx, ctx, account, wanted.totp)
        return ("otp", codes) if codes is not None else (None, [])
    made = registered(ctx, challenge, wanted.new_passkey.credential) if wanted.new_passkey else None
    if made is None or wanted.new_passkey is None:
        return None, []
    _, codes = await added(tx, ctx, account, wanted.new_passkey.name, made)
    return made.proof, codes


async def _who_answers(tx: Tx, challenge: Challenge, assertion: AuthenticationCredential | None) -> Account | None:
    """After a password that is known; without one the passkey tells."""
    if challenge.user_id is not None:
        account = await accounts.lock(tx, challenge.user_id)
        by_password_alone = "pwd" in challenge.amr and "sso" not in challenge.amr
        if account is not None and by_password_alone and await is_sso_only(tx, account.canonical_email):
            raise Problem("sso_required")
        return account
    passkey = await passkey_of(tx, assertion)
    account = await accounts.lock(tx, passkey.user_id) if passkey is not None else None
    # A passkey alone would go round the provider, which decides who may sign in.
    return None if account is not None and await is_sso_only(tx, account.canonical_email) else account


async def _proof(
    tx: Tx,
    ctx: Ctx,
    challenge: Challenge,
    account: Account,
    wanted: AnswerChallenge,
    assertion: AuthenticationCredential | None,
) -> FactorProof | None:
    if wanted.passkey is not None:
        return await proves(tx, ctx, challenge, account.user_id, assertion)
    if wanted.totp is not None and await is_totp(tx, ctx, account.user_id, wanted.totp):
        return "otp"
    if wanted.recovery_code is not None and await is_recovery_code(tx, ctx, account, wanted.recovery_code):
        return "otp"
    return None


async def begin_session(
    tx: Tx,
    ctx: Ctx,
    account: Account,
    kind: Kind,
    amr: Sequence[str],
    org_id: str | None,
    shown: Subject | None,
    *,
    opened: bool = False,
) -> Session:
    """All proofs are given: the provider's subject is linked where there is one, and the session starts."""
    ctx.speak_as(account.user_id, amr)
    if shown is not None:
        await complete(tx, ctx, shown, account, opened=opened)
    session = _new_session(ctx, account, kind, amr, await _first_org(tx, account, org_id))
    await sessions.begin(tx, session)
    if shown is not None:
        await attach(tx, shown, session.session_id)
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
    return session


async def _first_org(tx: Tx, account: Account, rather: str | None) -> str | None:
    """Where the person wants to go or was last, if they still are a member; else the organization that they joined first."""
    orgs = await projections.active_organizations(tx, account.user_id)
    if rather in orgs:
        return rather
    return account.last_org_id if account.last_org_id in orgs else next(iter(orgs), None)


def _new_session(ctx: Ctx, account: Account, kind: Kind, amr: Sequence[str], org_id: str | None) -> Session:
    life = BREAK_GLASS_SESSION_LIFE if BREAK_GLASS in amr else rules.life_of(kind)
    expires_at = ctx.now + life
    return Session(
        session_id=new_id("ses"),
        user_id=account.user_id,
        org_id=org_id,
        kind=kind,
        root=secrets.token_bytes(32),
        generation=0,
        rotated_at=ctx.now,
        amr=amr,
        authenticated_at=ctx.now,
        started_at=ctx.now,
        last_used_at=ctx.now,
        expires_at=expires_at,
        ends_at=rules.ends_at(kind, ctx.now, expires_at),
        source_ip=ctx.request.source_ip,
        user_agent=device_of(ctx.request.user_agent),
    )
