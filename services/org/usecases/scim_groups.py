"""SCIM groups (RFC 7644): groups that an identity provider manages. Groups that were made by hand are none of its business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scim2_models import Context, Group

from services.org import rules
from services.org.rules import scim
from services.org.store import deleted_groups, groups, members, scim_invitations
from services.org.store import scim as store
from services.org.usecases.holding import Held, administering
from services.org.usecases.scim_facts import group_name
from services.org.usecases.scim_shapes import Listing, Resource, Sent, Shown, answer, check_unchanged, group_of, page
from shared.db import Read
from shared.events.org import GroupChanged, GroupCreated, GroupDeleted, GroupMemberAdded, GroupMemberRemoved
from shared.ids import GroupId, new_id
from shared.service import Ctx

MOST_GROUPS_LOOKED_AT = 5000


class WhichScimGroup(Shown):
    group_id: GroupId


class SentGroup(Sent):
    group_id: GroupId


async def list_scim_groups(ctx: Ctx, query: Listing) -> Resource:
    """The identity provider's groups by filter, in the order in which they were made."""
    org_id = ctx.actor.org()
    with_people = not query.excludedAttributes or "members" not in query.excludedAttributes
    async with ctx.read() as read:
        if not query.filter:
            found = await store.groups_listed(read, org_id, query.offset, query.limit) if query.limit else []
            return page(
                query, await store.groups_counted(read, org_id), await _resources(ctx, read, found, with_people)
            )
        fits = scim.wanted_by(Group, query.filter)
        found = await store.groups_listed(read, org_id, 0, MOST_GROUPS_LOOKED_AT)
        by_people = "member" in query.filter.lower()
        matches = [
            pair for pair, one in zip(found, await _resources(ctx, read, found, by_people), strict=True) if fits(one)
        ]
        shown = await _resources(ctx, read, matches[query.offset : query.offset + query.limit], with_people)
    return page(query, len(matches), shown)


async def read_scim_group(ctx: Ctx, which: WhichScimGroup) -> Resource:
    """One group with its members."""
    async with ctx.read() as read:
        return answer(await _resource(ctx, read, which.group_id), which)


async def create_scim_group(ctx: Ctx, sent: Sent) -> Resource:
    """Makes a group that only the identity provider changes. Needs a plan with custom groups; a name that a group has already is refused."""
    wanted = scim.read(Group, sent.document, Context.RESOURCE_CREATION_REQUEST)
    async with administering(ctx, "scim.write") as held:
        rules.check_may_have_groups(held.plan)
        made = await groups.add(held.tx, held.id, new_id("grp"), "custom", group_name(wanted), "", held.by, ctx.now)
        await store.own_group(held.tx, held.id, made.group_id, "scim", wanted.external_id)
        group = replace(made, origin="scim")
        await held.tx.emit(GroupCreated(org_id=held.id, group=group.state()))
        await _people(held, group, [], scim.member_ids(wanted))
        return answer(await _resource(ctx, held.tx, group.group_id), sent, 201)


async def replace_scim_group(ctx: Ctx, sent: SentGroup) -> Resource:
    """Gives a group the name and the members that the identity provider says."""
    wanted = scim.read(Group, sent.document, Context.RESOURCE_REPLACEMENT_REQUEST)
    return await _change(ctx, sent, lambda _: wanted)


async def patch_scim_group(ctx: Ctx, sent: SentGroup) -> Resource:
    """Changes a group by operations (RFC 7644, 3.5.2), as Okta and Entra ID send them too."""
    return await _change(ctx, sent, lambda present: scim.patched(present, sent.document))


async def delete_scim_group(ctx: Ctx, which: WhichScimGroup) -> None:
    """Deletes a group. For 30 days an Admin can bring it back, as one that is kept by hand."""
    async with administering(ctx, "scim.write") as held:
        check_unchanged(ctx, await _resource(ctx, held.tx, which.group_id))
        group, _ = await store.group(held.tx, held.id, which.group_id)
        await deleted_groups.keep(held.tx, held.id, group.group_id, held.by, ctx.now)
        await groups.remove(held.tx, held.id, group.group_id)
        await held.tx.emit(GroupDeleted(org_id=held.id, group=group.state()))


async def _change(ctx: Ctx, sent: SentGroup, change: Callable[[Any], Any]) -> Resource:
    async with administering(ctx, "scim.write") as held:
        present = await _resource(ctx, held.tx, sent.group_id)
        check_unchanged(ctx, present)
        wanted = change(present)
        group, external_id = await store.group(held.tx, held.id, sent.group_id)
        name = group_name(wanted)
        if name != group.name:
            previous = {"name": group.name}
            group = await groups.change(
                held.tx, held.id, group.group_id, name, group.description, held.by_person, ctx.now
            )
            await held.tx.emit(GroupChanged(org_id=held.id, group=group.state(), previous=previous))
        if wanted.external_id != external_id:
            await store.own_group(held.tx, held.id, group.group_id, "scim", wanted.external_id)
        await _people(held, group, scim.member_ids(present), scim.member_ids(wanted))
        return answer(await _resource(ctx, held.tx, sent.group_id), sent)


async def _people(held: Held, group: rules.Group, before: Sequence[str], wanted: Sequence[str]) -> None:
    """Lets in who is wanted, and out who isn't any more: the latter on any plan."""
    joins = [user_id for user_id in wanted if user_id not in set(before)]
    leaves = [user_id for user_id in before if user_id not in set(wanted)]
    if joins:
        rules.check_may_gain_members([group.kind], held.plan)
    known = {one.user_id: one for one in await members.some(held.tx, held.id, [*joins, *leaves])}
    for user_id in joins:
        if user_id not in known and await scim_invitations.into_group(held.tx, held.id, user_id, group.group_id):
            continue
        if user_id not in known:
            raise scim.refused("invalidValue", f"members: there is no user {user_id}.", "no_such_member", id=user_id)
        if await groups.put_in(held.tx, held.id, [group.group_id], user_id, held.by, held.now):
            await _note_on(held, known[user_id])
            await held.tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=user_id))
    for user_id in leaves:
        await scim_invitations.out_of_group(held.tx, held.id, user_id, group.group_id)
        if await groups.take_out(held.tx, held.id, [group.group_id], user_id):
            await _note_on(held, known[user_id])
            await held.tx.emit(GroupMemberRemoved(org_id=held.id, group=group.state(), user_id=user_id))


async def _note_on(held: Held, member: rules.Member) -> None:
    """Role and groups are edited as one thing, so whoever has it open must notice."""
    if member.status == "active":
        await members.set_role(held.tx, held.id, member.user_id, member.role, held.by_person, held.now)


async def _resource(ctx: Ctx, read: Read, group_id: str) -> Any:
    found = await store.group(read, ctx.actor.org(), group_id)
    return (await _resources(ctx, read, [found], True))[0]


async def _resources(
    ctx: Ctx, read: Read, found: Sequence[tuple[rules.Group, str | None]], with_people: bool
) -> list[Any]:
    ids = [group.group_id for group, _ in found]
    people = await store.people(read, ctx.actor.org(), ids) if with_people else {}
    return [group_of(ctx, group, external_id, people.get(group.group_id, ())) for group, external_id in found]
