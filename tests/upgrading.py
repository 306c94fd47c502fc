"""Databases as they were before an upgrade."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import asyncpg

from shared.migrate import migrate
from shared.postgres import prepare_database
from shared.service import Service
from tests.world import Databases


@asynccontextmanager
async def as_before(
    databases: Databases, folder: Path, service: Service, migration: str, fill: str
) -> AsyncIterator[str]:
    """The URL of a service's database from before that migration, filled by these statements."""
    old = folder / "migrations"
    old.mkdir()
    assert service.migrations is not None
    for file in service.migrations.glob("[0-9]*.sql"):
        if file.name < migration:
            shutil.copy(file, old)
    name = f"upgrading_{token_hex(4)}"
    await prepare_database(databases.postgres.admin_dsn, name, "tester")
    url = databases.postgres.dsn(name, "tester")
    await migrate(url, old)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"set tenantry.org_id = '*'; {fill}")
        yield url
    finally:
        await connection.close()
        admin = await asyncpg.connect(databases.postgres.admin_dsn)
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


async def asked(url: str, sql: str) -> list[tuple[object, ...]]:
    """What a statement finds, in every organization."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set tenantry.org_id = '*'")
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()
