"""What a change of members or groups would do to who sees what: asked by org before the change is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.sharing.store.effects import DASHBOARDS_NAMED, PEOPLE_NAMED
from shared.db import Read, Row

# Every path by which the person sees a dashboard before or after; what differs is gained or lost.
MOVED = """
with ways as (
    select dashboard_id, $3::boolean as before, $4::boolean as after from dashboards where org_id = $1 and owner_id = $2 and owner_id <> ''
    union all
    select dashboard_id, $3, $4 from dashboards where org_id = $1 and all_users
    union all
    select dashboard_id, $5::boolean, $6::boolean from dashboards where org_id = $1 and all_analysts
    union all
    select dg.dashboard_id, dg.group_id = any($7::text[]), dg.group_id = any($8::text[])
    from dashboard_groups dg join groups g on g.org_id = $1 and g.group_id = dg.group_id
    where dg.org_id = $1 and dg.group_id = any($7::text[] || $8::text[]) and g.kind = 'custom' and g.deleted_at is null
), moved as (
    select dashboard_id, bool_or(after) as gained from ways group by dashboard_id having bool_or(before) <> bool_or(after)
), placed as (
    select gained, dashboard_id, title, row_number() over (partition by gained order by title_key, dashboard_id) as place,
        count(*) over (partition by gained) as how_many
    from moved join dashboards using (dashboard_id) where org_id = $1
)
select gained, dashboard_id, title, how_many from placed where place <= $9 order by gained, place
"""
OWNED = """
select dashboard_id, title, count(*) over () as how_many from dashboards
where org_id = $1 and owner_id = $2 and owner_id <> '' order by title_key, dashboard_id limit $3
"""
# Who sees a dashboard through this group and by no other way, whether or not the plan suspends groups just now.
ONLY_THROUGH = """
with lost as (
    select d.dashboard_id, d.title, d.title_key, m.user_id, m.name, m.name_key
    from dashboard_groups dg
    join dashboards d on d.org_id = $1 and d.dashboard_id = dg.dashboard_id and not d.all_users
    join group_members gm on gm.org_id = $1 and gm.group_id = dg.group_id and gm.present
    join members m on m.org_id = $1 and m.user_id = gm.user_id and m.status = 'active'
    where dg.org_id = $1 and dg.group_id = $2 and m.user_id <> d.owner_id
        and not (d.all_analysts and $3 and m.effective_role <> 'viewer')
        and not exists (
            select from dashboard_groups other
            join groups g on g.org_id = $1 and g.group_id = other.group_id and g.kind = 'custom' and g.deleted_at is null
            join group_members held on held.org_id = $1 and held.group_id = other.group_id and held.user_id = m.user_id and held.present
            where other.org_id = $1 and other.dashboard_id = d.dashboard_id and other.group_id <> $2
        )
), placed as (
    select *, row_number() over (partition by dashboard_id order by name_key, user_id) as place,
        count(*) over (partition by dashboard_id) as how_many from lost
)
select dashboard_id, title, min(how_many) as how_many, array_agg(user_id order by place) as user_ids,
    array_agg(name order by place) as names, count(*) over () as dashboards,
    (select count(distinct user_id) from lost) as people
from placed where place <= $4 group by dashboard_id, title, title_key order by title_key, dashboard_id limit $5
"""


@dataclass(frozen=True)
class Side:
    """What a person is, before a change or after it: which paths could lead to them."""

    active: bool
    author: bool
    group_ids: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    dashboard_id: str
    title: str


@dataclass(frozen=True)
class Some:
    """The first of them by title, and how many there are."""

    count: int = 0
    first: tuple[Board, ...] = ()


@dataclass(frozen=True)
class Losing:
    """A dashboard that people lose: all counted, the first by name as (user id, name)."""

    board: Board
    count: int
    people: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Lost:
    people: int = 0
    dashboards: int = 0
    first: tuple[Losing, ...] = ()


async def links_made_by(read: Read, org_id: str, user_id: str) -> list[Row]:
    """The first by name, each with how many there are in all."""
    return await read.rows(
        "select link_id, name, dashboard_id, count(*) over () as how_many from links where org_id = $1 and created_by = $2"
        " order by name_key, link_id limit $3",
        org_id,
        user_id,
        DASHBOARDS_NAMED,
    )


async def owned(read: Read, org_id: str, user_id: str) -> Some:
    rows = await read.rows(OWNED, org_id, user_id, DASHBOARDS_NAMED)
    boards = tuple(Board(row["dashboard_id"], row["title"]) for row in rows)
    return Some(rows[0]["how_many"], boards) if rows else Some()


async def moved(read: Read, org_id: str, user_id: str, before: Side, after: Side) -> tuple[Some, Some]:
    """What a person gains and loses by becoming something else."""
    rows = await read.rows(
        MOVED,
        org_id,
        user_id,
        before.active,
        after.active,
        before.active and before.author,
        after.active and after.author,
        list(before.group_ids) if before.active else [],
        list(after.group_ids) if after.active else [],
        DASHBOARDS_NAMED,
    )

    def some(gained: bool) -> Some:
        found = [row for row in rows if row["gained"] is gained]
        boards = tuple(Board(row["dashboard_id"], row["title"]) for row in found)
        return Some(found[0]["how_many"], boards) if found else Some()

    return some(True), some(False)


async def only_through(read: Read, org_id: str, group_id: str, share_all_analysts: bool) -> Lost:
    """Who loses what when a group is deleted."""
    rows = await read.rows(ONLY_THROUGH, org_id, group_id, share_all_analysts, PEOPLE_NAMED, DASHBOARDS_NAMED)
    if not rows:
        return Lost()
    first = tuple(
        Losing(
            Board(row["dashboard_id"], row["title"]),
            row["how_many"],
            tuple(zip(row["user_ids"], row["names"], strict=True)),
        )
        for row in rows
    )
    return Lost(rows[0]["people"], rows[0]["dashboards"], first)


async def known(read: Read, org_id: str, user_id: str) -> bool:
    """Whether this person is or was a member."""
    return bool(await read.value("select true from members where org_id = $1 and user_id = $2", org_id, user_id))


async def lock_owned(
    read: Read, org_id: str, user_id: str, dashboard_ids: Sequence[str] | None, limit: int
) -> list[str]:
    """Dashboards of this owner by title, held until the end of the transaction; only the named ones, if any are."""
    rows = await read.rows(
        "select dashboard_id from dashboards where org_id = $1 and owner_id = $2 and owner_id <> '' and ($3::text[] is null or dashboard_id = any($3))"
        " order by title_key, dashboard_id limit $4 for update",
        org_id,
        user_id,
        None if dashboard_ids is None else list(dashboard_ids),
        limit,
    )
    return [row["dashboard_id"] for row in rows]
