"""SCIM users (RFC 7644): members as an identity provider creates, changes, deactivates and removes them. It makes nobody an Admin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from scim2_models import Context

from services.org import rules
from services.org.rules import scim
from services.org.rules.closing import check_open
from services.org.rules.domains import is_registered
from services.org.rules.scim import ProvisionedUser
from services.org.store import domains, groups, invitations, members, organizations, scim_invitations
from services.org.store import scim as store
from services.org.store.organizations import Person
from services.org.store.scim import Linked
from services.org.usecases.holding import Held, administering, holding
from services.org.usecases.scim_awaiting import await_no_more, await_person, change_awaited
from services.org.usecases.scim_facts import Facts, facts_of
from services.org.usecases.scim_removals import take_away
from services.org.usecases.scim_shapes import Listing, Resource, Sent, Shown, answer, check_unchanged, page, user_of
from services.org.usecases.users import reactivate
from shared.db import Read
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.org import (
    InvitationRevoked,
    MemberDeactivated,
    MemberJoined,
    ProvisionedNameChanged,
    RemovalsDecided,
)
from shared.fields import canonical_email
from shared.ids import UserId
from shared.service import Ctx

AT_ONCE = 200
MOST_LOOKED_AT = 2000


class WhichScimUser(Shown):
    user_id: UserId


class SentUser(Sent):
    user_id: UserId


async def list_scim_users(ctx: Ctx, query: Listing) -> Resource:
    """Users by filter (RFC 7644, 3.4.2.2), in the order in which they joined. Members that were never provisioned are among them, to be matched."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        if not query.filter:
            found = await store.listed(read, org_id, query.offset, query.limit) if query.limit else []
            return page(query, await store.counted(read, org_id), await _resources(ctx, read, found))
        fits = scim.wanted_by(ProvisionedUser, query.filter)
        asked = scim.looked_up(query.filter)
        if asked is not None and asked[0] in store.LOOK_UPS:
            one = await store.look_up(read, org_id, *asked)
            matches = await _resources(ctx, read, [one]) if one is not None else []
        else:
            matches = await _matching(ctx, read, fits, scim.needle(query.filter))
    return page(query, len(matches), matches[query.offset : query.offset + query.limit])


async def read_scim_user(ctx: Ctx, which: WhichScimUser) -> Resource:
    """One user."""
    async with ctx.read() as read:
        return answer(await _resource(ctx, read, await store.one(read, ctx.actor.org(), which.user_id)), which)


async def create_scim_user(ctx: Ctx, sent: Sent) -> Resource:
    """Makes somebody a member, in the role that new users get. Their address must be in a domain that the organization has proven.

    Who has no account gets one without a password: they sign in through the identity provider, or set a password by "Forgot password".
    Who has an account of their own is invited, and answered as inactive until they accept.
    """
    wanted = scim.read(ProvisionedUser, sent.document, Context.RESOURCE_CREATION_REQUEST)
    facts = facts_of(wanted)
    async with ctx.read() as read:
        email_key = canonical_email(facts.email)
        waiting = await store.deletion_held(read, ctx.actor.org(), facts.user_name, email_key)
        if waiting is None:
            await _check_new(ctx, read, facts)
    if waiting is not None:
        return await _take_back(ctx, sent, wanted, waiting)
    asked = {"org_id": ctx.actor.org(), "email": facts.email, "name": facts.name}
    account = await ctx.env.internal.call("identity", "POST", "/internal/provisioned-accounts", body=asked)
    async with ctx.tx() as tx:
        # First the person, then the organization, as when an invitation is accepted.
        await organizations.meet_person(tx, Person(account["user_id"], account["email"], account["name"]))
        person = await organizations.hold_person(tx, account["user_id"])
        async with holding(ctx, tx, ctx.actor.org()) as held:
            check_open(held.facts.closed_at)
            await _check_new(ctx, tx, facts)
            if await members.find(tx, held.id, person.user_id) is not None:
                raise Problem("already_exists", "This person is a member already.", meta={"because": "member"})
            if await scim_invitations.find(tx, held.id, person.user_id) is not None:
                raise Problem("already_exists", "This person is invited already.", meta={"because": "invited"})
            if account["of_organization"]:
                await _join(held, person, facts)
                await store.link(
                    tx, held.id, person.user_id, facts.user_name, facts.external_id, scim.kept_of(wanted), ctx.now
                )
            else:
                await await_person(ctx, held, person, facts, scim.kept_of(wanted))
            linked = await store.one(tx, held.id, person.user_id)
            return answer(await _resource(ctx, tx, linked), sent, 201)


