"""What waits for a second factor or a passkey. Ending one is deleting its row."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import Challenge
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(Challenge)]
OPEN = "select * from challenges where challenge_id = $1 and expires_at > $2"


async def begin(tx: Tx, challenge: Challenge) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(NAMES) + 1))
    await tx.run(f"insert into challenges ({', '.join(NAMES)}) values ({places})", *astuple(challenge))


async def open_one(read: Read, challenge_id: str, now: datetime) -> Challenge | None:
    return _challenge(await read.row(OPEN, challenge_id, now))


async def lock(tx: Tx, challenge_id: str, now: datetime) -> Challenge | None:
    return _challenge(await tx.row(f"{OPEN} for update", challenge_id, now))


async def confirm(tx: Tx, challenge_id: str, now: datetime) -> Challenge | None:
    """The mailed link of a challenge for linking was followed; None when there is no such challenge any more."""
    row = await tx.row(
        "update challenges set confirmed_at = coalesce(confirmed_at, $2) where challenge_id = $1 and expires_at > $2"
        " and purpose = 'linking' returning *",
        challenge_id,
        now,
    )
    return _challenge(row)


async def end(tx: Tx, challenge_id: str) -> None:
    await tx.run("delete from challenges where challenge_id = $1", challenge_id)


async def end_all(tx: Tx, user_id: str) -> None:
    await tx.run("delete from challenges where user_id = $1", user_id)


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from challenges where expires_at <= $1", now)


def _challenge(row: Row | None) -> Challenge | None:
    return Challenge(**{name: row[name] for name in NAMES}) if row is not None else None
