"""Ending a session, or an API key: how long until the gateway refuses an access token that would be good for minutes, or the key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.suite.load import percentile
from bench.suite.product import Organization, Product, an_organization, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from shared.cli.demo.api import Person, Reply

SESSIONS = KEYS = 20

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
        took.append(await refused(lambda other=other: other.ask("GET", "/v1/me", after="", quietly=True)))  # type: ignore[misc]
    return {"ms p50": percentile(took, 0.5), "ms p99": percentile(took, 0.99)}


async def revoked(place: Place, _: float) -> Figures:
    running, organization = place
    admin, took = organization.admin, []
    for _ in range(KEYS):
        wanted = {"name": "Bench", "access": "view", "areas": ["users"]}
        key = (await admin.write("POST", "/v1/api-keys", wanted, quietly=True)).ok()
        sent = {"Authorization": f"Bearer {key['token']}"}
        assert (await running.gateway.send("GET", "/v1/users", None, sent, quietly=True)).status == 200
        (await admin.write("DELETE", f"/v1/api-keys/{key['id']}", quietly=True)).ok()
        took.append(await refused(lambda sent=sent: running.gateway.send("GET", "/v1/users", None, sent, quietly=True)))  # type: ignore[misc]
    return {"ms p50": percentile(took, 0.5), "ms p99": percentile(took, 0.99)}


async def refused(ask: Callable[[], Awaitable[Reply]]) -> float:
    """Milliseconds until it is."""
    answered = time.perf_counter()
    while (await ask()).status == 200:
        await asyncio.sleep(0)
    return (time.perf_counter() - answered) * 1000


BENCHMARK = Benchmark(
    what=f"A person ends {SESSIONS} other sessions of theirs, one after the other; an Admin revokes {KEYS} API keys. Measured from the answer until the first request with that session's access token, or with that key, is refused.",
    opens=scene,
    contenders=[Contender("session ended → refused", ended), Contender("key revoked → refused", revoked)],
    goals=[
        Goal("session ended → refused", "ms p99", most=1_000),
        Goal("key revoked → refused", "ms p99", most=1_000),
    ],
)
