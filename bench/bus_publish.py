"""How many events per second reach a quorum queue, each confirmed: our bus beside aio-pika's windowed publish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
import aiormq
from aio_pika.abc import AbstractExchange

from bench.suite.shape import Benchmark, Contender, Figures, Goal, Unmeasurable
from bench.suite.surroundings import QUEUE, broker, ready
from shared.bus import Message
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_topology import EVENTS

BODY = b"x" * 700  # about the size of a member event in its envelope
KEY = "bench.member.joined"
WINDOW = 500


@dataclass
class Brokered:
    """A broker, our bus on it, and aio-pika's exchange on it."""

    url: str
    bus: RabbitBus
    exchange: AbstractExchange


@asynccontextmanager
async def both() -> AsyncIterator[Brokered | None]:
    async with broker() as url:
        if url is None:
            yield None
            return
        bus = RabbitBus(url, [QUEUE], publish_timeout=30.0)
        await bus.start()
        await ready(bus)
        connection = await aio_pika.connect(url)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield Brokered(url, bus, await channel.get_exchange(EVENTS, ensure=False))
        await connection.close()
        await bus.close()
        await emptied(url, delete=True)


async def by_aio_pika(place: Brokered | None, seconds: float) -> Figures:
    place = present(place)
    count, took = 0, 0.0
    while took < seconds:
        began = time.perf_counter()
        await publish_by_aio_pika(place.exchange, [BODY] * WINDOW)
        count, took = count + WINDOW, took + time.perf_counter() - began
    await emptied(place.url)
    return {"/s": count / took}


async def publish_by_aio_pika(exchange: AbstractExchange, bodies: Sequence[bytes], key: str = KEY) -> None:
    """As its documentation advises: persistent, mandatory, confirmed, a window at a time."""
    await asyncio.gather(
        *(
            exchange.publish(
                aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=uuid4().hex),
                key,
                mandatory=True,
            )
            for body in bodies
        )
    )


async def by_us(place: Brokered | None, seconds: float) -> Figures:
    place = present(place)
    count, took = 0, 0.0
    while took < seconds:
        began = time.perf_counter()
        await place.bus.publish([Message(KEY, BODY)] * WINDOW)
        count, took = count + WINDOW, took + time.perf_counter() - began
    await emptied(place.url)
    return {"/s": count / took}


def present(place: Brokered | None) -> Brokered:
    if place is None:
        raise Unmeasurable("no RabbitMQ on this machine")
    return place


async def emptied(url: str, *, delete: bool = False) -> None:
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await (channel.queue_delete(QUEUE.name) if delete else channel.queue_purge(QUEUE.name))


BENCHMARK = Benchmark(
    what=f"Events of 700 bytes published in windows of {WINDOW} to one quorum queue, each persistent, mandatory and confirmed.",
    opens=both,
    contenders=[Contender("aio-pika", by_aio_pika), Contender("our bus", by_us)],
    goals=[Goal("our bus", "/s", "aio-pika", least=0.7)],
)
