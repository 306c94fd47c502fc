"""Users: who belongs to the organization, and everything that changes what they are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import Field, StringConstraints, model_validator

from services.org import rules
from services.org.rules import GroupKind, Role
from services.org.store import groups, members, organizations
from services.org.store.members import Sort, Wanted
from services.org.usecases.holding import Held, administering
from services.org.usecases.own import own
from services.org.usecases.user_filters import LastActive, TwoFactor, narrowed
from shared.db import Read
from shared.errors import Problem
from shared.events.org import (
    GroupMemberAdded,
    GroupMemberRemoved,
    MemberDeactivated,
    MemberReactivated,
    MemberRemoved,
    MemberRoleChanged,
)
from shared.fields import Composed, Message, View
from shared.ids import GroupId, UserId
from shared.paging import FOUND_CAP, TOTAL_CAP, ListQuery, Page
from shared.service import Ctx

Search = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class GroupRef(View):
    id: str
    kind: GroupKind
    name: str


class User(View):
    """`effective_role` is lower than `role` while the plan has no author slot for them. `groups` begins with the built-in ones.

    `last_active_at` is when they last signed in here, or came here from another of their organizations; null for who never did.
    `two_factor`: whether they have a second factor.
    """

    id: str
    email: str
    name: str
    role: Role
    effective_role: Role
    status: Literal["active", "inactive"]
    joined_at: datetime
    deactivated_at: datetime | None
    last_active_at: datetime | None
    two_factor: bool
    groups: list[GroupRef]


class OneUser(User, Composed):
    """One user, with the ETag that a change of role and groups needs."""


class ListUsers(ListQuery):
    """`q` looks in names and addresses; what it finds is counted up to 1,000. `group_id` needs a plan with custom groups. A `-` before `sort` turns the order round.

    `two_factor=missing`: without a second factor though the organization requires one. `last_active`: within the last day, 1 to 7, 7 to 30 or 30 to 90
    days ago, longer ago, or never.
    """

    status: Literal["active", "inactive"] = "active"
    q: Search | None = None
    role: Role | None = None
    group_id: GroupId | None = None
    two_factor: TwoFactor | None = None
    last_active: LastActive | None = None
    sort: Literal[
        "name",
        "-name",
        "email",
        "-email",
        "joined_at",
        "-joined_at",
        "deactivated_at",
        "-deactivated_at",
        "last_active_at",
        "-last_active_at",
    ] = "name"

    @model_validator(mode="after")
    def _only_the_inactive_were_deactivated(self) -> ListUsers:
        if self.sort.endswith("deactivated_at") and self.status != "inactive":
            raise ValueError("sort=deactivated_at needs status=inactive")
        return self


class WhichUser(Message):
    user_id: UserId


class ChangeRoleAndGroups(Message):
    """Both at once: the role, and the custom groups that the user is to be in, and in no others."""

    user_id: UserId
    role: Role
    group_ids: Annotated[list[GroupId], Field(max_length=500)]


async def list_users(ctx: Ctx, query: ListUsers) -> Page[User]:
    """The organization's users: active ones, or those who were deactivated."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    after = cursors.read(query)
    async with ctx.read() as read:
        overlay = await organizations.overlay_of(read, org_id)
        group = await groups.one(read, org_id, query.group_id) if query.group_id else None
        if group is not None:
            rules.check_may_have_groups(overlay.plan)
        wanted = Wanted(
            status=query.status,
            q=query.q,
            role=query.role,
            in_group=(group.group_id, group.kind) if group else None,
            slotless=overlay.slotless,
            sort=cast(Sort, query.sort.removeprefix("-")),
            descending=query.sort.startswith("-"),
        )
        wanted = await narrowed(read, org_id, wanted, query.two_factor, query.last_active, ctx.now)
        found, total, cap = await members_of(read, org_id, wanted, after, query.limit)
        page = cursors.page(found, query, lambda last: members.position(wanted, last), total, cap)
        return Page(data=await views(read, org_id, overlay, list(page.data)), page=page.page)


