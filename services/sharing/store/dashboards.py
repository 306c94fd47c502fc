"""Dashboards and their sharing."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.sharing.rules.access import Board, Reach
from services.sharing.rules.sharing import Group, Target
from services.sharing.store.access import board_of, order_key
from shared.db import Read, Row, Tx
from shared.errors import Problem

COLUMNS = """d.dashboard_id, d.title, d.title_key, d.owner_id, d.mode, d.all_users, d.all_analysts, d.parameters, d.thumbnail_url,
    d.version, d.created_at, d.updated_at, d.sharing_version, d.shared_event, d.shared_at, d.shared_by, owner.name as owner_name"""
ONE = f"""
select {COLUMNS} from dashboards d left join members owner on owner.org_id = d.org_id and owner.user_id = d.owner_id
where d.org_id = $1 and d.dashboard_id = $2
"""
SEVERAL = f"""
with mine as materialized (
    select g.group_id, g.name
    from (select group_id from group_members where org_id = $1 and user_id = $3 and user_id <> '' and present offset 0) gm
    cross join lateral (
        select group_id, name from groups where org_id = $1 and group_id = gm.group_id and kind = 'custom' and deleted_at is null offset 0
    ) g
)
select {COLUMNS}, array(
    select mine.name from mine cross join lateral (
        select from dashboard_groups where org_id = $1 and dashboard_id = d.dashboard_id and group_id = mine.group_id offset 0
    ) dg order by mine.name
) as my_groups
from (select * from dashboards where org_id = $1 and dashboard_id = any($2::text[]) offset 0) d
left join lateral (select name from members where org_id = $1 and user_id = d.owner_id offset 0) owner on true
order by d.title_key, d.dashboard_id
"""
INSERT = """
insert into dashboards (org_id, dashboard_id, title, title_key, parameters, thumbnail_url, created_at, updated_at,
    owner_id, owner_event, owner_at, shared_event, shared_at, since)
values ($1, $2, $3, $9, $4, $5, $7, $7, $6, $8, $7, $8, $7, $7)
"""
# What is removed was so until then: the past keeps it, as a trigger does for what changes.
DESELECT = """
with gone as (
    delete from dashboard_groups where org_id = $1 and dashboard_id = $2 and group_id <> all($3::text[]) returning *
)
insert into past (org_id, kind, one, other, since, until, was)
select org_id, 'dashboard_groups', dashboard_id, group_id, since, $4, to_jsonb(gone) - 'title_key' from gone where since < $4
"""
REMOVE = """
with gone as (delete from dashboards where org_id = $1 and dashboard_id = $2 returning *)
insert into past (org_id, kind, one, other, since, until, was)
select org_id, 'dashboards', dashboard_id, '', since, $3, to_jsonb(gone) - array['parameters', 'thumbnail_url'] from gone where since < $3
"""
SELECTED = """
select g.group_id, g.kind, g.name, (
    select count(*) from (select user_id from group_members where org_id = $1 and group_id = g.group_id and present offset 0) gm
    cross join lateral (select status from members where org_id = $1 and user_id = gm.user_id offset 0) m
    where g.kind = 'custom' and m.status = 'active'
) as people
from (select group_id from dashboard_groups where org_id = $1 and dashboard_id = $2 offset 0) dg
cross join lateral (
    select group_id, kind, name from groups where org_id = $1 and group_id = dg.group_id and deleted_at is null offset 0
) g order by g.name, g.group_id
"""
# Who sees the dashboard with one sharing, and with another: one walk over the members.
JUDGED = """
with judged as (
    select m.user_id, m.name, m.name_key,
        m.user_id = $2 or $3 or ($4 and m.effective_role <> 'viewer') or m.user_id in (
            select gm.user_id from group_members gm where gm.org_id = $1 and gm.group_id = any($5::text[]) and gm.present
        ) as before,
        m.user_id = $2 or $6 or ($7 and m.effective_role <> 'viewer') or m.user_id in (
            select gm.user_id from group_members gm where gm.org_id = $1 and gm.group_id = any($8::text[]) and gm.present
        ) as after
    from members m where m.org_id = $1 and m.status = 'active'
)
"""
COMPARED = f"""
{JUDGED}, changed as (
    select user_id, name, after, row_number() over (partition by after order by name_key, user_id) as place
    from judged where before <> after
)
select 'totals' as what, null as user_id, null as name, count(*) filter (where before) as n,
    count(*) filter (where after) as m, count(*) filter (where after and not before) as k from judged
