"""Resets of passwords that were asked for and not yet made."""

from __future__ import annotations

from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import PasswordReset
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(PasswordReset)]
KEEP = """
insert into password_resets (canonical_email, reset_id, user_id, expires_at) values ($1, $2, $3, $4)
on conflict (canonical_email) do update set reset_id = excluded.reset_id, user_id = excluded.user_id, expires_at = excluded.expires_at
"""


async def keep(tx: Tx, reset: PasswordReset) -> None:
    """Replaces an earlier one of the same address."""
    await tx.run(KEEP, *astuple(reset))


async def live(read: Read, reset_id: str, now: datetime) -> PasswordReset | None:
    """The one that a mailed link leads to; one that was asked for an address without account leads nowhere."""
    return _reset(
        await read.row(
            "select * from password_resets where reset_id = $1 and expires_at > $2 and user_id is not null",
            reset_id,
            now,
        )
    )


async def take(tx: Tx, reset_id: str, now: datetime) -> PasswordReset | None:
    """Gives the reset out once."""
    return _reset(
        await tx.row(
            "delete from password_resets where reset_id = $1 and expires_at > $2 and user_id is not null returning *",
            reset_id,
            now,
        )
    )


async def drop(tx: Tx, user_id: str) -> None:
    """No link that was mailed to this person works any more."""
    await tx.run("delete from password_resets where user_id = $1", user_id)


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from password_resets where expires_at <= $1", now)


def _reset(row: Row | None) -> PasswordReset | None:
    return PasswordReset(**{name: row[name] for name in NAMES}) if row is not None else None
