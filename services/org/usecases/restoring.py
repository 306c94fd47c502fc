"""Deleted groups: listed for thirty days, and brought back as they were."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.org import rules
from services.org.store import deleted_groups, groups
from services.org.usecases.groups import GroupName, OneGroup, one_view
from services.org.usecases.holding import administering
from services.org.usecases.own import own
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.org import GroupRestored
from shared.fields import Message, View
from shared.ids import GroupId
from shared.paging import ListQuery, Page
from shared.service import Ctx

KEPT = timedelta(days=30)


class DeletedGroupItem(View):
    """`members` is how many it had. It can be restored until `restorable_until`."""

    id: str
    name: str
    description: str
    members: int
    created_at: datetime
    deleted_at: datetime
    deleted_by: str | None
    restorable_until: datetime


class ListDeletedGroups(ListQuery):
    """Deleted groups that can be restored."""


class RestoreGroup(Message):
    """`name` helps when another group has taken the old one."""

    group_id: GroupId
    name: GroupName | None = None


async def list_deleted_groups(ctx: Ctx, query: ListDeletedGroups) -> Page[DeletedGroupItem]:
    """The groups that were deleted in the last 30 days, the last first."""
    cursors = own(ctx).cursors
    async with ctx.read() as read:
        found = await deleted_groups.listed(read, ctx.actor.org(), ctx.now - KEPT, cursors.read(query), query.limit + 1)
    return cursors.page([_view(one) for one in found], query, lambda last: (last.deleted_at, last.id))


async def restore_group(ctx: Ctx, wanted: RestoreGroup) -> OneGroup:
    """Brings a deleted group back with its people and with what is shared with it; needs a plan with custom groups.

    Who was removed since isn't in it again, and the invited are no longer promised it. A group that is there stays as it is.
    """
    async with administering(ctx, "groups.manage") as held:
        there = await groups.find(held.tx, held.id, wanted.group_id)
        if there is not None:
            return await one_view(held.tx, held.id, held.overlay, there)
        was = await deleted_groups.find(held.tx, held.id, wanted.group_id, ctx.now - KEPT)
        if was is None:
            raise Problem("not_found")
        rules.check_may_have_groups(held.plan)
        group = await deleted_groups.bring_back(held.tx, held.id, was, wanted.name or was.name, held.by_person, ctx.now)
        people = await deleted_groups.people(held.tx, held.id, group.group_id)
        await held.tx.emit(GroupRestored(org_id=held.id, group=group.state(), user_ids=people))
        return await one_view(held.tx, held.id, held.overlay, group)


async def forget_deleted_groups(ctx: Ctx) -> None:
    """The job: what was deleted more than 30 days ago is gone."""
    async with ctx.tx(EVERY_ORG) as tx:
        await deleted_groups.forget(tx, ctx.now - KEPT)


def _view(was: deleted_groups.DeletedGroup) -> DeletedGroupItem:
    return DeletedGroupItem(
        id=was.group_id,
        name=was.name,
        description=was.description,
        members=was.members,
        created_at=was.created_at,
        deleted_at=was.deleted_at,
        deleted_by=was.deleted_by,
        restorable_until=was.deleted_at + KEPT,
    )
