"""The SQL of test organizations' clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.db import Read, Tx

DUE = """
select clocks.org_id from test_clocks as clocks join subscriptions on subscriptions.org_id = clocks.org_id
where subscriptions.next_step_at <= $1::timestamptz + clocks.ahead
"""
ENDED = """
select distinct clocks.org_id from test_clocks as clocks join overrides on overrides.org_id = clocks.org_id
where overrides.until <= $1::timestamptz + clocks.ahead
"""


async def ahead(read: Read, org_id: str) -> timedelta | None:
    """How far the organization's time is ahead of everybody's; None for all but test organizations."""
    found: timedelta | None = await read.value("select ahead from test_clocks where org_id = $1", org_id)
    return found


async def lock(tx: Tx, org_id: str) -> timedelta | None:
    found: timedelta | None = await tx.value("select ahead from test_clocks where org_id = $1 for update", org_id)
    return found


async def start(tx: Tx, org_id: str, by: str, now: datetime) -> bool:
    """False when it is a test organization already."""
    return (
        await tx.run(
            "insert into test_clocks (org_id, started_by, started_at) values ($1, $2, $3) on conflict do nothing",
            org_id,
            by,
            now,
        )
        == 1
    )


async def move(tx: Tx, org_id: str, ahead: timedelta) -> None:
    await tx.run("update test_clocks set ahead = $2 where org_id = $1", org_id, ahead)


async def every(read: Read) -> list[str]:
    rows = await read.rows("select org_id from test_clocks order by org_id")
    return [row["org_id"] for row in rows]


async def due(read: Read, now: datetime) -> list[str]:
    """Test organizations whose subscription time alone changes by their own clock."""
    return [row["org_id"] for row in await read.rows(DUE, now)]


async def overrides_ended(read: Read, now: datetime) -> list[str]:
    return [row["org_id"] for row in await read.rows(ENDED, now)]
