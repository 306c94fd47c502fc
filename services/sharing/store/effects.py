"""What another plan would do to who sees what: the pairs that differ, by set-based SQL over what a plan gates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.access import Plan
from shared.db import Read

PEOPLE_NAMED = 200
DASHBOARDS_NAMED = 500

# Everybody who sees a dashboard by a path that the first plan opens and by none that the second one does.
LOST = """
with lost as (
    select d.dashboard_id, m.user_id, g.name as through
    from dashboard_groups dg
    join groups g on g.org_id = $1 and g.group_id = dg.group_id and g.kind = 'custom' and g.deleted_at is null
    join group_members gm on gm.org_id = $1 and gm.group_id = dg.group_id and gm.present
    join members m on m.org_id = $1 and m.user_id = gm.user_id and m.status = 'active'
    join dashboards d on d.org_id = $1 and d.dashboard_id = dg.dashboard_id
    where dg.org_id = $1 and $2 and not $5 and m.user_id <> d.owner_id and not d.all_users
        and not (d.all_analysts and $6 and m.user_id = any($7::text[]))
    union all
    select d.dashboard_id, m.user_id, 'All Analysts'
    from dashboards d
    join members m on m.org_id = $1 and m.user_id = any($4::text[]) and m.status = 'active'
    where d.org_id = $1 and d.all_analysts and $3 and m.user_id <> d.owner_id and not d.all_users
        and not ($6 and m.user_id = any($7::text[]))
        and not ($5 and exists (
            select from dashboard_groups dg
            join groups g on g.org_id = $1 and g.group_id = dg.group_id and g.kind = 'custom' and g.deleted_at is null
            join group_members gm on gm.org_id = $1 and gm.group_id = dg.group_id and gm.user_id = m.user_id and gm.present
            where dg.org_id = $1 and dg.dashboard_id = d.dashboard_id
        ))
), people as (
    select distinct lost.dashboard_id, m.name_key, m.user_id, m.name, m.email
    from lost join members m on m.org_id = $1 and m.user_id = lost.user_id
), placed as (
    select *, row_number() over (partition by dashboard_id order by name_key, user_id) as place,
        count(*) over (partition by dashboard_id) as how_many from people
)
select d.dashboard_id, d.title, min(placed.how_many) as how_many, array_agg(placed.user_id order by place) as user_ids,
    array_agg(placed.name order by place) as names, array_agg(placed.email order by place) as emails,
    (select array_agg(distinct lost.through order by lost.through) from lost where lost.dashboard_id = d.dashboard_id) as through,
    count(*) over () as dashboards
from placed join dashboards d on d.org_id = $1 and d.dashboard_id = placed.dashboard_id
where placed.place <= $8 group by d.dashboard_id, d.title, d.title_key order by d.title_key, d.dashboard_id limit $9
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
