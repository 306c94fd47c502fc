"""The delivery log: what each webhook was to be told, how that went, and every attempt."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.courier.rules import Attempt
from shared.db import Read, Tx
from shared.errors import Problem

COLUMNS = "position, delivery_id, event_id, type, at, state, attempts, delivered_at"
LAST = """
left join webhook_attempts as last
on last.org_id = log.org_id and last.delivery_id = log.delivery_id and last.number = log.attempts
"""
MOST_AT_ONCE = 10_000


@dataclass(frozen=True)
class Delivery:
    """One event for one webhook, with what came of the last attempt."""

    position: int
    delivery_id: str
    event_id: str
    type: str
    at: datetime
    state: str
    attempts: int
    delivered_at: datetime | None
    status: int | None
    error: str | None
    error_code: str | None


async def add(
    tx: Tx, org_id: str, webhook_id: str, delivery_id: str, event_id: str, type_: str, body: str, at: datetime
) -> None:
    """Once per event, whatever happens."""
    await tx.run(
        "insert into webhook_deliveries (org_id, webhook_id, delivery_id, event_id, type, body, at)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict (org_id, webhook_id, event_id) do nothing",
        org_id,
        webhook_id,
        delivery_id,
        event_id,
        type_,
        body,
        at,
    )


async def listed(
    read: Read, org_id: str, webhook_id: str, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    """The newest first, from below a position."""
    rows = await read.rows(
        f"{_select()} where log.org_id = $1 and log.webhook_id = $2 and ($3::text is null or log.state = $3)"
        " and ($4::bigint is null or log.position < $4) order by log.position desc limit $5",
        org_id,
        webhook_id,
        state,
        before,
        limit,
    )
    return [Delivery(**dict(row)) for row in rows]


async def counted(read: Read, org_id: str, webhook_id: str, state: str | None, cap: int) -> int:
    """How many there are; beyond the cap nobody counts."""
    return int(
        await read.value(
            "select count(*) from (select from webhook_deliveries where org_id = $1 and webhook_id = $2"
            " and ($3::text is null or state = $3) limit $4) as counted",
            org_id,
            webhook_id,
            state,
            cap + 1,
        )
    )


async def find(read: Read, org_id: str, webhook_id: str, delivery_id: str) -> Delivery | None:
    row = await read.row(
        f"{_select()} where log.org_id = $1 and log.webhook_id = $2 and log.delivery_id = $3",
        org_id,
        webhook_id,
        delivery_id,
    )
    return Delivery(**dict(row)) if row else None


async def exists(read: Read, org_id: str, webhook_id: str, delivery_id: str) -> bool:
    return await find(read, org_id, webhook_id, delivery_id) is not None


async def one(read: Read, org_id: str, webhook_id: str, delivery_id: str) -> Delivery:
    found = await find(read, org_id, webhook_id, delivery_id)
    if found is None:
        raise Problem("not_found")
    return found


async def body(read: Read, org_id: str, delivery_id: str) -> str:
    return str(
        await read.value(
            "select body from webhook_deliveries where org_id = $1 and delivery_id = $2", org_id, delivery_id
        )
    )


async def attempts(read: Read, org_id: str, delivery_id: str) -> list[Attempt]:
    """The oldest first."""
    rows = await read.rows(
        "select number, at, status, error, error_code, answer, milliseconds from webhook_attempts"
        " where org_id = $1 and delivery_id = $2 order by number",
        org_id,
        delivery_id,
    )
    return [Attempt(**dict(row)) for row in rows]


async def waiting(read: Read, org_id: str, webhook_ids: Sequence[str]) -> dict[str, int]:
    """How many wait, by webhook."""
    rows = await read.rows(
        "select webhook_id, count(*) from webhook_deliveries"
        " where org_id = $1 and webhook_id = any($2) and state = 'waiting' group by webhook_id",
        org_id,
        list(webhook_ids),
    )
    return {row["webhook_id"]: row["count"] for row in rows}


async def send_again(tx: Tx, org_id: str, webhook_id: str, delivery_id: str) -> int:
    return await tx.run(
        "update webhook_deliveries set state = 'waiting', delivered_at = null"
        " where org_id = $1 and webhook_id = $2 and delivery_id = $3 and state <> 'waiting'",
        org_id,
        webhook_id,
        delivery_id,
    )


async def send_range_again(tx: Tx, org_id: str, webhook_id: str, since: datetime, until: datetime) -> int:
    return await tx.run(
        "update webhook_deliveries set state = 'waiting', delivered_at = null"
        " where org_id = $1 and webhook_id = $2 and at >= $3 and at < $4 and state <> 'waiting'",
        org_id,
        webhook_id,
        since,
        until,
    )


async def note(tx: Tx, org_id: str, delivery_id: str, attempt: Attempt, state: str) -> None:
    """Adds an attempt to the log, and says where the delivery stands after it."""
    number = await tx.value(
        "update webhook_deliveries set attempts = attempts + 1, state = $3,"
        " delivered_at = case when $3 = 'delivered' then $4::timestamptz end"
        " where org_id = $1 and delivery_id = $2 returning attempts",
        org_id,
        delivery_id,
        state,
        attempt.at,
    )
    await tx.run(
        "insert into webhook_attempts (org_id, delivery_id, number, at, status, error, error_code, answer, milliseconds)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        org_id,
        delivery_id,
        number,
        attempt.at,
        attempt.status,
        attempt.error,
        attempt.error_code,
        attempt.answer,
        attempt.milliseconds,
    )


async def forget(tx: Tx, before: datetime) -> int:
    return await tx.run(
        "delete from webhook_deliveries where (org_id, webhook_id, position) in"
        " (select org_id, webhook_id, position from webhook_deliveries where at < $1 order by at limit $2)",
        before,
        MOST_AT_ONCE,
    )


def _select() -> str:
    columns = ", ".join(f"log.{name}" for name in COLUMNS.split(", "))
    return f"select {columns}, last.status, last.error, last.error_code from webhook_deliveries as log {LAST}"
