"""Whether the time of an answer tells an address with an account from one without."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from services.identity.app import service as identity
from tests.identity.people import PASSWORD, sign_in, somebody
from tests.world import Databases, Reply, World, world_of

PEOPLE = 40


@dataclass
class Place:
    world: World
    known: list[str]
    unknown: list[str]
    numbers: itertools.count[int] = field(default_factory=itertools.count)


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with postgres() as server, folder() as place, world_of([identity], Databases(server), place) as world:
        people = [await somebody(world, name=f"Somebody {number}") for number in range(PEOPLE)]
        known = [person.email for person in people]
        yield Place(world, known, [f"nobody{number}@{email.partition('@')[2]}" for number, email in enumerate(known)])


Ask = Callable[[World, str, str], Awaitable[Reply]]


async def wrong_password(world: World, email: str, source: str) -> Reply:
    return await sign_in(world, email, f"not {PASSWORD}", source=source)


async def reset(world: World, email: str, source: str) -> Reply:
    headers = {"Tenantry-Source-Ip": source}
    return await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": email}, headers=headers)


def apart(ask: Ask, status: int) -> Callable[[Place, float], Awaitable[Figures]]:
    """Known and unknown addresses in turn, each asked once a day by a network that nobody has seen, and as often as the other."""

    async def timed(place: Place, email: str) -> float:
        number = next(place.numbers)
        began = time.perf_counter()
        reply = await ask(place.world, email, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
        took = (time.perf_counter() - began) * 1000
        assert reply.status == status, reply.body
        return took

    async def run(place: Place, seconds: float) -> Figures:
        known: list[float] = []
        unknown: list[float] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(known) < PEOPLE:
            place.world.clock.advance(timedelta(days=1))
            for turn, pair in enumerate(zip(place.known, place.unknown, strict=True)):
                asked = list(zip((known, unknown), pair, strict=True))
                for times, email in asked if turn % 2 else reversed(asked):  # what one leaves behind slows the next
                    times.append(await timed(place, email))
            await asyncio.sleep(0)
        return {
            "ms, known": statistics.median(known),
            "ms, unknown": statistics.median(unknown),
            "ms apart": abs(statistics.median(known) - statistics.median(unknown)),
            "of two told right": told_right(known, unknown),
        }

    return run


def told_right(some: list[float], others: list[float]) -> float:
    """How often the slower of two answers is the one that is slower on the whole: 0.5 is a coin (Mann-Whitney's U over n·m)."""
    ranks = {value: rank for rank, value in enumerate(sorted([*some, *others]), start=1)}
    u = sum(ranks[value] for value in some) - len(some) * (len(some) + 1) / 2
    share = u / (len(some) * len(others))
    return max(share, 1 - share)


def as_by_chance(count: int) -> float:
    """What `told_right` stays under in 99 of 100 rounds of so many pairs when there is nothing to tell."""
    return 0.5 + 2.58 * math.sqrt((2 * count + 1) / (12 * count * count))


SIGN_IN, RESET = "sign-in with a wrong password", "password reset"
BENCHMARK = Benchmark(
    what=f"Addresses of {PEOPLE} people and as many that nobody has, asked in turn, one request at a time. Beside the medians: how often somebody who sees the times of "
    "one answer of each kind would tell which is which; half of the time is a coin.",
    opens=scene,
    contenders=[Contender(SIGN_IN, apart(wrong_password, 401)), Contender(RESET, apart(reset, 202))],
    goals=[
        Goal(of, unit, most=most)
        for of in (SIGN_IN, RESET)
        for unit, most in (("ms apart", 2), ("of two told right", round(as_by_chance(PEOPLE), 2)))
    ],
)
