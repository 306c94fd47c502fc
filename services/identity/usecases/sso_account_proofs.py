"""An account that was there before its organization's provider: once, whoever comes by the provider shows that it is theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import SecretStr, model_validator

from services.identity import rules
from services.identity.rules import Account, Challenge, Kind, Subject
from services.identity.rules.sso import Connection
from services.identity.store import accounts, challenges, passkeys, projections, sso_connections
from services.identity.usecases.attempts import pay
from services.identity.usecases.challenges import open_challenge, pay_for_challenge, use_up
from services.identity.usecases.opened import opened
from services.identity.usecases.passkey_proofs import proves, read_assertion, request_options
from services.identity.usecases.passwords import Password, prove_password, refuse
from services.identity.usecases.second_factors import one_of, second_factor_failed
from services.identity.usecases.signing_in import SignedIn, begin_session, let_in
from services.identity.usecases.tokens import cookie_for, tokens_for
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.fields import Message, View
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Answer, Ctx

LINK = 1

Way = Literal["password", "passkey", "mail"]


class AccountProof(View):
    """The address had an account before. Show that it is yours by one of `ways` with POST /v1/auth/sso/links; this is asked once.

    `passkey` is what a browser's `navigator.credentials.get` is given. `mail`: a link was sent to the address, and is to be followed first.
    """

    id: str
    token: str
    ways: list[Way]
    passkey: dict[str, Any] | None
    organization: str
    expires_at: datetime


async def ask_for_proof(
    tx: Tx, ctx: Ctx, connection: Connection, account: Account, shown: Subject, keep: Kind
) -> AccountProof:
    """Begins the challenge that has to be answered before the subject stands for the account. Who has neither password nor passkey gets a mail."""
    keys = [passkey.credential_id for passkey in await passkeys.of_person(tx, account.user_id)]
    kinds: tuple[tuple[Way, bool], ...] = (("password", bool(account.password_hash)), ("passkey", bool(keys)))
    ways: list[Way] = [way for way, there in kinds if there] or ["mail"]
    life = rules.MAILED_CHALLENGE_LIFE if ways == ["mail"] else rules.CHALLENGE_LIFE
    challenge = Challenge(
        new_id("chl"),
        account.user_id,
        keep,
        ("sso",),
        ctx.now + life,
        "linking",
        shown.org_id,
        shown.connection_id,
        shown.subject,
        flow_id=shown.flow_id,
    )
    await challenges.begin(tx, challenge)
    organization = await projections.organization_name(tx, connection.org_id) or ""
    if ways == ["mail"]:
        await tx.emit(_mail(challenge, account, organization, connection))
    return AccountProof(
        id=challenge.challenge_id,
        token=rules.challenge_token(challenge.challenge_id, opened(ctx).keys.challenges[0]),
        ways=ways,
        passkey=request_options(ctx, challenge, keys) if keys else None,
        organization=organization,
        expires_at=challenge.expires_at,
    )


class LinkAccount(Message):
    """`passkey` is the browser's answer (AuthenticationResponseJSON). `mail`: the mailed link was followed."""

    challenge_id: str
    token: SecretStr
    password: Password | None = None
    passkey: dict[str, Any] | None = None
    mail: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        return one_of(self, "password", "passkey", "mail")


async def link_account(ctx: Ctx, wanted: LinkAccount) -> Answer[SignedIn] | Problem:
    """Shows that the account is one's own, which the provider's user then stands for. The session starts, or the second factor is asked for first.

    A passkey is the second factor at the same time. Five wrong answers are heard.
    """
    challenge = await open_challenge(ctx, wanted.challenge_id, wanted.token, "linking")
    if wanted.password is not None:
        return await _by_password(ctx, challenge, wanted.password)
    if wanted.passkey is not None:
        return await _by_passkey(ctx, challenge, wanted.passkey)
    if challenge.confirmed_at is None:
        raise Problem("conflict", "The mailed link wasn't followed yet.", meta={"because": "not_confirmed"})
    async with ctx.tx(EVERY_ORG) as tx:
        account = await accounts.lock(tx, challenge.user_id or "")
        await use_up(tx, ctx, challenge)
        if account is None:
            raise Problem("challenge_ended")
        return await _go_on(tx, ctx, challenge, account, ())


