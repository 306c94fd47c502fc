"""Commands that run things: up, serve, migrate, secrets."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvloop

from shared.backups.folder import BackupFault
from shared.cli.embedded import up_in_one_process
from shared.cli.place import Place, Refused, database_urls
from shared.cli.supervisor import up_in_processes
from shared.config import Misconfigured, Secrets, settings_from
from shared.db import AWAY
from shared.log import set_up_logging
from shared.migrate import CannotMigrate, migrate, pending
from shared.postgres import PostgresFailed
from shared.process import Product, process, spare_the_collector
from shared.stopping import until_told_to_stop
from shared.web.server import AddressInUse

Data = Annotated[Path | None, typer.Option("--data", help="Where everything is kept (default: ./.tenantry).")]

EXPECTED = (BackupFault, Refused, Misconfigured, CannotMigrate, PostgresFailed, AddressInUse)


def add_to(app: typer.Typer, product: Product) -> None:
    @app.command()
    def up(
        port: Annotated[int, typer.Option(help="The port of the gateway and console.")] = 8080,
        host: Annotated[
            str, typer.Option(help="The address to listen on. Anything but a loopback address faces your network.")
        ] = "127.0.0.1",
        data: Data = None,
        admin_port: Annotated[int, typer.Option(help="The operator's port on 127.0.0.1 (0: any).")] = 0,
        processes: Annotated[bool, typer.Option("--processes", help="One process per service, on RabbitMQ.")] = False,
        amqp: Annotated[
            str | None, typer.Option(envvar="TENANTRY_AMQP_URL", help="RabbitMQ's URL, for --processes.")
        ] = None,
        database: Annotated[
            str | None,
            typer.Option(help="URL of a PostgreSQL role that may create databases (default: a private server)."),
        ] = None,
        replicas: Annotated[
            list[str] | None, typer.Option(help="For --processes: how many of a service, e.g. sharing=3.")
        ] = None,
    ) -> None:
        """Runs the whole product on this machine. Stop it with Ctrl-C."""
        place = Place.at(data)
        if processes:
            if amqp is None:
                stop_with("--processes needs a broker: add --amqp amqp://guest:guest@127.0.0.1:5672/")
            finish(up_in_processes(product, place, host, port, amqp, database, replicas or []))
        else:
            finish(up_in_one_process(product, place, host, port, admin_port))

    @app.command()
    def serve(
        only: Annotated[
            list[str] | None, typer.Option("--only", help="The services of this process (default: TENANTRY_SERVICES).")
        ] = None,
    ) -> None:
        """Runs services configured by TENANTRY_… variables: what a container or unit file starts."""
        finish(_serve(product, only))

    migrations = typer.Typer(no_args_is_help=True, help="Brings databases up to date.")
    app.add_typer(migrations, name="migrate")

    @migrations.command("up")
    def migrate_up(data: Data = None) -> None:
        """Applies what is pending, in every service's database."""
        finish(_migrate(product, data))

    @migrations.command("status")
    def migrate_status(data: Data = None) -> None:
        """Lists what is pending; exit code 1 when something is."""
        finish(_status(product, data))

    secrets = typer.Typer(no_args_is_help=True, help="The installation's secrets.")
    app.add_typer(secrets, name="secrets")

    @secrets.command("init")
    def secrets_init(file: Annotated[Path | None, typer.Argument(envvar="TENANTRY_SECRETS_FILE")] = None) -> None:
        """Generates the secrets file, unless it exists. Keep a backup: what it seals can't be read without it."""
        if file is None:
            stop_with("Say where: tenantry secrets init /etc/tenantry/secrets.json")
        if file.exists():
            print(f"{file} exists and stays as it is.")
            return
        try:
            Secrets.generate().save(file)
        except OSError as why:
            stop_with(f"{file} can't be written: {why.strerror}")
        print(f"Wrote {file} (mode 0600).")

    @secrets.command("rotate")
    def secrets_rotate(file: Annotated[Path | None, typer.Argument(envvar="TENANTRY_SECRETS_FILE")] = None) -> None:
        """Adds a key that signs access tokens from a quarter of an hour from now on."""
        if file is None:
            stop_with("Say where: tenantry secrets rotate /etc/tenantry/secrets.json")
        try:
            print(_rotate(file, datetime.now(UTC)))
        except (Refused, Misconfigured) as why:
            stop_with(str(why))
        except OSError as why:
            stop_with(f"{file} can't be written: {why.strerror}")


def _rotate(file: Path, now: datetime) -> str:
    """Adds the next key for access tokens; when it signs, every running identity must have read it."""
    known = Secrets.load(file)
    waiting = known.waiting_access_key(now)
    if waiting is not None:
        raise Refused(
            f"The key {waiting.kid} waits to sign from {waiting.signs_from:%H:%M UTC}. Rotate again after that."
        )
    renewed = known.with_next_access_key(now)
    renewed.replace(file)
    newest = renewed.access[-1]
    return (
        f"Added the key {newest.kid}, which signs from {newest.signs_from:%H:%M UTC}.\n"
        "Restart identity before then, one replica after the other. Nothing else has to be done: old tokens stay valid until they expire."
    )


async def _serve(product: Product, only: list[str] | None) -> None:
    settings = settings_from(os.environ, only)
    set_up_logging(level=settings.log_level, readable=settings.log_readable)
    for name in settings.services:
        if name in product.storing and (waiting := await _until_reachable(product, name, settings.database_urls[name])):
            raise Refused(f"The database of {name} lacks {len(waiting)} migrations. Run `tenantry migrate up` first.")
    async with process(product, settings):
        spare_the_collector()
        await until_told_to_stop()


async def _until_reachable(product: Product, name: str, url: str) -> list[str]:
    """A database may start at the same moment; it gets a minute."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await pending(url, product.service(name).migrations)
        except AWAY as away:
            if time.monotonic() > deadline:
                raise Refused(f"The database of {name} can't be reached: {away}") from None
            await asyncio.sleep(0.5)


async def _migrate(product: Product, data: Path | None) -> None:
    for name, url in database_urls(data).items():
        if name in product.storing:
            await _until_reachable(product, name, url)
            applied = await migrate(url, product.service(name).migrations)
            print(f"{name:10} {', '.join(applied) if applied else 'up to date'}")


async def _status(product: Product, data: Path | None) -> None:
    behind = False
    for name, url in database_urls(data).items():
        if name in product.storing:
            waiting = await pending(url, product.service(name).migrations)
            behind = behind or bool(waiting)
            print(f"{name:10} {'pending: ' + ', '.join(waiting) if waiting else 'up to date'}")
    if behind:
        raise SystemExit(1)


def finish(work: Coroutine[Any, Any, Any]) -> None:
    """Runs a command to its end; what can be expected to go wrong ends it with a message, never a traceback."""
    try:
        uvloop.run(work)
    except EXPECTED as why:
        stop_with(str(why))
    except KeyboardInterrupt:
        sys.exit(130)
    except AWAY as away:
        if isinstance(away, OSError) and away.filename:
            stop_with(f"{away.filename} can't be used: {away.strerror}")
        stop_with(f"The database can't be reached: {str(away) or 'no answer in time'}")


def stop_with(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(1)
