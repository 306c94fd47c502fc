"""The command that makes up an organization of any size: seed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import asyncpg
import typer

from shared.cli.place import Place, Refused, database_urls
from shared.cli.run import Data, finish
from shared.process import Product

if TYPE_CHECKING:
    from shared.cli.demo.invented import Size

MOST_PEOPLE = 100_000
HERE_ALREADY = "select count(*) from organizations"
KNOWN_DOMAIN = "select exists (select from domains where name = $1)"


def add_to(app: typer.Typer, product: Product) -> None:
    @app.command()
    def seed(
        people: Annotated[int, typer.Option(min=3, max=MOST_PEOPLE, help="How many have an account.")] = 200,
        groups: Annotated[
            int | None, typer.Option(min=0, max=2000, help="How many custom groups (default: by people).")
        ] = None,
        dashboards: Annotated[
            int | None, typer.Option(min=0, max=50_000, help="How many dashboards (default: by people).")
        ] = None,
        links: Annotated[
            int | None, typer.Option(min=0, max=10_000, help="How many sharing links (default: by people).")
        ] = None,
        seed: Annotated[int, typer.Option(min=1, max=10**6, help="The same number makes the same organization.")] = 1,
        into_this: Annotated[
            bool, typer.Option("--into-this", help="Although there are organizations already.")
        ] = False,
        data: Data = None,
    ) -> None:
        """Makes up a realistic organization, through the public API alone. For trying things out: its people can't be told from real ones."""
        from shared.cli.demo.invented import Size

        finish(_seed(data, Size(people, groups, dashboards, links), seed, into_this))


async def _seed(data: Path | None, size: Size, number: int, into_this: bool) -> None:
    from shared.cli.asking import asking, way_to
    from shared.cli.demo.api import PASSWORD, PatientGateway
    from shared.cli.demo.invented import invent
    from shared.cli.demo.settling import Moving
    from shared.cli.plans import operator

    began = time.perf_counter()
    wanted = invent(size, number)
    await _refuse_a_house_in_use(database_urls(data), wanted.domain, into_this)
    _, secrets = way_to(data, "billing")
    where = _gateway(data)
    async with asking(data, "billing") as ask, PatientGateway(where) as gateway:
        if (await gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"}, quietly=True)).status == 404:
            raise Refused(
                "This product sends real mail, and made-up people have no mailbox. Seed `tenantry up` on your own machine."
            )
        moving = Moving(gateway, wanted, secrets.bytes("links"), ask, operator())
        await moving.move_in()
    print(
        f"{wanted.company} has {len(wanted.people)} people ({wanted.authors} authors, {len(wanted.leaving)} deactivated),"
        f" {len(wanted.invited)} open invitations, {len(wanted.groups)} groups, {len(wanted.dashboards)} dashboards and"
        f" {len(wanted.links)} links, after {time.perf_counter() - began:.0f} s."
    )
    print(f"Sign in at {where}/console as {wanted.founder.email}, or anybody of it; the password is {PASSWORD}")


async def _refuse_a_house_in_use(urls: dict[str, str], domain: str, into_this: bool) -> None:
    connection = await asyncpg.connect(urls["org"], timeout=5)
    try:
        await connection.execute("select set_config('tenantry.org_id', '*', false)")
        count = await connection.fetchval(HERE_ALREADY)
        known = await connection.fetchval(KNOWN_DOMAIN, domain)
    finally:
        await connection.close(timeout=2)
    if known:
        raise Refused(f"{domain} is here already: choose another --seed.")
    if count and not into_this:
        raise Refused(
            f"There {'is an organization' if count == 1 else f'are {count} organizations'} here already, and made-up people can't be told from real ones."
            " If you mean it, add --into-this."
        )


def _gateway(data: Path | None) -> str:
    facts = Place.at(data).running()
    named = os.environ.get("TENANTRY_GATEWAY_URL") or os.environ.get("TENANTRY_GATEWAY_LISTEN")
    if named:
        return named.replace("tcp:", "http:")
    if facts is None:
        raise Refused("Tenantry isn't running here. Start it with `tenantry up`, or set TENANTRY_GATEWAY_URL.")
    return str(facts["url"])
