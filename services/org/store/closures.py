"""Closed organizations: who closed them, what is due, and which services have confirmed their erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.org.store.organizations import Person
from shared.db import Read, Row, Tx


@dataclass(frozen=True)
class Closure:
    """As stored. `asked_at` is when the services were last asked to erase; null during the time of grace."""

    org_id: str
    closed_by: str
    email: str
    name: str
    reminders: int
    asked_at: datetime | None
    next_at: datetime


async def close(tx: Tx, org_id: str, by: Person, now: datetime, erased_at: datetime, next_at: datetime) -> None:
    await tx.run("update organizations set closed_at = $2, erased_at = $3 where org_id = $1", org_id, now, erased_at)
    await tx.run(
        "insert into closures (org_id, closed_by, email, name, next_at) values ($1, $2, $3, $4, $5)",
        org_id,
        by.user_id,
        by.email,
        by.name,
        next_at,
    )


async def reopen(tx: Tx, org_id: str) -> None:
    await tx.run("update organizations set closed_at = null, erased_at = null where org_id = $1", org_id)
    await tx.run("delete from closures where org_id = $1", org_id)


async def find(read: Read, org_id: str) -> Closure | None:
    row = await read.row("select * from closures where org_id = $1", org_id)
    return Closure(**dict(row)) if row else None


async def due(read: Read, now: datetime, limit: int) -> list[str]:
    """Organizations for which something is to be done, the longest due first."""
    rows = await read.rows("select org_id from closures where next_at <= $1 order by next_at limit $2", now, limit)
    return [row["org_id"] for row in rows]


async def note_reminder(tx: Tx, org_id: str, reminders: int, next_at: datetime) -> None:
    await tx.run("update closures set reminders = $2, next_at = $3 where org_id = $1", org_id, reminders, next_at)


async def note_asked(tx: Tx, org_id: str, now: datetime, next_at: datetime) -> None:
    await tx.run("update closures set asked_at = $2, next_at = $3 where org_id = $1", org_id, now, next_at)


async def confirm(tx: Tx, org_id: str, service: str, rows: int, now: datetime) -> None:
    """Who confirms again, having been restored from a backup, has erased something again."""
    await tx.run(
        "insert into erasure_confirmations as known (org_id, service, rows, confirmed_at) values ($1, $2, $3, $4)"
        " on conflict (org_id, service) do update set rows = greatest(known.rows, excluded.rows)",
        org_id,
        service,
        rows,
        now,
    )


async def confirmed(read: Read, org_id: str) -> Mapping[str, int]:
    rows = await read.rows("select service, rows from erasure_confirmations where org_id = $1 order by service", org_id)
    return {row["service"]: row["rows"] for row in rows}


async def under_way(read: Read, limit: int) -> list[Row]:
    """Closed organizations for the operator, with those who have confirmed, the first to be erased at the head."""
    return await read.rows(
        "select org_id, organizations.closed_at, organizations.erased_at, closures.asked_at,"
        " array(select service from erasure_confirmations where org_id = closures.org_id order by service) as confirmed"
        " from closures join organizations using (org_id) order by organizations.erased_at limit $1",
        limit,
    )


async def erased_here(read: Read, org_id: str) -> int:
    """How many rows of org's own are gone so far."""
    return int(await read.value("select erased from erasures where subject = $1", org_id) or 0)
