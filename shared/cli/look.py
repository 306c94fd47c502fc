"""Commands that look and show: doctor and demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.place import Place, Refused
from shared.cli.run import Data, finish
from shared.process import Product


def add_to(app: typer.Typer, product: Product) -> None:
    @app.command()
    def doctor(data: Data = None) -> None:
        """Checks everything that can be wrong, and says how to mend it. Exit code 1 when something is."""
        from shared.cli.doctor import examine

        finish(examine(product, data))

    @app.command()
    def demo(
        url: Annotated[str | None, typer.Option(help="The gateway (default: the product running here).")] = None,
        data: Data = None,
        roster: Annotated[
            Path | None,
            typer.Option(
                help="Your people: CSV with email, name, role, groups (separated by ;). `sample` loads the one that comes along."
            ),
        ] = None,
        dashboards: Annotated[
            Path | None, typer.Option(help="Your dashboards: CSV with id, title, owner, shared_with.")
        ] = None,
    ) -> None:
        """Plays the whole story against the running product, through its public API alone."""
        from shared.cli.demo import play

        facts = Place.at(data).running()
        where = url or (facts["url"] if facts else None)
        if where is None:
            from shared.cli.run import stop_with

            stop_with(
                str(
                    Refused(
                        "Tenantry isn't running here. Start it with `tenantry up` in another terminal, or give --url."
                    )
                )
            )
        finish(play(where, roster, dashboards))
