"""Restoring: every database anew from its migrations, then its rows; all of them become visible together, or none does."""

# ruff: noqa: S608 - only names of the manifest that PostgreSQL's catalogue knows as well are put into statements, quoted
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from graphlib import TopologicalSorter
from pathlib import Path

import asyncpg

from shared.backups.folder import Advance, BackupFault, Manifest, Part, fingerprint, unpacked
from shared.backups.taking import COLUMNS, COUNTERS, NAME, TABLES, Connection, connected
from shared.config import Secrets
from shared.migrate import MIGRATIONS, CannotMigrate, Migration, applied_now, migrations_of
from shared.service import Service

OTHERS = """
select distinct coalesce(nullif(application_name, ''), usename) as name from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and application_name <> $1
"""
POINTING = """
select child.relname as child, parent.relname as parent from pg_constraint
join pg_class as child on child.oid = conrelid join pg_class as parent on parent.oid = confrelid
where contype = 'f' and conrelid <> confrelid and child.relnamespace = 'public'::regnamespace
"""
FENCED = "select relforcerowsecurity from pg_class where oid = format('public.%I', $1::text)::regclass"
# A transaction's number means something on the server that gave it only; nobody has an open one here.
BEGUN_HERE = "update erasures set begun_in = pg_current_xact_id() where finished_at is null"


def check_keys(manifest: Manifest, secrets: Secrets) -> None:
    """`BackupFault` unless these secrets open what is sealed in the backup, and know the links that it has mailed."""
    ours = {key.id: fingerprint(key.key) for key in secrets.master}
    needed = {each.id: each.fingerprint for each in manifest.keys.master}
    first = manifest.keys.master[0].id
    wrong = [
        f"the master key {key} (fingerprint {needed[key]}), "
        + (f"and the one of that name here is another ({ours[key]})" if key in ours else "which isn't in it")
        for key in sorted({first, *manifest.keys.sealed_with})
        if ours.get(key) != needed[key]
    ]
    if manifest.keys.links != fingerprint(secrets.links):
        wrong.append(f"the key `links` (fingerprint {manifest.keys.links}), and the one here is another")
    if wrong:
        raise BackupFault(
            "The secrets file isn't the one that this backup needs:\n"
            + "\n".join(f"  it needs {each}" for each in wrong)
            + "\nName the secrets file of the installation that was backed up (TENANTRY_SECRETS_FILE)."
        )


def check_migrations(manifest: Manifest, services: Mapping[str, Service]) -> None:
    """`BackupFault` for a backup of a newer Tenantry, of changed migrations, or of other services."""
    if set(manifest.services) != set(services):
        raise BackupFault(
            f"The backup is of {', '.join(sorted(manifest.services))}; to restore are {', '.join(sorted(services))}."
            " Restore all services together: name every database."
        )
    for name, service in services.items():
        known = {migration.name: migration.checksum for migration in migrations_of(service.migrations)}
        told = manifest.services[name].migrations
        if newer := [each.name for each in told if each.name not in known]:
            raise BackupFault(
                f"The backup is of a newer Tenantry: this one doesn't know {', '.join(newer)} of {name}. Restore it with that one."
            )
        if changed := [each.name for each in told if known[each.name] != each.checksum]:
            raise BackupFault(f"Migrations of {name} were changed since the backup: {', '.join(changed)}.")


async def restore(
    databases: Mapping[str, str],
    services: Mapping[str, Service],
    folder: Path,
    manifest: Manifest,
    advance: Advance,
    *,
    replace: bool = False,
) -> None:
    """Puts the backup into the databases, whatever was there: with `replace` even what isn't empty.

    One transaction per database, all of them open until the last row is in: what fails leaves everything as it was.
    """
    async with AsyncExitStack() as stack:
        targets = {name: await stack.enter_async_context(connected(url)) for name, url in databases.items()}
        for name, target in targets.items():
            await _refuse_company(name, target)
            if not replace:
                await _refuse_rows(name, target)
        open_ones = [target.transaction() for target in targets.values()]
        for transaction in open_ones:
            await transaction.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, target in targets.items():
                    tasks.create_task(_rebuild(target, services[name], folder, manifest, advance))
        except BaseExceptionGroup as several:
            for target in targets.values():
                target.terminate()  # which rolls back, wherever it stood
            raise several.exceptions[0] from None
        await _commit(dict(zip(targets, open_ones, strict=True)))
        for target in targets.values():
            await target.execute("analyze")


