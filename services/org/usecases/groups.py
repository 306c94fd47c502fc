"""Groups of users: set up while the plan includes them, renamed, emptied and deleted on any plan."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.org import rules
from services.org.rules import GroupKind
from services.org.store import deleted_groups, groups, members, organizations
from services.org.store.members import Wanted
from services.org.usecases.holding import Held, administering
from services.org.usecases.own import own
from services.org.usecases.users import Search, User, members_of, views
from shared.capabilities import Suspension
from shared.db import Read
from shared.errors import Problem
from shared.events.org import GroupChanged, GroupCreated, GroupDeleted, GroupMemberAdded, GroupMemberRemoved
from shared.fields import Composed, Message, Name, Paragraph, View
from shared.ids import GroupId, UserId, new_id
from shared.paging import TOTAL_CAP, ListQuery, Page
from shared.service import Ctx

GroupName = Annotated[Name, StringConstraints(max_length=80)]
Description = Annotated[Paragraph, StringConstraints(max_length=500)]


class GroupItem(View):
    """`members` counts the active ones. `suspended` is null while the group grants. With origin `scim` the identity provider manages it."""

    id: str
    kind: GroupKind
    name: str
    description: str
    members: int
    suspended: Suspension | None
    origin: Literal["hand", "scim"]
    created_at: datetime


class OneGroup(GroupItem, Composed):
    """One group with its ETag."""


class ListGroups(ListQuery):
    q: Search | None = None


class CreateGroup(Message):
    name: GroupName
    description: Description = ""


class WhichGroup(Message):
    group_id: GroupId


class ChangeGroup(Message):
    """A merge patch: what isn't named stays as it is."""

    group_id: GroupId
    name: GroupName = Field(default_factory=str)
    description: Description = Field(default_factory=str)


class ListGroupMembers(ListQuery):
    group_id: GroupId
    q: Search | None = None


class WhichGroupMember(Message):
    group_id: GroupId
    user_id: UserId


async def list_groups(ctx: Ctx, query: ListGroups) -> Page[GroupItem]:
    """The organization's groups with their sizes: the built-in ones first, then by name."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    async with ctx.read() as read:
        overlay = await organizations.overlay_of(read, org_id)
        found = await groups.listed(read, org_id, query.q, cursors.read(query), query.limit + 1)
        total = await groups.counted(read, org_id, query.q, TOTAL_CAP)
        page = cursors.page(found, query, groups.position, total)
        sizes = await groups.sizes(read, org_id, page.data, overlay.slotless)
    return Page(data=[_view(overlay, group, sizes[group.group_id]) for group in page.data], page=page.page)


async def create_group(ctx: Ctx, wanted: CreateGroup) -> OneGroup:
    """Creates a group without members. Needs a plan with custom groups."""
    async with administering(ctx, "groups.manage") as held:
        rules.check_may_have_groups(held.plan)
        group = await groups.add(
            held.tx, held.id, new_id("grp"), "custom", wanted.name, wanted.description, held.by, ctx.now
        )
        await held.tx.emit(GroupCreated(org_id=held.id, group=group.state()))
        return await one_view(held.tx, held.id, held.overlay, group)


async def read_group(ctx: Ctx, which: WhichGroup) -> OneGroup:
    """One group, its size, and whether the plan suspends it."""
    async with ctx.read() as read:
        group = await groups.one(read, ctx.actor.org(), which.group_id)
        overlay = await organizations.overlay_of(read, ctx.actor.org())
        return await one_view(read, ctx.actor.org(), overlay, group)


async def change_group(ctx: Ctx, wanted: ChangeGroup) -> OneGroup:
    """Renames or describes a group; possible on any plan."""
    async with administering(ctx, "groups.edit") as held:
        group = await _custom(held, wanted.group_id)
        ctx.check_version(group.version, group.changed_by, group.changed_at)
        asked = {name: getattr(wanted, name) for name in wanted.model_fields_set - {"group_id"}}
        previous = {name: getattr(group, name) for name, value in asked.items() if getattr(group, name) != value}
        if previous:
            text = {"name": group.name, "description": group.description} | asked
            group = await groups.change(
                held.tx, held.id, group.group_id, text["name"], text["description"], held.by_person, ctx.now
            )
            await held.tx.emit(GroupChanged(org_id=held.id, group=group.state(), previous=previous))
        return await one_view(held.tx, held.id, held.overlay, group)


async def delete_group(ctx: Ctx, which: WhichGroup) -> None:
    """Deletes a group and its memberships; possible on any plan. Access that was held only through it ends.

    For 30 days it can be restored.
    """
    async with administering(ctx, "groups.edit") as held:
        group = await _custom(held, which.group_id)
        ctx.check_version(group.version, group.changed_by, group.changed_at)
        await deleted_groups.keep(held.tx, held.id, group.group_id, held.by, ctx.now)
        await groups.remove(held.tx, held.id, group.group_id)
        await held.tx.emit(GroupDeleted(org_id=held.id, group=group.state()))


async def list_group_members(ctx: Ctx, query: ListGroupMembers) -> Page[User]:
    """The active members of a group, by name."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    async with ctx.read() as read:
        group = await groups.one(read, org_id, query.group_id)
        overlay = await organizations.overlay_of(read, org_id)
        wanted = Wanted(q=query.q, in_group=(group.group_id, group.kind), slotless=overlay.slotless)
        found, total, cap = await members_of(read, org_id, wanted, cursors.read(query), query.limit)
        page = cursors.page(found, query, lambda last: members.position(wanted, last), total, cap)
        return Page(data=await views(read, org_id, overlay, list(page.data)), page=page.page)


