"""Which dashboards are shared with a group."""

# ruff: noqa: S608 - only constants are put into statements
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.sharing import Group
from shared.db import Read

COLUMNS = "d.dashboard_id, d.title, d.title_key, d.owner_id, owner.name as owner_name"
OWNER = "left join members owner on owner.org_id = d.org_id and owner.user_id = d.owner_id"
# By kind of group; each walks an index and stops after a page.
LISTED = {
    "custom": f"""
select {COLUMNS}, dg.at as shared_at
from (
    select dashboard_id, at from dashboard_groups
    where org_id = $1 and group_id = $2 and title_key <> '' and (title_key, dashboard_id) > ($3, $4)
    order by title_key, dashboard_id limit $5
) dg
join dashboards d on d.org_id = $1 and d.dashboard_id = dg.dashboard_id {OWNER}
order by d.title_key, d.dashboard_id
""",
    "all_users": f"""
select {COLUMNS}, d.shared_at from dashboards d {OWNER}
where d.org_id = $1 and $2 <> '' and d.all_users and (d.title_key, d.dashboard_id) > ($3, $4)
order by d.title_key, d.dashboard_id limit $5
""",
    "all_analysts": f"""
select {COLUMNS}, d.shared_at from dashboards d {OWNER}
where d.org_id = $1 and $2 <> '' and d.all_analysts and (d.title_key, d.dashboard_id) > ($3, $4)
order by d.title_key, d.dashboard_id limit $5
""",
}


@dataclass(frozen=True)
class GroupDashboard:
    dashboard_id: str
    title: str
    title_key: str
    owner_id: str
    owner_name: str | None
    shared_at: datetime


async def kind_of(read: Read, org_id: str, group_id: str) -> str | None:
    """The kind of a group that is there."""
    kind: str | None = await read.value(
        "select kind from groups where org_id = $1 and group_id = $2 and deleted_at is null", org_id, group_id
    )
    return kind


async def built_in(read: Read, org_id: str, kind: str) -> list[Group]:
    """The built-in group of this kind, in a list; none for another kind."""
    rows = await read.rows(
        "select group_id, kind, name from groups where org_id = $1 and kind = $2 and kind <> 'custom' and deleted_at is null",
        org_id,
        kind,
    )
    return [Group(**dict(row)) for row in rows]


async def listed(
    read: Read, org_id: str, group_id: str, kind: str, after: Sequence[str], limit: int
) -> list[GroupDashboard]:
    """By title, after a position (title key, id)."""
    rows = await read.rows(LISTED[kind], org_id, group_id, *after, limit)
    return [GroupDashboard(**dict(row)) for row in rows]
