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

# Who sees the dashboard `d` by a path that the first plan opens and by none that the second one does.
LOSING = """
    select m.user_id, m.name, m.name_key, m.email, g.name as through
    from (select group_id from dashboard_groups where org_id = $1 and dashboard_id = d.dashboard_id and $2 and not $5 offset 0) dg
    cross join lateral (
        select group_id, name from groups where org_id = $1 and group_id = dg.group_id and kind = 'custom' and deleted_at is null offset 0
    ) g
    cross join lateral (select user_id from group_members where org_id = $1 and group_id = g.group_id and present offset 0) gm
    cross join lateral (select * from members where org_id = $1 and user_id = gm.user_id offset 0) m
    where m.status = 'active' and m.user_id <> d.owner_id and not (d.all_analysts and $6 and m.user_id = any($7::text[]))
    union all
    select m.user_id, m.name, m.name_key, m.email, 'All Analysts'
    from members m
    where m.org_id = $1 and m.user_id = any($4::text[]) and m.status = 'active' and d.all_analysts and $3 and m.user_id <> d.owner_id
        and not ($6 and m.user_id = any($7::text[]))
        and not ($5 and exists (
            select from dashboard_groups dg
            join groups g on g.org_id = $1 and g.group_id = dg.group_id and g.kind = 'custom' and g.deleted_at is null
            join group_members gm on gm.org_id = $1 and gm.group_id = dg.group_id and gm.user_id = m.user_id and gm.present
            where dg.org_id = $1 and dg.dashboard_id = d.dashboard_id
        ))
"""
# Of each dashboard it is only looked up whether somebody loses it; people are counted and named of those that are named.
LOST = f"""
with losing as materialized (
    select d.* from dashboards d where d.org_id = $1 and not d.all_users and exists ({LOSING})
), named as materialized (
    select * from losing order by title_key, dashboard_id limit $9
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
from placed where place <= $8 group by dashboard_id, title, title_key order by title_key, dashboard_id
"""

# Links that open under the first plan and not under the second.
LINKS_LOST = """
select l.link_id, l.name, d.dashboard_id, d.title, count(*) over () as links
from links l join dashboards d on d.org_id = l.org_id and d.dashboard_id = l.dashboard_id
where l.org_id = $1 and $2 and ($3 or not l.allow_parameters) and not ($4 and ($5 or not l.allow_parameters))
order by l.name_key, l.link_id limit $6
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
    rows = await read.rows(
        "select user_id, role, joined_at, effective_role <> 'viewer' as acting from members"
        " where org_id = $1 and status = 'active' and role <> 'viewer'",
        org_id,
    )
    return [Author(**dict(row)) for row in rows]


async def lost(read: Read, org_id: str, first: Gate, second: Gate) -> tuple[list[Lost], int]:
    """The dashboards that somebody sees under the first gate and not under the second, and how many there are."""
    rows = await read.rows(
        LOST,
        org_id,
        first.custom_groups,
        first.share_all_analysts,
        sorted(first.authors),
        second.custom_groups,
        second.share_all_analysts,
        sorted(second.authors),
        PEOPLE_NAMED,
        DASHBOARDS_NAMED,
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


async def state(read: Read, org_id: str) -> int:
    """How many events sharing has said about this organization: it grows with every change of its own."""
    return await read.value("select sequence from outbox_subjects where subject = $1", org_id) or 0
