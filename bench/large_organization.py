"""One organization with 100,000 members and 2,000 groups beside one with 100 and 20: lists, search, previews, and losing a plan."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.downgrade import PRO, may_see
from bench.evaluation import a_shared_dashboard
from bench.suite.product import Organization, Product, an_organization, applied, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal

TIMES = 15
ANALYSTS = 15
ORG = (
    """
insert into members (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_at, last_active_at)
select $1, 'usr_' || lpad(n::text, 26, '0'), 'p' || n || '@large.example', 'p' || n || '@large.example',
    'Person ' || n, 'person ' || n, case when n <= $4 then 'analyst' else 'viewer' end,
    case when n % 50 = 0 then 'inactive' else 'active' end,
    now() - n * interval '1 minute', now(), now() - n * interval '1 second' from generate_series(1, $2::int) as n
where $3::int > 0
""",
    """
insert into groups (org_id, group_id, kind, name, name_key, created_at, changed_at)
select $1, 'grp_' || lpad(n::text, 26, '0'), 'custom', 'Group ' || n, 'group ' || n, now(), now()
from generate_series(1, $3::int) as n where $2::int > 0 and $4::int > 0
""",
    """
insert into group_members (org_id, group_id, user_id, added_at)
select distinct $1, 'grp_' || lpad((1 + (n * step) % $3::int)::text, 26, '0'), 'usr_' || lpad(n::text, 26, '0'), now()
from generate_series(1, $2::int) as n, unnest(array[1, 7, 13]) as step where $4::int > 0
""",
)
SHARING = (
    """
insert into members (org_id, user_id, name, name_key, email, role, effective_role, effective_role_event, effective_role_at,
    status, status_event, status_at, joined_at)
select $1, 'usr_' || lpad(n::text, 26, '0'), 'Person ' || n, 'person ' || n, 'p' || n || '@large.example', 'viewer', 'viewer',
    'evt', now(), 'active', 'evt', now(), now() from generate_series(1, $2::int) as n where $3::int > 0 and $4::int > 0
""",
    """
insert into groups (org_id, group_id, kind, name)
select $1, 'grp_' || lpad(n::text, 26, '0'), 'custom', 'Group ' || n from generate_series(1, $3::int) as n
where $2::int > 0 and $4::int > 0
""",
    """
