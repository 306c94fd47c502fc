"""A dashboard is shared with one group more, or one less, from the group's side: the same rights, rules and mails as from the dashboard's."""

from __future__ import annotations

from collections.abc import Sequence

from services.sharing.rules import sharing as rules
from services.sharing.rules.sharing import Group
from services.sharing.store import dashboards as store
from services.sharing.store import group_dashboards
from services.sharing.usecases.asking import asker, author, may_know_of, owner_of
from services.sharing.usecases.sharing import Notice, Sharing, Wanted, selected_groups, set_sharing, view_of
from shared.auth import Actor
from shared.db import Read, Tx
from shared.errors import Problem
from shared.fields import ForeignId, Message
from shared.ids import GroupId
from shared.service import Ctx


class WhichGroupDashboard(Message):
    group_id: GroupId
    dashboard_id: ForeignId


class ShareWithGroup(WhichGroupDashboard):
    """`notify`: a mail to who gains access, once per person and dashboard, ever."""

    notify: bool = True
    include_thumbnail: bool = True


async def share_with_group(ctx: Ctx, wanted: ShareWithGroup) -> Sharing:
    """Shares a dashboard with one more group; its owner alone may. Whom it reaches already, it goes on to reach.

    A dashboard that is shared with all users, or all analysts, is from then on shared with that built-in group and this one.
    """
    async with ctx.tx() as tx:
        asking = await author(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id)
        rules.check_owns(asking.person, kept.board)
        ctx.check_version(kept.sharing_version, kept.shared_by, kept.shared_at)
        selected = await selected_groups(tx, asking.org_id, wanted.dashboard_id)
        group = await _group(tx, asking.org_id, wanted.group_id)
        around = await group_dashboards.built_in(tx, asking.org_id, kept.board.mode)
        target = rules.with_group(group, around or selected, kept.board, asking.plan)
        notice = Notice(wanted.include_thumbnail) if wanted.notify else None
        await set_sharing(ctx, tx, Wanted(asking, kept, selected, target), notice)
        return await view_of(tx, asking, await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id))


async def unshare_with_group(ctx: Ctx, which: WhichGroupDashboard) -> None:
    """Ends the sharing of a dashboard with one group: never refused because of the plan. Without any group it is shared with nobody."""
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, which.dashboard_id)
        rules.check_may_shrink(asking.person, kept.board, await owner_of(tx, asking.org_id, kept.board))
        ctx.check_version(kept.sharing_version, kept.shared_by, kept.shared_at)
        selected = await selected_groups(tx, asking.org_id, which.dashboard_id)
        target = rules.without_group(which.group_id, selected, kept.board)
        await set_sharing(ctx, tx, Wanted(asking, kept, selected, target))


async def may_know_of_both(read: Read, actor: Actor, group_id: str, dashboard_id: str) -> bool:
    """Groups are known to all members; a dashboard is not."""
    if actor.org_id is None or await group_dashboards.kind_of(read, actor.org_id, group_id) is None:
        return False
    return await may_know_of(read, actor, dashboard_id)


async def _group(tx: Tx, org_id: str, group_id: str) -> Group:
    known: Sequence[Group] = list((await store.groups(tx, org_id, [group_id])).values())
    if not known:
        raise Problem("not_found")
    return known[0]
