"""What becomes of a session when one refresh token is used many times at once: one branch goes on, always."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from services.identity.app import service as identity
from tests.identity.people import refresh, sign_in, somebody
from tests.world import Databases, World, world_of

USES = 50
FEWEST_RACES = 20


@dataclass
class Place:
    """`tokens` are those that the session has had so far; each race begins with the newest."""

    world: World
    tokens: list[str] = field(default_factory=list)


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with postgres() as server, folder() as place, world_of([identity], Databases(server), place) as world:
        person = await somebody(world)
        yield Place(world, [(await sign_in(world, person.email)).ok()["refresh_token"]])


async def raced(place: Place, seconds: float) -> Figures:
    """Every use gets an answer, all of them the same next token, and no session ends."""
    most, races, began = 0, 0, time.perf_counter()
    while time.perf_counter() < began + seconds or races < FEWEST_RACES:
        replies = await asyncio.gather(*(refresh(place.world, place.tokens[-1]) for _ in range(USES)))
        branches = {reply.ok()["refresh_token"] for reply in replies}
        most = max(most, len(branches))
        place.tokens.append(branches.pop())
        races += 1
    took = time.perf_counter() - began
    return {"live branches at most": most, "ms each race": took * 1000 / races, "races": races}


RACE = f"{USES} uses of one refresh token at once"
BENCHMARK = Benchmark(
    what=f"A session's newest refresh token, used {USES} times at once; then the one that this gave out, and so on. `--seconds 60` makes them thousands of races.",
    opens=scene,
    contenders=[Contender(RACE, raced)],
    goals=[Goal(RACE, "live branches at most", most=1)],
)
