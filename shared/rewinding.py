"""Hearing again: a subscriber's cursors are set back, so that it asks its sources for what it had, and handles that once more."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

REWIND = """
with rewound as (
    update inbox_cursors as cursor set sequence = $3, replayed = greatest(replayed, sequence), snapshot = least(snapshot, $3)
    where sequence > $3 and ($1::text is null or source = $1) and ($2::text is null or subject = $2)
    returning source, subject
), forgotten as (
    delete from inbox using rewound
    where inbox.source = rewound.source and inbox.subject = rewound.subject and inbox.sequence > $3
)
select count(*) from rewound
"""
STANDING = """
select count(*) as subjects, coalesce(sum(greatest(replayed - sequence, 0)), 0)::bigint as missing,
    (select count(*) from inbox join inbox_cursors as cursor using (source, subject)
        where inbox.state = 'waiting' and inbox.sequence <= cursor.replayed) as waiting
from inbox_cursors where replayed > 0
"""


@dataclass(frozen=True)
class Standing:
    """How far a replay is: events that have still to come, and such as came and wait for their function."""

    missing: int
    waiting: int

    @property
    def left(self) -> int:
        return self.missing + self.waiting

    @property
    def is_over(self) -> bool:
        return not self.left


async def rewind(
    connection: asyncpg.Connection[asyncpg.Record],
    *,
    source: str | None = None,
    subject: str | None = None,
    after: int = 0,
) -> int:
    """Sets the cursors of all subjects (or of a source's, or of one) back to a number. Returns how many were beyond it.

    What follows comes again from its sources, 2,000 events at a time, and is handled anew, marked as `replayed`.
    """
    return int(await connection.fetchval(REWIND, source, subject, after))


async def standing(connection: asyncpg.Connection[asyncpg.Record]) -> Standing:
    row = await connection.fetchrow(STANDING)
    assert row is not None
    return Standing(row["missing"], row["waiting"])
