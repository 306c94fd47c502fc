"""From a commit in one service until another has applied it, at 100 events per second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from uuid import uuid4

import aio_pika

from bench.bus_publish import BODY, KEY, publish_by_aio_pika
from bench.suite.load import percentile
from bench.suite.shape import Benchmark, Contender, Figures, Goal, Unmeasurable
from bench.suite.surroundings import broker, postgres
from bench.suite.worlds import admins, small_world
from shared.service import Ctx
from tests.kernel.toy import WriteNote, write_note
from tests.world import World

PER_SECOND = 100
ACTORS = admins(20)


@dataclass
class Raw:
    """One publisher and one consumer of aio-pika on a quorum queue."""

    exchange: aio_pika.abc.AbstractExchange
    arrivals: dict[str, asyncio.Future[float]] = field(default_factory=dict)

    async def hear(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        if (waiting := self.arrivals.pop(message.body[:32].decode(), None)) is not None:
            waiting.set_result(time.perf_counter())
        await message.ack()


@dataclass
class Place:
    memory: World
    rabbit: World | None
    raw: Raw | None


@asynccontextmanager
async def scene() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(broker())
        server = await stack.enter_async_context(postgres())
        memory = await stack.enter_async_context(small_world(server, "memory://"))
        if url is None:
            yield Place(memory, None, None)
            return
        rabbit = await stack.enter_async_context(small_world(server, url))
        connection = await stack.enter_async_context(await aio_pika.connect(url))
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=200)
        exchange = await channel.declare_exchange("raw", aio_pika.ExchangeType.TOPIC)
        queue = await channel.declare_queue("raw", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, KEY)
        raw = Raw(exchange)
        await queue.consume(raw.hear)
        yield Place(memory, rabbit, raw)


async def raw_round(place: Place, seconds: float) -> Figures:
    if place.raw is None:
        raise Unmeasurable("no RabbitMQ on this machine")
    raw = place.raw

    async def one() -> float:
        name = uuid4().hex
        arrival: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        raw.arrivals[name] = arrival
        began = time.perf_counter()
        await publish_by_aio_pika(raw.exchange, [name.encode() + BODY])
        return (await arrival) - began

    return await paced(one, seconds)


def kernel_round(bus: str) -> Callable[[Place, float], Awaitable[Figures]]:
    async def run(place: Place, seconds: float) -> Figures:
        world: World | None = getattr(place, bus)
        if world is None:
            raise Unmeasurable("no RabbitMQ on this machine")
        writer, reader = world.started["org"].env, world.started["sharing"].inbox
        actors = cycle(ACTORS)

        async def one() -> float:
            ctx = Ctx(writer, next(actors))
            async with ctx.finishing():
                await write_note(ctx, WriteNote(text="a note"))
            committed = time.perf_counter()
            applied = await reader.wait_for(ctx.change or "", 10)
            assert applied, "an event wasn't applied within 10 s"
            return time.perf_counter() - committed

        return await paced(one, seconds)

    return run


async def paced(one: Callable[[], Awaitable[float]], seconds: float) -> Figures:
    """Begins one every 10 ms, whether or not the one before is done."""
    began = time.perf_counter()
    tasks = []
    for number in range(int(PER_SECOND * seconds)):
        await asyncio.sleep(max(began + number / PER_SECOND - time.perf_counter(), 0))
        tasks.append(asyncio.ensure_future(one()))
    took = list(await asyncio.gather(*tasks))
    return {"ms p50": percentile(took, 0.5) * 1000, "ms p99": percentile(took, 0.99) * 1000}


RAW = "raw publish → consume, RabbitMQ"
BENCHMARK = Benchmark(
    what=f"{PER_SECOND} writes per second in 20 organizations. Measured from the end of the commit (outbox row included) until a read that names "
    "the change would be answered: relayed, received, stored in the inbox, handled in a transaction, committed, and looked up. "
    "Beside it: one message published with confirm to a quorum queue until the consumer's callback has it.",
    opens=scene,
    contenders=[
        Contender(RAW, raw_round),
        Contender("commit → applied, RabbitMQ", kernel_round("rabbit")),
        Contender("commit → applied, in memory", kernel_round("memory")),
    ],
    goals=[
        Goal("commit → applied, RabbitMQ", "ms p50", RAW, most=3),
        Goal("commit → applied, RabbitMQ", "ms p99", RAW, most=5),
        Goal("commit → applied, in memory", "ms p50", RAW, most=3),
    ],
)
