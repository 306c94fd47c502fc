"""How many guesses at a second factor are looked at, however many come at once over however many challenges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from services.identity import rules
from services.identity.app import service as identity
from tests.identity.factors import Phone, answers, challenged, sets_up_totp
from tests.identity.people import Someone, somebody
from tests.world import Databases, World, world_of

CHALLENGES, GUESSES_EACH, AT_ONCE = 100, 10, 100


@dataclass
class Place:
    world: World
    person: Someone
    phone: Phone


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with postgres() as server, folder() as place, world_of([identity], Databases(server), place) as world:
        person = await somebody(world)
        yield Place(world, person, await sets_up_totp(world, await person.comes()))


async def guessed(place: Place, _: float) -> Figures:
    """A new hour, a hundred sign-ins that wait for a code, and a thousand wrong codes."""
    place.world.clock.advance(timedelta(hours=1))
    waiting = [await challenged(place.person) for _ in range(CHALLENGES)]
    looked: list[str] = []
    real = rules.step_of

    def counting(secret: str, code: str, now: datetime) -> int | None:
        looked.append(code)
        return real(secret, code, now)

    rules.step_of = counting
    try:
        wrong = place.phone.wrong()
        guesses = [one for _ in range(GUESSES_EACH) for one in waiting]
        for begin in range(0, len(guesses), AT_ONCE):
            await asyncio.gather(*(answers(place.world, one, totp=wrong) for one in guesses[begin : begin + AT_ONCE]))
    finally:
        rules.step_of = real
    async with place.world.started["identity"].env.database.tx("", lambda event: event) as tx:
        await tx.run("update totp set wrong_in_a_row = 0")
    return {"guesses looked at": len(looked), "guesses made": CHALLENGES * GUESSES_EACH}


GUESSING = f"{CHALLENGES * GUESSES_EACH:,} wrong codes over {CHALLENGES} challenges, in an hour"
BENCHMARK = Benchmark(
    what=f"One person's authenticator app, {CHALLENGES} sign-ins that wait for its code, and {GUESSES_EACH} wrong codes for each, {AT_ONCE} at once. Counted is how often a code is compared at all.",
    opens=scene,
    contenders=[Contender(GUESSING, guessed)],
    goals=[Goal(GUESSING, "guesses looked at", most=10)],
    notes=[
        "At any moment two codes of a million are right, ten guesses are looked at in an hour, and after a hundred wrong ones in a row the app is frozen until a recovery code: "
        "whoever knows the password gets past it with a chance of 100 × 2 / 1,000,000, one in five thousand, once."
    ],
)