async def _take_back(ctx: Ctx, sent: Sent, wanted: Any, user_id: str) -> Resource:
    """Who was deleted and created again before an Admin looked, was never away."""
    async with administering(ctx, "scim.write") as held:
        await store.let_go(held.tx, held.id, [user_id])
        await held.tx.emit(RemovalsDecided(org_id=held.id, user_ids=[user_id], decision="taken_back"))
        linked = await store.one(held.tx, held.id, user_id)
        await _apply(ctx, held, linked, await _resource(ctx, held.tx, linked), wanted)
        return answer(await _resource(ctx, held.tx, await store.one(held.tx, held.id, user_id)), sent, 201)


async def replace_scim_user(ctx: Ctx, sent: SentUser) -> Resource:
    """Takes what the identity provider says of a user in place of what it said before."""
    wanted = scim.read(ProvisionedUser, sent.document, Context.RESOURCE_REPLACEMENT_REQUEST)
    return await _change(ctx, sent, lambda _: wanted)


async def patch_scim_user(ctx: Ctx, sent: SentUser) -> Resource:
    """Changes a user by operations (RFC 7644, 3.5.2), as Okta and Entra ID send them too. `active: false` takes access away at once."""
    return await _change(ctx, sent, lambda present: scim.patched(present, sent.document))


async def delete_scim_user(ctx: Ctx, which: WhichScimUser) -> None:
    """Removes a user from the organization; their account stays. The last Admin can't be removed."""
    async with administering(ctx, "scim.write") as held:
        linked = await store.one(held.tx, held.id, which.user_id)
        check_unchanged(ctx, await _resource(ctx, held.tx, linked))
        if linked.awaited:
            await await_no_more(held, linked)
        else:
            await take_away(held, linked, "deletion")


async def _change(ctx: Ctx, sent: SentUser, change: Callable[[Any], Any]) -> Resource:
    async with administering(ctx, "scim.write") as held:
        linked = await store.one(held.tx, held.id, sent.user_id)
        present = await _resource(ctx, held.tx, linked)
        check_unchanged(ctx, present)
        await _apply(ctx, held, linked, present, change(present))
        after = await store.one(held.tx, held.id, sent.user_id)
        return answer(await _resource(ctx, held.tx, after), sent)


async def _apply(ctx: Ctx, held: Held, linked: Linked, present: Any, wanted: Any) -> None:
    """Makes the member what is wanted; what is so already is no change."""
    before, facts = facts_of(present), facts_of(wanted)
    user_id = linked.member.user_id
    same_name = await store.look_up(held.tx, held.id, "username", facts.user_name)
    if same_name is not None and same_name.member.user_id != user_id:
        raise scim.name_taken(facts.user_name)
    kept = scim.kept_of(wanted)
    if linked.awaited:
        await change_awaited(ctx, held, linked, facts, kept)
        return
    if linked.resource is None or kept != scim.kept_of(present):
        await store.link(held.tx, held.id, user_id, facts.user_name, facts.external_id, kept, held.now)
    if facts.name != before.name:
        await held.tx.emit(ProvisionedNameChanged(org_id=held.id, user_id=user_id, name=facts.name))
    if facts.active is True and not linked.active:
        await _bring_back(held, linked)
    elif facts.active is False and linked.active:
        await take_away(held, linked, "deactivation")


async def _bring_back(held: Held, linked: Linked) -> None:
    user_id = linked.member.user_id
    if linked.held is not None:
        await store.let_go(held.tx, held.id, [user_id])
        await held.tx.emit(RemovalsDecided(org_id=held.id, user_ids=[user_id], decision="taken_back"))
    await reactivate(held, linked.member)


