"""Signing in, beside what Argon2id alone allows; and what a flood of it does to everybody else."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher

from bench.suite.load import load, rate_of, request
from bench.suite.product import Organization, Product, an_organization, product
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from shared.cli.demo.api import PASSWORD

THREADS = max((os.cpu_count() or 2) - 1, 1)
PEOPLE = 20
ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # as identity does


@dataclass
class Place:
    running: Product
    organization: Organization
    hashed: str


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with product() as running:
        yield Place(running, await an_organization(running.gateway, members=PEOPLE), ARGON2.hash(PASSWORD))


async def verified(place: Place, seconds: float) -> Figures:
    end = time.perf_counter() + seconds

    def work() -> int:
        done = 0
        while time.perf_counter() < end:
            ARGON2.verify(place.hashed, PASSWORD)
            done += 1
        return done

    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(THREADS) as pool:
        done = await asyncio.gather(*(loop.run_in_executor(pool, work) for _ in range(THREADS)))
    return {"/s": sum(done) / (time.perf_counter() - began)}


async def signed_in(place: Place, seconds: float) -> Figures:
    return rate_of(await load(place.running.address, sign_ins(place), seconds, connections=8, expect=frozenset({201})))


def sign_ins(place: Place):  # type: ignore[no-untyped-def]
    bodies = [{"email": person.email, "password": PASSWORD} for person in place.organization.members]
    requests = [request("POST", "/v1/auth/sessions", body) for body in bodies]
    return lambda n: requests[n % len(requests)]


def reads(rate: float | None) -> Callable[[Place, float], Awaitable[Figures]]:
    async def read(place: Place, seconds: float) -> Figures:
        what = request("GET", "/v1/me", authorization=place.organization.bearer())
        measured = await load(place.running.address, what, seconds, connections=4, rate=rate)
        return {"/s": measured.rate, "ms p99": measured.percentile(0.99)}

    return read


def reads_in_a_flood(rate: float | None) -> Callable[[Place, float], Awaitable[Figures]]:
    async def read(place: Place, seconds: float) -> Figures:
        flood = load(place.running.address, sign_ins(place), seconds, connections=FLOOD, expect=ANY_ANSWER)
        told, figures = await asyncio.gather(flood, reads(rate)(place, seconds))
        return {
            **figures,
            "sign-ins/s": told.statuses[201] / told.elapsed,
            "sent away/s": (told.statuses[429] + told.statuses[503]) / told.elapsed,
        }

    return read


FLOOD = 64
ANY_ANSWER = frozenset({201, 429, 503})
WANTED = 500
ALONE, FLOODED = f"{WANTED} reads a second", f"{WANTED} reads a second during a flood of sign-ins"
BOUND = "Argon2id verifications alone"
BENCHMARK = Benchmark(
    what=f"`POST /v1/auth/sessions` of {PEOPLE} people in turn, beside Argon2id (19 MiB, 2 passes) on as many threads as identity uses ({THREADS}). "
    f"Then `GET /v1/me` over four connections, alone and while {FLOOD} others do nothing but sign in: at {WANTED} requests a second, each timed from "
    "when it was due, and as many as the machine gives.",
    opens=scene,
    contenders=[
        Contender(BOUND, verified),
        Contender("sign-in", signed_in),
        Contender(ALONE, reads(WANTED)),
        Contender(FLOODED, reads_in_a_flood(WANTED)),
        Contender("all reads there is room for", reads(None)),
        Contender("all reads there is room for during a flood of sign-ins", reads_in_a_flood(None)),
    ],
    goals=[
        Goal("sign-in", "/s", BOUND, least=0.85),
        Goal(FLOODED, "/s", ALONE, least=0.9),
        Goal(FLOODED, "ms p99", ALONE, most=2),
        Goal("all reads there is room for during a flood of sign-ins", "/s", "all reads there is room for", least=0.9),
    ],
)
