"""Invited persons: an account for the address that an invitation was mailed to."""

from __future__ import annotations

from pydantic import SecretStr

from services.identity import rules
from services.identity.store import accounts, projections, signups
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import NewPassword, check_new_password, is_sso_only, words_of
from services.identity.usecases.signups import Registered
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.identity import Person, UserRegistered
from shared.fields import Message, Name, canonical_email
from shared.ids import new_id
from shared.links import read_link_token
from shared.service import Ctx

HAS_ACCOUNT = "This address has an account. Sign in, then accept the invitation."


class OpenInvitedAccount(Message):
    token: SecretStr
    name: Name
    password: NewPassword
    language: rules.Language = "en"


async def open_invited_account(ctx: Ctx, wanted: OpenInvitedAccount) -> Registered:
    """Opens an account for an invited address, which the mailed token proves; then sign in and accept the invitation.

    An address that has an account gets 409: sign in with it. Whatever is wrong with a link, it is simply gone.
    """
    link = read_link_token(ctx.env.settings.secrets.bytes("links"), "invitation", wanted.token.get_secret_value())
    if link is None:
        raise Problem("gone")
    await pay(ctx, (rules.BY_INVITATION, link[0]))
    async with ctx.read(EVERY_ORG) as read:
        invitation = still_open(await projections.invitation(read, link[0]), link[1], ctx)
        if await accounts.by_email(read, canonical_email(invitation.email)) is not None:
            raise Problem("already_exists", HAS_ACCOUNT, meta={"because": "has_account"})
        if await is_sso_only(read, canonical_email(invitation.email)):
            raise Problem("sso_required")
        organization = await projections.organization_name(read, invitation.org_id)
    words = words_of(invitation.email, wanted.name, *([organization] if organization else []))
    with opened(ctx).hasher.place() as hasher:
        await check_new_password(ctx, wanted.password.get_secret_value(), words)
        password_hash = await hasher.hash(wanted.password.get_secret_value())
    address, user_id = canonical_email(invitation.email), new_id("usr")
    async with ctx.tx(EVERY_ORG) as tx:
        still_open(await projections.lock_invitation(tx, link[0]), link[1], ctx)
        await signups.drop(tx, address)
        if not await accounts.create(
            tx, user_id, invitation.email, address, wanted.name, password_hash, wanted.language, ctx.now
        ):
            raise Problem("already_exists", HAS_ACCOUNT, meta={"because": "has_account"})
        await accounts.set_home(tx, user_id, invitation.org_id)
        person = Person(email=invitation.email, name=wanted.name)
        ctx.speak_as(user_id)
        await tx.emit(UserRegistered(user_id=user_id, person=person, language=wanted.language))
    return Registered(user_id=user_id, email=invitation.email)


def still_open(invitation: rules.Invitation | None, link_version: int, ctx: Ctx) -> rules.Invitation:
    """The invitation that a genuine link leads to. One that is newer than what org has told us yet is no dead link."""
    if invitation is None or invitation.link_version < link_version:
        raise Problem(
            "not_yet_consistent",
            "This invitation hasn't arrived here yet.",
            retry_after=1,
            meta={"because": "invitation"},
        )
    if not invitation.is_open(link_version, ctx.now):
        raise Problem("gone")
    return invitation
