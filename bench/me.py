"""Who am I, and what may I do: through the gateway with everything on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.http_hello import HELLO
from bench.suite.load import load, rate_of, request
from bench.suite.product import Organization, Product, an_organization, asked, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal

Place = tuple[Product, Organization]


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product("bare") as running:
        yield running, await an_organization(running.gateway, members=10)


async def hello(place: Place, seconds: float) -> Figures:
    return rate_of(await load(place[0].peers["bare"], HELLO, seconds))


def asking(path: str) -> Callable[[Place, float], Awaitable[Figures]]:
    async def run(place: Place, seconds: float) -> Figures:
        running, organization = place
        requests = [request("GET", path, authorization=organization.bearer(n)) for n in range(10)]
        return await asked(running, lambda n: requests[n % 10], seconds)

    return run


BARE = "bare aiohttp hello"
BENCHMARK = Benchmark(
    what="`GET /v1/me` and `/v1/me/capabilities` of ten people with a session each, through the gateway of `tenantry up`: token verified, session and membership "
    "known to be good, limits counted, all services and PostgreSQL in the same two processes. Beside it: aiohttp saying hello.",
    opens=scene,
    contenders=[
        Contender(BARE, hello),
        Contender("GET /v1/me", asking("/v1/me")),
        Contender("GET /v1/me/capabilities", asking("/v1/me/capabilities")),
    ],
    goals=[
        Goal("GET /v1/me", "/s", BARE, least=0.5),
        Goal("GET /v1/me/capabilities", "/s", BARE, least=0.5),
    ],
)
