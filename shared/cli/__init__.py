"""The command line: `./tenantry` in a checkout, `tenantry` when installed."""

from __future__ import annotations

import typer

from shared.process import Product

__all__ = ["Product", "command_line"]


def command_line(product: Product) -> typer.Typer:
    """All commands. Their modules are loaded when they are asked for, so that `up` starts fast."""
    from shared.cli import (
        audit,
        backup,
        billing,
        broker,
        checkout,
        clock,
        closures,
        documents,
        events,
        invoices,
        look,
        plans,
        run,
        seed,
    )

    app = typer.Typer(
        name="tenantry",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="The organization back office of a B2B analytics product. Begin with: tenantry up",
    )
    app.info.context_settings = {"obj": product, "help_option_names": ["-h", "--help"]}
    for part in (
        run,
        look,
        seed,
        events,
        broker,
        backup,
        audit,
        plans,
        invoices,
        billing,
        clock,
        closures,
        documents,
        checkout,
    ):
        part.add_to(app, product)
    return app