async def add_group_member(ctx: Ctx, wanted: WhichGroupMember) -> None:
    """Puts a user in a group. Refused while the plan suspends the group."""
    async with administering(ctx, "groups.manage") as held:
        group = await groups.one(held.tx, held.id, wanted.group_id)
        member = await members.one(held.tx, held.id, wanted.user_id)
        await put_in_group(held, group, member)


async def put_in_group(held: Held, group: rules.Group, member: rules.Member) -> bool:
    """False when they were in it already."""
    rules.check_by_hand([group])
    rules.check_may_gain_members([group.kind], held.plan)
    if not await groups.put_in(held.tx, held.id, [group.group_id], member.user_id, held.by, held.now):
        return False
    await _note_on(held, member)
    await held.tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=member.user_id))
    return True


async def remove_group_member(ctx: Ctx, wanted: WhichGroupMember) -> None:
    """Takes a user out of a group; possible on any plan."""
    async with administering(ctx, "groups.edit") as held:
        group = await _custom(held, wanted.group_id)
        member = await members.one(held.tx, held.id, wanted.user_id)
        if await groups.take_out(held.tx, held.id, [group.group_id], member.user_id):
            await _note_on(held, member)
            await held.tx.emit(GroupMemberRemoved(org_id=held.id, group=group.state(), user_id=member.user_id))


async def group_and_member_exist(read: Read, org_id: str, group_id: str, user_id: str) -> bool:
    return await groups.exists(read, org_id, group_id) and await members.exists(read, org_id, user_id)


async def _custom(held: Held, group_id: str) -> rules.Group:
    group = await groups.one(held.tx, held.id, group_id)
    if group.kind != "custom":
        raise Problem("built_in")
    rules.check_by_hand([group])
    return group


async def _note_on(held: Held, member: rules.Member) -> None:
    """Role and groups are edited as one thing, so whoever has it open must notice."""
    await members.set_role(held.tx, held.id, member.user_id, member.role, held.by_person, held.now)


async def one_view(read: Read, org_id: str, overlay: rules.Overlay, group: rules.Group) -> OneGroup:
    sizes = await groups.sizes(read, org_id, [group], overlay.slotless)
    return OneGroup(**_view(overlay, group, sizes[group.group_id]).model_dump(), version=group.version)


def _view(overlay: rules.Overlay, group: rules.Group, size: int) -> GroupItem:
    suspended = None
    if group.kind == "custom" and overlay.groups_suspended:
        plan = overlay.plan
        suspended = Suspension(plan=plan.entitlements.plan, since=plan.groups_lost_at)
    return GroupItem(
        id=group.group_id,
        kind=group.kind,
        name=group.name,
        description=group.description,
        members=size,
        suspended=suspended,
        origin=group.origin,
        created_at=group.created_at,
    )
