"""Another address for one's account: asked for with the password, effective when the new address confirms, and undone by the old one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account, EmailChange
from services.identity.store import accounts, email_changes, password_resets, sessions, signups
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.password_resets import begin_reset
from services.identity.usecases.passwords import Password, me, password_ended, prove_password
from services.identity.usecases.second_factors import remove_factors_since
from shared.db import Tx
from shared.errors import Problem, invalid
from shared.events.courier import MailLink, MailRequested
from shared.events.identity import Person, UserEmailChanged
from shared.fields import Email, Message, Nothing, View, canonical_email
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Ctx

LINK = 1


class ChangeEmail(Message):
    email: Email
    password: Password


class WaitingChange(View):
    """The address that is to become one's own, and until when it may confirm."""

    email: str
    expires_at: datetime


async def change_email(ctx: Ctx, wanted: ChangeEmail) -> WaitingChange | Problem:
    """Asks for another address. It becomes one's own when the mail to it is answered; the present one is told, and may undo it.

    The answer is the same whether or not the new address has an account: then the mail to it says so. Asking again replaces what
    was asked before.
    """
    person, address = await me(ctx), canonical_email(wanted.email)
    if wanted.email == person.email:
        raise invalid("/email", "email_unchanged", "is your address already")
    await pay(ctx, (rules.EMAIL_CHANGES_BY_PERSON, person.user_id), (rules.EMAIL_CHANGES_BY_ADDRESS, address))
    # Never by a proof at the provider: who is bound to one can't slip away to another domain, and it can't take an account along.
    proof = await prove_password(ctx, person.canonical_email, wanted.password.get_secret_value())
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx("") as tx:
        account = await accounts.lock(tx, person.user_id)
        if account is None or account.password_hash != proof.account.password_hash:
            raise Problem("session_ended")
        ends_at = ctx.now + rules.EMAIL_CHANGE_LIFE
        change = EmailChange(
            change_id=new_id("eml"),
            user_id=account.user_id,
            old_email=account.email,
            email=wanted.email,
            canonical_email=address,
            asked_at=ctx.now,
            confirmed_at=None,
            ends_at=ends_at,
        )
        await email_changes.keep(tx, change)
        await proof.attempt.forgive(tx, ctx)
        owner = await accounts.by_email(tx, address)
        is_taken = owner is not None and owner.user_id != account.user_id
        await tx.emit(_taken(change, account) if is_taken else _confirm(change, account))
        await tx.emit(_told(change, account, "email_change_asked"))
    return WaitingChange(email=change.email, expires_at=change.ends_at)


async def read_change(ctx: Ctx, _: Nothing) -> WaitingChange:
    """The change of one's address that waits for the new one."""
    async with ctx.read("") as read:
        change = await email_changes.waiting(read, ctx.actor.person(), ctx.now)
    if change is None:
        raise Problem("not_found")
    return WaitingChange(email=change.email, expires_at=change.ends_at)


async def drop_change(ctx: Ctx, _: Nothing) -> None:
    """Takes back the change of one's address that waits; its mailed links are dead."""
    async with ctx.tx("") as tx:
        await accounts.lock(tx, ctx.actor.person())
        if not await email_changes.drop_waiting(tx, ctx.actor.person()):
            raise Problem("not_found")


class FollowedLink(Message):
    token: SecretStr


class AddressNow(View):
    email: str


async def confirm_change(ctx: Ctx, wanted: FollowedLink) -> AddressNow:
    """Makes the new address the account's, with the token that was mailed to it. Sessions go on; the old address is told.

    Whatever is wrong with a link, it is simply gone.
    """
    async with ctx.tx("") as tx:
        account, change = await _followed(ctx, tx, "email_change", wanted.token)
        if not await email_changes.confirm(tx, change.change_id, ctx.now, ctx.now + rules.UNDO_LIFE):
            raise Problem("gone")
        await signups.drop(tx, change.canonical_email)
        await _readdress(tx, account, change.email)
        await tx.emit(_told(change, account, "email_changed"))
    return AddressNow(email=change.email)


async def undo_change(ctx: Ctx, wanted: FollowedLink) -> AddressNow:
    """Undoes a change, effective or not yet, with the token that was mailed to the old address: it is the account's again.

    Whoever asked for the change knew the password. So that password is no longer one, all sessions end, second factors and recovery
    codes of since then are none any more, and a link that sets a new password is mailed to the old address. Whatever is wrong with a link, it is simply gone.
    """
    with opened(ctx).hasher.place() as hasher:
        nobodys = await hasher.hash(secrets.token_urlsafe(32))
    async with ctx.tx("") as tx:
        account, change = await _followed(ctx, tx, "email_change_undo", wanted.token)
        await email_changes.drop_since(tx, account.user_id, change.change_id)
        await sessions.end_others(tx, account.user_id, "")
        await remove_factors_since(tx, account.user_id, change.asked_at)
        await password_ended(tx, account, nobodys)
        if account.email != change.old_email:
            account = await _readdress(tx, account, change.old_email)
        await begin_reset(ctx, tx, account)
    return AddressNow(email=account.email)


async def _followed(ctx: Ctx, tx: Tx, purpose: str, token: SecretStr) -> tuple[Account, EmailChange]:
    """The account and the change that a genuine link leads to, held until the transaction ends."""
    link = read_link_token(ctx.env.settings.secrets.bytes("links"), purpose, token.get_secret_value())
    if link is None or link[1] != LINK:
        raise Problem("gone")
    found = await email_changes.live(tx, link[0], ctx.now)
    account = await accounts.lock(tx, found.user_id) if found is not None else None
    change = await email_changes.live(tx, link[0], ctx.now)
    if account is None or change is None:
        raise Problem("gone")
    return account, change


async def _readdress(tx: Tx, account: Account, email: str) -> Account:
    """Gives the account an address, unless somebody else came first. Links mailed to the one before are dead."""
    moved = replace(account, email=email, canonical_email=canonical_email(email))
    if not await accounts.set_email(tx, moved.user_id, moved.email, moved.canonical_email):
        raise Problem("gone")
    await password_resets.drop(tx, account.user_id)
    person = Person(email=moved.email, name=moved.name)
    await tx.emit(UserEmailChanged(user_id=moved.user_id, person=person, previous_email=account.email))
    return moved


def _confirm(change: EmailChange, account: Account) -> MailRequested:
    return MailRequested(
        about=account.user_id,
        to=change.email,
        template="confirm_email_change",
        values={"name": account.name, "email": change.email, "expires_at": change.ends_at.isoformat()},
        link=MailLink(purpose="email_change", id=change.change_id, version=LINK),
        language=account.language,
    )


def _taken(change: EmailChange, account: Account) -> MailRequested:
    """To the address that was asked for, which has an account of its own."""
    return MailRequested(
        about=account.user_id, to=change.email, template="email_change_taken", values={}, language=account.language
    )


def _told(change: EmailChange, account: Account, template: rules.EmailChangeTemplate) -> MailRequested:
    """To the old address, with the link that undoes it all."""
    return MailRequested(
        about=account.user_id,
        to=change.old_email,
        template=template,
        values={"name": account.name, "email": change.email},
        link=MailLink(purpose="email_change_undo", id=change.change_id, version=LINK),
        language=account.language,
    )
