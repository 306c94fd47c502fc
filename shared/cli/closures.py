"""The command about closed organizations: which there are, and who has still to confirm that nothing of them is left."""

from __future__ import annotations

from pathlib import Path

import typer

from shared.cli.asking import asking
from shared.cli.run import Data, finish
from shared.process import Product


def add_to(app: typer.Typer, product: Product) -> None:
    @app.command("closures")
    def closures(data: Data = None) -> None:
        """Lists closed organizations, when they are erased, and who has still to confirm it."""
        finish(_list(data))


async def _list(data: Path | None) -> None:
    async with asking(data, "org") as ask:
        found = await ask("GET", "/internal/closures")
    for one in found:
        state = (
            f"being erased, waits for {', '.join(one['awaited']) or 'nobody'}"
            if one["asked_at"]
            else "can be taken back"
        )
        print(f"{one['org_id']}  closed {one['closed_at'][:10]}  erased {one['erased_at'][:10]}  {state}")
