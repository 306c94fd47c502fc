"""Accounts of people whom an organization's identity provider knows: org asks for them, once it has seen that the address is the organization's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.identity.store import accounts
from services.identity.usecases.sso_linking import is_the_organizations_own
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.identity import Person, UserNameChanged, UserRegistered
from shared.events.org import ProvisionedNameChanged
from shared.fields import Email, Message, Name, View, canonical_email
from shared.ids import OrgId, new_id
from shared.service import Ctx

NO_PASSWORD = ""  # nobody's hash: a sign-in takes as long as with any, and a forgotten password can be set anew


class ProvisionAccount(Message):
    """The address is in a domain that the organization has proven."""

    org_id: OrgId
    email: Email
    name: Name


class ProvisionedAccount(View):
    """`created` is false when the address had an account already, `of_organization` when nobody but its people ever held it, so that nobody is asked before they join."""

    user_id: str
    email: str
    name: str
    created: bool
    of_organization: bool


async def provision_account(ctx: Ctx, wanted: ProvisionAccount) -> ProvisionedAccount:
    """The account of an address; opened without a password if there is none yet."""
    address = canonical_email(wanted.email)
    async with ctx.tx(EVERY_ORG) as tx:
        user_id = new_id("usr")
        made = await accounts.create(tx, user_id, wanted.email, address, wanted.name, NO_PASSWORD, "en", ctx.now)
        if made:
            await accounts.set_home(tx, user_id, wanted.org_id)
            await tx.emit(UserRegistered(user_id=user_id, person=Person(email=wanted.email, name=wanted.name)))
        account = await accounts.by_email(tx, address)
        if account is None:
            raise Problem("conflict", "This address can't have an account.", meta={"because": "no_account"})
        of_organization = await is_the_organizations_own(tx, wanted.org_id, account)
    return ProvisionedAccount(
        user_id=account.user_id,
        email=account.email,
        name=account.name,
        created=made,
        of_organization=of_organization,
    )


class WhoseAccounts(Message):
    """The addresses are in domains that the organization has proven."""

    org_id: OrgId
    emails: Annotated[list[Email], Field(max_length=1000)]


class HeldAccounts(View):
    """`emails`: in canonical spelling."""

    emails: list[str]


async def accounts_held(ctx: Ctx, wanted: WhoseAccounts) -> HeldAccounts:
    """Those of the addresses whose account has a person of its own, who would be asked before they join."""
    async with ctx.read(EVERY_ORG) as read:
        found = await accounts.with_holders(read, wanted.org_id, [canonical_email(one) for one in wanted.emails])
    return HeldAccounts(emails=found)


async def take_name(ctx: Ctx, told: ProvisionedNameChanged) -> None:
    """An organization's identity provider names the people whose accounts the organization opened, and nobody else."""
    async with ctx.tx("") as tx:
        account = await accounts.lock(tx, told.user_id)
        if account is None or account.name == told.name or not await accounts.is_at_home(tx, told.user_id, told.org_id):
            return
        await accounts.set_name(tx, account.user_id, told.name)
        person = Person(email=account.email, name=told.name)
        await tx.emit(UserNameChanged(user_id=account.user_id, person=person, previous_name=account.name))
