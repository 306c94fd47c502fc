"""Reading what a decision depends on: each question is one statement on an index, or a union of such."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.sharing.rules.access import Board, Person, Plan, Reach
from shared.db import Read, Row

PERSON = "m.user_id, m.name, m.email, m.role, m.effective_role, m.status"
PLAN = "e.plan, e.plan_name, e.author_slots, e.custom_groups, e.share_all_analysts, e.sharing_links, e.interactive_embedding"
BOARD = "d.dashboard_id, d.title, d.owner_id, d.mode, d.all_users, d.all_analysts"

STANDING = f"""
select {PERSON}, {PLAN} from (select $1::text as org_id, $2::text as user_id) asked
left join members m using (org_id, user_id)
left join entitlements e on e.org_id = $1
"""
# `offset 0` has each question look up its own rows: so the cost is that of the questions, whatever the size of the organization.
FACTS = f"""
select asked.place, {PERSON}, {PLAN}, {BOARD}, shared.in_selected_group
from unnest($2::text[], $3::text[]) with ordinality as asked (user_id, dashboard_id, place)
left join lateral (select * from members where org_id = $1 and user_id = asked.user_id offset 0) m on true
left join lateral (select * from dashboards where org_id = $1 and dashboard_id = asked.dashboard_id offset 0) d on true
left join entitlements e on e.org_id = $1
cross join lateral (
    select exists (
        select from (
            select gm.group_id from group_members gm
            join dashboard_groups dg on dg.org_id = $1 and dg.group_id = gm.group_id and dg.dashboard_id = asked.dashboard_id
            where gm.org_id = $1 and gm.user_id = asked.user_id and gm.user_id <> '' and gm.present
            offset 0
        ) held
        join groups g on g.org_id = $1 and g.group_id = held.group_id
        where g.kind = 'custom' and g.deleted_at is null
        offset 0
    ) as in_selected_group
) shared
order by asked.place
"""
# Each branch, and each group, is walked by its own index in the order of the list and no further than a page; `offset 0` keeps that so,
# whatever the planner thinks of an organization that it knows nothing of.
VISIBLE = """
with seen as (
    (select title_key, dashboard_id from dashboards
     where org_id = $1 and owner_id = $2 and owner_id <> '' and $3 and (title_key, dashboard_id) > ($7, $8) and ($9 = '' or title_key like $9)
     order by title_key, dashboard_id limit $10)
    union
    (select title_key, dashboard_id from dashboards
     where org_id = $1 and all_users and $4 and (title_key, dashboard_id) > ($7, $8) and ($9 = '' or title_key like $9)
     order by title_key, dashboard_id limit $10)
    union
    (select title_key, dashboard_id from dashboards
     where org_id = $1 and all_analysts and $5 and (title_key, dashboard_id) > ($7, $8) and ($9 = '' or title_key like $9)
     order by title_key, dashboard_id limit $10)
    union
    (select dg.title_key, dg.dashboard_id
     from (select group_id from group_members where org_id = $1 and user_id = $2 and user_id <> '' and present and $6 offset 0) gm
     cross join lateral (
        select group_id from groups where org_id = $1 and group_id = gm.group_id and kind = 'custom' and deleted_at is null offset 0
     ) g
     cross join lateral (
        select title_key, dashboard_id from dashboard_groups
        where org_id = $1 and group_id = g.group_id and title_key <> '' and (title_key, dashboard_id) > ($7, $8)
            and ($9 = '' or title_key like $9)
        order by title_key, dashboard_id limit $10
     ) dg)
)
select title_key, dashboard_id from seen order by title_key, dashboard_id limit $10
"""
VIEWERS = """
with brought as materialized (
    select distinct gm.user_id
    from (select group_id from dashboard_groups where org_id = $1 and dashboard_id = $2 and $6 offset 0) dg
    cross join lateral (
        select group_id from groups where org_id = $1 and group_id = dg.group_id and kind = 'custom' and deleted_at is null offset 0
    ) g
    cross join lateral (select user_id from group_members where org_id = $1 and group_id = g.group_id and present offset 0) gm
), seeing as (
    (select m.name_key, m.user_id from (select * from members where org_id = $1 and user_id = $3 offset 0) m
     where m.status = 'active' and (m.name_key, m.user_id) > ($7, $8))
    union
    (select name_key, user_id from members
     where org_id = $1 and status = 'active' and name_key >= '' and $4 and (name_key, user_id) > ($7, $8)
     order by name_key, user_id limit $9)
    union
    (select name_key, user_id from members
     where org_id = $1 and status = 'active' and effective_role <> 'viewer' and $5 and (name_key, user_id) > ($7, $8)
     order by name_key, user_id limit $9)
    union
    (select m.name_key, m.user_id from brought
     cross join lateral (
        select * from members where org_id = $1 and user_id = brought.user_id offset 0
     ) m
     where m.status = 'active' and (m.name_key, m.user_id) > ($7, $8)
     order by m.name_key, m.user_id limit $9)
)
select name_key, user_id from seeing order by name_key, user_id limit $9
"""
# The same by id, for programs that want all of them: of a group too no more people are looked at than a page holds.
VIEWERS_BY_ID = """
with seeing as (
    (select m.user_id from (select * from members where org_id = $1 and user_id = $3 offset 0) m where m.status = 'active' and m.user_id > $7)
    union
    (select user_id from members where org_id = $1 and status = 'active' and $4 and user_id > $7 order by user_id limit $8)
    union
    (select user_id from members
     where org_id = $1 and status = 'active' and role <> 'viewer' and effective_role <> 'viewer' and $5 and user_id > $7
     order by user_id limit $8)
    union
    (select page.user_id
     from (select group_id from dashboard_groups where org_id = $1 and dashboard_id = $2 and $6 offset 0) dg
     cross join lateral (
        select group_id from groups where org_id = $1 and group_id = dg.group_id and kind = 'custom' and deleted_at is null offset 0
     ) g
     cross join lateral (
        select gm.user_id
        from (
            select user_id from group_members where org_id = $1 and group_id = g.group_id and present and user_id > $7
            order by user_id offset 0
        ) gm
        cross join lateral (select status from members where org_id = $1 and user_id = gm.user_id offset 0) m
        where m.status = 'active' order by gm.user_id limit $8
     ) page)
)
select user_id from seeing order by user_id limit $8
"""


@dataclass(frozen=True)
class Facts:
    """All that one decision needs."""

    person: Person | None
    plan: Plan | None
    board: Board | None
    in_selected_group: bool


async def standing(read: Read, org_id: str, user_id: str) -> tuple[Person | None, Plan | None]:
    """A person as sharing knows them, and the organization's plan."""
    row = await read.row(STANDING, org_id, user_id)
    assert row is not None
    return person_of(row), plan_of(row)