async def _check_new(ctx: Ctx, read: Read, facts: Facts) -> None:
    """Refuses who can't become a member, before anybody is asked for an account."""
    org_id, email_key = ctx.actor.org(), canonical_email(facts.email)
    if await store.look_up(read, org_id, "username", facts.user_name) is not None:
        raise Problem(
            "already_exists",
            f"There is a user {facts.user_name} already.",
            meta={"because": "user_name", "user_name": facts.user_name},
        )
    if await members.known_addresses(read, org_id, [email_key]) or await scim_invitations.is_taken(
        read, org_id, email_key
    ):
        raise Problem(
            "already_exists",
            f"A user has the address {facts.email} already.",
            meta={"because": "address", "address": facts.email},
        )
    plan = await organizations.plan(read, org_id)
    proven = {one.name for one in await domains.every(read, org_id) if one.proven and is_registered(one, plan)}
    if (domain := email_key.rpartition("@")[2]) not in proven:
        raise scim.refused(
            "invalidValue",
            f"{domain} isn't a domain that this organization has proven.",
            "domain_not_proven",
            domain=domain,
        )
    if facts.active is not False:
        role = (await store.settings(read, org_id)).default_role
        used = await members.slots_used(read, org_id, ctx.now)
        invited = await invitations.open_addresses(read, org_id, [email_key], ctx.now)
        rules.check_slot(plan, rules.kind_of(role), used[rules.kind_of(role)] - len(invited))


async def _join(held: Held, person: Person, facts: Facts) -> None:
    """A new member; an invitation that waited for them is taken back, so that they have one slot."""
    tx, email_key = held.tx, canonical_email(person.email)
    for invitation_id in (await invitations.open_addresses(tx, held.id, [email_key], held.now)).values():
        revoked = await invitations.revoke(tx, held.id, invitation_id, held.now)
        await tx.emit(InvitationRevoked(org_id=held.id, invitation=revoked.state()))
    role = (await store.settings(tx, held.id)).default_role
    if facts.active is not False:
        await held.check_slot(role)
    member = await members.join(tx, held.id, person, role, held.by, held.now)
    await held.look_again()
    await tx.emit(MemberJoined(org_id=held.id, member=held.state(member)))
    if facts.active is False:
        gone = await members.deactivate(tx, held.id, person.user_id, held.by_person, held.now)
        await held.look_again()
        await tx.emit(MemberDeactivated(org_id=held.id, member=held.state(gone)))
        return
    await tx.emit(
        MailRequested(
            about=held.id,
            org_id=held.id,
            to=person.email,
            reader=person.user_id,
            template="account_provisioned",
            values={"name": person.name, "organization": held.facts.name},
        )
    )


async def _matching(ctx: Ctx, read: Read, fits: Callable[[Any], bool], needle: str | None) -> list[Any]:
    """All users that fit. Looking at one takes most of a millisecond, so a thread does it, and others are answered meanwhile."""
    if await store.counted(read, ctx.actor.org(), needle) > MOST_LOOKED_AT:
        raise scim.refused(
            "tooMany",
            "This filter looks at too many users: compare userName, externalId or emails.value.",
            "filter_too_wide",
        )
    matches: list[Any] = []
    offset = 0
    while found := await store.listed(read, ctx.actor.org(), offset, AT_ONCE, needle):
        held = await groups.held(read, ctx.actor.org(), [one.member.user_id for one in found])
        matches += await asyncio.to_thread(_fitting, ctx, found, held, fits)
        offset += AT_ONCE
    return matches


def _fitting(
    ctx: Ctx, found: list[Linked], held: Mapping[str, list[rules.Group]], fits: Callable[[Any], bool]
) -> list[Any]:
    users = (user_of(ctx, one, held.get(one.member.user_id, ())) for one in found)
    return [one for one in users if fits(one)]


async def _resource(ctx: Ctx, read: Read, linked: Linked) -> Any:
    return (await _resources(ctx, read, [linked]))[0]


async def _resources(ctx: Ctx, read: Read, found: list[Linked]) -> list[Any]:
    held = await groups.held(read, ctx.actor.org(), [one.member.user_id for one in found])
    return [user_of(ctx, one, held.get(one.member.user_id, ())) for one in found]
