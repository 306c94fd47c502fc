"""What comes of a sign-in at a provider: the account is found, linked or opened, the organization hears of who is new, and a session begins."""

from __future__ import annotations

from services.identity.rules import Account, Kind, flows
from services.identity.rules.sso import Connection, plain_name
from services.identity.store import accounts, projections, signups, sso_connections, sso_sign_ins
from services.identity.store.sso_sign_ins import Result
from services.identity.usecases.opened import opened
from services.identity.usecases.second_factors import mail_to
from services.identity.usecases.signing_in import SignedIn, let_in
from services.identity.usecases.sso_flows import no_flow_cookie
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity import Person, UserRegistered
from shared.events.identity_sso import SsoIdentityLinked, SsoUserArrived
from shared.fields import Message, canonical_email, domain_of
from shared.ids import new_id
from shared.service import Answer, Ctx

ANOTHER_SUBJECT = "Your address belongs to another user of the provider. An Admin has to unlink it first."
NOT_INVITED = "Only who was invited can come in. Ask an Admin for an invitation."
SWITCHED_OFF = "Single sign-on was switched off meanwhile."


class FinishSignIn(Message):
    """`keep` as with POST /v1/auth/sessions."""

    keep: Kind


class SsoSignedIn(SignedIn):
    """`return_to` is where the person wanted to go. `arriving`: the organization is yet to take them in, at once or when an Admin agrees."""

    return_to: str
    arriving: bool


async def finish_sign_in(ctx: Ctx, wanted: FinishSignIn) -> Answer[SsoSignedIn]:
    """Begins the session that the browser went to the provider for; the second factor is asked for as after a password.

    It works once, in the browser that came back. Who is new gets an account, and is told to the organization, which takes them in at
    once or lets them wait for an Admin; until then the session is in no organization.
    """
    flow = flows.read_flow(ctx.request.cookie, opened(ctx).keys.sso)
    if flow is None or flow.purpose != "sign_in":
        raise Problem("challenge_ended")
    async with ctx.tx(EVERY_ORG) as tx:
        result = await sso_sign_ins.take_result(tx, flow.flow_id, ctx.now)
        connection = await sso_connections.by_id(tx, flow.connection_id)
        if result is None or result.email is None or result.subject is None:
            raise Problem("challenge_ended")
        await _check_usable(tx, connection, result.email)
        assert connection is not None
        account = await _account_of(tx, ctx, connection, result.subject, result)
        arriving = await _arrive(tx, ctx, connection, account)
        answer = await let_in(tx, ctx, account, wanted.keep, ("sso",), connection.org_id)
    signed_in = SsoSignedIn(**answer.body.model_dump(), return_to=flow.return_to, arriving=arriving)
    cookies = [*answer.headers.values(), no_flow_cookie()]
    return Answer(signed_in, cookies=cookies)


async def _check_usable(tx: Tx, connection: Connection | None, email: str) -> None:
    if connection is None or connection.status != "active":
        raise Problem("sso_refused", SWITCHED_OFF)
    proven = await sso_connections.proven_domains(tx, connection.org_id)
    if domain_of(email) not in set(connection.domains) & set(proven):
        raise Problem(
            "sso_refused", f"{domain_of(email)} isn't a domain of this organization's single sign-on any more."
        )


async def _account_of(tx: Tx, ctx: Ctx, connection: Connection, subject: str, result: Result) -> Account:
    """By the subject, whatever the address is by now; a subject that nobody stands for yet is linked by its address, once."""
    where = (connection.org_id, connection.connection_id)
    known = await sso_sign_ins.person_of(tx, *where, subject)
    account = await accounts.lock(tx, known) if known else None
    if account is not None:
        # A link outlives an address: who has taken theirs elsewhere, or whose domain is another's by now, isn't this provider's any more.
        await _check_usable(tx, connection, account.email)
        await sso_sign_ins.note_use(tx, *where, subject, ctx.now)
        return account
    if await projections.is_closed(tx, connection.org_id):
        raise Problem("sso_refused", "The organization is closed.")
    email = result.email or ""
    account = await accounts.by_email(tx, canonical_email(email))
    is_new = account is None
    if account is None:
        account, is_new = await _open(tx, ctx, connection, email, result.name or "")
    locked = await accounts.lock(tx, account.user_id)
    if locked is not None and await sso_sign_ins.person_of(tx, *where, subject) == locked.user_id:
        return locked  # another browser of theirs was faster
    if locked is None or not await sso_sign_ins.link(tx, *where, subject, locked.user_id, ctx.now):
        raise Problem("sso_refused", ANOTHER_SUBJECT)
    await tx.emit(
        SsoIdentityLinked(
            user_id=locked.user_id,
            org_id=connection.org_id,
            connection_id=connection.connection_id,
            opened=is_new,
        )
    )
    if not is_new:
        organization = await projections.organization_name(tx, connection.org_id) or ""
        await tx.emit(mail_to(locked, "sso_linked", organization=organization, connection=connection.name))
    return locked


async def _open(tx: Tx, ctx: Ctx, connection: Connection, email: str, name: str) -> tuple[Account, bool]:
    """An account without a password, at home in the organization; or the one that was opened at the same moment, and False."""
    address, user_id = canonical_email(email), new_id("usr")
    if connection.new_users == "refused" and not await projections.is_invited(tx, connection.org_id, address, ctx.now):
        raise Problem("sso_refused", NOT_INVITED)
    name = plain_name(name) or email.rpartition("@")[0]
    await signups.drop(tx, address)
    is_new = await accounts.create(tx, user_id, email, address, name, "", "en", ctx.now)
    account = await accounts.by_email(tx, address)
    if account is None:
        raise Problem("conflict", "The account with this address was closed at the same moment. Sign in again.")
    if is_new:
        await accounts.set_home(tx, user_id, connection.org_id)
        await tx.emit(UserRegistered(user_id=user_id, person=Person(email=email, name=name), language="en"))
    return account, is_new


async def _arrive(tx: Tx, ctx: Ctx, connection: Connection, account: Account) -> bool:
    """Tells the organization of who isn't its member. Whoever it deactivated it knows."""
    if await projections.is_member(tx, connection.org_id, account.user_id):
        return False
    invited = await projections.is_invited(tx, connection.org_id, account.canonical_email, ctx.now)
    if connection.new_users == "refused" and not invited:
        return False
    await tx.emit(
        SsoUserArrived(
            user_id=account.user_id,
            org_id=connection.org_id,
            connection_id=connection.connection_id,
            email=account.email,
            name=account.name,
            new_users=connection.new_users,
            default_role=connection.default_role,
            group_ids=list(connection.group_ids),
        )
    )
    return True
