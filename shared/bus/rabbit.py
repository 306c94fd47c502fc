"""The bus on RabbitMQ: one connection to publish, one to receive, so that an alarm which stops one spares the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from shared.bus import Message, Queue, Receive
from shared.bus.rabbit_link import Link, cancelled
from shared.bus.rabbit_publisher import Publisher
from shared.bus.rabbit_subscription import Subscription


class RabbitBus:
    """`subscribe` returns when a private feed is bound, or after `publish_timeout` seconds while the broker is away."""

    def __init__(
        self,
        url: str,
        topology: Sequence[Queue],
        *,
        prefetch: int = 200,
        publish_timeout: float = 5.0,
        name: str = "tenantry",
    ) -> None:
        self._queues = {queue.name: queue for queue in topology}
        self._prefetch = prefetch
        self._publish_timeout = publish_timeout
        self._out = Link(url, f"{name} publishes")
        self._in = Link(url, f"{name} receives")
        self._publisher = Publisher(self._out, topology, publish_timeout)
        self._publishing: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []
        self._receiving = True

    async def start(self) -> None:
        if self._publishing is not None:
            return
        self._out.start()
        self._in.start()
        self._publishing = asyncio.create_task(self._publisher.run(), name="bus publisher")
        for subscription in self._subscriptions:
            subscription.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._publisher.publish(messages)

    async def subscribe(self, receive: Receive, *, queue: str | None = None, keys: Sequence[str] = ()) -> None:
        if queue is not None and queue not in self._queues:
            raise ValueError(f"The topology has no queue {queue}.")
        subscription = Subscription(
            self._in, receive, queue=self._queues[queue] if queue else None, keys=keys, prefetch=self._prefetch
        )
        self._subscriptions.append(subscription)
        if self._publishing is None:
            return
        subscription.start()
        if queue is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(subscription.joined.wait(), self._publish_timeout)

    async def stop_receiving(self) -> None:
        self._receiving = False
        await asyncio.gather(*(subscription.stop() for subscription in self._subscriptions))
        await self._in.close()

    async def close(self) -> None:
        self._receiving = False
        await asyncio.gather(*(subscription.cancel() for subscription in self._subscriptions))
        if self._publishing is not None:
            await cancelled(self._publishing)
        await asyncio.gather(self._in.close(), self._out.close())

    def healthy(self) -> str | None:
        if not self._receiving:
            return "Receiving was stopped."
        problems = (self._out.problem, self._publisher.problem, self._in.problem)
        return next(filter(None, (*problems, *(each.problem for each in self._subscriptions))), None)
