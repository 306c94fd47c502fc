"""Changes of addresses: those that wait for the new address, and those that the old one may still undo."""

from __future__ import annotations

from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import EmailChange
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(EmailChange)]


async def keep(tx: Tx, change: EmailChange) -> None:
    """Replaces the one of the same person that waits."""
    await drop_waiting(tx, change.user_id)
    await tx.run(
        "insert into email_changes (change_id, user_id, old_email, email, canonical_email, asked_at, confirmed_at, ends_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        *astuple(change),
    )


async def waiting(read: Read, user_id: str, now: datetime) -> EmailChange | None:
    return _change(
        await read.row(
            "select * from email_changes where user_id = $1 and confirmed_at is null and ends_at > $2", user_id, now
        )
    )


async def live(read: Read, change_id: str, now: datetime) -> EmailChange | None:
    """One that still waits, or that can still be undone."""
    return _change(await read.row("select * from email_changes where change_id = $1 and ends_at > $2", change_id, now))


async def confirm(tx: Tx, change_id: str, now: datetime, ends_at: datetime) -> bool:
    return bool(
        await tx.run(
            "update email_changes set confirmed_at = $2, ends_at = $3"
            " where change_id = $1 and confirmed_at is null and ends_at > $2",
            change_id,
            now,
            ends_at,
        )
    )


async def drop_waiting(tx: Tx, user_id: str) -> int:
    return await tx.run("delete from email_changes where user_id = $1 and confirmed_at is null", user_id)


async def drop_since(tx: Tx, user_id: str, change_id: str) -> None:
    """Drops this change and what came after it (ids sort by time)."""
    await tx.run("delete from email_changes where user_id = $1 and change_id >= $2", user_id, change_id)


async def drop_all(tx: Tx, user_id: str) -> None:
    await tx.run("delete from email_changes where user_id = $1", user_id)


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from email_changes where ends_at <= $1", now)


def _change(row: Row | None) -> EmailChange | None:
    return EmailChange(**{name: row[name] for name in NAMES}) if row is not None else None