async def facts(read: Read, org_id: str, asked: Sequence[tuple[str, str]]) -> list[Facts]:
    """For each (user, dashboard) what its decision needs, in one statement."""
    rows = await read.rows(FACTS, org_id, [user_id for user_id, _ in asked], [board for _, board in asked])
    plan = plan_of(rows[0]) if rows else None
    return [Facts(person_of(row), plan, board_of(row), row["in_selected_group"]) for row in rows]


async def board_exists(read: Read, org_id: str, dashboard_id: str) -> bool:
    return bool(
        await read.value("select true from dashboards where org_id = $1 and dashboard_id = $2", org_id, dashboard_id)
    )


async def registered(read: Read, org_id: str, *, after: Sequence[str], like: str, limit: int) -> list[tuple[str, str]]:
    """Where all the organization's dashboards stand, whoever sees them."""
    rows = await read.rows(
        "select title_key, dashboard_id from dashboards where org_id = $1 and (title_key, dashboard_id) > ($2, $3)"
        " and ($4 = '' or title_key like $4) order by title_key, dashboard_id limit $5",
        org_id,
        *after,
        like,
        limit,
    )
    return [(row["title_key"], row["dashboard_id"]) for row in rows]


async def visible(
    read: Read, org_id: str, user_id: str, reach: Reach, *, after: Sequence[str], like: str, limit: int
) -> list[tuple[str, str]]:
    """The next (title key, dashboard id) that are open to this person, by title."""
    rows = await read.rows(
        VISIBLE,
        org_id,
        user_id,
        reach.ownership,
        reach.all_users,
        reach.all_analysts,
        reach.group,
        *after,
        like,
        limit,
    )
    return [(row["title_key"], row["dashboard_id"]) for row in rows]


async def viewers(
    read: Read, org_id: str, board: Board, audience: Reach, *, after: Sequence[str], limit: int
) -> list[tuple[str, str]]:
    """The next (name key, user id) of those who see this dashboard, by name."""
    rows = await read.rows(VIEWERS, *_asked_about(org_id, board, audience), *after, limit)
    return [(row["name_key"], row["user_id"]) for row in rows]


async def viewers_by_id(read: Read, org_id: str, board: Board, audience: Reach, *, after: str, limit: int) -> list[str]:
    """The next of those who see this dashboard, by id."""
    rows = await read.rows(VIEWERS_BY_ID, *_asked_about(org_id, board, audience), after, limit)
    return [row["user_id"] for row in rows]


def _asked_about(org_id: str, board: Board, audience: Reach) -> tuple[object, ...]:
    """Whom All Users reaches, no other path need look for."""
    others = not audience.all_users
    return (
        org_id,
        board.dashboard_id,
        board.owner_id,
        audience.all_users,
        audience.all_analysts and others,
        audience.group and others,
    )


def person_of(row: Row) -> Person | None:
    if row["user_id"] is None:
        return None
    return Person(row["user_id"], row["name"], row["email"], row["role"], row["effective_role"], row["status"])


def plan_of(row: Row) -> Plan | None:
    if row["plan"] is None:
        return None
    return Plan(
        row["plan"],
        row["plan_name"],
        row["author_slots"],
        row["custom_groups"],
        row["share_all_analysts"],
        row["sharing_links"],
        row["interactive_embedding"],
    )


def board_of(row: Row) -> Board | None:
    if row["dashboard_id"] is None:
        return None
    return Board(row["dashboard_id"], row["title"], row["owner_id"], row["mode"], row["all_users"], row["all_analysts"])


def order_key(text: str) -> str:
    """The form by which names and titles are ordered and searched: regardless of case, the same on every database."""
    return text.casefold()


def containing(text: str | None) -> str:
    """The `like` pattern of "contains this", regardless of case; empty for everything."""
    if not text:
        return ""
    escaped = order_key(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
