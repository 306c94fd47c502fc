"""What a group opens: the dashboards that are shared with it, for the Admin who looks after it."""

from __future__ import annotations

from datetime import datetime

from services.sharing.store import group_dashboards as store
from services.sharing.usecases.dashboards import Owner
from shared.db import Read
from shared.errors import Problem
from shared.fields import View
from shared.ids import GroupId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx


class GroupDashboardItem(View):
    """Somebody shared it with the group; its owner alone changes that."""

    id: str
    title: str
    owner: Owner
    shared_at: datetime


class ListGroupDashboards(ListQuery):
    group_id: GroupId


async def list_group_dashboards(ctx: Ctx, query: ListGroupDashboards) -> Page[GroupDashboardItem]:
    """The dashboards that are shared with a group, by title, whether or not the plan suspends the group."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    after = cursors.read(query) or ["", ""]
    async with ctx.read() as read:
        kind = await store.kind_of(read, ctx.actor.org(), query.group_id)
        if kind is None:
            raise Problem("not_found")
        found = await store.listed(read, ctx.actor.org(), query.group_id, kind, after, query.limit + 1)
    page = cursors.page(found, query, lambda last: (last.title_key, last.dashboard_id))
    return Page(
        data=[
            GroupDashboardItem(
                id=one.dashboard_id,
                title=one.title,
                owner=Owner(user_id=one.owner_id, name=one.owner_name),
                shared_at=one.shared_at,
            )
            for one in page.data
        ],
        page=page.page,
    )


async def group_is_known(read: Read, org_id: str, group_id: str) -> bool:
    return await store.kind_of(read, org_id, group_id) is not None
