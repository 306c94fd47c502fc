"""Monthly digests: when the next is due, and what happened in the month before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Tx


@dataclass(frozen=True)
class Month:
    """How many people were active, joined, left, and are still invited."""

    active: int
    seen: int
    joined: int
    left: int
    invited: int


async def schedule(tx: Tx, org_id: str, next_at: datetime) -> None:
    await tx.run(
        "insert into digests (org_id, next_at) values ($1, $2) on conflict (org_id) do update set next_at = excluded.next_at",
        org_id,
        next_at,
    )


async def due(read: Read, now: datetime, limit: int) -> list[str]:
    rows = await read.rows("select org_id from digests where next_at <= $1 order by next_at limit $2", now, limit)
    return [row["org_id"] for row in rows]


async def is_due(tx: Tx, org_id: str, now: datetime) -> bool:
    return bool(await tx.value("select next_at <= $2 from digests where org_id = $1", org_id, now))


async def month(read: Read, org_id: str, begin: datetime, end: datetime) -> Month:
    row = await read.row(
        "select count(*) filter (where status = 'active') as active,"
        " count(*) filter (where status = 'active' and last_active_at >= $2) as seen,"
        " count(*) filter (where status <> 'removed' and joined_at >= $2 and joined_at < $3) as joined,"
        " count(*) filter (where status <> 'active' and changed_at >= $2 and changed_at < $3) as left,"
        " (select count(*) from invitations where org_id = $1 and status = 'open') as invited"
        " from members where org_id = $1",
        org_id,
        begin,
        end,
    )
    assert row is not None
    return Month(**dict(row))
