"""What exists on RabbitMQ: two topic exchanges and one quorum queue per subscriber.

`events` has durable queues only, so that a message which the broker doesn't return as unroutable is in one of them.
A binding of any other kind would make that proof worthless, so private feeds hang on `events.live`, which gets a
transient copy of everything, and there is no stream bound to `#`: replay comes from the outbox, which is the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiormq import Connection as AmqpConnection
from aiormq.abc import AbstractChannel, ArgumentsType

from shared.bus import Queue

EVENTS = "events"
LIVE = "events.live"
DECLARE_TIMEOUT = 30.0

# The same on every version, or declaring it again would fail. The delivery limit counts differently per version and
# 4.x drops a message after 20 without one; 3.x refuses -1; and only with a limit do messages return to the head.
QUORUM: ArgumentsType = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": 2_000_000_000,
}


async def declare(connection: AmqpConnection, topology: Sequence[Queue]) -> None:
    async with asyncio.timeout(DECLARE_TIMEOUT):
        channel = await connection.channel(publisher_confirms=False)
        await declare_exchanges(channel)
        for queue in topology:
            await declare_queue(channel, queue)
        await channel.close()


async def declare_exchanges(channel: AbstractChannel) -> None:
    for exchange in (EVENTS, LIVE):
        await channel.exchange_declare(exchange, exchange_type="topic", durable=True)


async def declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    await channel.queue_declare(queue.name, durable=True, arguments=QUORUM)
    for key in queue.keys:
        await channel.queue_bind(queue.name, EVENTS, key)


async def declare_feed(channel: AbstractChannel, keys: Sequence[str]) -> str:
    """A queue that lives as long as this connection and is nobody else's."""
    declared = await channel.queue_declare(exclusive=True, auto_delete=True)
    queue = declared.queue or ""
    for key in keys:
        await channel.queue_bind(queue, LIVE, key)
    return queue
