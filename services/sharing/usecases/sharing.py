"""With whom a dashboard is shared. The plan says what may be added; what was added before is kept, and suspended when it lapses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from pydantic import Field

from services.sharing.rules import access, sharing
from services.sharing.rules.access import Board, Mode, Plan
from services.sharing.rules.explanation import Cause
from services.sharing.rules.sharing import NOBODY, GroupKind, Target
from services.sharing.store import dashboards as store
from services.sharing.store import notices, plans
from services.sharing.store.notices import Side
from services.sharing.usecases.asking import Asker, asker, author, owner_of
from services.sharing.usecases.dashboards import WhichDashboard, state
from shared.capabilities import Suspension
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events import sharing as said
from shared.fields import Composed, ForeignId, Message, View
from shared.ids import GroupId
from shared.service import Ctx

NAMES_SHOWN = 200


class SharedGroup(View):
    """A group that the dashboard is shared with; `people` are its active members."""

    group_id: str
    name: str
    kind: GroupKind
    people: int
    suspended: Suspension | None


class Sharing(Composed):
    """With whom a dashboard is shared. `people` counts who sees it now, its owner included."""

    dashboard_id: str
    mode: Mode
    groups: tuple[SharedGroup, ...]
    suspended: Suspension | None
    people: int
    shared_by: str | None
    shared_at: datetime


class ShareDashboard(Message):
    """`group_ids` goes with mode `groups` only. `notify`: a mail to who gains access, once per person and dashboard, ever."""

    dashboard_id: ForeignId
    mode: Mode
    group_ids: Annotated[list[GroupId], Field(max_length=2000)] = Field(default_factory=list)
    notify: bool = True
    include_thumbnail: bool = True


class Somebody(View):
    user_id: str
    name: str


class SharingPreview(View):
    """Who would gain and lose the dashboard: all counted, and the first 200 of each by name. `mails`: to whom it is news."""

    people_before: int
    people_after: int
    gaining_count: int
    gaining: tuple[Somebody, ...]
    losing_count: int
    losing: tuple[Somebody, ...]
    mails: int


@dataclass(frozen=True)
class Wanted:
    """A checked wish, and what it starts from."""

    asking: Asker
    kept: store.Kept
    selected: tuple[sharing.Group, ...]
    target: Target

    @property
    def before(self) -> Target:
        return Target(self.kept.board.mode, self.selected)

    @property
    def sides(self) -> tuple[Side, Side]:
        """The audience as it is, and as it is wanted."""
        board, plan = self.kept.board, self.asking.plan
        return _side(board, self.before, plan), _side(board, self.target, plan)


@dataclass(frozen=True)
class Notice:
    """Who gains access is told by mail."""

    include_thumbnail: bool


async def read_sharing(ctx: Ctx, which: WhichDashboard) -> Sharing:
    """With whom a dashboard is shared: for its owner."""
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        kept = await store.dashboard(read, asking.org_id, which.dashboard_id)
        if kept is None:
            raise Problem("not_found")
        sharing.check_may_shrink(asking.person, kept.board, await owner_of(read, asking.org_id, kept.board))
        return await view_of(read, asking, kept)


async def share_dashboard(ctx: Ctx, wanted: ShareDashboard) -> Sharing:
    """Shares a dashboard with nobody, all users, all analysts, or selected groups; its owner alone may."""
    async with ctx.tx() as tx:
        asking = await author(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id)
        sharing.check_owns(asking.person, kept.board)
        ctx.check_version(kept.sharing_version, kept.shared_by, kept.shared_at)
        checked = await _checked(tx, asking, kept, wanted)
        await set_sharing(ctx, tx, checked, Notice(wanted.include_thumbnail) if wanted.notify else None)
        return await view_of(tx, asking, await store.lock_dashboard(tx, asking.org_id, wanted.dashboard_id))


async def unshare_dashboard(ctx: Ctx, which: WhichDashboard) -> None:
    """Stops sharing a dashboard: never refused because of the plan, so an owner may who acts as Viewer without a slot."""
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        kept = await store.lock_dashboard(tx, asking.org_id, which.dashboard_id)
        sharing.check_may_shrink(asking.person, kept.board, await owner_of(tx, asking.org_id, kept.board))
        ctx.check_version(kept.sharing_version, kept.shared_by, kept.shared_at)
        selected = await selected_groups(tx, asking.org_id, which.dashboard_id)
        await set_sharing(ctx, tx, Wanted(asking, kept, selected, NOBODY))


async def preview_sharing(ctx: Ctx, wanted: ShareDashboard) -> SharingPreview:
    """Who would gain and who would lose a dashboard, by name, if it were shared like this."""
    async with ctx.read() as read:
        asking = await author(ctx, read)
        kept = await store.dashboard(read, asking.org_id, wanted.dashboard_id)
        if kept is None:
            raise Problem("not_found")
        sharing.check_owns(asking.person, kept.board)
        checked = await _checked(read, asking, kept, wanted)
        org_id, owner_id = asking.org_id, kept.board.owner_id
        before, after = checked.sides
        compared = await store.compare(read, org_id, owner_id, before, after, NAMES_SHOWN)
        mails = await notices.untold(read, org_id, wanted.dashboard_id, owner_id, before, after) if wanted.notify else 0
    losing_count = compared.before - compared.after + compared.gaining_count
    return SharingPreview(
        people_before=compared.before,
        people_after=compared.after,
        gaining_count=compared.gaining_count,
        gaining=[Somebody(user_id=user_id, name=name) for user_id, name in compared.gaining],
        losing_count=losing_count,
        losing=[Somebody(user_id=user_id, name=name) for user_id, name in compared.losing],
        mails=mails,
    )


async def _checked(read: Read, asking: Asker, kept: store.Kept, wanted: ShareDashboard) -> Wanted:
    known = await store.groups(read, asking.org_id, wanted.group_ids)
    selected = await selected_groups(read, asking.org_id, wanted.dashboard_id)
    ids = frozenset(group.group_id for group in selected)
    target = sharing.target(wanted.mode, wanted.group_ids, known, ids, kept.board, asking.plan)
    return Wanted(asking, kept, selected, target)


async def set_sharing(ctx: Ctx, tx: Tx, wanted: Wanted, notice: Notice | None = None) -> None:
    """Keeps and says the new sharing, and puts the mails about it in line; nothing when it is as before."""
    before, target, kept = wanted.before, wanted.target, wanted.kept
    if (before.mode, set(before.group_ids)) == (target.mode, set(target.group_ids)):
        return
    mails = await _ask_for_mails(ctx, tx, wanted, notice) if notice is not None else 0
    told = await tx.emit(
        said.DashboardShared(
            org_id=wanted.asking.org_id,
            dashboard=state(kept.board, kept.parameters),
            shared_with=said.SharedWith(mode=target.mode, group_ids=target.group_ids),
            previous=said.SharedWith(mode=before.mode, group_ids=before.group_ids),
            mails=mails,
        )
    )
    await store.set_sharing(
        tx, wanted.asking.org_id, kept.board.dashboard_id, target, ctx.actor.user_id, ctx.now, told.id
    )


async def _ask_for_mails(ctx: Ctx, tx: Tx, wanted: Wanted, notice: Notice) -> int:
    board = wanted.kept.board
    return await notices.ask(
        tx,
        wanted.asking.org_id,
        board.dashboard_id,
        board.owner_id,
        *wanted.sides,
        by=ctx.actor.user_id,
        with_thumbnail=notice.include_thumbnail,
        at=ctx.now,
    )


async def selected_groups(read: Read, org_id: str, dashboard_id: str) -> tuple[sharing.Group, ...]:
    """The groups that a dashboard is shared with, without those that were deleted."""
    return tuple(one.group for one in await store.selected(read, org_id, dashboard_id))


def _side(board: Board, target: Target, plan: Plan | None) -> Side:
    """The audience that a sharing would have, and the custom groups in it."""
    shared = replace(board, mode=target.mode, all_users=target.all_users, all_analysts=target.all_analysts)
    return access.audience(shared, plan), [group.group_id for group in target.groups if group.kind == "custom"]


async def view_of(read: Read, asking: Asker, kept: store.Kept) -> Sharing:
    """The sharing as its owner sees it."""
    org_id, board = asking.org_id, kept.board
    selected = await store.selected(read, org_id, board.dashboard_id)
    everybody, authors = await store.member_counts(read, org_id)
    side = _side(board, Target(board.mode, tuple(one.group for one in selected)), asking.plan)
    compared = await store.compare(read, org_id, board.owner_id, side, side, 0)
    causes = await plans.causes(read, org_id)
    built_in = {"all_users": everybody, "all_analysts": authors}
    return Sharing(
        version=kept.sharing_version,
        dashboard_id=board.dashboard_id,
        mode=board.mode,
        groups=[
            SharedGroup(
                group_id=one.group.group_id,
                name=one.group.name,
                kind=one.group.kind,
                people=built_in.get(one.group.kind, one.people),
                suspended=_suspension(one.group.kind, asking.plan, causes),
            )
            for one in selected
        ],
        suspended=_suspension(board.mode, asking.plan, causes),
        people=compared.before,
        shared_by=kept.shared_by,
        shared_at=kept.shared_at,
    )


def _suspension(what: str, plan: Plan | None, causes: dict[str, Cause]) -> Suspension | None:
    """What the plan makes of a mode or a kind of group: it may be suspended."""
    feature = {"all_analysts": "share_all_analysts", "custom": "custom_groups"}.get(what)
    if feature is None or (plan is not None and getattr(plan, feature)):
        return None
    cause = causes.get(feature, Cause())
    return Suspension(plan=plan.plan if plan else None, since=cause.at)
