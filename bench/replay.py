"""How fast a subscriber gets a source's past again: sent from the outbox, stored in the inbox, applied."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from bench.suite.shape import Benchmark, Contender, Figures, Goal, Unmeasurable
from bench.suite.surroundings import broker, postgres
from bench.suite.worlds import fill_outbox, notes_backlog, small_world
from tests.world import World

EVENTS_PER_SECOND_OF_ROUND = 5_000

Worlds = dict[str, World]


@asynccontextmanager
async def scene() -> AsyncIterator[Worlds]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres())
        worlds = {"memory": await stack.enter_async_context(small_world(server, "memory://"))}
        if (url := await stack.enter_async_context(broker())) is not None:
            worlds["rabbit"] = await stack.enter_async_context(small_world(server, url))
        yield worlds


def replayed(bus: str) -> Callable[[Worlds, float], Awaitable[Figures]]:
    async def run(worlds: Worlds, seconds: float) -> Figures:
        if bus not in worlds:
            raise Unmeasurable("no RabbitMQ on this machine")
        world = worlds[bus]
        replays, subscriber = world.started["org"].inbox.receiver.replays, world.started["sharing"]
        events = notes_backlog(int(EVENTS_PER_SECOND_OF_ROUND * seconds), 50)
        await fill_outbox(world.settings.database_urls["org"], events, published=True)
        subjects = sorted({event.subject for event in events})
        began = time.perf_counter()
        replays.ask(subscriber.inbox.receiver.queue, dict.fromkeys(subjects, 0))
        stored = 0.0
        async with asyncio.timeout(120), subscriber.env.database.read("") as read:
            while True:
                row = await read.row(
                    "select count(*) as stored, count(*) filter (where state = 'done') as done from inbox where subject = any($1::text[])",
                    subjects,
                )
                assert row is not None
                if row["stored"] == len(events) and not stored:
                    stored = time.perf_counter() - began
                if row["done"] == len(events):
                    break
                await asyncio.sleep(0.05)
        applied = time.perf_counter() - began
        return {"stored/s": len(events) / stored, "applied/s": len(events) / applied}

    return run


BENCHMARK = Benchmark(
    what=f"{EVENTS_PER_SECOND_OF_ROUND:,} events of 50 organizations sent again from a source's outbox to one subscriber, until all are stored in its inbox, and until "
    "all are applied, each in a transaction of its own, in order within each organization.",
    opens=scene,
    contenders=[Contender("replay, RabbitMQ", replayed("rabbit")), Contender("replay, in memory", replayed("memory"))],
    goals=[
        Goal("replay, RabbitMQ", "stored/s", least=5_000),
        Goal("replay, in memory", "stored/s", least=5_000),
    ],
)
