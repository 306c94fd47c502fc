"""What another plan would do to who sees what: the pairs that differ, by set-based SQL over what a plan gates."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.access import Plan
from shared.db import Read

PEOPLE_NAMED = 200
DASHBOARDS_NAMED = 500
# A plan touches every dashboard at once, so its preview names fewer: each person named costs a look-up, and somebody has to read it.
DASHBOARDS_OF_A_PLAN = 50
PEOPLE_OF_A_PLAN = 50
READERS_WALKED = 10_000

# Who sees the dashboard `d` through something that closes ($2: custom groups, $3: the Analysts who lose that path)
# and through nothing that stays open ($4: custom groups, $5: the Analysts who keep it).
LOSING = """
    select m.user_id, m.name, m.name_key, m.email, g.name as through
    from (select group_id from dashboard_groups where org_id = $1 and dashboard_id = d.dashboard_id and $2 offset 0) dg
    cross join lateral (
        select group_id, name from groups where org_id = $1 and group_id = dg.group_id and kind = 'custom' and deleted_at is null offset 0
    ) g
    cross join lateral (select user_id from group_members where org_id = $1 and group_id = g.group_id and present offset 0) gm
    cross join lateral (select * from members where org_id = $1 and user_id = gm.user_id offset 0) m
    where m.status = 'active' and m.user_id <> d.owner_id and not (d.all_analysts and m.user_id = any($5::text[]))
    union all
    select m.user_id, m.name, m.name_key, m.email, 'All Analysts'
    from (select unnest($3::text[]) as user_id where d.all_analysts offset 0) parting
    cross join lateral (select * from members where org_id = $1 and user_id = parting.user_id offset 0) m
    where m.status = 'active' and m.user_id <> d.owner_id
        and not ($4 and exists (
            select from dashboard_groups dg
            join groups g on g.org_id = $1 and g.group_id = dg.group_id and g.kind = 'custom' and g.deleted_at is null
            join group_members gm on gm.org_id = $1 and gm.group_id = dg.group_id and gm.user_id = m.user_id and gm.present
            where dg.org_id = $1 and dg.dashboard_id = d.dashboard_id
        ))
"""
# Which dashboards lose readers is known from two people of each group that sees any (one may be the owner), without walking through everybody; only where
# All Analysts see a dashboard too it is looked up. Grouping stands in for a join, which a planner with wrong expectations could nest.
# People are counted and named of the first dashboards by title, and of no more of them once so many people have been walked through.
LOST = f"""
with closing as materialized (
    select g.group_id, two.one, two.other
    from (
        select group_id from groups where org_id = $1 and kind = 'custom' and deleted_at is null and $2
            and exists (select from dashboard_groups where org_id = $1 and group_id = groups.group_id offset 0) offset 0
    ) g
    cross join lateral (
        select min(user_id) as one, max(user_id) as other from (
            select gm.user_id from (select user_id from group_members where org_id = $1 and group_id = g.group_id and present offset 0) gm
            cross join lateral (select status from members where org_id = $1 and user_id = gm.user_id offset 0) m
            where m.status = 'active' limit 2
        ) someone
    ) two
    where two.one is not null
), met as (
    select dg.dashboard_id, closing.one, closing.other, null as title_key, null as owner_id, false as all_users, false as all_analysts
    from closing
    cross join lateral (select dashboard_id from dashboard_groups where org_id = $1 and group_id = closing.group_id offset 0) dg
    union all
    select dashboard_id, null, null, title_key, owner_id, all_users, all_analysts from dashboards where org_id = $1 and $2
), losing as materialized (
    select dashboard_id, max(title_key) collate "C" as title_key, max(owner_id) as owner_id, bool_or(all_analysts) as all_analysts
    from met group by dashboard_id
    having not bool_or(all_users) and not (bool_or(all_analysts) and cardinality($3::text[] || $5::text[]) > 0)
        and (min(one) <> max(owner_id) or max(other) <> max(owner_id))
    union all
    select d.dashboard_id, d.title_key, d.owner_id, d.all_analysts from dashboards d
    where d.org_id = $1 and d.all_analysts and not d.all_users and cardinality($3::text[] || $5::text[]) > 0 and exists ({LOSING})
), weighed as (
    select first.*, sum(readers) over (order by title_key, dashboard_id) - readers as walked
    from (select * from losing order by title_key, dashboard_id limit $7) first
    cross join lateral (
        select count(*) + case when first.all_analysts then cardinality($3::text[]) else 0 end as readers from (
            select from dashboard_groups dg
            cross join lateral (select from group_members where org_id = $1 and group_id = dg.group_id and present offset 0) gm
            where dg.org_id = $1 and dg.dashboard_id = first.dashboard_id and $2 limit $8
        ) counted
    ) walk
), named as materialized (
    select d.* from weighed cross join lateral (select * from dashboards where org_id = $1 and dashboard_id = weighed.dashboard_id offset 0) d
    where walked < $8
), lost as materialized (
    select d.dashboard_id, d.title, d.title_key, l.* from named d cross join lateral ({LOSING}) l
), people as (
    select distinct dashboard_id, title, title_key, name_key, user_id, name, email from lost
), ways as materialized (
    select dashboard_id, array_agg(distinct through order by through) as through from lost group by dashboard_id
), placed as (
    select *, row_number() over (partition by dashboard_id order by name_key, user_id) as place,
        count(*) over (partition by dashboard_id) as how_many from people
)
select dashboard_id, title, min(how_many) as how_many, array_agg(user_id order by place) as user_ids,
    array_agg(name order by place) as names, array_agg(email order by place) as emails,
    (select through from ways where ways.dashboard_id = placed.dashboard_id) as through,
    (select count(*) from losing) as dashboards
