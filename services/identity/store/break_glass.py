"""Mailed sign-ins for Admins whose single sign-on is broken; one per person, and each works once. All need a look across organizations."""

from __future__ import annotations

from datetime import datetime

from shared.db import Tx


async def keep(tx: Tx, user_id: str, link_id: str, org_id: str, expires_at: datetime) -> None:
    await tx.run(
        "insert into break_glass (user_id, link_id, org_id, expires_at) values ($1, $2, $3, $4)"
        " on conflict (user_id) do update set link_id = $2, org_id = $3, expires_at = $4",
        user_id,
        link_id,
        org_id,
        expires_at,
    )


async def take(tx: Tx, link_id: str, now: datetime) -> tuple[str, str] | None:
    """Person and organization, once."""
    row = await tx.row(
        "delete from break_glass where link_id = $1 and expires_at > $2 returning user_id, org_id", link_id, now
    )
    return (row["user_id"], row["org_id"]) if row else None


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from break_glass where expires_at <= $1", now)
