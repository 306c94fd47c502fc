"""Closing one's own account: out of all organizations first, then nothing of the person is left here but the id."""

from __future__ import annotations

from typing import Literal

from services.identity.store import (
    accounts,
    email_changes,
    known_devices,
    password_resets,
    sessions,
    signups,
    sso_sign_ins,
)
from services.identity.usecases.passwords import Password, me
from services.identity.usecases.second_factors import forget_factors
from services.identity.usecases.sso_proofs import prove_oneself
from shared.db import EVERY_ORG, Tx
from shared.erasure import begin_erasing
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.identity import AllSessionsEnded, UserClosed
from shared.fields import Message, Nothing, View
from shared.service import Ctx


class LeftOrganization(View):
    """`last_admin`: it would be left without an Admin, so the account can't be closed yet."""

    org_id: str
    name: str
    role: Literal["admin", "analyst", "viewer"]
    last_admin: bool


class ClosurePreview(View):
    """What closing would do. What one shared or owns in these organizations stays theirs, and an Admin may hand it over."""

    possible: bool
    organizations: list[LeftOrganization]


async def preview_closure(ctx: Ctx, _: Nothing) -> ClosurePreview:
    """Which organizations one would leave, and which of them has no other Admin."""
    told = await ctx.env.internal.call("org", "GET", f"/internal/departures/{ctx.actor.person()}")
    organizations = [LeftOrganization(**one) for one in told["organizations"]]
    return ClosurePreview(
        possible=not any(organization.last_admin for organization in organizations), organizations=organizations
    )


class CloseAccount(Message):
    """Without a password it takes a proof at one's identity provider, no older than five minutes."""

    password: Password | None = None


async def close_account(ctx: Ctx, wanted: CloseAccount) -> Problem | None:
    """Closes one's account for good: out of every organization, all sessions end, address, name and password are erased.

    Refused while one is the last active Admin of an organization; `meta.organizations` says of which. Should it break off half-way,
    one is a member nowhere and the account still open: closing it again finishes it. What was said of the person by themselves is emptied, too.
    """
    person = await me(ctx)
    proof = await prove_oneself(ctx, person, wanted.password)
    if isinstance(proof, Problem):
        return proof
    await ctx.env.internal.call("org", "POST", f"/internal/departures/{person.user_id}")
    async with ctx.tx("") as tx:
        account = await accounts.lock(tx, person.user_id)
        if account is None or account.password_hash != proof.account.password_hash:
            raise Problem("session_ended")
        await proof.attempt.forgive(tx, ctx)
        await _erase(ctx, tx, account.user_id)
        await signups.drop(tx, account.canonical_email)
        await tx.emit(AllSessionsEnded(user_id=account.user_id, reason="account_closed"))
        await tx.emit(
            MailRequested(
                about=account.user_id,
                to=account.email,
                template="account_closed",
                values={"name": account.name},
                language=account.language,
            )
        )
        await tx.emit(UserClosed(user_id=account.user_id))  # after the mail, so that whoever forgets them has sent it
        await begin_erasing(ctx, tx, account.user_id)
    return None


async def _erase(ctx: Ctx, tx: Tx, user_id: str) -> None:
    await sessions.end_others(tx, user_id, "")
    await forget_factors(tx, user_id)
    await password_resets.drop(tx, user_id)
    await email_changes.drop_all(tx, user_id)
    await known_devices.drop(tx, user_id)
    async with ctx.tx(EVERY_ORG):
        await sso_sign_ins.forget_person(tx, user_id)
    await accounts.close(tx, user_id, ctx.now)
