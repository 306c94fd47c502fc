"""`tenantry seed`: what was made up is what is there, told by the product itself; nothing is left under way, and never by accident."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.launcher import PRODUCT
from shared.cli.demo.api import Person
from shared.cli.demo.invented import Invented, Size, invent
from shared.config import Secrets
from tests.system.commands import Said, tenantry
from tests.system.keeping import Kept
from tests.system.remains import connected
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases

SIZE = Size(people=24, groups=5, dashboards=7, links=6)
SEED = 11
SAME = """
select 'member', user_id, role, status from members where org_id = $1 and status <> 'removed'
union all select 'in group', group_id, user_id, '' from group_members where org_id = $1 {} order by 1, 2, 3
"""


class House:
    """A product to seed, and its Admin once it is."""

    def __init__(self, product: WholeProduct, secrets_file: Path) -> None:
        self.product = product
        self.kept = Kept(product.settings.database_urls, secrets_file)

    async def seed(self, *more: str, seed: int = SEED) -> Said:
        settings = self.product.settings
        environ = {f"TENANTRY_{name.upper()}_DATABASE_URL": url for name, url in self.kept.urls.items()}
        environ |= {"TENANTRY_SECRETS_FILE": str(self.kept.secrets_file), "TENANTRY_GATEWAY_URL": settings.public_url}
        environ["TENANTRY_BILLING_URL"] = settings.urls["billing"]
        size = ["--people", "24", "--groups", "5", "--dashboards", "7", "--links", "6", "--seed", str(seed)]
        return await tenantry(PRODUCT, "seed", *size, *more, environ=environ)

    async def somebody(self, email: str) -> Person:
        person = Person(self.product.gateway, email, "")
        await person.sign_in(quietly=True)
        return person


@pytest.fixture(scope="module")
async def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("seeded")
    secrets = Secrets.generate()
    secrets.save(folder / "secrets.json")
    async with whole_product(databases, folder, secrets=secrets) as product:
        yield House(product, folder / "secrets.json")


def test_the_same_seed_makes_the_same_and_another_another() -> None:
    assert invent(SIZE, SEED) == invent(SIZE, SEED)
    one, other = invent(SIZE, SEED), invent(SIZE, SEED + 1)
    assert one.domain != other.domain
    assert [row.name for row in one.people] != [row.name for row in other.people]


@pytest.mark.parametrize("people", [3, 24, 200, 10_000])
def test_whatever_the_size_it_could_be_real(people: int) -> None:
    made = invent(Size(people), SEED)
    everybody = [*made.people, *made.invited]
    assert len(made.people) == people
    assert len({row.email for row in everybody}) == len(everybody)
    assert made.domain.endswith(".example")
    assert made.founder.role == "admin"
    assert len(set(made.groups)) == len(made.groups)
    assert {board.owner for board in made.dashboards} <= {row.email for row in made.people if row.role != "viewer"}
    assert {link.dashboard_id for link in made.links} <= {board.id for board in made.dashboards}
    assert made.authors < people
    assert Counter(row.role for row in made.people)["viewer"] >= people * 0.6


async def test_what_was_made_up_is_there_and_everything_has_arrived(house: House) -> None:
    made = invent(SIZE, SEED)
    said = await house.seed()
    assert said.code == 0, said.output
    assert f"{made.company} has 24 people" in said.output
    await house.kept.settled()
    admin = await house.somebody(made.founder.email)
    await members_are(admin, made)
    await dashboards_are(admin, made)
    invoices = (await admin.ask("GET", "/v1/invoices", quietly=True)).ok()["data"]
    assert [invoice["status"] for invoice in invoices] == ["paid"]
    subscription = (await admin.ask("GET", "/v1/subscription", quietly=True)).ok()
    assert (subscription["plan"], subscription["status"]) == ("business", "active")
    assert (await admin.ask("GET", "/v1/legal/dpa", quietly=True)).ok()["status"] == "accepted"
    entries = (await admin.ask("GET", "/v1/audit-entries?limit=200", quietly=True)).ok()
    assert len(entries["data"]) > 100
    await projections_are_equal(house.kept)


async def members_are(admin: Person, made: Invented) -> None:
    users = (await admin.ask("GET", "/v1/users?limit=200&status=active", quietly=True)).ok()["data"]
    active = {(row.email, row.name, row.role) for row in made.people if row.email not in made.leaving}
    assert {(user["email"], user["name"], user["role"]) for user in users} == active
    gone = (await admin.ask("GET", "/v1/users?limit=200&status=inactive", quietly=True)).ok()["data"]
    assert {user["email"] for user in gone} == made.leaving
    invited = (await admin.ask("GET", "/v1/invitations?limit=200&status=open", quietly=True)).ok()["data"]
    assert {one["email"] for one in invited} == {row.email for row in made.invited}
    groups = (await admin.ask("GET", "/v1/groups?limit=200", quietly=True)).ok()["data"]
    custom = {group["name"]: group for group in groups if group["kind"] == "custom"}
    assert custom.keys() == set(made.groups)
    counted = Counter(name for row in made.people if row.email not in made.leaving for name in row.groups)
    assert {name: group["members"] for name, group in custom.items()} == {name: counted[name] for name in made.groups}


async def dashboards_are(admin: Person, made: Invented) -> None:
    listed = await admin.ask("GET", "/v1/dashboards?limit=200&scope=organization", quietly=True)
    boards: list[dict[str, Any]] = listed.ok()["data"]
    assert {board["id"]: board["title"] for board in boards} == {board.id: board.title for board in made.dashboards}
    links = (await admin.ask("GET", "/v1/links?limit=200", quietly=True)).ok()["data"]
    assert Counter(link["name"] for link in links) == Counter(str(link.wanted["name"]) for link in made.links)
    assert sum(link["opens"] for link in links) == sum(link.opened for link in made.links)


async def projections_are_equal(kept: Kept) -> None:
    """The owner's people and groups are those of whoever heard of them."""
    found = []
    for service, sql in (("org", SAME.format("")), ("sharing", SAME.format("and present"))):
        async with connected(kept.urls[service]) as database:
            await database.execute("set tenantry.org_id = '*'")
            org_id = await database.fetchval("select org_id from organizations")
            builtin = {
                row["group_id"]
                for row in await database.fetch(
                    "select group_id from groups where kind <> 'custom' and org_id = $1", org_id
                )
            }
            rows = [tuple(row) for row in await database.fetch(sql, org_id)]
            found.append([row for row in rows if row[1] not in builtin])
    assert found[0] == found[1]
    assert len(found[0]) > 24


async def test_where_somebody_lives_already_it_isnt_done_by_accident(house: House) -> None:
    made = invent(SIZE, SEED)
    before = await house.kept.value("org", "select count(*) from organizations")
    assert before == 1
    refused = await house.seed(seed=SEED + 1)
    assert (refused.code, "add --into-this" in refused.output) == (1, True)
    again = await house.seed("--into-this")
    assert (again.code, f"{made.domain} is here already: choose another --seed" in again.output) == (1, True)
    assert await house.kept.value("org", "select count(*) from organizations") == before


def test_sizes_follow_from_the_people_unless_they_are_named() -> None:
    assert (Size(200).group_count, Size(200).dashboard_count, Size(200).link_count) == (11, 33, 12)
    assert replace(Size(200), groups=0, dashboards=0).group_count == 0
    assert invent(Size(10, groups=0, dashboards=0, links=3), 1).links == ()
