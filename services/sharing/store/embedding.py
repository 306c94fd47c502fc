"""What happens at a link's door: which link a token names, who came in, who was refused, who guessed at a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db import Read, Tx

REFUSE = """
insert into embed_refusals as known (org_id, refusal_id, link_id, dashboard_id, reason, hour, detail, secret_id, source_ip, count, first_at, last_at)
values ($1, $2, $3, $4, $5, date_trunc('hour', $6::timestamptz), $7, $8, $9, 1, $6, $6)
on conflict (org_id, link_id, reason, hour) do update set count = known.count + 1, last_at = greatest(known.last_at, excluded.last_at),
    detail = excluded.detail, secret_id = excluded.secret_id, source_ip = excluded.source_ip
returning count = 1
"""
LISTED = """
select r.refusal_id, r.link_id, l.name as link_name, r.dashboard_id, d.title as dashboard_title, r.reason, r.detail, r.secret_id,
    r.source_ip, r.count, r.first_at, r.last_at
from embed_refusals r left join links l on l.org_id = r.org_id and l.link_id = r.link_id
left join dashboards d on d.org_id = r.org_id and d.dashboard_id = r.dashboard_id
where r.org_id = $1 and ($2::text is null or r.link_id = $2) and ($3 = '' or r.refusal_id < $3)
order by r.refusal_id desc limit $4
"""
GUESS = """
insert into link_guesses as known (org_id, link_id, source, since, guesses) values ($1, $2, $3, $4, 1)
on conflict (org_id, link_id, source) do update set
    guesses = case when known.since <= $5 then 1 else known.guesses + 1 end,
    since = case when known.since <= $5 then excluded.since else known.since end
returning guesses, since
"""
COUNT_OPENING = """
with counted as (
    update links set opens = opens + 1, last_opened_at = greatest(last_opened_at, $3) where org_id = $1 and link_id = $2 returning org_id, link_id
)
insert into link_days as known (org_id, link_id, day, opens) select org_id, link_id, $4, 1 from counted
on conflict (org_id, link_id, day) do update set opens = known.opens + 1
"""


@dataclass(frozen=True)
class Refusal:
    """Refusals of one reason at one link within an hour; details are those of the last one."""

    refusal_id: str
    link_id: str
    link_name: str | None
    dashboard_id: str
    dashboard_title: str | None
    reason: str
    detail: str
    secret_id: str | None
    source_ip: str | None
    count: int
    first_at: datetime
    last_at: datetime


async def org_of_link(read: Read, link_id: str) -> str | None:
    """Whose link that is. The one question that is asked across organizations: who opens a link names none."""
    return await read.value("select org_id from links where link_id = $1", link_id)  # type: ignore[no-any-return]


async def count_opening(tx: Tx, org_id: str, link_id: str, at: datetime) -> None:
    await tx.run(COUNT_OPENING, org_id, link_id, at, at.date())


async def keep_refusal(
    tx: Tx,
    org_id: str,
    refusal_id: str,
    at: datetime,
    *,
    link_id: str,
    dashboard_id: str,
    reason: str,
    detail: str,
    secret_id: str | None,
    source_ip: str | None,
) -> bool:
    """Whether it is the first of its kind in this hour."""
    return bool(
        await tx.value(REFUSE, org_id, refusal_id, link_id, dashboard_id, reason, at, detail, secret_id, source_ip)
    )


async def refusals(read: Read, org_id: str, link_id: str | None, *, after: str, limit: int) -> list[Refusal]:
    """The newest first."""
    return [Refusal(**dict(row)) for row in await read.rows(LISTED, org_id, link_id, after, limit)]


async def count_guess(
    tx: Tx, org_id: str, link_id: str, source: str, at: datetime, window: timedelta
) -> tuple[int, datetime]:
    """How many guesses this is within the window, and since when."""
    row = await tx.row(GUESS, org_id, link_id, source, at, at - window)
    assert row is not None
    return row["guesses"], row["since"]


async def give_back_guess(tx: Tx, org_id: str, link_id: str, source: str) -> None:
    await tx.run(
        "update link_guesses set guesses = greatest(guesses - 1, 0) where org_id = $1 and link_id = $2 and source = $3",
        org_id,
        link_id,
        source,
    )


async def purge(tx: Tx, refusals_before: datetime, guesses_before: datetime) -> None:
    await tx.run("delete from embed_refusals where last_at < $1", refusals_before)
    await tx.run("delete from link_guesses where since < $1", guesses_before)
