"""An Admin takes a person's two-factor away who lost it: with the Admin's own password and a reason, and only at the person's home."""

from __future__ import annotations

from services.identity import rules
from services.identity.rules import Account
from services.identity.store import accounts, projections, sessions
from services.identity.usecases.attempts import pay
from services.identity.usecases.passwords import Password, Proof, me
from services.identity.usecases.second_factors import factors_of, forget_factors, mail_to
from services.identity.usecases.sso_proofs import prove_oneself
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem
from shared.events.identity import AllSessionsEnded, TwoFactorRemoved
from shared.fields import Message, Name, domain_of
from shared.ids import UserId
from shared.service import Ctx


class RemoveTwoFactor(Message):
    user_id: UserId
    password: Password | None = None
    reason: Name


async def remove_two_factor(ctx: Ctx, wanted: RemoveTwoFactor) -> Problem | None:
    """Removes all second factors and recovery codes of a person who lost them, and ends all their sessions.

    It takes the acting Admin's own password, or instead a proof at their identity provider no older than five minutes, and a reason; it works only for accounts that are the organization's own: with an
    address in one of its proven domains, or opened by its invitation. The person and all other Admins are told by mail.
    """
    admin = await me(ctx)
    if wanted.user_id == admin.user_id:
        raise Problem(
            "conflict",
            "One's own second factors are removed with POST /v1/me/totp/removal.",
            meta={"because": "oneself"},
        )
    async with ctx.read() as read:
        await _check(read, ctx, await accounts.by_id(read, wanted.user_id))
    async with ctx.read(EVERY_ORG) as read:
        # Whoever proves a domain could else take in its people, and open their other organizations' doors.
        if await projections.is_at_home_elsewhere(read, ctx.actor.org(), wanted.user_id):
            raise Problem("account_of_another")
    removals = await pay(ctx, (rules.BY_REMOVER, admin.user_id))
    proof = await prove_oneself(ctx, admin, wanted.password)
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx() as tx:
        person = await _locked(tx, ctx, proof, wanted.user_id)
        factors = await forget_factors(tx, person.user_id)
        await sessions.end_others(tx, person.user_id, "")
        await removals.forgive(tx, ctx)
        await proof.attempt.forgive(tx, ctx)
        await tx.emit(
            TwoFactorRemoved(
                user_id=person.user_id, removed=factors, factors=[], org_id=ctx.actor.org(), reason=wanted.reason
            )
        )
        await tx.emit(AllSessionsEnded(user_id=person.user_id, reason="two_factor_removed"))
        await _mail(tx, ctx, proof.account, person, wanted.reason)
    return None


async def _locked(tx: Tx, ctx: Ctx, proof: Proof, user_id: str) -> Account:
    """Both accounts, in one order whoever asks; nobody becomes or stops being anything in between."""
    locked = {one: await accounts.lock(tx, one) for one in sorted((proof.account.user_id, user_id))}
    admin = locked[proof.account.user_id]
    if admin is None or await sessions.lock(tx, ctx.actor.session_id or "", ctx.now) is None:
        raise Problem("session_ended")
    if admin.password_hash != proof.account.password_hash:
        raise Problem("conflict", "The password was changed meanwhile.", meta={"because": "password_changed"})
    if not await projections.acts_as_admin(tx, ctx.actor.org(), admin.user_id):
        raise Problem("forbidden")
    return await _check(tx, ctx, locked[user_id])


async def _check(read: Read, ctx: Ctx, person: Account | None) -> Account:
    org_id = ctx.actor.org()
    if person is None or not await projections.is_member(read, org_id, person.user_id):
        raise Problem("not_found")
    if not await projections.is_home(read, org_id, person.user_id, domain_of(person.email)):
        raise Problem("account_of_another")
    if not await factors_of(read, person.user_id):
        raise Problem("conflict", "This person has no second factor.", meta={"because": "no_second_factor"})
    return person


async def _mail(tx: Tx, ctx: Ctx, admin: Account, person: Account, reason: str) -> None:
    await tx.emit(mail_to(person, "two_factor_removed_for_you", admin=admin.name, reason=reason))
    told = {"person": person.name, "email": person.email, "admin": admin.name, "reason": reason}
    for other in await accounts.by_ids(tx, await projections.admins(tx, ctx.actor.org())):
        if other.user_id not in (admin.user_id, person.user_id):
            await tx.emit(mail_to(other, "two_factor_removed_for_another", **told))