async def members_of(
    read: Read, org_id: str, wanted: Wanted, after: Sequence[Any] | None, limit: int
) -> tuple[list[rules.Member], int, int]:
    """A page and one more, how many there are in all, and up to how many that was counted: a search that finds many stops early."""
    wanted = await members.narrowed(read, org_id, wanted)
    found = await members.listed(read, org_id, wanted, after, limit + 1)
    cap = FOUND_CAP if wanted.q else TOTAL_CAP
    if after is None and len(found) <= limit:
        return found, len(found), cap
    return found, await members.counted(read, org_id, wanted, cap, found if after is None else ()), cap


async def read_user(ctx: Ctx, which: WhichUser) -> OneUser:
    """One user with role and groups."""
    async with ctx.read() as read:
        member = await members.one(read, ctx.actor.org(), which.user_id)
        overlay = await organizations.overlay_of(read, ctx.actor.org())
        return await one_view(read, ctx.actor.org(), overlay, member)


async def change_role_and_groups(ctx: Ctx, wanted: ChangeRoleAndGroups) -> OneUser:
    """Gives a user a role and a set of groups, in one step.

    Joining a group that the plan suspends is refused; staying in one isn't.
    """
    async with administering(ctx, "users.manage") as held:
        member = await members.one(held.tx, held.id, wanted.user_id)
        ctx.check_version(member.version, member.changed_by, member.changed_at)
        held.check_may_make_admin(member, wanted.role)
        change = await check_role_and_groups(
            held.tx, held.id, held.plan, ctx.now, member, wanted.role, wanted.group_ids
        )
        joins, leaves = change.joins, change.leaves
        if wanted.role == member.role and not joins and not leaves:
            return await one_view(held.tx, held.id, held.overlay, member)
        changed = await members.set_role(held.tx, held.id, member.user_id, wanted.role, held.by_person, ctx.now)
        await groups.put_in(held.tx, held.id, [group.group_id for group in joins], member.user_id, held.by, ctx.now)
        await groups.take_out(held.tx, held.id, [group.group_id for group in leaves], member.user_id)
        await held.look_again()
        if changed.role != member.role:
            await held.tx.emit(MemberRoleChanged(org_id=held.id, member=held.state(changed), previous_role=member.role))
        for group in joins:
            await held.tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=member.user_id))
        for group in leaves:
            await held.tx.emit(GroupMemberRemoved(org_id=held.id, group=group.state(), user_id=member.user_id))
        return await one_view(held.tx, held.id, held.overlay, changed)


async def deactivate_user(ctx: Ctx, which: WhichUser) -> OneUser:
    """Takes a user's access away until they are reactivated; role, groups and dashboards are kept."""
    async with administering(ctx, "users.manage") as held:
        await deactivate(held, await _checked(ctx, held, which))
        return await one_view(held.tx, held.id, held.overlay, await members.one(held.tx, held.id, which.user_id))


async def reactivate_user(ctx: Ctx, which: WhichUser) -> OneUser:
    """Gives a deactivated user their access back, as it was; it takes a slot again."""
    async with administering(ctx, "users.manage") as held:
        await reactivate(held, await _checked(ctx, held, which))
        return await one_view(held.tx, held.id, held.overlay, await members.one(held.tx, held.id, which.user_id))


async def remove_user(ctx: Ctx, which: WhichUser) -> None:
    """Removes a user from the organization and from all its groups."""
    async with administering(ctx, "users.manage") as held:
        await remove(held, await _checked(ctx, held, which))


async def _checked(ctx: Ctx, held: Held, which: WhichUser) -> rules.Member:
    member = await members.one(held.tx, held.id, which.user_id)
    ctx.check_version(member.version, member.changed_by, member.changed_at)
    return member


async def deactivate(held: Held, member: rules.Member) -> bool:
    """False when they were inactive already."""
    if member.status != "active":
        return False
    await held.check_keeps_an_admin(member)
    changed = await members.deactivate(held.tx, held.id, member.user_id, held.by_person, held.now)
    await held.look_again()
    await held.tx.emit(MemberDeactivated(org_id=held.id, member=held.state(changed)))
    return True


async def reactivate(held: Held, member: rules.Member) -> bool:
    """False when they were active already."""
    if member.status != "inactive":
        return False
    if held.acting is None and member.role == "admin" and not _by_provider(held.by, member.changed_by):
        raise Problem("forbidden", "Only an Admin brings an Admin back.", meta={"because": "role", "roles": ["admin"]})
    await held.check_slot(member.role)
    changed = await members.reactivate(held.tx, held.id, member.user_id, held.by_person, held.now)
    await held.look_again()
    await held.tx.emit(MemberReactivated(org_id=held.id, member=held.state(changed)))
    return True


