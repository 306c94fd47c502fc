"""Who sees what, page by page, for an Admin: what one person sees, and who sees one dashboard."""

from __future__ import annotations

from collections.abc import Sequence

from services.sharing.rules import access, sharing
from services.sharing.rules.access import Path
from services.sharing.store import access as reading
from services.sharing.store import dashboards as boards
from services.sharing.store import reviews
from services.sharing.usecases.asking import asker, may_know_of
from services.sharing.usecases.dashboards import Owner
from shared.auth import Actor
from shared.db import Read
from shared.errors import Problem
from shared.fields import ForeignId, View
from shared.ids import UserId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx


class SeenDashboard(View):
    """A dashboard that somebody sees, by which paths, and through which of their groups."""

    id: str
    title: str
    owner: Owner
    paths: tuple[Path, ...]
    group_names: tuple[str, ...]


class Viewer(View):
    """Somebody who sees a dashboard, by which paths, and through which groups."""

    user_id: str
    name: str
    email: str
    role: str
    effective_role: str
    paths: tuple[Path, ...]
    group_names: tuple[str, ...]


class ListSeenDashboards(ListQuery):
    user_id: UserId


class ListViewers(ListQuery):
    dashboard_id: ForeignId


async def list_seen_dashboards(ctx: Ctx, query: ListSeenDashboards) -> Page[SeenDashboard]:
    """The dashboards that one person sees, by title. What the plan suspends isn't open, and isn't there."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    after = cursors.read(query) or ["", ""]
    async with ctx.read() as read:
        org_id = await _admins_organization(ctx, read)
        person, plan = await reading.standing(read, org_id, query.user_id)
        reach = access.reach(person, plan)
        places = await reading.visible(read, org_id, query.user_id, reach, after=after, like="", limit=query.limit + 1)
        found = await boards.dashboards(read, org_id, [dashboard_id for _, dashboard_id in places], query.user_id)
    page = cursors.page(found, query, lambda kept: (kept.title_key, kept.board.dashboard_id))
    seen = []
    for kept in page.data:
        paths = access.paths(person, plan, kept.board, bool(kept.my_groups))
        seen.append(
            SeenDashboard(
                id=kept.board.dashboard_id,
                title=kept.board.title,
                owner=Owner(user_id=kept.board.owner_id, name=kept.owner_name),
                paths=paths,
                group_names=kept.my_groups if "group" in paths else (),
            )
        )
    return Page(data=seen, page=page.page)


async def list_viewers(ctx: Ctx, query: ListViewers) -> Page[Viewer]:
    """The people who see one dashboard, by name. What the plan suspends isn't open, and isn't there."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    after = cursors.read(query) or ["", ""]
    async with ctx.read() as read:
        org_id = await _admins_organization(ctx, read)
        kept = await boards.dashboard(read, org_id, query.dashboard_id)
        if kept is None:
            raise Problem("not_found")
        _, plan = await reading.standing(read, org_id, "")
        audience = access.audience(kept.board, plan)
        places = await reading.viewers(read, org_id, kept.board, audience, after=after, limit=query.limit + 1)
        ways = await reviews.ways(read, org_id, kept.board, audience, [user_id for _, user_id in places])
    page = cursors.page(places, query, lambda place: place)
    return Page(
        data=[_viewer(found) for _, user_id in page.data if (found := [way for way in ways if way.user_id == user_id])],
        page=page.page,
    )


async def may_review(read: Read, actor: Actor, dashboard_id: str) -> bool:
    """An Admin asks about all that are registered; others may know of no more than elsewhere."""
    if actor.org_id is not None and actor.role == "admin":
        return await reading.board_exists(read, actor.org_id, dashboard_id)
    return await may_know_of(read, actor, dashboard_id)


async def _admins_organization(ctx: Ctx, read: Read) -> str:
    asking = await asker(ctx, read)
    sharing.check_admin(asking.person)
    return asking.org_id


def _viewer(ways: Sequence[reviews.OpenWay]) -> Viewer:
    one = ways[0]
    return Viewer(
        user_id=one.user_id,
        name=one.name,
        email=one.email,
        role=one.role,
        effective_role=one.effective_role,
        paths=list(dict.fromkeys(way.path for way in ways)),
        group_names=sorted(way.group_name for way in ways if way.group_name is not None),
    )
