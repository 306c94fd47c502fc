"""Migrations: plain SQL files, forward only, each applied once, in order, under an advisory lock, with a checksum.

What changes many rows is a file of its own, `NNNN_*.pieces.sql`: it changes some, and is repeated, a transaction each, until it changes none.
So nobody waits for a row longer than a piece takes, and whoever is killed meanwhile goes on from there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from shared.outbox import lock_key

KERNEL = Path(__file__).parent / "migrations"
OLDEST_POSTGRES = 150000
MIGRATIONS = """
create table if not exists migrations (name text primary key, checksum text not null, applied_at timestamptz not null default now())
"""


class CannotMigrate(Exception):
    """The text says why and what to do."""


@dataclass(frozen=True)
class Migration:
    """One file. Its name orders it: the kernel's come before the service's own."""

    name: str
    sql: str

    @property
    def in_pieces(self) -> bool:
        return self.name.endswith(".pieces.sql")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(folder: Path | None) -> list[Migration]:
    """The kernel's migrations, then the service's (None: it has none of its own)."""
    return [
        Migration(f"{owner}/{file.name}", file.read_text())
        for owner, place in (("kernel", KERNEL), ("service", folder))
        if place is not None
        for file in sorted(place.glob("[0-9]*.sql"))
    ]


async def pending(dsn: str, folder: Path | None) -> list[str]:
    """The names of migrations that this database hasn't seen."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        done = await _done(connection)
    finally:
        await connection.close()
    return [migration.name for migration in migrations_of(folder) if migration.name not in done]


async def migrate(dsn: str, folder: Path | None) -> list[str]:
    """Brings a database up to date and returns what was applied. Concurrent calls wait for each other."""
    connection = await asyncpg.connect(dsn, timeout=30, server_settings={"lock_timeout": "5000", "timezone": "UTC"})
    try:
        if connection.get_server_version().major * 10000 < OLDEST_POSTGRES:
            raise CannotMigrate(
                f"PostgreSQL {connection.get_server_version().major} is too old: Tenantry needs 15 or newer."
            )
        await connection.execute("set lock_timeout = 0")
        await connection.execute("select pg_advisory_lock($1)", lock_key("migrations"))
        await connection.execute("set lock_timeout = '5s'")
        done = await _done(connection)
        applied = []
        for migration in migrations_of(folder):
            known = done.get(migration.name)
            if known is None:
                await applied_now(connection, migration)
                applied.append(migration.name)
            elif known != migration.checksum:
                raise CannotMigrate(
                    f"{migration.name} was changed after it was applied here. Migrations are only ever added."
                )
        return applied
    finally:
        await connection.close()


async def applied_now(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    """Applies one and notes it; inside an open transaction that becomes part of it."""
    try:
        while migration.in_pieces and await _piece(connection, migration):
            pass
        async with connection.transaction():
            if not migration.in_pieces:
                await connection.execute(migration.sql)
            await connection.execute(
                "insert into migrations (name, checksum) values ($1, $2)", migration.name, migration.checksum
            )
    except asyncpg.PostgresError as wrong:
        raise CannotMigrate(f"{migration.name} failed and was rolled back: {wrong}") from wrong


async def _piece(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> bool:
    """Whether it still changed something, as its last statement says."""
    async with connection.transaction():
        done: str = await connection.execute(migration.sql)
    return not done.endswith(" 0")


async def _done(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    if await connection.fetchval("select to_regclass('migrations')") is None:
        await connection.execute(MIGRATIONS)
    return {row["name"]: row["checksum"] for row in await connection.fetch("select name, checksum from migrations")}