from placed where place <= $6 group by dashboard_id, title, title_key order by title_key, dashboard_id
"""

# Links that open under the first plan and not under the second.
LINKS_LOST = """
select l.link_id, l.name, d.dashboard_id, d.title, count(*) over () as links
from links l join dashboards d on d.org_id = l.org_id and d.dashboard_id = l.dashboard_id
where l.org_id = $1 and $2 and ($3 or not l.allow_parameters) and not ($4 and ($5 or not l.allow_parameters))
order by l.name_key, l.link_id limit $6
"""

AUTHORS = """
select user_id, role, joined_at, effective_role <> 'viewer' as acting from members
where org_id = $1 and status = 'active' and role <> 'viewer'
"""


@dataclass(frozen=True)
class Gate:
    """What a plan opens, and to whom as author."""

    custom_groups: bool
    share_all_analysts: bool
    authors: frozenset[str]
    sharing_links: bool
    interactive_embedding: bool

    @classmethod
    def of(cls, plan: Plan | None, authors: Collection[str]) -> Gate:
        return cls(
            plan is not None and plan.custom_groups,
            plan is not None and plan.share_all_analysts,
            frozenset(authors),
            plan is not None and plan.sharing_links,
            plan is not None and plan.interactive_embedding,
        )


@dataclass(frozen=True)
class Author:
    """An active Admin or Analyst by role; `acting` while they have a slot."""

    user_id: str
    role: str
    joined_at: datetime
    acting: bool


@dataclass(frozen=True)
class Lost:
    """A dashboard and who loses it: (user id, name, e-mail), named up to a limit."""

    dashboard_id: str
    title: str
    people: tuple[tuple[str, str, str], ...]
    how_many: int
    through: tuple[str, ...]


@dataclass(frozen=True)
class LostLink:
    """A link that opens no more, and the dashboard that it opened."""

    link_id: str
    name: str
    dashboard_id: str
    title: str


async def authors(read: Read, org_id: str) -> list[Author]:
    return [Author(**dict(row)) for row in await read.rows(AUTHORS, org_id)]


async def lost(read: Read, org_id: str, first: Gate, second: Gate) -> tuple[list[Lost], int]:
    """The first dashboards that somebody sees under the first gate and not under the second, and how many there are in all."""
    keeping = second.authors if second.share_all_analysts else frozenset()
    parting = first.authors - keeping if first.share_all_analysts else frozenset()
    rows = await read.rows(
        LOST,
        org_id,
        first.custom_groups and not second.custom_groups,
        sorted(parting),
        second.custom_groups,
        sorted(keeping),
        PEOPLE_OF_A_PLAN,
        DASHBOARDS_OF_A_PLAN,
        READERS_WALKED,
    )
    found = [
        Lost(
            row["dashboard_id"],
            row["title"],
            tuple(zip(row["user_ids"], row["names"], row["emails"], strict=True)),
            row["how_many"],
            tuple(row["through"]),
        )
        for row in rows
    ]
    return found, rows[0]["dashboards"] if rows else 0


async def lost_links(read: Read, org_id: str, first: Gate, second: Gate) -> tuple[list[LostLink], int]:
    """The links that open under the first gate and not under the second, by name, and how many there are."""
    gates = (first.sharing_links, first.interactive_embedding, second.sharing_links, second.interactive_embedding)
    rows = await read.rows(LINKS_LOST, org_id, *gates, DASHBOARDS_NAMED)
    found = [LostLink(row["link_id"], row["name"], row["dashboard_id"], row["title"]) for row in rows]
    return found, rows[0]["links"] if rows else 0
