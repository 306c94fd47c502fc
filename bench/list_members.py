"""A list of 100 members through the gateway, beside the bare query."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench.suite.load import request
from bench.suite.product import Organization, Product, an_organization, asked, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal

MEMBERS = 100
CLIENTS = 8
QUERY = "select * from members where org_id = $1 and status = 'active' order by user_id limit 100"


@dataclass
class Place:
    running: Product
    organization: Organization
    org_id: str
    pool: asyncpg.Pool


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product() as running:
        organization = await an_organization(running.gateway, members=MEMBERS - 1)
        org_id = (await organization.admin.ask("GET", "/v1/organization")).ok()["id"]
        url = running.facts()["database_urls"]["org"]
        settings = {"tenantry.org_id": org_id}
        async with asyncpg.create_pool(url, min_size=CLIENTS, max_size=CLIENTS, server_settings=settings) as pool:
            assert len(await pool.fetch(QUERY, org_id)) == MEMBERS
            yield Place(running, organization, org_id, pool)


async def bare(place: Place, seconds: float) -> Figures:
    end = time.perf_counter() + seconds

    async def one() -> int:
        done = 0
        async with place.pool.acquire() as connection:
            while time.perf_counter() < end:
                await connection.fetch(QUERY, place.org_id)
                done += 1
        return done

    began = time.perf_counter()
    return {"/s": sum(await asyncio.gather(*(one() for _ in range(CLIENTS)))) / (time.perf_counter() - began)}


async def listed(place: Place, seconds: float) -> Figures:
    what = request("GET", "/v1/users?limit=100", authorization=f"Bearer {place.organization.admin.token}")
    return await asked(place.running, what, seconds)


BARE_QUERY = "bare query, asyncpg"
BENCHMARK = Benchmark(
    what=f"`GET /v1/users?limit=100` in an organization of {MEMBERS} people, through the gateway, beside one asyncpg query for the same rows over {CLIENTS} connections.",
    opens=scene,
    contenders=[Contender(BARE_QUERY, bare), Contender("GET /v1/users?limit=100", listed)],
    goals=[Goal("GET /v1/users?limit=100", "/s", BARE_QUERY, least=0.5)],
)
