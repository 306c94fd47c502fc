"""A group and its first member, written through the gateway with everything on."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from bench.suite.load import request
from bench.suite.product import Organization, Product, an_organization, asked, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.write_with_outbox import Place as Bare
from bench.write_with_outbox import by_pgbench
from bench.write_with_outbox import scene as bare_scene

ORGANIZATIONS = 8
numbers = itertools.count()


@dataclass
class Place:
    running: Product
    organizations: list[Organization]
    bare: Bare


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(product())
        organizations = [await an_organization(running.gateway) for _ in range(ORGANIZATIONS)]
        yield Place(running, organizations, await stack.enter_async_context(bare_scene()))


async def written(place: Place, seconds: float) -> Figures:
    tokens = [organization.admin.token for organization in place.organizations]

    def write(n: int) -> bytes:
        return request(
            "POST",
            "/v1/groups",
            {"name": f"Group {next(numbers)}"},
            authorization=f"Bearer {tokens[n % len(tokens)]}",
            idempotency_key=uuid4().hex,
        )

    return await asked(place.running, write, seconds, expect=201)


async def bare_rows(place: Place, seconds: float) -> Figures:
    return await by_pgbench(place.bare, seconds)


BENCHMARK = Benchmark(
    what=f"`POST /v1/groups` with an Idempotency-Key in {ORGANIZATIONS} organizations, through the gateway of `tenantry up`, while sharing, audit and the rest hear and apply what is said, "
    "in the same process. Beside it: three bare inserts in one transaction by pgbench.",
    opens=scene,
    contenders=[Contender("bare rows, pgbench", bare_rows), Contender("POST /v1/groups", written)],
    goals=[Goal("POST /v1/groups", "/s", "bare rows, pgbench", least=0.4)],
)
