"""How fast webhooks are told what happened, beside receivers that fail, hang and answer late; and that nothing is lost on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import orjson

from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from services.audit.app import service as audit
from shared.clock import MovableClock
from shared.events.org import MemberJoined
from shared.outbound import Outbound
from tests.courier.house import HERE, House, Receiver, member, reaching, receiving
from tests.world import Databases, an_admin, world_of

WEBHOOKS = 8
PER_SECOND = 40  # events per webhook and second of a round
SHORT = HERE  # a request ends after a second
BAD = {"fails": 500, "hangs": "hang", "late": "late"}


@dataclass
class Scene:
    """So many organizations, each with a receiver of its own."""

    houses: list[House]
    clock: MovableClock
    chance: Random


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres())
        place, clock = await stack.enter_async_context(folder()), MovableClock()
        service = reaching(Outbound(policy=SHORT))
        world = await stack.enter_async_context(world_of([service, audit], Databases(server), place, clock=clock))
        houses = []
        for number in range(WEBHOOKS):
            receiver = await stack.enter_async_context(receiving())
            house = House(world, receiver, an_admin())
            await world.hear("org", MemberJoined(org_id=house.admin.org(), member=member(house.admin, f"Ada{number}")))
            await house.on_plan("pro")
            houses.append(house)
        yield Scene(houses, clock, Random(7))


async def bare(scene: Scene, seconds: float) -> Figures:
    """The same requests, as many at once, by the same client, and nothing else."""
    client, count = Outbound(policy=SHORT), int(PER_SECOND * seconds)
    for house in scene.houses:
        fresh(house.receiver)
    body = b"{" + b" " * 500 + b"}"

    async def tell(house: House) -> None:
        for _ in range(count):
            await client.post(house.receiver.url, body)

    began = time.perf_counter()
    await asyncio.gather(*map(tell, scene.houses))
    return {"/s": count * WEBHOOKS / (time.perf_counter() - began)}


def told(behaviour: str | None, receivers: int = 0, share: float = 0) -> Callable[[Scene, float], Awaitable[Figures]]:
    """All webhooks with a backlog; so many receivers behave that way for a share of the requests."""

    async def run(scene: Scene, seconds: float) -> Figures:
        count = max(3, int(PER_SECOND * seconds))
        hooks = [await with_backlog(house, count) for house in scene.houses]
        bad, good = scene.houses[:receivers], scene.houses[receivers:]
        for house in bad:
            tries = count * 2 if share < 1 else count * 50
            script = [BAD[str(behaviour)] if scene.chance.random() < share else 204 for _ in range(tries)]
            house.receiver.script = script
        began = time.perf_counter()
        for house, hook in zip(scene.houses, hooks, strict=True):
            (await house.ask("PATCH", f"/v1/webhooks/{hook['id']}", {"enabled": True})).ok()
        waited = good if share == 1 else scene.houses
        while not all(len(names(house.receiver)) >= count for house in waited):
            if share < 1 and receivers:
                scene.clock.advance(timedelta(seconds=5))  # what failed is due again: here only work is measured
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        for house in bad:
            house.receiver.script = []
            house.receiver.release.set()
        while not all(len(names(house.receiver)) >= count for house in scene.houses):
            scene.clock.advance(timedelta(hours=1))
            await asyncio.sleep(0.05)
        lost = sum(count - len(names(house.receiver)) for house in scene.houses)
        again = sum(len(house.receiver.taken) - len(names(house.receiver)) for house in scene.houses)
        disorder = sum(first_times(house.receiver) != sorted(first_times(house.receiver)) for house in scene.houses)
        for house, hook in zip(scene.houses, hooks, strict=True):
            (await house.ask("DELETE", f"/v1/webhooks/{hook['id']}")).ok()
        figures = {"/s": count * len(waited) / took, "lost": float(lost), "out of order": float(disorder)}
        return figures | {"taken again": float(again)}

    return run


async def with_backlog(house: House, count: int) -> Any:
    fresh(house.receiver)
    hook = await house.webhook(types=["org.group.*"])
    (await house.ask("PATCH", f"/v1/webhooks/{hook['id']}", {"enabled": False})).ok()
    await house.happens(*(f"{number:06}" for number in range(count)))
    return hook


def fresh(receiver: Receiver) -> None:
    receiver.script, receiver.release = [], asyncio.Event()
    receiver.got.clear()
    receiver.taken.clear()


def names(receiver: Receiver) -> set[str]:
    """Of what was taken, each once: a delivery that comes again has the `webhook-id` that it had."""
    return set(first_times(receiver))


def first_times(receiver: Receiver) -> list[str]:
    return list(dict.fromkeys(orjson.loads(body)["data"]["group"]["name"] for body in receiver.taken))


BARE, ALL = "bare requests", "all receivers answer"
FAILS, HANGS, LATE = "one of eight fails for ever", "one of eight hangs", "a tenth of the answers come late"
SOME = "a fifth of the requests fail"
BENCHMARK = Benchmark(
    what=f"{WEBHOOKS} webhooks of {WEBHOOKS} organizations, each with a backlog of {PER_SECOND} events a second of the round, from the moment that they are switched on until all receivers (or those that work) have everything. "
    "Each delivery is signed, in order, and noted in two transactions; bare requests are the same client and nothing else. The worker has eight places. For the last two the clock is moved on to when a retry is due.",
    opens=scene,
    contenders=[
        Contender(BARE, bare),
        Contender(ALL, told(None)),
        Contender(FAILS, told("fails", 1, 1)),
        Contender(HANGS, told("hangs", 1, 1)),
        Contender(SOME, told("fails", WEBHOOKS, 0.2)),
        Contender(LATE, told("late", WEBHOOKS, 0.1)),
    ],
    goals=[
        Goal(FAILS, "/s", ALL, least=0.7),
        Goal(HANGS, "/s", ALL, least=0.7),
        *(Goal(name, unit, most=0) for name in (ALL, FAILS, HANGS, SOME, LATE) for unit in ("lost", "out of order")),
        *(Goal(name, "taken again", most=0) for name in (ALL, FAILS, HANGS, SOME)),
    ],
    notes=[
        "Whoever takes a delivery and answers too late is told again, under the same `webhook-id`: that is what *taken again* counts there. No sender can know better."
    ],
)
