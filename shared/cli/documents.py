"""Commands that print the published documents, generated from the code that runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import typer

from shared.docs import asyncapi, openapi
from shared.process import Product
from shared.service import Service


def add_to(app: typer.Typer, product: Product) -> None:
    def show(make: Callable[[Sequence[Service]], dict[str, Any]]) -> None:
        sys.stdout.buffer.write(orjson.dumps(make(product.documented()), option=orjson.OPT_INDENT_2) + b"\n")

    @app.command("openapi")
    def show_openapi() -> None:
        """Prints the OpenAPI document of the gateway."""
        show(openapi)

    @app.command("asyncapi")
    def show_asyncapi() -> None:
        """Prints the AsyncAPI document of all events."""
        show(asyncapi)
