"""How many attempts were made, by keyed digests of accounts and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.identity.rules import Budget
from shared.db import Tx

LOCK = """
insert into throttles (bucket, spent, forgotten_at) select bucket, 0, $2 from unnest($1::text[]) as asked (bucket)
on conflict (bucket) do update set spent = throttles.spent
returning bucket, spent, blocked_until, forgotten_at
"""
KEEP = """
update throttles set spent = kept.spent, blocked_until = kept.blocked_until, forgotten_at = kept.forgotten_at
from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[]) as kept (bucket, spent, blocked_until, forgotten_at)
where throttles.bucket = kept.bucket
"""


async def lock(tx: Tx, buckets: Sequence[str], now: datetime) -> Mapping[str, Budget]:
    """The budgets, locked in one order whoever asks. A new one counts as forgotten already."""
    rows = await tx.rows(LOCK, sorted(buckets), now)
    return {row["bucket"]: Budget(row["spent"], row["blocked_until"], row["forgotten_at"]) for row in rows}


async def keep(tx: Tx, budgets: Mapping[str, Budget]) -> None:
    """Only for budgets that are locked."""
    await tx.run(
        KEEP,
        list(budgets),
        [budget.spent for budget in budgets.values()],
        [budget.blocked_until for budget in budgets.values()],
        [budget.forgotten_at for budget in budgets.values()],
    )


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run(
        "delete from throttles where bucket in"
        " (select bucket from throttles where forgotten_at <= $1 limit 10000 for update skip locked)",
        now,
    )
