"""Commands about backups: create, verify, restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shared.cli.place import Place
from shared.cli.run import Data, finish
from shared.process import Product

Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]


def add_to(app: typer.Typer, product: Product) -> None:
    backup = typer.Typer(no_args_is_help=True, help="Backups of every service's database, and the way back.")
    app.add_typer(backup, name="backup")

    @backup.command("create")
    def create(
        folder: Annotated[
            Path | None, typer.Argument(help="A new folder (default: tenantry-backup-TIME, where you stand).")
        ] = None,
        data: Data = None,
    ) -> None:
        """Copies all databases as of one moment, while everything goes on. The secrets file isn't in it: keep that apart."""
        now = datetime.now(UTC)
        from shared.cli.backing_up import create_backup

        finish(create_backup(product, Place.at(data), folder or Path(f"tenantry-backup-{now:%Y-%m-%dT%H-%M-%SZ}")))

    @backup.command("verify")
    def verify(folder: Folder, data: Data = None) -> None:
        """Restores a backup beside everything, into a private PostgreSQL that is thrown away, and looks at all of it. Exit code 1 when something is wrong."""
        from shared.cli.backing_up import verify_backup

        finish(verify_backup(product, Place.at(data), folder))

    @backup.command("restore")
    def put_back(
        folder: Folder,
        data: Data = None,
        replace: Annotated[
            bool, typer.Option("--replace", help="Replace what is in the databases. It is gone afterwards.")
        ] = False,
    ) -> None:
        """Restores every database. No service may run; afterwards they catch up with each other by themselves."""
        from shared.cli.backing_up import restore_backup

        finish(restore_backup(product, Place.at(data), folder, replace))