insert into group_members (org_id, group_id, user_id, present, event_id, at)
select distinct $1, 'grp_' || lpad((1 + (n * step) % $3::int)::text, 26, '0'), 'usr_' || lpad(n::text, 26, '0'), true, 'evt', now()
from generate_series(1, $2::int) as n, unnest(array[1, 7, 13]) as step where $4::int > 0
""",
)
BUSINESS = {"plan": "business", "interval": "month"}
PERSON, GROUP = f"usr_{'77':0>26}", f"grp_{'7':0>26}"
READS: Mapping[str, str] = {
    "list": "/v1/users?limit=50",
    "list, last active": "/v1/users?limit=50&sort=-last_active_at",
    "search, many": "/v1/users?limit=10&q=person%207",
    "search, one": "/v1/users?limit=10&q=p77%40",
    "search, nobody": "/v1/users?limit=10&q=zzz",
    "group filter": f"/v1/users?limit=10&group_id={GROUP}",
    "groups": "/v1/groups?limit=50",
    "group members": f"/v1/groups/{GROUP}/members?limit=10",
    "departure preview": f"/v1/users/{PERSON}/departure-preview",
    "deletion preview": f"/v1/groups/{GROUP}/deletion-preview",
}


@dataclass
class Place:
    """Two organizations of one product, each asked as the other is."""

    organizations: Mapping[str, Organization]


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product() as running:
        yield Place({name: await a_house(running, *size) for name, size in SIZES.items()})


async def a_house(running: Product, members: int, groups: int) -> Organization:
    organization = await an_organization(running.gateway, members=1)
    admin = organization.admin
    group = (await admin.write("POST", "/v1/groups", {"name": "Reached last"}, quietly=True)).ok()["id"]
    (await admin.write("PUT", f"/v1/groups/{group}/members/{organization.members[0].user_id}", quietly=True)).ok()
    await applied(admin)
    await a_shared_dashboard(organization, "last", group)
    await applied(admin)
    await fill(running, organization, members, groups)
    return organization


def asked(name: str) -> Callable[[Place, float], Awaitable[Figures]]:
    async def run(place: Place, _: float) -> Figures:
        organization = place.organizations[name]
        figures = {f"ms {what}": await median(organization, path) for what, path in READS.items()}
        role = {"role": "viewer", "group_ids": []}
        figures["ms role preview"] = await median(organization, f"/v1/users/{PERSON}/role-and-groups-preview", role)
        return figures | await lost_plan(organization)

    return run


async def fill(running: Product, organization: Organization, members: int, groups: int) -> None:
    """The rest of them, put into the databases at once: inviting each would take hours."""
    org_id = (await organization.admin.ask("GET", "/v1/organization")).ok()["id"]
    urls = running.facts()["database_urls"]
    for name, statements in (("org", ORG), ("sharing", SHARING)):
        connection = await asyncpg.connect(urls[name])
        try:
            async with connection.transaction():
                await connection.execute("select set_config('tenantry.org_id', $1, true)", org_id)
                for statement in statements:
                    await connection.execute(statement, org_id, members, groups, ANALYSTS)
            await connection.execute("vacuum analyze")
        finally:
            await connection.close()


async def median(organization: Organization, path: str, body: Any = None) -> float:
    spent = []
    for _ in range(TIMES):
        began = time.perf_counter()
        method = "GET" if body is None else "POST"
        (await organization.admin.ask(method, path, body, after="", quietly=True)).ok()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000


async def lost_plan(organization: Organization) -> dict[str, float]:
    """The preview of going to Pro, the change, and how long until what was shared with a group alone is denied; then all of it back."""
    seen, answered = await change_plan(organization, {**PRO, "when": "now"}, sees=False)
    denied = time.perf_counter() - answered
    await change_plan(organization, BUSINESS, sees=True)
    return {"ms plan preview": seen * 1000, "ms to denied": denied * 1000}


async def change_plan(organization: Organization, plan: Mapping[str, Any], *, sees: bool) -> tuple[float, float]:
    """Until the viewer sees the dashboard or doesn't. How long the preview took, and when the change was answered.

    While groups are still told of that went or came with the plan before, a preview is out of date at once: another one is made.
    """
    admin, viewer = organization.admin, organization.members[0]
    while True:
        began = time.perf_counter()
        preview = (await admin.ask("POST", "/v1/subscription/change-previews", plan, quietly=True)).ok()
        seen = time.perf_counter() - began
        change = {**plan, "fingerprint": preview["fingerprint"]}
        done = await admin.write("POST", "/v1/subscription/changes", change, quietly=True)
        if done.code != "fingerprint_mismatch":
            done.ok()
            break
    answered = time.perf_counter()
    while await may_see(organization, viewer.user_id, "last") is not sees:
        await asyncio.sleep(0)
    return seen, answered


SMALL, LARGE = "100 members, 20 groups", "100,000 members, 2,000 groups"
SIZES = {SMALL: (100, 20), LARGE: (100_000, 2_000)}
UNITS = (*(f"ms {name}" for name in READS), "ms role preview", "ms plan preview", "ms to denied")
BENCHMARK = Benchmark(
    what=(
        "What an Admin asks of one organization through the gateway, one question at a time, the median of "
        f"{TIMES}: with 100 members in 20 groups, and with 100,000 in 2,000. Then the plan goes from Business to Pro, and back; "
        "`to denied` is measured from the answer until the last dashboard that was shared with a group alone is denied."
    ),
    opens=scene,
    contenders=[Contender(SMALL, asked(SMALL)), Contender(LARGE, asked(LARGE))],
    goals=[Goal(LARGE, unit, SMALL, most=1.5) for unit in UNITS],
    notes=[
        "`search, many` finds 11,111 people who all stand late in the order of names: a search whose letters are everywhere walks through the names.",
        "A plan's preview counts all dashboards and groups that it concerns.",
    ],
)
