"""What organizations allow of their links."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from services.sharing.rules.access import Plan
from services.sharing.rules.link_policy import LinkPolicy
from services.sharing.store.links import BY_POLICY, STATE
from shared.db import Read, Row, Tx

THEN = {"allowed": "$2", "password": "$3", "days": "$4::integer"}
PLANNED = {"links": "$5", "interactive": "$6", "now": "$7"}
AFFECTED = f"""
with judged as (
    select l.link_id, l.name, l.dashboard_id, d.title, {STATE.format(**BY_POLICY, **PLANNED)} as now, {STATE.format(**THEN, **PLANNED)} as later,
        least(l.expires_at, l.token_at + p.longest_days * interval '24 hours') as ends_now,
        least(l.expires_at, l.token_at + $4::integer * interval '24 hours') as ends_later
    from links l join dashboards d on d.org_id = l.org_id and d.dashboard_id = l.dashboard_id
    left join link_switches s on s.org_id = l.org_id left join link_policies p on p.org_id = l.org_id
    where l.org_id = $1
), affected as (
    select *, case when now = 'open' and later <> 'open' then 'closes' when now <> 'open' and later = 'open' then 'opens'
        when later = 'open' and ends_later < coalesce(ends_now, 'infinity') then 'ends_sooner' end as effect from judged
)
select *, count(*) over (partition by effect) as alike, row_number() over (partition by effect order by title, name, link_id) as place
from affected where effect is not null order by effect, place
"""


@dataclass(frozen=True)
class Kept:
    """Version 0: nobody has decided anything yet."""

    policy: LinkPolicy = field(default_factory=LinkPolicy)
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None


async def one(read: Read, org_id: str) -> Kept:
    row = await read.row(
        "select links_allowed, password_required, longest_days, version, changed_by, changed_at from link_policies where org_id = $1",
        org_id,
    )
    if row is None:
        return Kept()
    policy = LinkPolicy(row["links_allowed"], row["password_required"], row["longest_days"])
    return Kept(policy, row["version"], row["changed_by"], row["changed_at"])


async def hold(tx: Tx, org_id: str, *, to_change: bool = False) -> Kept:
    """The policy as it is until the end of the transaction: no link is made while it changes."""
    kind = "pg_advisory_xact_lock" if to_change else "pg_advisory_xact_lock_shared"
    await tx.run(f"select {kind}(hashtextextended('link policy ' || $1, 0))", org_id)
    return await one(tx, org_id)


async def affected(
    read: Read, org_id: str, policy: LinkPolicy, plan: Plan | None, now: datetime, limit: int
) -> list[Row]:
    """The first links, by dashboard and name, that another policy would close, open, or let end sooner; `alike` counts all of that effect."""
    return await read.rows(
        f"select * from ({AFFECTED}) found where place <= $8",
        org_id,
        policy.links_allowed,
        policy.password_required,
        policy.longest_days,
        plan is not None and plan.sharing_links,
        plan is not None and plan.interactive_embedding,
        now,
        limit,
    )


async def keep(tx: Tx, org_id: str, kept: Kept) -> None:
    policy = kept.policy
    await tx.run(
        "insert into link_policies (org_id, links_allowed, password_required, longest_days, version, changed_by, changed_at)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict (org_id) do update set links_allowed = excluded.links_allowed,"
        " password_required = excluded.password_required, longest_days = excluded.longest_days, version = excluded.version,"
        " changed_by = excluded.changed_by, changed_at = excluded.changed_at",
        org_id,
        policy.links_allowed,
        policy.password_required,
        policy.longest_days,
        kept.version,
        kept.changed_by,
        kept.changed_at,
    )
