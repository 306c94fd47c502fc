"""What the commands about backups do: find the databases, take or put back, and say what happened."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiormq
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from shared.backups.checking import examine
from shared.backups.folder import BackupFault, Manifest, check_files, read_manifest
from shared.backups.restoring import check_keys, check_migrations, restore
from shared.backups.taking import one_moment, sizes, take
from shared.cli.place import Place, Refused, databases_of
from shared.cli.progress import Progress
from shared.config import Misconfigured, Secrets
from shared.outbox import queue_name
from shared.postgres import PrivatePostgres, prepare_database
from shared.process import Product
from shared.published import product_version
from shared.service import Service


async def create_backup(product: Product, place: Place, folder: Path) -> None:
    secrets = _secrets(place)
    async with _databases(product, place) as urls, one_moment(urls) as moment:
        taken = datetime.now(UTC)
        print(f"All {len(urls)} databases are read as of {taken:%Y-%m-%d %H:%M:%S} UTC.", flush=True)
        measured = await sizes(moment)
        with Progress("copying", measured.total) as progress:
            manifest = await take(
                moment, _services(product), secrets, folder, product_version(), taken, measured, progress.advance
            )
    _describe(folder, manifest)
    print("Not in it, and needed to restore it: the secrets file. Keep a copy of that elsewhere.")
    print(f"Next: tenantry backup verify {folder}")


async def verify_backup(product: Product, place: Place, folder: Path) -> None:
    secrets = _secrets_if_any(place)
    services = _services(product)
    manifest = _readable(folder, secrets, services)
    _check_hashes(folder, manifest)
    with tempfile.TemporaryDirectory(prefix="tenantry-verify-") as scratch:
        postgres = _passing(Path(scratch))
        await postgres.start()
        try:
            urls = await _prepared(postgres, services)
            with Progress("restoring beside everything", manifest.bytes) as progress:
                await restore(urls, services, folder, manifest, progress.advance)
            found = await examine(urls, services, secrets)
        finally:
            await postgres.stop()
    print(f"  ✓ {manifest.rows:,} rows in {len(manifest.parts)} tables are what the manifest says, and can be restored")
    for line in found.well:
        print(f"  ✓ {line}")
    for line in found.wrong:
        print(f"  ✗ {line}")
    if secrets is None:
        print("  ⚠ without the secrets file nobody can tell who signed the manifest, or whether sealed secrets open")
    if found.wrong:
        print("\nThis backup has faults. Keep it apart, and find out when they began: verify older ones.")
        raise SystemExit(1)
    print("\nThis backup is whole.")


async def restore_backup(product: Product, place: Place, folder: Path, replace: bool) -> None:
    secrets = _secrets(place)
    services = _services(product)
    manifest = _readable(folder, secrets, services)
    if not databases_of(os.environ) and (facts := place.running()):
        raise Refused(f"Tenantry runs here, as process {facts['pid']}. Stop it first.")
    _check_hashes(folder, manifest)
    async with _databases(product, place, to_restore=True) as urls:
        with Progress("restoring", manifest.bytes) as progress:
            await restore(urls, services, folder, manifest, progress.advance, replace=replace)
        found = await examine(urls, services, None)
    if found.wrong:
        raise BackupFault("It was restored, but isn't of one piece:\n" + "\n".join(f"  {each}" for each in found.wrong))
    emptied = await _empty_queues(product)
    print(f"Restored {manifest.rows:,} rows as of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, in {len(urls)} databases.")
    if emptied is not None:
        print(f"Took {emptied} messages of the time after that out of the queues.")
    else:
        print(
            "No broker is named (TENANTRY_AMQP_URL). If services talk through one, empty its queues before they start."
        )
    print(
        "What happened after that moment is forgotten, revocations and erasures too: docs/guides/backups.md says what to do again."
    )
    print("Next: start the services. They catch up with each other by themselves.")


def _readable(folder: Path, secrets: Secrets | None, services: Mapping[str, Service]) -> Manifest:
    """The manifest, once it is known that its backup could be restored here."""
    manifest = read_manifest(folder, secrets)
    _describe(folder, manifest)
    if secrets is not None:
        check_keys(manifest, secrets)
    check_migrations(manifest, services)
    return manifest


def _check_hashes(folder: Path, manifest: Manifest) -> None:
    with Progress("checking hashes", manifest.bytes) as progress:
        check_files(folder, manifest, progress.advance)
    print("  ✓ every file is as it was written")


def _describe(folder: Path, manifest: Manifest) -> None:
    print(
        f"{folder}: {manifest.rows:,} rows of {len(manifest.services)} services, {manifest.bytes / (1 << 20):.1f} MiB"
    )
    print(f"  taken at     {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC by Tenantry {manifest.tenantry}")
    for name, state in manifest.services.items():
        print(f"  {name:12} {len(state.migrations)} migrations, PostgreSQL {state.postgres}")
    for key in manifest.keys.master:
        if key.id in {manifest.keys.master[0].id, *manifest.keys.sealed_with}:
            print(f"  needs        the master key {key.id}, fingerprint {key.fingerprint}")


@asynccontextmanager
async def _databases(product: Product, place: Place, *, to_restore: bool = False) -> AsyncIterator[Mapping[str, str]]:
    """Those that the environment names, of the product running here, or of the one that was stopped here, whose server is started for it."""
    if named := databases_of(os.environ):
        if missing := [name for name in product.storing if name not in named]:
            raise Refused(
                f"A backup is of all services: TENANTRY_{missing[0].upper()}_DATABASE_URL is missing"
                + (f", and {len(missing) - 1} more." if len(missing) > 1 else ".")
            )
        yield {name: named[name] for name in product.storing}
        return
    if facts := place.running():
        yield facts["database_urls"]
        return
    if not to_restore and not (place.folder / "postgres").exists():
        raise Refused(
            f"There is no Tenantry in {place.folder}. Name another folder with --data, or set the TENANTRY_… variables of your installation."
        )
    postgres = place.postgres()
    await postgres.start()
    try:
        yield await _prepared(postgres, _services(product))
    finally:
        await postgres.stop()


def _passing(scratch: Path) -> PrivatePostgres:
    scratch.chmod(0o755)  # root's server runs as another account, which must enter
    return PrivatePostgres(scratch / "postgres", scratch / "postgres.log", durable=False)


async def _prepared(postgres: PrivatePostgres, services: Mapping[str, Service]) -> dict[str, str]:
    """A database for each service, empty unless it was there."""
    for name in services:
        await prepare_database(postgres.admin_dsn, f"tenantry_{name}", f"tenantry_{name}")
    return {name: postgres.dsn(f"tenantry_{name}", f"tenantry_{name}") for name in services}


def _services(product: Product) -> dict[str, Service]:
    return {name: product.service(name) for name in product.storing}


def _secrets_file(place: Place) -> Path:
    return Path(os.environ.get("TENANTRY_SECRETS_FILE") or place.secrets_file)


def _secrets(place: Place) -> Secrets:
    try:
        return Secrets.load(_secrets_file(place))
    except Misconfigured:
        raise Refused(
            f"The secrets file {_secrets_file(place)} can't be read, and a backup is of no use without it."
            " Put the installation's own there (not a new one), or name it: TENANTRY_SECRETS_FILE."
        ) from None


def _secrets_if_any(place: Place) -> Secrets | None:
    return _secrets(place) if _secrets_file(place).exists() else None


async def _empty_queues(product: Product) -> int | None:
    """What waits on the broker is of a time that nobody remembers. None where no broker is named."""
    general = os.environ.get("TENANTRY_AMQP_URL", "")
    urls = {name: os.environ.get(f"TENANTRY_{name.upper()}_AMQP_URL") or general for name in product.storing}
    if not all(url.startswith("amqp") for url in urls.values()):
        return None
    emptied = 0
    for name, url in urls.items():
        try:
            emptied += await _emptied(url, queue_name(name))
        except (AMQPError, OSError) as why:
            raise Refused(
                f"The databases are restored, but RabbitMQ doesn't let {name} empty its queue ({why}). Before you start the services,"
                f" empty the queues ({', '.join(map(queue_name, urls))}) or wipe the broker: they hold events that nobody remembers."
            ) from None
    return emptied


async def _emptied(url: str, queue: str) -> int:
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel()
        return int((await channel.queue_purge(queue)).message_count or 0)
    except ChannelNotFoundEntity:
        return 0
    finally:
        await connection.close()
