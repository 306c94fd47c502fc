"""What exists on RabbitMQ: three topic exchanges and one quorum queue per subscriber.

`events` has durable queues only, so that a message which the broker doesn't return as unroutable is in one of them.
A binding of any other kind would make that proof worthless, so private feeds hang on `events.live`, which gets a
transient copy of everything, and there is no stream bound to `#`: replay comes from the outbox, which is the log.
What is for one queue goes through `events.to`, under who says it and the queue's name: unlike the default exchange,
it lets a broker bind everybody to their own name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiormq import Connection as AmqpConnection
from aiormq.abc import AbstractChannel, ArgumentsType
from aiormq.exceptions import ChannelNotFoundEntity

from shared.bus import Queue

EVENTS = "events"
LIVE = "events.live"
TO = "events.to"
DECLARE_TIMEOUT = 30.0

# The same on every version, or declaring it again would fail. The delivery limit counts differently per version and
# 4.x drops a message after 20 without one; 3.x refuses -1; and only with a limit do messages return to the head.
QUORUM: ArgumentsType = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": 2_000_000_000,
}


def address_of(sender: str, queue: str) -> str:
    """The routing key on `events.to`."""
    return f"{sender}.{queue}"


async def declare(connection: AmqpConnection, topology: Sequence[Queue]) -> None:
    async with asyncio.timeout(DECLARE_TIMEOUT):
        await declare_exchanges(connection)
        channel = await connection.channel(publisher_confirms=False)
        for queue in topology:
            await declare_queue(channel, queue)
        await channel.close()


async def declare_exchanges(connection: AmqpConnection) -> None:
    """Only those that are missing: a service's own user may not declare any, and needn't where an operator did."""
    channel = await connection.channel(publisher_confirms=False)
    for exchange in (EVENTS, LIVE, TO):
        try:
            await channel.exchange_declare(exchange, passive=True)
        except ChannelNotFoundEntity:
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(exchange, exchange_type="topic", durable=True)
    await channel.close()


async def declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    await channel.queue_declare(queue.name, durable=True, arguments=QUORUM)
    for key in queue.keys:
        await channel.queue_bind(queue.name, EVENTS, key)
    await channel.queue_bind(queue.name, TO, address_of("*", queue.name))


async def declare_feed(channel: AbstractChannel, keys: Sequence[str]) -> str:
    """A queue that lives as long as this connection and is nobody else's."""
    declared = await channel.queue_declare(exclusive=True, auto_delete=True)
    queue = declared.queue or ""
    for key in keys:
        await channel.queue_bind(queue, LIVE, key)
    return queue
