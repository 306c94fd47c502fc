"""Passwords: what a new one must be like, and proving that one knows one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from services.identity import rules
from services.identity.rules import Account
from services.identity.rules.words import password_text, word_held
from services.identity.store import (
    accounts,
    email_changes,
    known_devices,
    password_resets,
    projections,
    sessions,
    sso_connections,
)
from services.identity.usecases.attempts import Attempt, device_asking, pay
from services.identity.usecases.opened import opened
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem, invalid
from shared.events.courier import MailRequested
from shared.events.identity import AllSessionsEnded, PasswordChanged, SignInFailed
from shared.fields import Message, domain_of
from shared.service import Ctx

LONGEST = 256


def _one_spelling(given: object) -> object:
    return password_text(given) if isinstance(given, str) and len(given) <= LONGEST else given


Password = Annotated[SecretStr, BeforeValidator(_one_spelling), Field(max_length=LONGEST)]
NewPassword = Annotated[
    SecretStr,
    BeforeValidator(_one_spelling),
    Field(min_length=12, max_length=LONGEST, description="At least 12 characters of any kind."),
]

REFUSAL_SECONDS = 0.1  # what the note of a failure takes, also on a machine that has much else to do


async def check_new_password(ctx: Ctx, password: str, words: Mapping[str, str], pointer: str = "/password") -> None:
    """422 with the reason for a password that is common, breached, or holds what anybody knows of the person (`words`: what it is → the word).

    Call it with a place in the hasher's line.
    """
    held = word_held(password, {**words, "the product's name": "tenantry"})
    if held is not None:
        raise invalid(pointer, "password_personal", f"must not contain {held}", word=held)
    if await opened(ctx).hasher.is_guessable(password):
        raise invalid(pointer, "password_common", "is a common password, or close to one")
    if opened(ctx).breached.holds(password):
        raise invalid(pointer, "password_breached", "was found in a breach, so others know it")


@dataclass(frozen=True)
class Proof:
    """A person has just shown that they know their password."""

    account: Account
    attempt: Attempt
    new_hash: str | None


async def prove_password(
    ctx: Ctx, canonical_email: str, password: str, *, beside_provider: bool = False
) -> Proof | Problem:
    """The proof, or one refusal for all that can be wrong, in the same time. Call it before the first `ctx.tx()`.

    A device that the person has shown their password on has a budget of its own, so nobody elsewhere can use it up.
    `beside_provider`: the person came by their provider, so that the password is another proof and no way round it.
    """
    source = rules.source_of(ctx.request.source_ip)
    with opened(ctx).hasher.place() as hasher:
        async with ctx.read(EVERY_ORG) as read:
            account = await accounts.by_email(read, canonical_email)
            refused = not beside_provider and await is_sso_only(read, canonical_email)
            user_id = account.user_id if account else ""
            device = device_asking(ctx, user_id)
            is_known = await known_devices.is_known(read, user_id, device, ctx.now - rules.KNOWN_DEVICE_LIFE)
        budget = (rules.BY_DEVICE, device) if is_known else (rules.BY_ACCOUNT, canonical_email)
        attempt = await pay(ctx, budget, (rules.BY_SOURCE, source))
        known = account.password_hash if account else ""
        if await hasher.verify(known or None, password) and account is not None and not refused:
            outdated = hasher.is_outdated(account.password_hash)
            attempt = replace(attempt, device=(account.user_id, device))
            return Proof(account, attempt, await hasher.hash(password) if outdated else None)
    return await refuse(ctx, account, attempt)


async def is_sso_only(read: Read, canonical_email: str) -> bool:
    """Whether people of the address's domain sign in at their organization's provider and not by a password. Needs a look across organizations."""
    connection = await sso_connections.bound_to(read, domain_of(canonical_email))
    return connection is not None and (await sso_connections.enforcement(read, connection.org_id)).enforced


async def refuse(ctx: Ctx, account: Account | None, attempt: Attempt) -> Problem:
    """Notes the failure. Only an existing account has a note to write, so it is written inside a pause that every refusal takes."""
    loop = asyncio.get_running_loop()
    answered_at = loop.time() + REFUSAL_SECONDS
    if account is not None:
        async with ctx.env.database.tx("", ctx.say) as tx:
            reason: Literal["throttled", "password"] = "throttled" if attempt.spent else "password"
            failed = SignInFailed(user_id=account.user_id, reason=reason, source_ip=ctx.request.source_ip)
            await tx.emit(failed)
    await asyncio.sleep(max(answered_at - loop.time(), 0))
    return Problem("invalid_credentials")


class ChangePassword(Message):
    current_password: Password
    new_password: NewPassword


async def change_password(ctx: Ctx, wanted: ChangePassword) -> Problem | None:
    """Sets a new password and ends all other sessions at once."""
    person = await me(ctx)
    new = wanted.new_password.get_secret_value()
    if new == wanted.current_password.get_secret_value():
        raise invalid("/new_password", "password_unchanged", "is the current password")
    words = await words_about(ctx, person)
    with opened(ctx).hasher.place():
        await check_new_password(ctx, new, words, "/new_password")
    proof = await prove_password(ctx, person.canonical_email, wanted.current_password.get_secret_value())
    if isinstance(proof, Problem):
        return proof
    with opened(ctx).hasher.place() as hasher:
        new_hash = await hasher.hash(new)
    async with ctx.tx() as tx:
        session_id = ctx.actor.session_id or ""
        locked = await accounts.lock(tx, person.user_id)
        if locked is None or await sessions.lock(tx, session_id, ctx.now) is None:
            raise Problem("session_ended")
        if locked.password_hash != proof.account.password_hash:
            raise Problem("conflict", "The password was changed meanwhile.", meta={"because": "password_changed"})
        await sessions.end_others(tx, person.user_id, session_id)
        await password_set(tx, locked, new_hash, except_session_id=session_id)
        await proof.attempt.forgive(tx, ctx)
    return None


async def password_set(tx: Tx, account: Account, new_hash: str, except_session_id: str | None = None) -> None:
    """Keeps the new password and tells of it, the person too: whoever it wasn't must learn of it. A change of the address that waits is dropped."""
    await password_ended(tx, account, new_hash, except_session_id)
    await email_changes.drop_waiting(tx, account.user_id)
    await tx.emit(
        MailRequested(
            about=account.user_id,
            to=account.email,
            template="password_changed",
            values={"name": account.name},
            language=account.language,
        )
    )


