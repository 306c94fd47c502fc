"""How many events per second the bus carries: ours beside aio-pika's windowed publish, in alternating rounds."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import aio_pika
import aiormq

from shared.bus import Message, Queue
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_topology import EVENTS

QUEUE = Queue("bench.events", ("bench.#",))
BODY = b"x" * 700  # about the size of a member event in its envelope
KEY = "bench.member.joined"

Publish = Callable[[int], Awaitable[None]]


async def aio_pika_publishes(url: str, window: int) -> tuple[Publish, Callable[[], Awaitable[None]]]:
    connection = await aio_pika.connect(url)
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    exchange = await channel.get_exchange(EVENTS, ensure=False)

    async def publish(count: int) -> None:
        for _ in range(0, count, window):
            await asyncio.gather(
                *(
                    exchange.publish(
                        aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=uuid4().hex),
                        KEY,
                        mandatory=True,
                    )
                    for _ in range(window)
                )
            )

    async def close() -> None:
        await connection.close()

    return publish, close


async def rate(publish: Publish, count: int) -> float:
    began = time.perf_counter()
    await publish(count)
    return count / (time.perf_counter() - began)


async def received(bus: RabbitBus, count: int) -> float:
    seen = 0
    all_seen = asyncio.Event()

    async def receive(batch: Sequence[bytes]) -> None:
        nonlocal seen
        seen += len(batch)
        if seen >= count:
            all_seen.set()

    began = time.perf_counter()
    await bus.subscribe(receive, queue=QUEUE.name)
    await all_seen.wait()
    return count / (time.perf_counter() - began)


async def purge(url: str, *, delete: bool = False) -> None:
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await (channel.queue_delete(QUEUE.name) if delete else channel.queue_purge(QUEUE.name))


async def run(url: str, count: int, window: int, rounds: int) -> None:
    bus = RabbitBus(url, [QUEUE], publish_timeout=30.0)
    await bus.start()
    while bus.healthy():  # noqa: ASYNC110 - health is a state, nobody announces it
        await asyncio.sleep(0.05)

    async def ours(count: int) -> None:
        for _ in range(0, count, window):
            await bus.publish([Message(KEY, BODY)] * window)

    theirs, close = await aio_pika_publishes(url, window)
    rates: dict[str, list[float]] = {"aio-pika": [], "ours": []}
    for _ in range(rounds):
        for name, publish in (("aio-pika", theirs), ("ours", ours)):
            rates[name].append(await rate(publish, count))
            await purge(url)
    await close()
    for name, those in rates.items():
        print(
            f"publish, window of {window}: {name:10} {statistics.median(those):9,.0f}/s  of {[round(r) for r in those]}"
        )
    print(f"ratio {statistics.median(rates['ours']) / statistics.median(rates['aio-pika']):.2f}")
    await ours(count * 5)
    print(f"receive, prefetch 200: {await received(bus, count * 5):9,.0f}/s")
    await bus.close()
    await purge(url, delete=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1/")
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--window", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    asyncio.run(run(given.url, given.count, given.window, given.rounds))
