"""Signed heads of audit logs. Once kept, one is only ever replaced by a later one of the same day that reaches further."""

from __future__ import annotations

from datetime import date

from shared.db import Read, Row, Tx
from shared.events.audit import HeadSigned


async def keep(tx: Tx, told: HeadSigned, day: date) -> None:
    await tx.run(
        "insert into audit_heads as known (org_id, day, number, digest, signed_at, signature, key) values ($1, $2, $3, $4, $5, $6, $7)"
        " on conflict (org_id, day) do update set number = excluded.number, digest = excluded.digest, signed_at = excluded.signed_at,"
        " signature = excluded.signature, key = excluded.key where excluded.number > known.number",
        told.org_id,
        day,
        told.number,
        told.digest,
        told.signed_at,
        told.signature,
        told.key,
    )


async def furthest(read: Read, org_id: str) -> Row | None:
    return await read.row(
        "select number, digest from audit_heads where org_id = $1 order by number desc limit 1", org_id
    )


async def listed(read: Read, org_id: str, before: date | None, limit: int) -> list[Row]:
    """The newest first, from before a day."""
    return await read.rows(
        "select * from audit_heads where org_id = $1 and ($2::date is null or day < $2) order by day desc limit $3",
        org_id,
        before,
        limit,
    )


async def counted(read: Read, org_id: str) -> int:
    return int(await read.value("select count(*) from audit_heads where org_id = $1", org_id))
