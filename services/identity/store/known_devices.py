"""Devices that persons have shown their password on, by keyed digests."""

from __future__ import annotations

from datetime import datetime

from shared.db import Read, Tx


async def is_known(read: Read, user_id: str, device: str, since: datetime) -> bool:
    return bool(
        await read.value(
            "select true from known_devices where user_id = $1 and device = $2 and seen_at > $3", user_id, device, since
        )
    )


async def remember(tx: Tx, user_id: str, device: str, now: datetime) -> None:
    await tx.run(
        "insert into known_devices (user_id, device, seen_at) values ($1, $2, $3)"
        " on conflict (user_id, device) do update set seen_at = excluded.seen_at",
        user_id,
        device,
        now,
    )


async def drop(tx: Tx, user_id: str) -> None:
    await tx.run("delete from known_devices where user_id = $1", user_id)


async def purge(tx: Tx, before: datetime) -> int:
    return await tx.run("delete from known_devices where seen_at <= $1", before)
