"""An Admin has the ordinary mail for a new password sent to a person of theirs; nothing but the person's mailbox learns of the link."""

from __future__ import annotations

from datetime import timedelta

from services.identity.rules import Account, Limit
from services.identity.store import accounts, projections, sso_connections
from services.identity.usecases.attempts import pay
from services.identity.usecases.password_resets import begin_reset
from shared.db import EVERY_ORG, Read
from shared.errors import Problem
from shared.events.identity import PasswordResetSent
from shared.fields import Message, domain_of
from shared.ids import UserId
from shared.service import Ctx

BY_ADMIN = Limit("reset by admin", 30, timedelta(hours=1))
FOR_PERSON = Limit("reset for person", 3, timedelta(hours=1))


class WhosePassword(Message):
    user_id: UserId


async def send_reset(ctx: Ctx, whose: WhosePassword) -> None:
    """Mails an active member a link that sets a new password, as if they had asked for it themselves; their password stays until they follow it.

    Only for accounts that are the organization's own, and not for people whose way in is single sign-on. The answer says that it was sent, and nothing else.
    """
    org_id = ctx.actor.org()
    if whose.user_id == ctx.actor.person():
        raise Problem(
            "conflict", "One's own password is changed with PUT /v1/me/password.", meta={"because": "own_password"}
        )
    async with ctx.read() as read:
        await _check(read, org_id, await accounts.by_id(read, whose.user_id))
    async with ctx.read(EVERY_ORG) as read:
        await _check_elsewhere(read, org_id, whose.user_id)
    await pay(ctx, (BY_ADMIN, ctx.actor.person()), (FOR_PERSON, whose.user_id))
    async with ctx.tx() as tx:
        if not await projections.acts_as_admin(tx, org_id, ctx.actor.person()):
            raise Problem("forbidden")  # whatever the gateway still believes
        person = await _check(tx, org_id, await accounts.lock(tx, whose.user_id))
        await begin_reset(ctx, tx, person)
        await tx.emit(PasswordResetSent(user_id=person.user_id, org_id=org_id))


async def _check(read: Read, org_id: str, person: Account | None) -> Account:
    if person is None or not await projections.is_member(read, org_id, person.user_id):
        raise Problem("not_found")
    if not await projections.is_active_member(read, org_id, person.user_id):
        raise Problem("conflict", "This person is deactivated; reactivate them first.", meta={"because": "deactivated"})
    if not await projections.is_home(read, org_id, person.user_id, domain_of(person.email)):
        raise Problem("account_of_another")
    return person


async def _check_elsewhere(read: Read, org_id: str, user_id: str) -> None:
    """What only a look across organizations shows."""
    if await projections.is_at_home_elsewhere(read, org_id, user_id):
        raise Problem("account_of_another")
    person = await accounts.by_id(read, user_id)
    connection = await sso_connections.bound_to(read, domain_of(person.email)) if person is not None else None
    if connection is not None and (await sso_connections.enforcement(read, connection.org_id)).enforced:
        raise Problem(
            "conflict",
            "People of this domain sign in at their identity provider; a password is refused.",
            meta={"because": "single_sign_on"},
        )
