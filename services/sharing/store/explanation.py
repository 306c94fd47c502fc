"""The picture that an explanation is made from: every fact with the event behind it."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from services.sharing.rules.explanation import UNKNOWN, Cause, Causes, GroupFacts, Picture
from services.sharing.store.access import BOARD, PERSON, PLAN, board_of, person_of, plan_of
from shared.db import Read, Row

GROUPS_SEEN = 500

ALL = f"""
select {PERSON}, {PLAN}, {BOARD}, m.status_event, m.status_at, m.effective_role_event, m.effective_role_at,
    d.owner_event, d.owner_at, d.shared_event, d.shared_at,
    e.custom_groups_event, e.custom_groups_at, e.share_all_analysts_event, e.share_all_analysts_at
from (select $1::text as org_id, $2::text as user_id, $3::text as dashboard_id) asked
join members m using (org_id, user_id)
join dashboards d using (org_id, dashboard_id)
left join entitlements e using (org_id)
"""
GROUPS = """
select g.group_id, g.kind, g.name, g.deleted_event, g.deleted_at, dg.event_id as selected_event, dg.at as selected_at,
    coalesce(gm.present, false) as member, gm.event_id as membership_event, gm.at as membership_at
from (
    select group_id from dashboard_groups where org_id = $1 and dashboard_id = $3
    union
    select group_id from group_members where org_id = $1 and user_id = $2 and present
) near
join groups g on g.org_id = $1 and g.group_id = near.group_id
left join dashboard_groups dg on dg.org_id = $1 and dg.dashboard_id = $3 and dg.group_id = near.group_id
left join group_members gm on gm.org_id = $1 and gm.group_id = near.group_id and gm.user_id = $2
order by dg.group_id is not null and coalesce(gm.present, false) desc, g.kind <> 'custom' desc, dg.group_id is not null desc, g.name, g.group_id
limit $4
"""


async def picture(read: Read, org_id: str, user_id: str, dashboard_id: str) -> Picture | None:
    """None when the person or the dashboard isn't known here."""
    row = await read.row(ALL, org_id, user_id, dashboard_id)
    if row is None:
        return None
    person, board = person_of(row), board_of(row)
    assert person is not None
    assert board is not None
    rows = await read.rows(GROUPS, org_id, user_id, dashboard_id, GROUPS_SEEN)
    causes = Causes(
        **{
            fact: _cause(row, fact)
            for fact in ("status", "effective_role", "owner", "shared", "custom_groups", "share_all_analysts")
        }
    )
    return Picture(person, board, plan_of(row), causes, tuple(_group(one) for one in rows))


async def membership_cause(read: Read, org_id: str, user_id: str) -> Cause:
    row = await read.row(
        "select status_event, status_at from members where org_id = $1 and user_id = $2", org_id, user_id
    )
    return _cause(row, "status") if row is not None else UNKNOWN


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