union all
select case when after then 'gaining' else 'losing' end, user_id, name, place, 0, 0 from changed where place <= $9
order by 1, 4
"""


@dataclass(frozen=True)
class Kept:
    """A dashboard as stored."""

    board: Board
    title_key: str
    owner_name: str | None
    parameters: tuple[str, ...]
    thumbnail_url: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    sharing_version: int
    shared_event: str
    shared_at: datetime
    shared_by: str | None
    my_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selected:
    """A group that a dashboard is shared with, and how many active people it has (custom groups)."""

    group: Group
    people: int


@dataclass(frozen=True)
class Compared:
    """Who sees a dashboard before and after: counts, and names up to a limit."""

    before: int
    after: int
    gaining_count: int
    gaining: tuple[tuple[str, str], ...]
    losing: tuple[tuple[str, str], ...]


async def add_dashboard(
    tx: Tx,
    org_id: str,
    board: Board,
    parameters: Sequence[str],
    thumbnail_url: str | None,
    at: datetime,
    event_id: str,
) -> None:
    try:
        await tx.run(
            INSERT,
            org_id,
            board.dashboard_id,
            board.title,
            parameters,
            thumbnail_url,
            board.owner_id,
            at,
            event_id,
            order_key(board.title),
        )
    except asyncpg.UniqueViolationError:
        raise Problem(
            "already_exists", "A dashboard with this id is registered already.", meta={"because": "dashboard"}
        ) from None


async def dashboard(read: Read, org_id: str, dashboard_id: str) -> Kept | None:
    row = await read.row(ONE, org_id, dashboard_id)
    return _kept(row) if row is not None else None


async def lock_dashboard(tx: Tx, org_id: str, dashboard_id: str) -> Kept:
    """The dashboard, held until the end of the transaction; 404 when there is none."""
    row = await tx.row(f"{ONE} for update of d", org_id, dashboard_id)
    if row is None:
        raise Problem("not_found")
    return _kept(row)


async def dashboards(read: Read, org_id: str, dashboard_ids: Collection[str], user_id: str) -> list[Kept]:
    """Several dashboards by title, each with the names of this person's groups that it is shared with."""
    rows = await read.rows(SEVERAL, org_id, list(dashboard_ids), user_id)
    return [_kept(row, tuple(row["my_groups"])) for row in rows]


async def change_dashboard(
    tx: Tx, org_id: str, board: Board, parameters: Sequence[str], thumbnail_url: str | None, at: datetime
) -> None:
    await tx.run(
        "update dashboards set title = $3, title_key = $7, parameters = $4, thumbnail_url = $5, updated_at = $6, since = $6, version = version + 1"
        " where org_id = $1 and dashboard_id = $2",
        org_id,
        board.dashboard_id,
        board.title,
        parameters,
        thumbnail_url,
        at,
        order_key(board.title),
    )


async def set_owner(tx: Tx, org_id: str, dashboard_id: str, owner_id: str, at: datetime, event_id: str) -> None:
    await tx.run(
        "update dashboards set owner_id = $3, owner_at = $4, owner_event = $5, updated_at = $4, since = $4, version = version + 1"
        " where org_id = $1 and dashboard_id = $2",
        org_id,
        dashboard_id,
        owner_id,
        at,
        event_id,
    )


async def set_owners(tx: Tx, org_id: str, events: Sequence[tuple[str, str]], owner_id: str, at: datetime) -> None:
    """A new owner for each (dashboard id, event id)."""
    await tx.run(
        "update dashboards set owner_id = $4, owner_at = $5, owner_event = event_id, updated_at = $5, since = $5, version = version + 1"
        " from unnest($2::text[], $3::text[]) as told (dashboard_id, event_id)"
        " where org_id = $1 and dashboards.dashboard_id = told.dashboard_id",
        org_id,
        [dashboard_id for dashboard_id, _ in events],
        [event_id for _, event_id in events],
        owner_id,
        at,
    )


