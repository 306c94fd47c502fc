"""Whose account a provider's subject is, and the organization hearing of who is new: both once a sign-in is complete, and not before."""

from __future__ import annotations

from services.identity.rules import Account, Subject
from services.identity.rules.sso import Connection
from services.identity.store import accounts, projections, sso_connections, sso_sessions, sso_sign_ins
from services.identity.usecases.second_factors import mail_to
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events.identity_sso import SsoIdentityLinked, SsoUserArrived
from shared.fields import domain_of
from shared.service import Ctx

ANOTHER_SUBJECT = "Your address belongs to another user of the provider. An Admin has to unlink it first."
SWITCHED_OFF = "Single sign-on was switched off meanwhile."
CLOSED = "The organization is closed."
SIGNED_OUT_THERE = "You have signed out at your provider meanwhile."


async def usable(read: Read, connection_id: str) -> tuple[Connection, frozenset[str]]:
    """An active connection and those of its domains that are proven; `sso_refused` when it is no more."""
    connection = await sso_connections.by_id(read, connection_id)
    if connection is None or connection.status != "active":
        raise Problem("sso_refused", SWITCHED_OFF, meta={"because": "switched_off"})
    proven = await sso_connections.proven_domains(read, connection.org_id)
    return connection, frozenset(connection.domains) & frozenset(proven)


def check_domain(email: str, domains: frozenset[str]) -> None:
    if domain_of(email) not in domains:
        raise Problem(
            "sso_refused",
            f"{domain_of(email)} isn't a domain of this organization's single sign-on any more.",
            meta={"because": "domain", "domain": domain_of(email)},
        )


async def check_may_be_linked(read: Read, connection: Connection, user_id: str) -> None:
    """Refuses a second subject for one account, and anybody new in an organization that is closed."""
    if await projections.is_closed(read, connection.org_id):
        raise Problem("sso_refused", CLOSED, meta={"because": "closed"})
    if await sso_sign_ins.has_identity(read, connection.org_id, connection.connection_id, user_id):
        raise Problem("sso_refused", ANOTHER_SUBJECT, meta={"because": "another_subject"})


async def is_the_organizations_own(read: Read, org_id: str, account: Account) -> bool:
    """Whether the account was opened by the organization's provider: nobody else has ever had a password for it."""
    return not account.password_hash and await accounts.is_at_home(read, account.user_id, org_id)


async def complete(tx: Tx, ctx: Ctx, shown: Subject, account: Account, *, opened: bool = False) -> None:
    """Links what was shown, and tells the organization of who is new there. The account is locked, and all of its proofs are given."""
    connection, domains = await usable(tx, shown.connection_id)
    check_domain(account.email, domains)
    where = (connection.org_id, connection.connection_id)
    known = await sso_sign_ins.person_of(tx, *where, shown.subject)
    if known == account.user_id:
        await sso_sign_ins.note_use(tx, *where, shown.subject, ctx.now)
    elif shown.may_link and known is None:
        await check_may_be_linked(tx, connection, account.user_id)
        await _link(tx, ctx, connection, shown.subject, account, opened=opened)
    else:
        raise Problem("sso_refused", ANOTHER_SUBJECT, meta={"because": "another_subject"})
    if await arrives(tx, ctx, connection, account):
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


async def attach(tx: Tx, shown: Subject, session_id: str) -> None:
    """Ours ends with theirs from here on; not at all begun is one for whom theirs has ended meanwhile."""
    if shown.flow_id is None:
        return
    if not await sso_sessions.attach(tx, shown.org_id, shown.connection_id, shown.flow_id, session_id):
        raise Problem("challenge_ended", SIGNED_OUT_THERE, meta={"because": "signed_out_there"})


async def arrives(read: Read, ctx: Ctx, connection: Connection, account: Account) -> bool:
    """Whether the organization is to be told of the person: no member, and not refused. Whoever it deactivated it knows."""
    if await projections.is_member(read, connection.org_id, account.user_id):
        return False
    invited = await projections.is_invited(read, connection.org_id, account.canonical_email, ctx.now)
    return connection.new_users != "refused" or invited


async def _link(tx: Tx, ctx: Ctx, connection: Connection, subject: str, account: Account, *, opened: bool) -> None:
    if not await sso_sign_ins.link(tx, connection.org_id, connection.connection_id, subject, account.user_id, ctx.now):
        raise Problem("sso_refused", ANOTHER_SUBJECT, meta={"because": "another_subject"})
    await tx.emit(
        SsoIdentityLinked(
            user_id=account.user_id,
            org_id=connection.org_id,
            connection_id=connection.connection_id,
            opened=opened,
        )
    )
    if not opened:
        organization = await projections.organization_name(tx, connection.org_id) or ""
        await tx.emit(mail_to(account, "sso_linked", organization=organization, connection=connection.name))