def _by_provider(*actors: str | None) -> bool:
    """Whether an identity provider did it each time: what it took it may give back."""
    return all(actor is not None and actor.startswith("sct_") for actor in actors)


async def remove(held: Held, member: rules.Member) -> bool:
    await held.check_keeps_an_admin(member)
    removed = await members.remove(held.tx, held.id, member.user_id, held.by, held.now)
    await held.look_again()
    await held.tx.emit(MemberRemoved(org_id=held.id, member=held.state(removed)))
    return True


async def give_role(held: Held, member: rules.Member, role: Role) -> bool:
    """False when they had it already."""
    if role == member.role:
        return False
    await _check_may_become(held.tx, held.id, held.plan, held.now, member, role)
    changed = await members.set_role(held.tx, held.id, member.user_id, role, held.by_person, held.now)
    await held.look_again()
    await held.tx.emit(MemberRoleChanged(org_id=held.id, member=held.state(changed), previous_role=member.role))
    return True


async def _check_may_become(
    read: Read, org_id: str, plan: rules.Plan, now: datetime, member: rules.Member, role: Role
) -> None:
    if role != member.role and role != "admin":
        rules.check_keeps_an_admin(member, await members.other_admins(read, org_id, member.user_id))
    kind = rules.kind_of(role)
    if member.status == "active" and kind != rules.kind_of(member.role) and plan.limit(kind) is not None:
        rules.check_slot(plan, kind, (await members.slots_used(read, org_id, now))[kind])


@dataclass(frozen=True)
class Regrouping:
    """The custom groups that a member is in, and what a change would do to them."""

    had: list[rules.Group]
    joins: list[rules.Group]
    leaves: list[rules.Group]


async def check_role_and_groups(
    read: Read, org_id: str, plan: rules.Plan, now: datetime, member: rules.Member, role: Role, group_ids: Sequence[str]
) -> Regrouping:
    """Refuses what the plan, the slots or the last Admin forbid."""
    had = {group.group_id: group for group in (await groups.held(read, org_id, [member.user_id]))[member.user_id]}
    known = await groups.some(read, org_id, group_ids)
    rules.check_groups_known(group_ids, known)
    joins = [group for group in known.values() if group.group_id not in had]
    rules.check_may_gain_members([group.kind for group in joins], plan)
    await _check_may_become(read, org_id, plan, now, member, role)
    leaves = [group for group in had.values() if group.group_id not in known]
    rules.check_by_hand([*joins, *leaves])
    return Regrouping(list(had.values()), joins, leaves)


async def views(read: Read, org_id: str, overlay: rules.Overlay, found: list[rules.Member]) -> list[User]:
    custom = await groups.held(read, org_id, [member.user_id for member in found])
    built_in = await groups.built_in(read, org_id)
    known: dict[str, GroupRef] = {}
    return [_view(overlay, member, built_in, custom[member.user_id], known) for member in found]


async def one_view(read: Read, org_id: str, overlay: rules.Overlay, member: rules.Member) -> OneUser:
    view = (await views(read, org_id, overlay, [member]))[0]
    return OneUser(**view.model_dump(), version=member.version)


def _view(
    overlay: rules.Overlay,
    member: rules.Member,
    built_in: list[rules.Group],
    custom: list[rules.Group],
    known: dict[str, GroupRef],
) -> User:
    role = overlay.effective_role(member)
    derived = [group for group in built_in if rules.is_in_built_in(group.kind, member.status, role)]
    return User(
        id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role,
        effective_role=role,
        status=member.status,
        joined_at=member.joined_at,
        deactivated_at=member.deactivated_at,
        last_active_at=member.last_active_at if member.seen else None,
        two_factor=member.two_factor,
        groups=[_ref(known, group) for group in (*derived, *custom)],
    )


def _ref(known: dict[str, GroupRef], group: rules.Group) -> GroupRef:
    """Members of one page share most of their groups, so each is made once."""
    ref = known.get(group.group_id)
    if ref is None:
        ref = known[group.group_id] = GroupRef(id=group.group_id, kind=group.kind, name=group.name)
    return ref