async def password_ended(tx: Tx, account: Account, new_hash: str, except_session_id: str | None = None) -> None:
    """The old password is no longer one, whoever showed it is no longer known, and a link that would set another is dead.

    Only for whoever has ended the sessions.
    """
    await accounts.set_password(tx, account.user_id, new_hash)
    await password_resets.drop(tx, account.user_id)
    await known_devices.drop(tx, account.user_id)
    await tx.emit(PasswordChanged(user_id=account.user_id))
    await tx.emit(
        AllSessionsEnded(user_id=account.user_id, reason="password_changed", except_session_id=except_session_id)
    )


async def words_about(ctx: Ctx, account: Account) -> dict[str, str]:
    """What anybody knows of a person with an account."""
    async with ctx.read(EVERY_ORG) as read:
        names = await projections.organization_names(read, account.user_id)
    return words_of(account.email, account.name, *names)


def words_of(email: str, name: str, *organizations: str) -> dict[str, str]:
    """What anybody knows of a person: what it is → the word."""
    return {
        "your e-mail address": email.rpartition("@")[0],
        "the domain of your e-mail address": email.rpartition("@")[2].rpartition(".")[0],
        "your name": name,
        **{f"the name of {organization}": organization for organization in organizations},
    }


async def me(ctx: Ctx) -> Account:
    """The acting person's account."""
    async with ctx.read("") as read:
        account = await accounts.by_id(read, ctx.actor.person())
    if account is None:
        raise Problem("session_ended")
    return account
