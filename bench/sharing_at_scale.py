"""Who sees what in a big house: an organization of 100,000 people among 10,000 others, beside a small one that is alone."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.suite.load import load, request
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.ids import new_id
from shared.postgres import PrivatePostgres
from tests.sharing.conftest import alone, listener
from tests.world import Databases, World, world_of


@dataclass(frozen=True)
class Size:
    """Of one organization; so many small others share its database."""

    people: int
    groups: int
    dashboards: int
    others: int


SMALL = Size(100, 20, 50, 0)
BIG = Size(100_000, 2_000, 50_000, 10_000)
OTHERS = Size(20, 3, 10, 0)
CONNECTIONS = 4

# `$1` numbers the first organization, `$2` the last; `$3` to `$5` are people, groups and dashboards of each.
FILL = (
    "insert into organizations (org_id, name) select 'org_' || lpad(o::text, 26, '0'), 'Bench' from generate_series($1, $2) o",
    "insert into entitlements (org_id, version, plan, plan_name, custom_groups, custom_groups_event, custom_groups_at, share_all_analysts,"
    " share_all_analysts_event, share_all_analysts_at, whole) select 'org_' || lpad(o::text, 26, '0'), 1, 'business', 'Business', true, 'evt',"
    " now(), true, 'evt', now(), '{}' from generate_series($1, $2) o",
    "insert into members (org_id, user_id, name, name_key, email, role, effective_role, effective_role_event, effective_role_at, status,"
    " status_event, status_at, joined_at, since) select 'org_' || lpad(o::text, 26, '0'), 'usr_' || lpad(n::text, 26, '0'), 'Person ' || n,"
    " 'person ' || n, 'p' || n || '@example.com', r, r, 'evt', now(), 'active', 'evt', now(), now(), now()"
    " from generate_series($1, $2) o, generate_series(1, $3) n,"
    " lateral (select case when n = 1 then 'admin' when n % 100 = 0 then 'analyst' else 'viewer' end as r) role",
    "insert into groups (org_id, group_id, kind, name) select 'org_' || lpad(o::text, 26, '0'), 'grp_' || lpad(n::text, 26, '0'), 'custom',"
    " 'Group ' || n from generate_series($1, $2) o, generate_series(1, $4) n",
    "insert into group_members (org_id, group_id, user_id, present, event_id, at) select 'org_' || lpad(o::text, 26, '0'),"
    " 'grp_' || lpad(((n * 7 + k * 13) % $4 + 1)::text, 26, '0'), 'usr_' || lpad(n::text, 26, '0'), true, 'evt', now()"
    " from generate_series($1, $2) o, generate_series(1, $3) n, generate_series(1, 4) k on conflict do nothing",
    "insert into dashboards (org_id, dashboard_id, title, title_key, parameters, created_at, updated_at, owner_id, owner_event, owner_at, mode,"
    " all_users, all_analysts, shared_event, shared_at) select 'org_' || lpad(o::text, 26, '0'), 'b' || n, 'Board ' || n, 'board ' || n, '{}',"
    " now(), now(), 'usr_' || lpad((n % $3 + 1)::text, 26, '0'), 'evt', now(), 'groups', n % 500 = 0, n % 100 = 1, 'evt', now()"
    " from generate_series($1, $2) o, generate_series(1, $5) n",
    "insert into dashboard_groups (org_id, dashboard_id, group_id, event_id, at) select 'org_' || lpad(o::text, 26, '0'), 'b' || n,"
    " 'grp_' || lpad(((n * 3 + k * 11) % $4 + 1)::text, 26, '0'), 'evt', now()"
    " from generate_series($1, $2) o, generate_series(1, $5) n, generate_series(1, 3) k on conflict do nothing",
    "insert into past (org_id, kind, one, other, since, until, was) select org_id, 'dashboards', dashboard_id, '', now() - interval '2 years',"
    " now() - interval '1 year', to_jsonb(d) - 'since' from dashboards d where org_id between 'org_' || lpad('$1', 26, '0') and"
    " 'org_' || lpad('$2', 26, '0')",
)  # fmt: skip
FIRST = f"org_{1:026}"


@dataclass
class House:
    """A sharing service with one organization to be asked about."""

    world: World
    size: Size

    def person(self) -> str:
        return f"usr_{random.randint(1, self.size.people):026}"

    def dashboard(self) -> str:
        return f"b{random.randint(1, self.size.dashboards)}"

    def asking(self, method: str, path: str, body: Any = None, user_id: str = f"usr_{1:026}") -> bytes:
        """A request of the organization's Admin, as the gateway passes it on."""
        who = Actor("person", user_id, FIRST, "admin", new_id("ses"), ("pwd",), int(time.time()))
        token = self.world.settings.secrets.keyring("gateway").issue(who, "sharing")
        return request(method, path, body, authorization=f"Bearer {token}")


