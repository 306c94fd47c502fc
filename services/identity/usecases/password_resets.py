"""Forgotten passwords: a link that is mailed, works once and soon ends, and proves nothing but the mailbox: a second factor is still asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account, PasswordReset
from services.identity.store import accounts, password_resets, sessions
from services.identity.usecases.attempts import clear, pay
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import NewPassword, check_new_password, password_set, words_about
from shared.db import Tx
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.fields import Email, Message, View, canonical_email
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Ctx

LINK = 1


class AskForReset(Message):
    email: Email
    language: Literal["en", "de"] = "en"


class ResetPending(View):
    expires_at: datetime


async def ask_for_reset(ctx: Ctx, wanted: AskForReset) -> ResetPending:
    """Mails a link that sets a new password. Asking again replaces it, and the link mailed before is dead.

    The answer is the same whether or not the address has an account: if it has none, the mail says so. `language` is that mail's;
    a person with an account is written to in their own.
    """
    address = canonical_email(wanted.email)
    source = rules.source_of(ctx.request.source_ip)
    await pay(ctx, (rules.RESETS_BY_ADDRESS, address), (rules.RESETS_BY_SOURCE, source))
    async with ctx.tx("") as tx:
        account = await accounts.by_email(tx, address)
        if account is not None:
            await begin_reset(ctx, tx, account)
        else:
            # Kept as well, for both to take the same time; it leads nowhere.
            await password_resets.keep(tx, _new_reset(ctx, address, None))
            await tx.emit(_no_account_mail(wanted))
    return ResetPending(expires_at=ctx.now + rules.RESET_LIFE)


async def begin_reset(ctx: Ctx, tx: Tx, account: Account) -> None:
    """Mails the person a link that sets a new password."""
    reset = _new_reset(ctx, account.canonical_email, account.user_id)
    await password_resets.keep(tx, reset)
    await tx.emit(_reset_mail(reset, account))


def _new_reset(ctx: Ctx, address: str, user_id: str | None) -> PasswordReset:
    return PasswordReset(address, new_id("rst"), user_id, ctx.now + rules.RESET_LIFE)


def _reset_mail(reset: PasswordReset, account: Account) -> MailRequested:
    """Goes to the address as its owner wrote it. Its `about` is as new as the other mail's, or the change's id would tell."""
    return MailRequested(
        about=new_id("usr"),
        to=account.email,
        template="password_reset",
        values={"name": account.name, "expires_at": reset.expires_at.isoformat()},
        link=MailLink(purpose="password_reset", id=reset.reset_id, version=LINK),
        language=account.language,
        reader=account.user_id,
    )


def _no_account_mail(wanted: AskForReset) -> MailRequested:
    return MailRequested(
        about=new_id("usr"), to=wanted.email, template="no_account", values={}, language=wanted.language
    )


class WhichReset(Message):
    token: SecretStr


class OpenReset(View):
    """Whose password the link sets."""

    email: str
    expires_at: datetime


async def read_reset(ctx: Ctx, which: WhichReset) -> OpenReset:
    """What a mailed link would do. Whatever is wrong with it, it is simply gone."""
    account, reset = await _followed(ctx, which.token)
    return OpenReset(email=account.email, expires_at=reset.expires_at)


class ResetPassword(WhichReset):
    new_password: NewPassword


async def reset_password(ctx: Ctx, wanted: ResetPassword) -> None:
    """Sets a new password with the mailed token, and ends all of the person's sessions. Then sign in: the link itself opens nothing.

    Whatever is wrong with a link, it is simply gone.
    """
    account, reset = await _followed(ctx, wanted.token)
    await pay(ctx, (rules.BY_RESET, reset.reset_id))
    new, words = wanted.new_password.get_secret_value(), await words_about(ctx, account)
    with opened(ctx).hasher.place() as hasher:
        await check_new_password(ctx, new, words, "/new_password")
        new_hash = await hasher.hash(new)
    async with ctx.tx("") as tx:
        locked = await accounts.lock(tx, account.user_id)
        if locked is None or await password_resets.take(tx, reset.reset_id, ctx.now) is None:
            raise Problem("gone")
        await sessions.end_others(tx, locked.user_id, "")
        ctx.speak_as(locked.user_id)
        await password_set(tx, locked, new_hash)
        # Whoever guessed at the old password has made no guess at this one.
        await clear(tx, ctx, (rules.BY_ACCOUNT, locked.canonical_email))


async def _followed(ctx: Ctx, token: SecretStr) -> tuple[Account, PasswordReset]:
    link = read_link_token(ctx.env.settings.secrets.bytes("links"), "password_reset", token.get_secret_value())
    if link is None or link[1] != LINK:
        raise Problem("gone")
    async with ctx.read("") as read:
        reset = await password_resets.live(read, link[0], ctx.now)
        account = await accounts.by_id(read, reset.user_id) if reset is not None and reset.user_id else None
    if reset is None or account is None:
        raise Problem("gone")
    return account, reset
