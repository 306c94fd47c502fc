"""Tokens of identity providers. Revoking one is deleting its row."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Row, Tx
from shared.errors import Problem

COLUMNS = "org_id, token_id, name, digest, hint, created_at, created_by, last_used_at, last_used_ip"


@dataclass(frozen=True)
class Token:
    """A token as it is stored. `hint` is how it ends."""

    org_id: str
    token_id: str
    name: str
    digest: bytes
    hint: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    last_used_ip: str | None


async def by_id(read: Read, token_id: str) -> Token | None:
    """Needs a look across organizations: a token doesn't say whose it is."""
    return _token(await read.row(f"select {COLUMNS} from scim_tokens where token_id = $1", token_id))


async def every(read: Read, org_id: str) -> list[Token]:
    rows = await read.rows(f"select {COLUMNS} from scim_tokens where org_id = $1 order by token_id", org_id)
    return [Token(**dict(row)) for row in rows]


async def made_by(read: Read, org_id: str, user_id: str) -> list[Token]:
    rows = await read.rows(f"select {COLUMNS} from scim_tokens where org_id = $1 and created_by = $2", org_id, user_id)
    return [Token(**dict(row)) for row in rows]


async def exists(read: Read, org_id: str, token_id: str) -> bool:
    return bool(await read.value("select true from scim_tokens where org_id = $1 and token_id = $2", org_id, token_id))


async def count(read: Read) -> int:
    """Of all organizations. Needs a look across organizations."""
    return int(await read.value("select count(*) from scim_tokens"))


async def silent_since(read: Read, since: datetime, limit: int) -> list[Token]:
    """Tokens that were used, and not since then. Needs a look across organizations."""
    rows = await read.rows(
        f"select {COLUMNS} from scim_tokens where last_used_at < $1 order by last_used_at limit $2", since, limit
    )
    return [Token(**dict(row)) for row in rows]


async def count_in_line(tx: Tx, org_id: str) -> int:
    """How many there are, certain until the transaction ends."""
    await tx.run("select pg_advisory_xact_lock(hashtextextended('scim tokens ' || $1, 0))", org_id)
    return int(await tx.value("select count(*) from scim_tokens where org_id = $1", org_id))


async def add(tx: Tx, org_id: str, token_id: str, name: str, digest: bytes, hint: str, by: str, now: datetime) -> Token:
    row = await tx.row(
        "insert into scim_tokens (org_id, token_id, name, digest, hint, created_at, created_by)"
        f" values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}",
        org_id,
        token_id,
        name,
        digest,
        hint,
        now,
        by,
    )
    assert row is not None
    return Token(**dict(row))


async def remove(tx: Tx, org_id: str, token_id: str) -> Token:
    row = await tx.row(
        f"delete from scim_tokens where org_id = $1 and token_id = $2 returning {COLUMNS}", org_id, token_id
    )
    if row is None:
        raise Problem("not_found")
    return Token(**dict(row))


async def touch(tx: Tx, token: Token, source_ip: str | None, now: datetime) -> None:
    await tx.run(
        "update scim_tokens set last_used_at = greatest(last_used_at, $3), last_used_ip = $4 where org_id = $1 and token_id = $2",
        token.org_id,
        token.token_id,
        now,
        source_ip,
    )


def _token(row: Row | None) -> Token | None:
    return Token(**dict(row)) if row else None