async def _commit(open_ones: Mapping[str, asyncpg.transaction.Transaction]) -> None:
    """One after the other, at once: what fails between them is told, since then the services are of two moments."""
    done: list[str] = []
    for name, transaction in open_ones.items():
        try:
            await transaction.commit()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as why:
            changed = f"{', '.join(done)} changed already" if done else "nothing changed"
            raise BackupFault(
                f"The database of {name} failed at the very end ({why}); {changed}. Start nothing, and restore again with --replace."
            ) from None
        done.append(name)


async def _refuse_company(service: str, target: Connection) -> None:
    if others := [row["name"] for row in await target.fetch(OTHERS, NAME)]:
        raise BackupFault(
            f"Somebody is connected to the database of {service}: {', '.join(others)}. Stop every service first."
        )


async def _refuse_rows(service: str, target: Connection) -> None:
    async with target.transaction(readonly=True):
        await target.execute("select set_config('tenantry.org_id', '*', true)")
        for row in await target.fetch(TABLES):
            if await target.fetchval(f'select exists (select from public."{row["name"]}")'):
                raise BackupFault(
                    f"The database of {service} isn't empty: there are rows in `{row['name']}`."
                    " Restore into empty databases, or let the backup replace what is there with --replace."
                )


async def _rebuild(target: Connection, service: Service, folder: Path, manifest: Manifest, advance: Advance) -> None:
    """The schema as it was then, its rows, and what has been added to the schema since."""
    told = [each.name for each in manifest.services[service.name].migrations]
    known = {migration.name: migration for migration in migrations_of(service.migrations)}
    await target.execute("drop schema public cascade; create schema public")
    await target.execute(MIGRATIONS)
    await _apply(target, [known[name] for name in told])
    await _fill(target, service.name, folder, manifest, advance)
    await _apply(target, [migration for name, migration in known.items() if name not in told])


async def _apply(target: Connection, migrations: list[Migration]) -> None:
    for migration in migrations:
        try:
            await applied_now(target, migration)
        except CannotMigrate as why:
            raise BackupFault(f"The database can't be set up: {why}") from None


async def _fill(target: Connection, service: str, folder: Path, manifest: Manifest, advance: Advance) -> None:
    parts = manifest.parts_of(service)
    tables = [row["name"] for row in await target.fetch(TABLES)]
    if set(tables) != set(parts):
        raise BackupFault(
            f"The backup of {service} lacks the tables {sorted(set(tables) - set(parts))},"
            f" and has {sorted(set(parts) - set(tables))} besides."
        )
    quoted = [f'public."{table}"' for table in tables]
    fenced = [name for name, table in zip(quoted, tables, strict=True) if await target.fetchval(FENCED, table)]
    # Triggers keep books of what happens; here nothing happens, and the books are in the backup.
    for name in quoted:
        await target.execute(f"alter table {name} disable trigger user")
    for name in fenced:
        await target.execute(f"alter table {name} no force row level security")
    await target.execute(f"truncate {', '.join(quoted)}")
    for table in await _parents_first(target, tables):
        await _copy_in(target, folder, parts[table], advance)
    await target.execute("set constraints all immediate")
    if "erasures" in parts:
        await target.execute(BEGUN_HERE)
    counters = manifest.services[service].counters
    if strangers := set(counters) - {row["name"] for row in await target.fetch(COUNTERS)}:
        raise BackupFault(f"The backup of {service} has counters that the schema doesn't have: {sorted(strangers)}.")
    for name, following in counters.items():
        table, _, column = name.rpartition(".")
        await target.execute(f'alter table public."{table}" alter column "{column}" restart with {following:d}')
    for name in fenced:
        await target.execute(f"alter table {name} force row level security")
    for name in quoted:
        await target.execute(f"alter table {name} enable trigger user")


async def _copy_in(target: Connection, folder: Path, part: Part, advance: Advance) -> None:
    columns = {row["attname"] for row in await target.fetch(COLUMNS, part.table)}
    if set(part.columns) != columns:
        raise BackupFault(f"{part.file} has other columns than the table: {sorted(columns ^ set(part.columns))}.")
    try:
        said = await target.copy_to_table(
            part.table, source=unpacked(folder, part, advance), schema_name="public", columns=part.columns
        )
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as wrong:
        raise BackupFault(f"{part.file} can't be restored: {wrong}") from None
    if (rows := int(said.rpartition(" ")[2])) != part.rows:
        raise BackupFault(f"{part.file} has {rows} rows, and the manifest says {part.rows}.")


async def _parents_first(target: Connection, tables: list[str]) -> list[str]:
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(tables, ()))
    for row in await target.fetch(POINTING):
        order.add(row["child"], row["parent"])
    return list(order.static_order())
