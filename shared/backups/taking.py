"""Taking a backup while the services work: all databases as of one moment, each read to its end through the snapshot of that moment.

For the moment every outbox is held, so that nothing which says anything commits. Whatever somebody has heard by then, its
owner has said by then: no cursor is ahead of its source, and what was under way comes again by itself after a restore.
"""

# ruff: noqa: S608 - only names from PostgreSQL's own catalogue are put into statements, quoted
from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from shared.backups.folder import FORMAT, Advance, Applied, BackupFault, Draft, Keys, Manifest, Part, State, prints
from shared.backups.folder import fingerprint as fingerprint_of
from shared.config import Secrets
from shared.migrate import migrations_of
from shared.sealed_columns import SealedColumn
from shared.service import Service

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ATTEMPTS = 30
HOLD_MILLISECONDS = 500
NAME = "tenantry backup"
SAME_TEXT_EVERYWHERE = {
    "application_name": NAME,
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}
TABLES = """
select relname as name, pg_table_size(oid) as size from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'migrations' order by relname
"""
COLUMNS = """
select attname from pg_attribute where attrelid = format('public.%I', $1::text)::regclass and attnum > 0
    and not attisdropped and attgenerated = '' order by attnum
"""
COUNTERS = """
select relname || '.' || attname as name, pg_get_serial_sequence(format('public.%I', relname), attname) as sequence
from pg_attribute join pg_class on pg_class.oid = attrelid
where relkind = 'r' and relnamespace = 'public'::regnamespace and attidentity <> '' and not attisdropped order by 1
"""
SNAPSHOT = "select set_config('tenantry.org_id', '*', true), pg_current_snapshot()"


@dataclass(frozen=True)
class Sizes:
    """What there is to copy, in bytes as PostgreSQL keeps them."""

    of: Mapping[tuple[str, str], int]

    @property
    def total(self) -> int:
        return sum(self.of.values())


@asynccontextmanager
async def one_moment(databases: Mapping[str, str]) -> AsyncIterator[dict[str, Connection]]:
    """A connection to each database, inside a transaction that sees it as it was at one moment, the same for all."""
    async with AsyncExitStack() as stack:
        readers = {name: await stack.enter_async_context(connected(url)) for name, url in databases.items()}
        holders = {name: await stack.enter_async_context(connected(url)) for name, url in databases.items()}
        for attempt in range(ATTEMPTS):
            try:
                await _hold_and_look(holders.values(), readers.values())
                break
            except asyncpg.UndefinedTableError:
                raise BackupFault(
                    "Some database isn't set up. Run `tenantry migrate up`, and look at the URLs."
                ) from None
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(random.uniform(0.05, 0.2) * (attempt + 1))  # noqa: S311 waiting, nothing secret
        else:
            raise BackupFault(
                f"No moment was found in {ATTEMPTS} attempts at which no service was saying anything:"
                " a transaction stays open. Look at pg_stat_activity, and try again."
            )
        for holder in holders.values():
            await holder.close()
        yield readers


async def _hold_and_look(holders: Any, readers: Any) -> None:
    async with AsyncExitStack() as held:
        for holder in holders:
            await held.enter_async_context(holder.transaction())
            await holder.execute(f"set local lock_timeout = {HOLD_MILLISECONDS}; lock table outbox in share mode")
        for reader in readers:
            await reader.execute("begin isolation level repeatable read read only")
        try:
            await asyncio.gather(*(reader.fetchrow(SNAPSHOT) for reader in readers))
        except BaseException:
            for reader in readers:
                await reader.execute("rollback")
            raise


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url, timeout=10, server_settings=SAME_TEXT_EVERYWHERE)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def sizes(moment: Mapping[str, Connection]) -> Sizes:
    return Sizes(
        {
            (service, row["name"]): row["size"]
            for service, connection in moment.items()
            for row in await connection.fetch(TABLES)
        }
    )


async def take(
    moment: Mapping[str, Connection],
    services: Mapping[str, Service],
    secrets: Secrets,
    folder: Path,
    version: str,
    taken_at: datetime,
    measured: Sizes,
    advance: Advance,
) -> Manifest:
    """Writes all of it to the folder, several services at a time. `BackupFault` when a database isn't as this Tenantry expects it."""
    states = {name: await _state(moment[name], services[name]) for name in moment}
    sealed_with = sorted(
        {key for name in moment for column in services[name].sealed for key in await _sealers(moment[name], column)}
    )
    keys = Keys(master=prints(secrets), links=fingerprint_of(secrets.links), sealed_with=tuple(sealed_with))
    if strange := [key for key in sealed_with if key not in {known.id for known in keys.master}]:
        raise BackupFault(
            f"Secrets in these databases were sealed with the master key {', '.join(strange)}, which isn't in the secrets file."
            " What can't be opened isn't worth keeping: name the right file (TENANTRY_SECRETS_FILE); tenantry doctor tells more."
        )
    with Draft(folder) as draft:
        copied = await asyncio.gather(
            *(_copy_out(draft, name, connection, measured, advance) for name, connection in moment.items())
        )
        parts = tuple(part for each in copied for part in each)
        manifest = Manifest(format=FORMAT, tenantry=version, taken_at=taken_at, keys=keys, services=states, parts=parts)
        draft.finish(manifest, secrets)
    return manifest


async def _copy_out(
    draft: Draft, service: str, connection: Connection, measured: Sizes, advance: Advance
) -> Sequence[Part]:
    parts = []
    for row in await connection.fetch(TABLES):
        table = row["name"]
        left = measured.of.get((service, table), 0)

        def at_most(count: int) -> None:
            """Text and what PostgreSQL keeps differ in size; the sum of all tables is what was announced."""
            nonlocal left
            counted = min(count, left)
            left -= counted
            advance(counted)

        columns = tuple(each["attname"] for each in await connection.fetch(COLUMNS, table))
        file = draft.table(service, table, columns, at_most)
        try:
            said = await connection.copy_from_table(table, output=file.write, schema_name="public", columns=columns)
            parts.append(await file.close(int(said.rpartition(" ")[2])))
        finally:
            file.abandon()
        advance(left)
    return parts


async def _state(connection: Connection, service: Service) -> State:
    """`BackupFault` unless the database stands where the code does: what a later migration makes of it nobody here knows."""
    done = {row["name"]: row["checksum"] for row in await connection.fetch("select name, checksum from migrations")}
    known = [migration for migration in migrations_of(service.migrations) if migration.name in done]
    if unknown := sorted(set(done) - {migration.name for migration in known}):
        raise BackupFault(
            f"The database of {service.name} is newer than this Tenantry ({', '.join(unknown)}): take the backup with the newer one."
        )
    counters = {}
    for row in await connection.fetch(COUNTERS):
        counters[row["name"]] = await connection.fetchval(
            f"select case when is_called then last_value + 1 else last_value end from {row['sequence']}"
        )
    version = connection.get_server_version()
    return State(
        postgres=f"{version.major}.{version.minor}",
        migrations=tuple(Applied(name=each.name, checksum=done[each.name]) for each in known),
        counters=counters,
    )


async def _sealers(connection: Connection, of: SealedColumn) -> set[str]:
    """The ids of the keys that sealed what is in a column."""
    if await connection.fetchval("select to_regclass($1)", of.table) is None:
        return set()
    rows = await connection.fetch(
        f"select distinct substring({of.column} for position('.'::bytea in {of.column}) - 1) as head"
        f" from {of.table} where {of.column} is not null"
    )
    return {bytes(row["head"]).decode(errors="replace") for row in rows}
