"""People whom the identity provider wants in and who had an account before: they are invited, and inactive to the provider until they accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.org.store import groups, invitations, scim_invitations
from services.org.store import scim as store
from services.org.store.organizations import Person
from services.org.store.scim import Linked
from services.org.store.scim_invitations import Awaited
from services.org.usecases.desk import Invite
from services.org.usecases.holding import Held
from services.org.usecases.invitations import invite_rows
from services.org.usecases.scim_facts import Facts
from shared.errors import Problem
from shared.events.org import GroupMemberAdded, InvitationRevoked
from shared.fields import canonical_email
from shared.service import Ctx


async def await_person(ctx: Ctx, held: Held, person: Person, facts: Facts, kept: Mapping[str, Any]) -> None:
    """Invites somebody who has an account, unless the provider wants them inactive for now."""
    wanted = facts.active is not False
    awaited = Awaited(
        user_id=person.user_id,
        invitation_id=await _invite(ctx, held, person.email) if wanted else None,
        email=person.email,
        name=facts.name,
        user_name=facts.user_name,
        external_id=facts.external_id,
        resource=kept,
        wanted=wanted,
    )
    await scim_invitations.keep(held.tx, held.id, awaited, held.now)


async def change_awaited(ctx: Ctx, held: Held, linked: Linked, facts: Facts, kept: Mapping[str, Any]) -> None:
    """Takes over what the provider says. Active again means another invitation, inactive that it is taken back; said twice it is one."""
    before = await _awaited(held, linked)
    wanted = before.wanted if facts.active is None else facts.active
    invitation_id = before.invitation_id
    if wanted and not before.wanted:
        invitation_id = await _invite(ctx, held, before.email)
    elif before.wanted and not wanted:
        await _take_back(held, before)
        invitation_id = None
    after = replace(
        before,
        name=facts.name,
        user_name=facts.user_name,
        external_id=facts.external_id,
        resource=kept,
        wanted=wanted,
        invitation_id=invitation_id,
    )
    if after != before:
        await scim_invitations.keep(held.tx, held.id, after, held.now)


async def await_no_more(held: Held, linked: Linked) -> None:
    """The provider has deleted who never accepted."""
    await _take_back(held, await _awaited(held, linked))
    await scim_invitations.take(held.tx, held.id, linked.member.user_id)


async def settle(held: Held, user_id: str) -> None:
    """Who was awaited is a member now: to the provider they are the same user, in the groups that it has put them into."""
    awaited = await scim_invitations.take(held.tx, held.id, user_id)
    if awaited is None:
        return
    await store.link(held.tx, held.id, user_id, awaited.user_name, awaited.external_id, awaited.resource, held.now)
    if not held.plan.entitlements.custom_groups:
        return
    for group in (await groups.some(held.tx, held.id, awaited.group_ids)).values():
        if group.origin == "scim" and await groups.put_in(
            held.tx, held.id, [group.group_id], user_id, held.by, held.now
        ):
            await held.tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=user_id))


async def _invite(ctx: Ctx, held: Held, email: str) -> str:
    """The invitation that waits for the address, or a new one with the role that new users get."""
    key = canonical_email(email)
    known = await invitations.open_addresses(held.tx, held.id, [key], held.now)
    if key in known:
        return known[key]
    role = (await store.settings(held.tx, held.id)).default_role
    (outcome,) = await invite_rows(ctx, held, [Invite(email=email, role=role, group_ids=[])])
    if isinstance(outcome, Problem):
        raise outcome
    return outcome.invitation_id


async def _take_back(held: Held, awaited: Awaited) -> None:
    found = await invitations.find(held.tx, held.id, awaited.invitation_id) if awaited.invitation_id else None
    if found is not None and found.status == "open":
        revoked = await invitations.revoke(held.tx, held.id, found.invitation_id, held.now)
        await held.tx.emit(InvitationRevoked(org_id=held.id, invitation=revoked.state()))


async def _awaited(held: Held, linked: Linked) -> Awaited:
    found = await scim_invitations.find(held.tx, held.id, linked.member.user_id)
    if found is None:
        raise Problem("not_found")
    return found