@dataclass
class Place:
    small: House
    big: House


@asynccontextmanager
async def a_house(server: PrivatePostgres, size: Size) -> AsyncIterator[House]:
    async with folder() as place, world_of([alone, listener], Databases(server), place) as world:
        connection = await asyncpg.connect(world.settings.database_urls["sharing"])
        try:
            await connection.execute(f"set tenantry.org_id = '{EVERY_ORG}'")
            for first, last, each in ((1, 1, size), (2, size.others + 1, OTHERS)):
                for statement in FILL:
                    await connection.execute(_of(statement, first, last, each), timeout=600)
            await connection.execute("vacuum analyze", timeout=600)
        finally:
            await connection.close()
        yield House(world, size)


def _of(statement: str, first: int, last: int, each: Size) -> str:
    """Numbers of our own, put in: a statement that doesn't need one can't be given it."""
    for place, number in enumerate((first, last, each.people, each.groups, each.dashboards), 1):
        statement = statement.replace(f"${place}", str(number))
    return statement


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres())
        small = await stack.enter_async_context(a_house(server, SMALL))
        yield Place(small, await stack.enter_async_context(a_house(server, BIG)))


def question(house: House) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": house.person()},
        "action": {"name": "dashboard.view"},
        "resource": {"type": "dashboard", "id": house.dashboard()},
    }


def one(house: House) -> bytes:
    return house.asking("POST", "/access/v1/evaluation", question(house))


def hundred(house: House) -> bytes:
    return house.asking("POST", "/access/v1/evaluations", {"evaluations": [question(house) for _ in range(100)]})


def list_of_mine(house: House) -> bytes:
    return house.asking("GET", "/v1/dashboards", user_id=house.person())


def who_sees(house: House) -> bytes:
    asked = question(house) | {"subject": {"type": "user"}}
    return house.asking("POST", "/access/v1/search/subject", asked)


def why(house: House) -> bytes:
    return house.asking("POST", "/v1/access-explanations", {"subject_id": house.person(), "dashboard_id": house.dashboard()})  # fmt: skip


def why_then(house: House) -> bytes:
    asked = {"subject_id": house.person(), "dashboard_id": house.dashboard(), "as_of": "2026-01-01T00:00:00Z"}
    return house.asking("POST", "/v1/access-explanations", asked)


WAYS: dict[str, Callable[[House], bytes]] = {
    "one decision": one,
    "a hundred decisions": hundred,
    "my dashboards": list_of_mine,
    "who sees a dashboard": who_sees,
    "explanation": why,
    "explanation of the past": why_then,
}


def contender(way: str, in_big: bool) -> Contender:
    async def run(place: Place, seconds: float) -> Figures:
        house = place.big if in_big else place.small
        made = [WAYS[way](house) for _ in range(300)]
        address = house.world.settings.urls["sharing"]
        measured = await load(address, lambda n: made[n % len(made)], seconds, connections=CONNECTIONS)
        return {"ms p50": measured.percentile(0.5), "ms p95": measured.percentile(0.95), "/s": measured.rate}

    return Contender(named(way, in_big), run)


def named(way: str, in_big: bool) -> str:
    return f"{way}, 100,000 people" if in_big else f"{way}, 100 people"


BENCHMARK = Benchmark(
    what="The sharing service asked directly, four at a time, about an organization of 100,000 people, 2,000 groups and 50,000 dashboards in a database with"
    " 10,000 other organizations, and about one of 100 people, 20 groups and 50 dashboards that is alone in its database. Every question is about"
    " another person and dashboard. In the big one a person sees ten times as many dashboards, and a dashboard is seen by ten times as many people.",
    opens=scene,
    contenders=[contender(way, in_big) for way in WAYS for in_big in (False, True)],
    goals=[
        *(Goal(named(way, True), "ms p50", named(way, False), most=1.5) for way in WAYS),
        Goal(named("explanation", True), "ms p95", most=50),
        Goal(named("explanation of the past", True), "ms p95", most=50),
    ],
)