async def _by_password(ctx: Ctx, challenge: Challenge, password: SecretStr) -> Answer[SignedIn] | Problem:
    async with ctx.read("") as read:
        known = await accounts.by_id(read, challenge.user_id or "")
    if known is None:
        raise Problem("challenge_ended")
    attempt = await pay_for_challenge(ctx, challenge)
    proof = await prove_password(ctx, known.canonical_email, password.get_secret_value(), beside_provider=True)
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx(EVERY_ORG) as tx:
        account = await accounts.lock(tx, known.user_id)
        await use_up(tx, ctx, challenge)
        if account is None or account.password_hash != proof.account.password_hash:
            return await refuse(ctx, None, proof.attempt)
        if proof.new_hash is not None:
            await accounts.set_password(tx, account.user_id, proof.new_hash)
        await attempt.forgive(tx, ctx)
        await proof.attempt.forgive(tx, ctx)
        return await _go_on(tx, ctx, challenge, account, ("pwd",))


async def _by_passkey(ctx: Ctx, challenge: Challenge, credential: dict[str, Any]) -> Answer[SignedIn] | Problem:
    # Not of the second factor's budget: nothing of the person's was shown yet, and a signature isn't guessed.
    attempt = await pay_for_challenge(ctx, challenge, (rules.BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    assertion = read_assertion(credential)
    async with ctx.tx(EVERY_ORG) as tx:
        account = await accounts.lock(tx, challenge.user_id or "")
        await use_up(tx, ctx, challenge)
        if account is None:
            raise Problem("challenge_ended")
        proof = await proves(tx, ctx, challenge, account.user_id, assertion)
        if proof is None:
            return await second_factor_failed(tx, ctx, account.user_id, attempt)
        await challenges.end(tx, challenge.challenge_id)
        await attempt.forgive(tx, ctx)
        amr = rules.with_factor(challenge.amr, proof)
        session = await begin_session(tx, ctx, account, challenge.kind, amr, challenge.org_id, challenge.linkable)
    return Answer(SignedIn(**tokens_for(ctx, session).model_dump()), cookie_for(ctx, session))


async def _go_on(tx: Tx, ctx: Ctx, challenge: Challenge, account: Account, proven: tuple[str, ...]) -> Answer[SignedIn]:
    await challenges.end(tx, challenge.challenge_id)
    amr = (*challenge.amr, *proven)
    return await let_in(tx, ctx, account, challenge.kind, amr, challenge.org_id, challenge.linkable)


class ConfirmLink(Message):
    token: SecretStr


class LinkConfirmed(View):
    """Whose provider it is. The window in which the sign-in was begun goes on."""

    organization: str
    connection: str


async def confirm_link(ctx: Ctx, wanted: ConfirmLink) -> LinkConfirmed:
    """Follows the mailed link: the account is to belong to the provider's user who asked for it. No session starts here.

    Whatever is wrong with a link, it is simply gone.
    """
    link = read_link_token(ctx.env.settings.secrets.bytes("links"), "sso_link", wanted.token.get_secret_value())
    if link is None or link[1] != LINK:
        raise Problem("gone")
    await pay(ctx, (rules.BY_CHALLENGE, f"link {link[0]}"))
    async with ctx.tx(EVERY_ORG) as tx:
        challenge = await challenges.confirm(tx, link[0], ctx.now)
        connection = await sso_connections.by_id(tx, challenge.connection_id or "") if challenge else None
        if connection is None:
            raise Problem("gone")
        organization = await projections.organization_name(tx, connection.org_id) or ""
    return LinkConfirmed(organization=organization, connection=connection.name)


def _mail(challenge: Challenge, account: Account, organization: str, connection: Connection) -> MailRequested:
    return MailRequested(
        about=account.user_id,
        to=account.email,
        template="sso_link",
        values={
            "name": account.name,
            "organization": organization,
            "connection": connection.name,
            "expires_at": challenge.expires_at.isoformat(),
        },
        link=MailLink(purpose="sso_link", id=challenge.challenge_id, version=LINK),
        language=account.language,
    )
