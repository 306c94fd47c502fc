"""Commands about collecting: where the payment provider's books and ours differ. They ask billing, which decides and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.asking import asking
from shared.cli.plans import operator
from shared.cli.run import Data, finish
from shared.process import Product


def add_to(app: typer.Typer, product: Product) -> None:
    billing = typer.Typer(no_args_is_help=True, help="The payment provider's books, and ours.")
    app.add_typer(billing, name="billing")

    @billing.command("drift")
    def drift(
        accept: Annotated[str | None, typer.Option(help="What was looked at and stays: its first column.")] = None,
        because: Annotated[str, typer.Option(help="Why it stays.")] = "",
        data: Data = None,
    ) -> None:
        """Lists payments over which the books differ; exit code 1 when there is one that nobody accepted."""
        finish(_accept(data, accept, because) if accept else _drift(data))


async def _drift(data: Path | None) -> None:
    async with asking(data, "billing") as ask:
        found = await ask("GET", "/internal/drift")
    last = found["last"]
    if last is None:
        print(f"The books of {found['provider']} were never compared with ours.")
    else:
        how = f"over at {last['ended_at'][:16]}" if last["ended_at"] else "under way"
        print(f"{last['day']}: {last['compared']} payments at {found['provider']} compared, {how}.")
    for one in found["differences"]:
        accepted = f"  (accepted by {one['accepted_by']}: {one['accepted_because']})" if one["accepted_by"] else ""
        print(f"{one['subject']:30} {one['kind']:14} since {one['found_at'][:10]}  {one['detail']}{accepted}")
    if any(one["accepted_by"] is None for one in found["differences"]):
        raise SystemExit(1)


async def _accept(data: Path | None, subject: str, because: str) -> None:
    body = {"subject": subject, "because": because, "by": operator()}
    async with asking(data, "billing") as ask:
        await ask("POST", "/internal/drift-acceptances", body)
    print(f"{subject} stays as it is, and isn't counted any more.")
