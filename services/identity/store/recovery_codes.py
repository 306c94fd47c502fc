"""Recovery codes, as keyed digests. Using one is deleting it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.db import Read, Tx


async def replace(tx: Tx, user_id: str, digests: Sequence[str], now: datetime) -> None:
    """The new set; none of an older one works any more."""
    await remove(tx, user_id)
    await tx.run(
        "insert into recovery_codes (user_id, digest, made_at) select $1, digest, $3 from unnest($2::text[]) as made (digest)",
        user_id,
        list(digests),
        now,
    )


async def use(tx: Tx, user_id: str, digests: Sequence[str]) -> bool:
    """Whether it was one of the person's; it is none any more."""
    return bool(
        await tx.run("delete from recovery_codes where user_id = $1 and digest = any($2)", user_id, list(digests))
    )


async def left(read: Read, user_id: str) -> tuple[int, datetime | None]:
    """How many are left, and when they were made."""
    row = await read.row(
        "select count(*) as left, max(made_at) as made_at from recovery_codes where user_id = $1", user_id
    )
    return (row["left"], row["made_at"]) if row is not None else (0, None)


async def remove_since(tx: Tx, user_id: str, since: datetime) -> None:
    await tx.run("delete from recovery_codes where user_id = $1 and made_at >= $2", user_id, since)


async def remove(tx: Tx, user_id: str) -> None:
    await tx.run("delete from recovery_codes where user_id = $1", user_id)
