"""How fast a backlog in the outbox reaches the broker, beside publishing the same bytes without any outbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.bus_publish import WINDOW, Brokered, both, emptied, present, publish_by_aio_pika
from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import QUEUE, postgres
from bench.suite.worlds import backlog, fill_outbox
from shared.bus import Bus
from shared.bus.memory import MemoryBus
from shared.db import Database
from shared.outbox import Relay
from tests.kernel.toy import notes
from tests.world import Databases

EVENTS_PER_SECOND_OF_ROUND = 20_000
TYPE = "bench.note.written.v1"


@dataclass
class Place:
    brokered: Brokered | None
    dsn: str


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        brokered = await stack.enter_async_context(both())
        server = await stack.enter_async_context(postgres())
        yield Place(brokered, await Databases(server).fresh(notes))


async def without_outbox(place: Place, seconds: float) -> Figures:
    brokered = present(place.brokered)
    bodies = [event.body() for event in backlog("bench", TYPE, int(EVENTS_PER_SECOND_OF_ROUND * seconds), 100)]
    began = time.perf_counter()
    for start in range(0, len(bodies), WINDOW):
        await publish_by_aio_pika(brokered.exchange, bodies[start : start + WINDOW], TYPE)
    took = time.perf_counter() - began
    await emptied(brokered.url)
    return {"/s": len(bodies) / took}


async def relayed(place: Place, seconds: float) -> Figures:
    brokered = present(place.brokered)
    rate = await drained(place.dsn, brokered.bus, seconds)
    await emptied(brokered.url)
    return {"/s": rate}


async def relayed_in_memory(place: Place, seconds: float) -> Figures:
    bus = MemoryBus([QUEUE])
    await bus.start()
    await bus.subscribe(_forget, queue=QUEUE.name)
    try:
        return {"/s": await drained(place.dsn, bus, seconds)}
    finally:
        await bus.close()


async def _forget(bodies: Sequence[bytes]) -> None:
    """A subscriber that costs nothing."""


async def drained(dsn: str, bus: Bus, seconds: float) -> float:
    events = backlog("bench", TYPE, int(EVENTS_PER_SECOND_OF_ROUND * seconds), 100)
    await fill_outbox(dsn, events, published=False)
    database = Database(dsn, size=2)
    await database.open()
    relay = Relay("bench", database, bus)
    began = time.perf_counter()
    relay.start()
    try:
        async with asyncio.timeout(120), database.read("") as read:
            while await read.value("select exists (select from outbox where published_at is null)"):
                await asyncio.sleep(0.005)
        return len(events) / (time.perf_counter() - began)
    finally:
        await relay.stop()
        await database.close()


BENCHMARK = Benchmark(
    what=f"A backlog of {EVENTS_PER_SECOND_OF_ROUND:,} events in 100 organizations, from the relay's start until the last one is confirmed by the broker "
    f"and marked as published. Beside it: aio-pika publishing the same bytes from memory, in windows of {WINDOW}.",
    opens=scene,
    contenders=[
        Contender("aio-pika from memory", without_outbox),
        Contender("relay from the outbox, RabbitMQ", relayed),
        Contender("relay from the outbox, in memory", relayed_in_memory),
    ],
    goals=[Goal("relay from the outbox, RabbitMQ", "/s", "aio-pika from memory", least=0.7)],
)
