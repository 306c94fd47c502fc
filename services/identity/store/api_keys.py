"""API keys of organizations. Of a revoked one only that stays by which its token is known again; who it was stays in the events."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.api_keys import Access, Area
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.events.identity_shapes import ApiKey

COLUMNS = (
    "org_id, key_id, name, access, areas, api_version, hint, digest, previous_digest, previous_until, created_at, created_by, expires_at,"
    " last_used_at, last_used_ip, version, changed_by, changed_at"
)


@dataclass(frozen=True)
class Key:
    """A key as it is stored. `hint` is how its token ends."""

    org_id: str
    key_id: str
    name: str
    access: Access
    areas: list[Area]
    api_version: str
    hint: str
    digest: bytes
    previous_digest: bytes | None
    previous_until: datetime | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None
    version: int
    changed_by: str
    changed_at: datetime

    def state(self) -> ApiKey:
        return ApiKey(
            key_id=self.key_id,
            name=self.name,
            access=self.access,
            areas=list(self.areas),
            api_version=self.api_version,
            expires_at=self.expires_at,
        )


async def find(read: Read, org_id: str, key_id: str) -> Key | None:
    return _key(await read.row(f"select {COLUMNS} from api_keys where org_id = $1 and key_id = $2", org_id, key_id))


async def by_id(read: Read, key_id: str) -> Key | None:
    """Needs a look across organizations: a token doesn't say whose it is."""
    return _key(await read.row(f"select {COLUMNS} from api_keys where key_id = $1", key_id))


async def exists(read: Read, org_id: str, key_id: str) -> bool:
    return await find(read, org_id, key_id) is not None


async def lock(tx: Tx, org_id: str, key_id: str) -> Key:
    found = _key(
        await tx.row(f"select {COLUMNS} from api_keys where org_id = $1 and key_id = $2 for update", org_id, key_id)
    )
    if found is None:
        raise Problem("not_found")
    return found


async def listed(read: Read, org_id: str, before: str | None, limit: int) -> list[Key]:
    """The newest first, from below an id."""
    rows = await read.rows(
        f"select {COLUMNS} from api_keys where org_id = $1 and ($2::text is null or key_id < $2) order by key_id desc limit $3",
        org_id,
        before,
        limit,
    )
    return [Key(**dict(row)) for row in rows]


async def counted(read: Read, org_id: str) -> int:
    return int(await read.value("select count(*) from api_keys where org_id = $1", org_id))


async def made_by(read: Read, org_id: str, user_id: str, now: datetime) -> list[Key]:
    """Those that aren't over."""
    rows = await read.rows(
        f"select {COLUMNS} from api_keys where org_id = $1 and created_by = $2 and (expires_at is null or expires_at > $3)",
        org_id,
        user_id,
        now,
    )
    return [Key(**dict(row)) for row in rows]


async def ids(read: Read, org_id: str) -> list[str]:
    rows = await read.rows("select key_id from api_keys where org_id = $1 order by key_id", org_id)
    return [row["key_id"] for row in rows]


async def count_in_line(tx: Tx, org_id: str) -> int:
    """How many there are, certain until the transaction ends: who adds one waits here for who adds another."""
    await tx.run("select pg_advisory_xact_lock(hashtextextended('api keys ' || $1, 0))", org_id)
    return await counted(tx, org_id)


async def add(tx: Tx, org_id: str, key: ApiKey, digest: bytes, hint: str, by: str, now: datetime) -> Key:
    row = await tx.row(
        "insert into api_keys (org_id, key_id, name, access, areas, api_version, digest, hint, created_at, created_by, expires_at, changed_by,"
        f" changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $9) returning {COLUMNS}",
        org_id,
        key.key_id,
        key.name,
        key.access,
        list(key.areas),
        key.api_version,
        digest,
        hint,
        now,
        by,
        key.expires_at,
    )
    assert row is not None
    return Key(**dict(row))


async def change(tx: Tx, key: Key, name: str, api_version: str, by: str, now: datetime) -> Key:
    return await _changed(
        tx, key, "name = $3, api_version = $4, changed_by = $5, changed_at = $6", name, api_version, by, now
    )


async def rotate(tx: Tx, key: Key, digest: bytes, hint: str, both_until: datetime, by: str, now: datetime) -> Key:
    """The token in force becomes the one before; the one before that is gone."""
    return await _changed(
        tx,
        key,
        "previous_digest = digest, previous_until = $5, digest = $3, hint = $4, changed_by = $6, changed_at = $7",
        digest,
        hint,
        both_until,
        by,
        now,
    )


async def revoke(tx: Tx, key: Key) -> None:
    await tx.run("delete from api_keys where org_id = $1 and key_id = $2", key.org_id, key.key_id)
    await tx.run("insert into revoked_api_keys values ($1, $2, $3)", key.org_id, key.key_id, key.digest)


async def revoked(read: Read, key_id: str) -> tuple[str, bytes] | None:
    """Whose key it was, and the digest of its token. Needs a look across organizations."""
    row = await read.row("select org_id, digest from revoked_api_keys where key_id = $1", key_id)
    return (row["org_id"], row["digest"]) if row else None


async def touch(tx: Tx, key: Key, source_ip: str | None, now: datetime) -> None:
    await tx.run(
        "update api_keys set last_used_at = greatest(last_used_at, $3), last_used_ip = $4 where org_id = $1 and key_id = $2",
        key.org_id,
        key.key_id,
        now,
        source_ip,
    )


async def take_ending(tx: Tx, now: datetime, ahead: timedelta, limit: int) -> list[Key]:
    """Keys that end soon and of which nobody was warned: they are from now on. Looks across organizations."""
    return await _marked(
        tx, "warned_at", "expires_at > $1 and expires_at <= $2 and warned_at is null", now, ahead, limit
    )


async def take_expired(tx: Tx, now: datetime, limit: int) -> list[Key]:
    """Keys that are over, once. Looks across organizations."""
    return await _marked(tx, "expired_at", "expires_at <= $2 and expired_at is null", now, timedelta(), limit)


async def _marked(tx: Tx, mark: str, which: str, now: datetime, ahead: timedelta, limit: int) -> list[Key]:
    rows = await tx.rows(
        f"update api_keys set {mark} = $1 where key_id in"
        f" (select key_id from api_keys where {which} order by expires_at limit $3 for update skip locked) returning {COLUMNS}",
        now,
        now + ahead,
        limit,
    )
    return sorted((Key(**dict(row)) for row in rows), key=lambda key: (key.org_id, key.key_id))


async def _changed(tx: Tx, key: Key, what: str, *values: object) -> Key:
    row = await tx.row(
        f"update api_keys set {what}, version = version + 1 where org_id = $1 and key_id = $2 returning {COLUMNS}",
        key.org_id,
        key.key_id,
        *values,
    )
    assert row is not None
    return Key(**dict(row))


def _key(row: Row | None) -> Key | None:
    return Key(**dict(row)) if row else None
