"""Commands about test organizations: start, advance, list. Billing moves their time, and tells what has become of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from shared.cli.asking import asking
from shared.cli.place import Refused
from shared.cli.plans import operator
from shared.cli.run import Data, finish
from shared.process import Product

UNITS = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def add_to(app: typer.Typer, product: Product) -> None:
    clock = typer.Typer(no_args_is_help=True, help="The time of test organizations, in billing.")
    app.add_typer(clock, name="clock")

    @clock.command("start")
    def start(org: Annotated[str, typer.Argument(help="The organization's id.")], data: Data = None) -> None:
        """Makes a test organization, for good: invoices numbered apart, nothing collected. Only before its first invoice."""
        finish(_start(data, org))

    @clock.command("advance")
    def advance(
        by: Annotated[str, typer.Argument(help="How far, e.g. 30d, 2w or 12h.")],
        org: Annotated[str | None, typer.Option(help="One of them (default: all test organizations).")] = None,
        data: Data = None,
    ) -> None:
        """Moves time ahead, and does on each day what is due then: notices, renewals, invoices, reminders, ends."""
        finish(_advance(data, by, org))

    @clock.command("list")
    def list_them(data: Data = None) -> None:
        """Lists test organizations and what time it is for them."""
        finish(_list(data))


async def _start(data: Path | None, org: str) -> None:
    async with asking(data, "billing") as ask:
        _say(await ask("POST", "/internal/test-clocks", {"org_id": org, "by": operator()}))


async def _advance(data: Path | None, by: str, org: str | None) -> None:
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", by)
    if found is None:
        raise Refused(f"{by} isn't a time: write e.g. 30d, 2w or 12h.")
    seconds = int(found[1]) * UNITS[found[2]]
    async with asking(data, "billing") as ask:
        names = [org] if org else [one["org_id"] for one in (await ask("GET", "/internal/test-clocks"))["data"]]
        if not names:
            raise Refused("There is no test organization. Make one with `tenantry clock start ORG`.")
        for name in names:
            wanted = {"org_id": name, "seconds": seconds, "by": operator()}
            _say(await ask("POST", "/internal/test-clocks/advances", wanted))


async def _list(data: Path | None) -> None:
    async with asking(data, "billing") as ask:
        for one in (await ask("GET", "/internal/test-clocks"))["data"]:
            _say(one)


def _say(one: dict[str, str]) -> None:
    print(f"{one['org_id']}  {one['now'][:16].replace('T', ' ')} UTC  {one['plan']:12} {one['status']}")
