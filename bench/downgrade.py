"""Losing a plan: how long until the last access is denied, with 50 and with 1,000 groups."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.evaluation import a_shared_dashboard, question
from bench.suite.product import Organization, Product, an_organization, applied, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal

PRO = {"plan": "pro", "interval": "month"}


@asynccontextmanager
async def scene() -> AsyncIterator[Product]:
    async with product() as running:
        yield running


def downgraded(groups: int) -> Callable[[Product, float], Awaitable[Figures]]:
    async def run(running: Product, _: float) -> Figures:
        organization = await an_organization(running.gateway, members=1)
        last = await groups_with_a_dashboard(organization, groups)
        admin, viewer = organization.admin, organization.members[0]
        preview = (await admin.ask("POST", "/v1/subscription/change-previews", PRO)).ok()
        change = {**PRO, "fingerprint": preview["fingerprint"]}
        began = time.perf_counter()
        done = await admin.write("POST", "/v1/subscription/changes", change)
        done.ok()
        answered = time.perf_counter()
        while await may_see(organization, viewer.user_id, last):
            await asyncio.sleep(0)
        denied = time.perf_counter()
        return {"ms to denied": (denied - answered) * 1000, "ms with the write": (denied - began) * 1000}

    return run


async def groups_with_a_dashboard(organization: Organization, groups: int) -> str:
    """So many groups with the one viewer in each; the last one sees a dashboard."""
    admin, viewer = organization.admin, organization.members[0]
    group = ""
    for number in range(groups):
        group = (await admin.write("POST", "/v1/groups", {"name": f"Group {number}"}, quietly=True)).ok()["id"]
        (await admin.write("PUT", f"/v1/groups/{group}/members/{viewer.user_id}", quietly=True)).ok()
    await applied(admin)
    await a_shared_dashboard(organization, "last", group)
    await applied(admin)
    assert await may_see(organization, viewer.user_id, "last")
    return "last"


async def may_see(organization: Organization, user_id: str, dashboard_id: str) -> bool:
    asked = question(user_id, dashboard_id)
    return bool(
        (await organization.admin.ask("POST", "/access/v1/evaluation", asked, after="", quietly=True)).ok()["decision"]
    )


FEW, MANY = "50 groups", "1,000 groups"
BENCHMARK = Benchmark(
    what="An organization with custom groups goes from Business to Pro. Measured from the answer to the plan change until the gateway denies the last dashboard that was shared with a group.",
    opens=scene,
    contenders=[Contender(FEW, downgraded(50)), Contender(MANY, downgraded(1_000))],
    goals=[Goal(MANY, "ms to denied", FEW, most=1.5)],
    most_rounds=3,
)
