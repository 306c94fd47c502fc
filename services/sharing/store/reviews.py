"""Who sees what by which path: every open path of a dashboard, person by person, with the event behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.access import Board, Path, Reach
from shared.db import Read

# `$3` and so on are the paths that the dashboard and the plan open; `$7` are those who are asked for, if not everybody is.
WAYS = """
with ways as (
    select d.owner_id as user_id, 'ownership' as path, '' as group_id, null as group_name, d.owner_event as event_id, d.owner_at as since
    from dashboards d where d.org_id = $1 and d.dashboard_id = $2 and $3
    union all
    select m.user_id, chosen.kind, '', null, chosen.event_id, chosen.since
    from (
        select mode.kind, mode.for_everybody, coalesce(dg.event_id, d.shared_event) as event_id, coalesce(dg.at, d.shared_at) as since
        from dashboards d
        cross join (values ('all_users', true, $4::boolean), ('all_analysts', false, $5::boolean)) mode (kind, for_everybody, opened)
        left join groups g on g.org_id = $1 and g.kind = mode.kind
        left join dashboard_groups dg on dg.org_id = $1 and dg.dashboard_id = $2 and dg.group_id = g.group_id
        where d.org_id = $1 and d.dashboard_id = $2 and mode.opened
    ) chosen
    join members m on m.org_id = $1 and (chosen.for_everybody or m.effective_role <> 'viewer')
    union all
    select gm.user_id, 'group', g.group_id, g.name, case when gm.at > dg.at then gm.event_id else dg.event_id end, greatest(gm.at, dg.at)
    from (select group_id, event_id, at from dashboard_groups where org_id = $1 and dashboard_id = $2 and $6 offset 0) dg
    cross join lateral (
        select group_id, name from groups where org_id = $1 and group_id = dg.group_id and kind = 'custom' and deleted_at is null offset 0
    ) g
    cross join lateral (
        select user_id, event_id, at from group_members where org_id = $1 and group_id = g.group_id and present offset 0
    ) gm
)
select w.*, m.name, m.email, m.role, m.effective_role
from ways w cross join lateral (select * from members where org_id = $1 and user_id = w.user_id offset 0) m
where m.status = 'active' and ($7::text[] is null or w.user_id = any($7)) and (w.user_id, w.path, w.group_id) > ($8, $9, $10)
order by w.user_id, w.path, w.group_id limit $11
"""


@dataclass(frozen=True)
class OpenWay:
    """One path by which one person sees a dashboard; `since` it was shared that way, or they came into the group, by that event."""

    user_id: str
    name: str
    email: str
    role: str
    effective_role: str
    path: Path
    group_id: str
    group_name: str | None
    event_id: str
    since: datetime

    @property
    def place(self) -> tuple[str, str, str]:
        return self.user_id, self.path, self.group_id


async def ways(
    read: Read,
    org_id: str,
    board: Board,
    audience: Reach,
    user_ids: Sequence[str] | None,
    after: Sequence[str] = ("", "", ""),
    limit: int | None = None,
) -> list[OpenWay]:
    """The next open paths after a place; of these people, if any are named."""
    opened = (audience.ownership, audience.all_users, audience.all_analysts, audience.group)
    rows = await read.rows(WAYS, org_id, board.dashboard_id, *opened, user_ids, *after, limit)
    return [OpenWay(**dict(row)) for row in rows]


async def dashboards_after(read: Read, org_id: str, after: str, limit: int) -> list[str]:
    rows = await read.rows(
        "select dashboard_id from dashboards where org_id = $1 and dashboard_id > $2 order by dashboard_id limit $3",
        org_id,
        after,
        limit,
    )
    return [row["dashboard_id"] for row in rows]


async def count_dashboards(read: Read, org_id: str) -> int:
    count: int = await read.value("select count(*) from dashboards where org_id = $1", org_id)
    return count
