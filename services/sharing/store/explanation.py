"""The picture that an explanation is made from: every fact with the event behind it."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.sharing.rules.access import Person
from services.sharing.rules.explanation import UNKNOWN, Cause, Causes, GroupFacts, Picture
from services.sharing.store.access import BOARD, PERSON, PLAN, board_of, person_of, plan_of
from shared.db import Read, Row

GROUPS_SEEN = 500
MEMBERSHIP = f"""
select {PERSON}, m.status_event, m.status_at from members m where m.org_id = $1 and m.user_id = $2 and $3::text is not null
"""

ALL = f"""
select {PERSON}, {PLAN}, {BOARD}, m.status_event, m.status_at, m.effective_role_event, m.effective_role_at,
    d.owner_event, d.owner_at, d.shared_event, d.shared_at,
    e.custom_groups_event, e.custom_groups_at, e.share_all_analysts_event, e.share_all_analysts_at
from (select $1::text as org_id, $2::text as user_id, $3::text as dashboard_id) asked
join members m using (org_id, user_id)
join dashboards d using (org_id, dashboard_id)
left join entitlements e using (org_id)
"""
# The tables as they were at a moment: what a row was until later, or the row itself if it was so already. Each stands in for the table of its name.
THEN = """
with members as (
    select earlier.* from members m
    left join past p on p.org_id = $1 and p.kind = 'members' and p.one = $2 and p.other = '' and p.since <= $at and p.until > $at
    cross join jsonb_populate_record(m, coalesce(p.was, '{}')) earlier
    where m.org_id = $1 and m.user_id = $2 and (m.since <= $at or p.was is not null)
), entitlements as (
    select earlier.* from entitlements e
    left join past p on p.org_id = $1 and p.kind = 'entitlements' and p.one = '' and p.other = '' and p.since <= $at and p.until > $at
    cross join jsonb_populate_record(e, coalesce(p.was, '{}')) earlier
    where e.org_id = $1 and (e.since <= $at or p.was is not null)
), dashboards as (
    select * from dashboards where org_id = $1 and dashboard_id = $3 and since <= $at
    union all
    select earlier.* from past p cross join jsonb_populate_record(null::dashboards, p.was) earlier
    where p.org_id = $1 and p.kind = 'dashboards' and p.one = $3 and p.other = '' and p.since <= $at and p.until > $at
), dashboard_groups as (
    select * from dashboard_groups where org_id = $1 and dashboard_id = $3 and since <= $at
    union all
    select earlier.* from past p cross join jsonb_populate_record(null::dashboard_groups, p.was) earlier
    where p.org_id = $1 and p.kind = 'dashboard_groups' and p.one = $3 and p.since <= $at and p.until > $at
), group_members as (
    select earlier.* from (select * from group_members where org_id = $1 and user_id = $2 and user_id <> '' offset 0) gm
    left join lateral (
        select was from past where org_id = $1 and kind = 'group_members' and one = gm.group_id and other = $2 and since <= $at and until > $at
        offset 0
    ) p on true
    cross join jsonb_populate_record(gm::group_members, coalesce(p.was, '{}')) earlier
    where gm.since <= $at or p.was is not null
), groups as (
    select earlier.* from (select group_id from dashboard_groups union select group_id from group_members) near
    cross join lateral (select * from groups where org_id = $1 and group_id = near.group_id offset 0) g
    left join lateral (
        select was from past where org_id = $1 and kind = 'groups' and one = g.group_id and other = '' and since <= $at and until > $at offset 0
    ) p on true
    cross join jsonb_populate_record(g::groups, coalesce(p.was, '{}')) earlier
    where g.since <= $at or p.was is not null
)
"""
GROUPS = """
select g.group_id, g.kind, g.name, g.deleted_event, g.deleted_at, dg.event_id as selected_event, dg.at as selected_at,
    coalesce(gm.present, false) as member, gm.event_id as membership_event, gm.at as membership_at
from (
    select group_id from dashboard_groups where org_id = $1 and dashboard_id = $3
    union
    select group_id from group_members where org_id = $1 and user_id = $2 and user_id <> '' and present
) near
join groups g on g.org_id = $1 and g.group_id = near.group_id
left join dashboard_groups dg on dg.org_id = $1 and dg.dashboard_id = $3 and dg.group_id = near.group_id
left join group_members gm on gm.org_id = $1 and gm.group_id = near.group_id and gm.user_id = $2
where dg.group_id is not null or g.deleted_event is null
order by dg.group_id is not null and coalesce(gm.present, false) desc, g.kind <> 'custom' desc, dg.group_id is not null desc, g.name, g.group_id
limit $4
"""


async def picture(
    read: Read, org_id: str, user_id: str, dashboard_id: str, as_of: datetime | None = None
) -> Picture | None:
    """As it is, or as it was at a moment. None when the person or the dashboard isn't known here, or wasn't then."""
    row = await read.row(*_at(as_of, ALL, org_id, user_id, dashboard_id))
    if row is None:
        return None
    person, board = person_of(row), board_of(row)
    assert person is not None
    assert board is not None
    rows = await read.rows(*_at(as_of, GROUPS, org_id, user_id, dashboard_id, GROUPS_SEEN))
    causes = Causes(
        **{
            fact: _cause(row, fact)
            for fact in ("status", "effective_role", "owner", "shared", "custom_groups", "share_all_analysts")
        }
    )
    return Picture(person, board, plan_of(row), causes, tuple(_group(one) for one in rows))


async def membership(
    read: Read, org_id: str, user_id: str, as_of: datetime | None = None
) -> tuple[Person | None, Cause]:
    """A person, and the event behind their membership."""
    row = await read.row(*_at(as_of, MEMBERSHIP, org_id, user_id, ""))
    return (person_of(row), _cause(row, "status")) if row is not None else (None, UNKNOWN)


def _at(as_of: datetime | None, statement: str, *arguments: Any) -> tuple[Any, ...]:
    """The statement on the tables as they are, or as they were."""
    if as_of is None:
        return statement, *arguments
    then = THEN.replace("$at", f"${len(arguments) + 1}")
    return f"{then}{statement}", *arguments, as_of


def _group(row: Row) -> GroupFacts:
    return GroupFacts(
        row["group_id"],
        row["kind"],
        row["name"],
        _cause(row, "selected") if row["selected_event"] else None,
        row["member"],
        _cause(row, "membership"),
        _cause(row, "deleted") if row["deleted_event"] else None,
    )


def _cause(row: Row, fact: str) -> Cause:
    return Cause(row[f"{fact}_event"], row[f"{fact}_at"])
