"""What org asks before it changes members and groups: who would gain and lose which dashboards, by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.sharing.store import access as reading
from services.sharing.store import foreseen as store
from shared.fields import Message, View
from shared.ids import GroupId, OrgId, UserId
from shared.service import Ctx


class Standing(Message):
    """What somebody is: `author` while they act as Admin or Analyst."""

    active: bool
    author: bool
    group_ids: Annotated[list[GroupId], Field(max_length=2000)]


class AskMemberEffects(Message):
    org_id: OrgId
    user_id: UserId
    before: Standing
    after: Standing


class AskGroupEffects(Message):
    org_id: OrgId
    group_id: GroupId


class NamedDashboard(View):
    dashboard_id: str
    title: str


class Dashboards(View):
    """All counted, the first 500 by title."""

    count: int
    dashboards: tuple[NamedDashboard, ...]


class NamedLink(View):
    link_id: str
    name: str
    dashboard_id: str


class Links(View):
    """All counted, the first 500 by name."""

    count: int
    links: tuple[NamedLink, ...]


class MemberEffects(View):
    """`links` are those that the person made, on whosever dashboards."""

    owns: Dashboards
    links: Links
    gaining: Dashboards
    losing: Dashboards


class Somebody(View):
    user_id: str
    name: str


class LosingDashboard(View):
    """Who loses it: all counted, the first 200 by name."""

    dashboard_id: str
    title: str
    losing: tuple[Somebody, ...]
    losing_count: int


class GroupEffects(View):
    """`people` lose `dashboards_count` dashboards: the first 500 are listed."""

    people: int
    dashboards_count: int
    dashboards: tuple[LosingDashboard, ...]


async def member_effects(ctx: Ctx, asked: AskMemberEffects) -> MemberEffects:
    """What a person owns, and what they would gain and lose by becoming something else."""
    async with ctx.read(asked.org_id) as read:
        _, plan = await reading.standing(read, asked.org_id, "")
        analysts, groups = (plan.share_all_analysts, plan.custom_groups) if plan else (False, False)

        def side(standing: Standing) -> store.Side:
            reaching = tuple(standing.group_ids) if groups else ()
            return store.Side(standing.active, standing.author and analysts, reaching)

        gaining, losing = await store.moved(read, asked.org_id, asked.user_id, side(asked.before), side(asked.after))
        owns = await store.owned(read, asked.org_id, asked.user_id)
        links = await store.links_made_by(read, asked.org_id, asked.user_id)
    made = [NamedLink(**{name: row[name] for name in NamedLink.model_fields}) for row in links]
    told = Links(count=links[0]["how_many"] if links else 0, links=made)
    return MemberEffects(owns=_some(owns), links=told, gaining=_some(gaining), losing=_some(losing))


async def group_effects(ctx: Ctx, asked: AskGroupEffects) -> GroupEffects:
    """Who would lose which dashboards if a group were deleted: those who see them through it alone."""
    async with ctx.read(asked.org_id) as read:
        _, plan = await reading.standing(read, asked.org_id, "")
        lost = await store.only_through(
            read, asked.org_id, asked.group_id, plan is not None and plan.share_all_analysts
        )
    return GroupEffects(
        people=lost.people,
        dashboards_count=lost.dashboards,
        dashboards=[
            LosingDashboard(
                dashboard_id=one.board.dashboard_id,
                title=one.board.title,
                losing=[Somebody(user_id=user_id, name=name) for user_id, name in one.people],
                losing_count=one.count,
            )
            for one in lost.first
        ],
    )


def _some(some: store.Some) -> Dashboards:
    return Dashboards(
        count=some.count,
        dashboards=[NamedDashboard(dashboard_id=one.dashboard_id, title=one.title) for one in some.first],
    )
