"""May this person see this dashboard: one question, and a hundred at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.http_hello import HELLO
from bench.me import BARE
from bench.suite.load import load, rate_of, request
from bench.suite.product import Organization, Product, an_organization, applied, asked, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal

DASHBOARDS = 100


@dataclass
class Place:
    running: Product
    organization: Organization


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product("bare") as running:
        organization = await an_organization(running.gateway, members=5)
        admin = organization.admin
        group = (await admin.write("POST", "/v1/groups", {"name": "Finance"})).ok()["id"]
        for member in organization.members:
            (await admin.write("PUT", f"/v1/groups/{group}/members/{member.user_id}")).ok()
        await applied(admin)
        for number in range(DASHBOARDS):
            await a_shared_dashboard(organization, f"board-{number}", group)
        await applied(admin)
        yield Place(running, organization)


async def a_shared_dashboard(organization: Organization, name: str, group: str) -> None:
    admin = organization.admin
    (await admin.write("POST", "/v1/dashboards", {"id": name, "title": name, "parameters": []})).ok()
    current = await admin.ask("GET", f"/v1/dashboards/{name}/sharing", quietly=True)
    wanted = {"mode": "groups", "group_ids": [group]}
    headers = {"If-Match": current.headers["etag"]}
    (await admin.write("PUT", f"/v1/dashboards/{name}/sharing", wanted, headers=headers)).ok()


def question(user_id: str, dashboard_id: str) -> dict[str, object]:
    return {
        "subject": {"type": "user", "id": user_id},
        "action": {"name": "dashboard.view"},
        "resource": {"type": "dashboard", "id": dashboard_id},
    }


async def hello(place: Place, seconds: float) -> Figures:
    return rate_of(await load(place.running.peers["bare"], HELLO, seconds))


async def put(place: Place, path: str, bodies: list[object], seconds: float) -> dict[str, float]:
    admin = f"Bearer {place.organization.admin.token}"
    requests = [request("POST", path, body, authorization=admin) for body in bodies]
    return await asked(place.running, lambda n: requests[n % len(requests)], seconds)


async def one(place: Place, seconds: float) -> Figures:
    people = place.organization.members
    bodies: list[object] = [question(people[n % 5].user_id, f"board-{n}") for n in range(DASHBOARDS)]
    return await put(place, "/access/v1/evaluation", bodies, seconds)


async def hundred(place: Place, seconds: float) -> Figures:
    bodies: list[object] = [
        {"evaluations": [question(person.user_id, f"board-{n}") for n in range(100)]}
        for person in place.organization.members
    ]
    figures = await put(place, "/access/v1/evaluations", bodies, seconds)
    return {**figures, "checks/s": figures["/s"] * 100}


BENCHMARK = Benchmark(
    what="AuthZEN questions about 100 dashboards that are shared with a group, through the gateway: one per request, and a hundred per request.",
    opens=scene,
    contenders=[
        Contender(BARE, hello),
        Contender("one evaluation", one),
        Contender("a hundred evaluations", hundred),
    ],
    goals=[
        Goal("one evaluation", "/s", BARE, least=0.7),
        Goal("a hundred evaluations", "checks/s", least=20_000),
    ],
)