async def remove_dashboard(tx: Tx, org_id: str, dashboard_id: str, at: datetime) -> None:
    await tx.run(DESELECT, org_id, dashboard_id, [], at)
    await tx.run(REMOVE, org_id, dashboard_id, at)


async def set_sharing(
    tx: Tx, org_id: str, dashboard_id: str, target: Target, by: str | None, at: datetime, event_id: str
) -> None:
    """What stays selected keeps the event that selected it."""
    await tx.run(
        "update dashboards set mode = $3, all_users = $4, all_analysts = $5, shared_by = $6, shared_at = $7, shared_event = $8, since = $7,"
        " sharing_version = sharing_version + 1 where org_id = $1 and dashboard_id = $2",
        org_id,
        dashboard_id,
        target.mode,
        target.all_users,
        target.all_analysts,
        by,
        at,
        event_id,
    )
    await tx.run(
        DESELECT,
        org_id,
        dashboard_id,
        target.group_ids,
        at,
    )
    await tx.run(
        "insert into dashboard_groups (org_id, dashboard_id, group_id, event_id, at, since)"
        " select $1, $2, group_id, $4, $5, $5 from unnest($3::text[]) as group_id on conflict do nothing",
        org_id,
        dashboard_id,
        target.group_ids,
        event_id,
        at,
    )


async def groups(read: Read, org_id: str, group_ids: Collection[str]) -> dict[str, Group]:
    """Those of the named groups that exist in this organization."""
    rows = await read.rows(
        "select group_id, kind, name from groups where org_id = $1 and group_id = any($2::text[]) and deleted_at is null",
        org_id,
        list(group_ids),
    )
    return {row["group_id"]: Group(**dict(row)) for row in rows}


async def selected(read: Read, org_id: str, dashboard_id: str) -> list[Selected]:
    """The groups that a dashboard is shared with, without those that were deleted."""
    rows = await read.rows(SELECTED, org_id, dashboard_id)
    return [Selected(Group(row["group_id"], row["kind"], row["name"]), row["people"]) for row in rows]


async def member_counts(read: Read, org_id: str) -> tuple[int, int]:
    """How many active members, and how many of them act as Admin or Analyst."""
    row = await read.row(
        "select (select count(*) from members where org_id = $1 and status = 'active' and name_key >= '') as everybody,"
        " (select count(*) from members where org_id = $1 and status = 'active' and effective_role <> 'viewer') as authors",
        org_id,
    )
    assert row is not None
    return row["everybody"], row["authors"]


async def compare(
    read: Read,
    org_id: str,
    owner_id: str,
    before: tuple[Reach, Sequence[str]],
    after: tuple[Reach, Sequence[str]],
    names: int,
) -> Compared:
    """What another sharing would change; each side is an audience and the custom groups that grant."""
    rows = await read.rows(COMPARED, org_id, owner_id, *sides(before, after), names)
    totals = next(row for row in rows if row["what"] == "totals")
    named = {
        what: tuple((row["user_id"], row["name"]) for row in rows if row["what"] == what)
        for what in ("gaining", "losing")
    }
    return Compared(totals["n"], totals["m"], totals["k"], named["gaining"], named["losing"])


def sides(before: tuple[Reach, Sequence[str]], after: tuple[Reach, Sequence[str]]) -> list[object]:
    """What `JUDGED` wants to know of two sharings."""
    return [
        part
        for audience, group_ids in (before, after)
        for part in (audience.all_users, audience.all_analysts, list(group_ids) if audience.group else [])
    ]


def _kept(row: Row, my_groups: tuple[str, ...] = ()) -> Kept:
    board = board_of(row)
    assert board is not None
    return Kept(
        board,
        row["title_key"],
        row["owner_name"],
        tuple(row["parameters"]),
        row["thumbnail_url"],
        row["version"],
        row["created_at"],
        row["updated_at"],
        row["sharing_version"],
        row["shared_event"],
        row["shared_at"],
        row["shared_by"],
        my_groups,
    )
