"""Addresses that take no mail, by the organization whose mail found out."""

from __future__ import annotations

from datetime import datetime

from shared.db import EVERY_ORG, Read, Row, Tx


async def known(read: Read, address: str, now: datetime) -> Row | None:
    """Why nothing is sent there now, whoever found out."""
    return await read.row(
        "select status, reason, found_at, until from dead_addresses where address = $1 and until > $2"
        " order by until desc limit 1",
        address,
        now,
    )


async def keep(
    tx: Tx, org_id: str, address: str, status: str, reason: str, found_at: datetime, until: datetime
) -> bool:
    """False when the organization knew."""
    return (
        await tx.run(
            "insert into dead_addresses as known (org_id, address, status, reason, found_at, until) values ($1, $2, $3, $4, $5, $6)"
            " on conflict (org_id, address) do update set status = excluded.status, reason = excluded.reason,"
            " found_at = excluded.found_at, until = excluded.until where known.until < excluded.until",
            *(org_id, address, status, reason, found_at, until),
        )
        == 1
    )


async def listed(read: Read, org_id: str, now: datetime, after: str | None, limit: int) -> list[Row]:
    """By address, from behind one."""
    return await read.rows(
        "select * from dead_addresses where org_id = $1 and until > $2 and ($3::text is null or address > $3) order by address limit $4",
        *(org_id, now, after, limit),
    )


async def counted(read: Read, org_id: str, now: datetime) -> int:
    return int(await read.value("select count(*) from dead_addresses where org_id = $1 and until > $2", org_id, now))


async def exists(read: Read, org_id: str, address: str) -> bool:
    return bool(await read.value("select true from dead_addresses where org_id = $1 and address = $2", org_id, address))


async def release(tx: Tx, address: str) -> None:
    """For everybody: it is one mailbox."""
    before = await tx.value("select current_setting('tenantry.org_id', true)")
    await tx.value("select set_config('tenantry.org_id', $1, true)", EVERY_ORG)
    await tx.run("delete from dead_addresses where address = $1", address)
    await tx.value("select set_config('tenantry.org_id', $1, true)", before)


async def forget(tx: Tx, before: datetime) -> None:
    await tx.run("delete from dead_addresses where until < $1", before)
