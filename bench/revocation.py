"""Ending a session: how long until the gateway refuses its access token, which would be good for minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.suite.load import percentile
from bench.suite.product import Organization, Product, an_organization, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from shared.cli.demo.api import Person

SESSIONS = 20

Place = tuple[Product, Organization]


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product() as running:
        yield running, await an_organization(running.gateway, members=5)


async def ended(place: Place, _: float) -> Figures:
    running, organization = place
    took = []
    for number in range(SESSIONS):
        member = organization.members[number % 5]
        other = Person(running.gateway, member.email, member.name)
        await other.sign_in(quietly=True)
        assert (await other.ask("GET", "/v1/me", after="", quietly=True)).status == 200
        sessions = (await other.ask("GET", "/v1/me/sessions", after="", quietly=True)).ok()["data"]
        mine = next(session["id"] for session in sessions if session["current"])
        (await member.write("DELETE", f"/v1/me/sessions/{mine}", quietly=True)).ok()
        answered = time.perf_counter()
        while (await other.ask("GET", "/v1/me", after="", quietly=True)).status == 200:
            await asyncio.sleep(0)
        took.append((time.perf_counter() - answered) * 1000)
    return {"ms p50": percentile(took, 0.5), "ms p99": percentile(took, 0.99)}


BENCHMARK = Benchmark(
    what=f"A person ends {SESSIONS} other sessions of theirs, one after the other. Measured from the answer until the first request with that session's access token is refused.",
    opens=scene,
    contenders=[Contender("session ended → refused", ended)],
    goals=[Goal("session ended → refused", "ms p99", most=1_000)],
)
