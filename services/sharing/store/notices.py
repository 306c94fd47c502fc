"""Who is told by mail that a dashboard is shared with them: a ledger, so that it happens once per person and dashboard, ever."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.access import Reach
from services.sharing.store.dashboards import JUDGED, sides
from shared.db import Read, Row, Tx

ASK = f"""
{JUDGED}
insert into share_notices (org_id, dashboard_id, user_id, shared_by, with_thumbnail, asked_at)
select $1, $9, user_id, $10, $11, $12 from judged where after and not before on conflict do nothing
"""
UNTOLD = f"""
{JUDGED}
select count(*) from judged where after and not before
    and not exists (select from share_notices n where n.org_id = $1 and n.dashboard_id = $9 and n.user_id = judged.user_id)
"""
WAITING = """
select n.org_id, n.dashboard_id, n.user_id, n.with_thumbnail, sharer.name as sharer, d.thumbnail_url is not null as has_thumbnail,
    coalesce(o.name, '') as organization
from share_notices n
left join members sharer on sharer.org_id = n.org_id and sharer.user_id = n.shared_by
left join dashboards d on d.org_id = n.org_id and d.dashboard_id = n.dashboard_id
left join organizations o on o.org_id = n.org_id
where n.told_at is null order by n.asked_at, n.org_id, n.dashboard_id, n.user_id limit $1 for update of n skip locked
"""

Side = tuple[Reach, Sequence[str]]


@dataclass(frozen=True)
class Waiting:
    """A notice that wasn't given yet."""

    org_id: str
    dashboard_id: str
    user_id: str
    sharer: str | None
    organization: str
    shows_picture: bool


@dataclass(frozen=True)
class Pictured:
    """To whom a picture's address was mailed."""

    org_id: str
    dashboard_id: str
    user_id: str


async def ask(
    tx: Tx,
    org_id: str,
    dashboard_id: str,
    owner_id: str,
    before: Side,
    after: Side,
    *,
    by: str | None,
    with_thumbnail: bool,
    at: datetime,
) -> int:
    """Puts in line everybody who sees the dashboard after the change, didn't before, and was never told. Tells how many that are."""
    judged = (org_id, owner_id, *sides(before, after))
    return await tx.run(ASK, *judged, dashboard_id, by, with_thumbnail, at)


async def untold(read: Read, org_id: str, dashboard_id: str, owner_id: str, before: Side, after: Side) -> int:
    """How many would be told."""
    count: int = await read.value(UNTOLD, org_id, owner_id, *sides(before, after), dashboard_id)
    return count


async def waiting(tx: Tx, limit: int) -> list[Waiting]:
    """The notices of every organization that have waited longest, held until the end of the transaction."""
    return [_waiting(row) for row in await tx.rows(WAITING, limit)]


def _waiting(row: Row) -> Waiting:
    return Waiting(
        row["org_id"],
        row["dashboard_id"],
        row["user_id"],
        row["sharer"],
        row["organization"],
        row["with_thumbnail"] and row["has_thumbnail"],
    )


async def mark_told(tx: Tx, told: Sequence[tuple[Waiting, str | None]], at: datetime) -> None:
    """Each with the id of its picture, if it has one."""
    await tx.run(
        "update share_notices n set told_at = $5, picture_id = told.picture_id"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as told (org_id, dashboard_id, user_id, picture_id)"
        " where (n.org_id, n.dashboard_id, n.user_id) = (told.org_id, told.dashboard_id, told.user_id)",
        *_keys([one for one, _ in told]),
        [picture_id for _, picture_id in told],
        at,
    )


async def forget(tx: Tx, lost: Sequence[Waiting]) -> None:
    """Who lost access before the mail was asked for hasn't been told of anything."""
    await tx.run(
        "delete from share_notices n using unnest($1::text[], $2::text[], $3::text[]) as lost (org_id, dashboard_id, user_id)"
        " where (n.org_id, n.dashboard_id, n.user_id) = (lost.org_id, lost.dashboard_id, lost.user_id)",
        *_keys(lost),
    )


async def pictured(read: Read, picture_id: str) -> Pictured | None:
    row = await read.row("select org_id, dashboard_id, user_id from share_notices where picture_id = $1", picture_id)
    return Pictured(**dict(row)) if row is not None else None


def _keys(notices: Sequence[Waiting]) -> tuple[list[str], list[str], list[str]]:
    return (
        [one.org_id for one in notices],
        [one.dashboard_id for one in notices],
        [one.user_id for one in notices],
    )
