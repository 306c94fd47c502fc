"""Authenticator apps: one per person."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from services.identity.rules import AuthenticatorApp
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(AuthenticatorApp)]


async def of_person(read: Read, user_id: str) -> AuthenticatorApp | None:
    return _app(await read.row("select * from totp where user_id = $1", user_id))


async def lock(tx: Tx, user_id: str) -> AuthenticatorApp | None:
    return _app(await tx.row("select * from totp where user_id = $1 for no key update", user_id))


async def begin(tx: Tx, user_id: str, sealed: bytes, now: datetime) -> bool:
    """Replaces one that was only begun; False when one is active."""
    return bool(
        await tx.run(
            "insert into totp (user_id, sealed, begun_at) values ($1, $2, $3)"
            " on conflict (user_id) do update set sealed = excluded.sealed, begun_at = excluded.begun_at"
            " where totp.active_since is null",
            user_id,
            sealed,
            now,
        )
    )


async def activate(tx: Tx, user_id: str, step: int, now: datetime) -> None:
    await tx.run("update totp set active_since = $3, last_step = $2 where user_id = $1", user_id, step, now)


async def accept(tx: Tx, user_id: str, step: int) -> bool:
    """Uses a time step up, and every earlier one. False when it was used before, in whichever process."""
    return bool(
        await tx.run(
            "update totp set last_step = $2, wrong_in_a_row = 0 where user_id = $1 and last_step < $2", user_id, step
        )
    )


async def count_wrong(tx: Tx, user_id: str) -> None:
    await tx.run("update totp set wrong_in_a_row = wrong_in_a_row + 1 where user_id = $1", user_id)


async def thaw(tx: Tx, user_id: str) -> None:
    await tx.run("update totp set wrong_in_a_row = 0 where user_id = $1", user_id)


async def remove(tx: Tx, user_id: str) -> bool:
    """Whether one was active."""
    return bool(await tx.value("delete from totp where user_id = $1 returning active_since is not null", user_id))


async def remove_since(tx: Tx, user_id: str, since: datetime) -> bool:
    """Whether one was active that was begun then or later. One that was only begun goes with it."""
    return bool(
        await tx.value(
            "delete from totp where user_id = $1 and (active_since is null or active_since >= $2) returning active_since is not null",
            user_id,
            since,
        )
    )


def _app(row: Row | None) -> AuthenticatorApp | None:
    return AuthenticatorApp(**{name: row[name] for name in NAMES}) if row is not None else None
