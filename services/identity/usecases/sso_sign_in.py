"""What comes of a sign-in at a provider: the account is found or opened, and a session begins, or what is still to be proven is asked for."""

from __future__ import annotations

from dataclasses import replace

from services.identity.rules import Account, Kind, Language, Subject, flows
from services.identity.rules.sso import Connection, plain_name
from services.identity.store import accounts, projections, signups, sso_sign_ins
from services.identity.store.sso_sign_ins import Result
from services.identity.usecases.opened import opened
from services.identity.usecases.signing_in import SignedIn, let_in
from services.identity.usecases.sso_account_proofs import AccountProof, ask_for_proof
from services.identity.usecases.sso_flows import no_flow_cookie
from services.identity.usecases.sso_linking import (
    CLOSED,
    arrives,
    check_domain,
    check_may_be_linked,
    is_the_organizations_own,
    usable,
)
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity import Person, UserRegistered
from shared.fields import Message, canonical_email
from shared.ids import new_id
from shared.service import Answer, Ctx

NOT_INVITED = "Only who was invited can come in. Ask an Admin for an invitation."


class FinishSignIn(Message):
    """`keep` as with POST /v1/auth/sessions. `language`: the one in which who is new is written to."""

    keep: Kind
    language: Language = "en"


class SsoSignedIn(SignedIn):
    """A session, a `challenge` for the second factor, or `account_proof`: the address had an account before the provider spoke of it.

    `return_to` is where the person wanted to go. `arriving`: the organization is yet to take them in, at once or when an Admin agrees; it is
    told when the sign-in is complete.
    """

    return_to: str
    arriving: bool
    account_proof: AccountProof | None = None


async def finish_sign_in(ctx: Ctx, wanted: FinishSignIn) -> Answer[SsoSignedIn]:
    """Begins the session that the browser went to the provider for; the second factor is asked for as after a password.

    It works once, in the browser that came back. Who is new gets an account, and is told to the organization, which takes them in at
    once or lets them wait for an Admin; until then the session is in no organization. An account that was there before is linked once
    its person has shown that it is theirs.
    """
    flow = flows.read_flow(ctx.request.cookie, opened(ctx).keys.sso)
    if flow is None or flow.purpose != "sign_in":
        raise Problem("challenge_ended")
    async with ctx.tx(EVERY_ORG) as tx:
        result = await sso_sign_ins.take_result(tx, flow.flow_id, ctx.now)
        if result is None or result.email is None or result.subject is None:
            raise Problem("challenge_ended")
        connection, domains = await usable(tx, flow.connection_id)
        check_domain(result.email, domains)
        where = (connection.org_id, connection.connection_id)
        known = await sso_sign_ins.person_of(tx, *where, result.subject)
        account = await accounts.lock(tx, known) if known else None
        shown, is_new, proof = Subject(*where, result.subject, flow_id=flow.flow_id), False, None
        if account is not None:
            # A link outlives an address: who has taken theirs elsewhere, or whose domain is another's by now, isn't this provider's any more.
            check_domain(account.email, domains)
        else:
            account, is_new = await _account_with_address(tx, ctx, connection, result, wanted.language)
            # Another browser of somebody new may have been faster.
            if await sso_sign_ins.person_of(tx, *where, result.subject) != account.user_id:
                await check_may_be_linked(tx, connection, account.user_id)
                if not await is_the_organizations_own(tx, connection.org_id, account):
                    proof = await ask_for_proof(tx, ctx, connection, account, shown, wanted.keep)
                shown = replace(shown, may_link=proof is None)
        arriving = await arrives(tx, ctx, connection, account)
        if proof is not None:
            signed_in = SsoSignedIn(return_to=flow.return_to, arriving=arriving, account_proof=proof)
            return Answer(signed_in, cookies=[no_flow_cookie()])
        answer = await let_in(tx, ctx, account, wanted.keep, ("sso",), connection.org_id, shown, opened=is_new)
    signed_in = SsoSignedIn(**answer.body.model_dump(), return_to=flow.return_to, arriving=arriving)
    return Answer(signed_in, cookies=[*answer.headers.values(), no_flow_cookie()])


async def _account_with_address(
    tx: Tx, ctx: Ctx, connection: Connection, result: Result, language: Language
) -> tuple[Account, bool]:
    """The account of the address that the provider said, locked, and whether it was opened for this."""
    if await projections.is_closed(tx, connection.org_id):
        raise Problem("sso_refused", CLOSED, meta={"because": "closed"})
    email = result.email or ""
    account, is_new = await accounts.by_email(tx, canonical_email(email)), False
    if account is None:
        account, is_new = await _open(tx, ctx, connection, email, result.name or "", language)
    locked = await accounts.lock(tx, account.user_id)
    if locked is None:
        raise Problem(
            "conflict",
            "The account with this address was closed at the same moment. Sign in again.",
            meta={"because": "account_closed"},
        )
    return locked, is_new


async def _open(
    tx: Tx, ctx: Ctx, connection: Connection, email: str, name: str, language: Language
) -> tuple[Account, bool]:
    """An account without a password, at home in the organization; or the one that was opened at the same moment, and False."""
    address, user_id = canonical_email(email), new_id("usr")
    if connection.new_users == "refused" and not await projections.is_invited(tx, connection.org_id, address, ctx.now):
        raise Problem("sso_refused", NOT_INVITED, meta={"because": "not_invited"})
    name = plain_name(name) or email.rpartition("@")[0]
    await signups.drop(tx, address)
    is_new = await accounts.create(tx, user_id, email, address, name, "", language, ctx.now)
    account = await accounts.by_email(tx, address)
    if account is None:
        raise Problem(
            "conflict",
            "The account with this address was closed at the same moment. Sign in again.",
            meta={"because": "account_closed"},
        )
    if is_new:
        await accounts.set_home(tx, user_id, connection.org_id)
        ctx.speak_as(user_id, ("sso",))
        await tx.emit(UserRegistered(user_id=user_id, person=Person(email=email, name=name), language=language))
    return account, is_new
