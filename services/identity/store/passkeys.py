"""Passkeys: several per person, each credential once."""

from __future__ import annotations

from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import Passkey
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(Passkey)]


async def add(tx: Tx, passkey: Passkey) -> bool:
    """False when the credential is somebody's already."""
    return bool(
        await tx.run(
            "insert into passkeys (passkey_id, user_id, credential_id, public_key, sign_count, name, added_at, last_used_at)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (credential_id) do nothing",
            *astuple(passkey),
        )
    )


async def count(read: Read, user_id: str) -> int:
    return int(await read.value("select count(*) from passkeys where user_id = $1", user_id))


async def of_person(read: Read, user_id: str, after: str = "", limit: int = 100) -> list[Passkey]:
    rows = await read.rows(
        "select * from passkeys where user_id = $1 and passkey_id > $2 order by passkey_id limit $3",
        user_id,
        after,
        limit,
    )
    return [passkey for row in rows if (passkey := _passkey(row))]


async def by_credential(read: Read, credential_id: bytes) -> Passkey | None:
    return _passkey(await read.row("select * from passkeys where credential_id = $1", credential_id))


async def use(tx: Tx, passkey_id: str, sign_count: int, now: datetime) -> None:
    await tx.run(
        "update passkeys set sign_count = $2, last_used_at = $3 where passkey_id = $1", passkey_id, sign_count, now
    )


async def rename(tx: Tx, user_id: str, passkey_id: str, name: str) -> Passkey | None:
    return _passkey(
        await tx.row(
            "update passkeys set name = $3 where user_id = $1 and passkey_id = $2 returning *",
            user_id,
            passkey_id,
            name,
        )
    )


async def exists(read: Read, user_id: str, passkey_id: str) -> bool:
    return bool(
        await read.value("select true from passkeys where user_id = $1 and passkey_id = $2", user_id, passkey_id)
    )


async def remove(tx: Tx, user_id: str, passkey_id: str) -> bool:
    return bool(await tx.run("delete from passkeys where user_id = $1 and passkey_id = $2", user_id, passkey_id))


async def remove_since(tx: Tx, user_id: str, since: datetime) -> bool:
    """Whether any was added then or later."""
    return bool(await tx.run("delete from passkeys where user_id = $1 and added_at >= $2", user_id, since))


async def remove_all(tx: Tx, user_id: str) -> None:
    await tx.run("delete from passkeys where user_id = $1", user_id)


def _passkey(row: Row | None) -> Passkey | None:
    return Passkey(**{name: row[name] for name in NAMES}) if row is not None else None
