"""Commands about the plan catalogue: show, check, apply, move, override. All of them ask billing, which decides and says so."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from shared.cli.asking import asking
from shared.cli.place import Refused
from shared.cli.run import Data, finish
from shared.process import Product

File = Annotated[Path, typer.Argument(help="The catalogue, e.g. a copy of what `tenantry plans show` prints.")]


def add_to(app: typer.Typer, product: Product) -> None:
    plans = typer.Typer(no_args_is_help=True, help="The plans that organizations can choose.")
    app.add_typer(plans, name="plans")

    @plans.command("show")
    def show(data: Data = None) -> None:
        """Prints the catalogue on offer, as a file to edit, and how many are on which plan."""
        finish(_show(data))

    @plans.command("check")
    def check(file: File, data: Data = None) -> None:
        """Says what is wrong with a catalogue, or what it would change. Nothing happens yet."""
        finish(_propose(data, file, apply=False))

    @plans.command("apply")
    def apply(file: File, data: Data = None) -> None:
        """Puts a catalogue on offer. Who has bought keeps what they bought."""
        finish(_propose(data, file, apply=True))

    @plans.command("move")
    def move(
        org: Annotated[str | None, typer.Option(help="One organization's id (default: all on older versions).")] = None,
        really: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
        data: Data = None,
    ) -> None:
        """Moves subscriptions to the newest version: what they include at once, the price from their next period on."""
        finish(_move(data, org, really))

    @plans.command("override")
    def override(
        org: Annotated[str, typer.Argument(help="The organization's id.")],
        setting: Annotated[str, typer.Argument(help="E.g. author_slots=25, or viewer_slots=unlimited.")],
        until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day it ends, at 00:00 UTC.")],
        reason: Annotated[str, typer.Option(help="Why; it is kept in the audit log.")],
        data: Data = None,
    ) -> None:
        """Agrees something with one organization alone, until a day."""
        finish(_override(data, org, setting, until.replace(tzinfo=UTC), reason))


async def _show(data: Path | None) -> None:
    async with asking(data, "billing") as ask:
        found = await ask("GET", "/internal/catalogue")
    print(yaml.safe_dump(found["content"], sort_keys=False, allow_unicode=True).rstrip())
    for used in found["used"]:
        print(f"# {used['subscriptions']} on {used['plan']} of version {used['catalogue_version']}")


async def _propose(data: Path | None, file: Path, *, apply: bool) -> None:
    body = {"content": read_yaml(file), "apply": apply, "by": operator()}
    async with asking(data, "billing") as ask:
        verdict = await ask("POST", "/internal/catalogue-proposals", body)
    if not verdict["differences"]:
        print(f"It is what version {verdict['version']} says already.")
        return
    for line in verdict["differences"]:
        print(f"  {line}")
    words = "is on offer now" if verdict["applied"] else "would be put on offer; it is valid"
    print(f"Version {verdict['version']} {words}. Who has bought stays on what they bought.")


async def _move(data: Path | None, org: str | None, really: bool) -> None:
    body: dict[str, Any] = {"org_id": org, "move": really, "by": operator()}
    moved, stayed, last = 0, 0, ""
    async with asking(data, "billing") as ask:
        while last is not None:
            found = await ask("POST", "/internal/catalogue-moves", {**body, "after": last})
            for one in found["moves"]:
                stays = one["because"]
                moved, stayed = moved + (not stays), stayed + bool(stays)
                says = f"stays: {stays}" if stays else "; ".join(one["changes"]) or "includes the same"
                print(f"  {one['org_id']}  {one['plan']} of version {one['from_version']}: {says}")
            last = found["last"]
    print(f"{moved} {'moved' if really else 'would move (add --yes)'} to version {found['version']}, {stayed} stay.")


async def _override(data: Path | None, org: str, setting: str, until: datetime, reason: str) -> None:
    name, sign, value = setting.partition("=")
    if not sign:
        raise Refused("Write what and how much, e.g. author_slots=25.")
    body = {
        "entitlement": name,
        "value": yaml.safe_load(value),
        "until": until.isoformat(),
        "reason": reason,
        "by": operator(),
    }
    async with asking(data, "billing") as ask:
        await ask("PUT", f"/internal/overrides/{org}", body)
    print(f"{org} has {name} = {value} until {until.date()}.")


def read_yaml(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as why:
        raise Refused(f"{file} can't be read: {why.strerror}") from None
    except yaml.YAMLError as why:
        raise Refused(f"{file} isn't YAML: {' '.join(str(why).split())}") from None
    if not isinstance(content, dict):
        raise Refused(f"{file} isn't a catalogue: it must be a mapping.")
    return content


def operator() -> str:
    """Who does it, as this machine knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
