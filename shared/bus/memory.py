"""The bus inside one process: a message is published when every queue that wants it has received it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shared.bus import Message, NotPublished, Queue, Receive
from shared.bus.arrivals import Arrivals, Ended, Overrun
from shared.bus.patterns import matches

MOST_WAITING_IN_A_FEED = 100_000

log = structlog.get_logger()


@dataclass(frozen=True)
class Delivery:
    """The part of one `publish` that goes to one queue; nobody waits for the outcome when nothing in it lasts."""

    bodies: list[bytes]
    received: asyncio.Future[None] | None

    def settle(self, failure: BaseException | None) -> None:
        if self.received is None or self.received.done():
            return
        if failure is None:
            self.received.set_result(None)
        else:
            self.received.set_exception(NotPublished(f"A queue could not receive: {failure!r}"))
            self.received.exception()  # the publisher may have given up waiting; that is no news for the event loop


@dataclass(frozen=True)
class Listener:
    receive: Receive
    arrivals: Arrivals[Delivery]
    task: asyncio.Task[None]


@dataclass
class Feed:
    receive: Receive
    keys: tuple[str, ...]
    arrivals: Arrivals[bytes]


class MemoryBus:
    """Keeps nothing: `publish` returns when `receive` of each matching queue has returned, so *published* is *stored*.

    What a queue of the topology wants while nobody listens to it is not published to anybody: either all who want
    a message can have it, or `NotPublished` is raised before the first of them got it. So give it the queues that
    this process will listen to, no others. When a `receive` raises, messages come again because the publisher,
    told `NotPublished`, publishes them again; other queues then get them twice.
    """

    def __init__(self, topology: Sequence[Queue], *, publish_timeout: float = 5.0) -> None:
        self._topology = {queue.name: queue for queue in topology}
        self._publish_timeout = publish_timeout
        self._listeners: dict[str, Listener] = {}
        self._feeds: dict[asyncio.Task[None], Feed] = {}
        self._routes: dict[str, tuple[str, ...]] = {}
        self._receiving = True

    async def start(self) -> None:
        return

    async def publish(self, messages: Sequence[Message]) -> None:
        deliveries = self._deliveries(messages)
        for name, delivery in deliveries.items():
            self._listeners[name].arrivals.put(delivery)
        waited_for = [delivery.received for delivery in deliveries.values() if delivery.received is not None]
        if waited_for:
            _, late = await asyncio.wait(waited_for, timeout=self._publish_timeout)
            if late:
                raise NotPublished(f"A queue did not receive within {self._publish_timeout} s.")
            for received in waited_for:
                received.result()
        self._feed(messages)

    def _deliveries(self, messages: Sequence[Message]) -> dict[str, Delivery]:
        bodies: defaultdict[str, list[bytes]] = defaultdict(list)
        lasting: set[str] = set()
        for message in messages:
            wanted_by = self._wanted_by(message)
            listening = [name for name in wanted_by if name in self._listeners]
            if message.lasting:
                if not self._receiving or not wanted_by or len(listening) < len(wanted_by):
                    raise NotPublished(f"Nobody listens, or not everybody yet, to {message.to or message.key}.")
                lasting.update(listening)
            if self._receiving:
                for name in listening:
                    bodies[name].append(message.body)
        loop = asyncio.get_running_loop()
        return {
            name: Delivery(those, loop.create_future() if name in lasting else None) for name, those in bodies.items()
        }

    def _wanted_by(self, message: Message) -> tuple[str, ...]:
        if message.to is not None:
            return (message.to,) if message.to in self._topology else ()
        if message.key not in self._routes:
            self._routes[message.key] = tuple(
                queue.name for queue in self._topology.values() if any(matches(key, message.key) for key in queue.keys)
            )
        return self._routes[message.key]

    def _feed(self, messages: Sequence[Message]) -> None:
        for feed in self._feeds.values():
            for message in messages:
                if message.to is None and any(matches(key, message.key) for key in feed.keys):
                    feed.arrivals.put(message.body)

    async def subscribe(self, receive: Receive, *, queue: str | None = None, keys: Sequence[str] = ()) -> None:
        if queue is None:
            feed = Feed(receive, tuple(keys), Arrivals(MOST_WAITING_IN_A_FEED))
            self._feeds[asyncio.create_task(self._serve_feed(feed))] = feed
            return
        if queue not in self._topology:
            raise ValueError(f"The topology has no queue {queue}.")
        if queue in self._listeners:
            raise ValueError(f"Somebody listens to {queue} already.")
        arrivals: Arrivals[Delivery] = Arrivals()
        self._listeners[queue] = Listener(receive, arrivals, asyncio.create_task(self._serve(queue, receive, arrivals)))

    async def _serve(self, queue: str, receive: Receive, arrivals: Arrivals[Delivery]) -> None:
        batch: list[Delivery] = []
        try:
            while True:
                batch = await arrivals.take()
                failure: Exception | None = None
                try:
                    await receive([body for delivery in batch for body in delivery.bodies])
                except Exception as raised:
                    failure = raised
                    log.warning("A queue could not receive", queue=queue, error=repr(raised))
                for delivery in batch:
                    delivery.settle(failure)
        except Ended:
            return
        finally:
            for delivery in (*batch, *arrivals.left()):
                delivery.settle(Ended("Receiving was stopped."))

    async def _serve_feed(self, feed: Feed) -> None:
        while True:
            try:
                await feed.receive(())
                while True:
                    await feed.receive(await feed.arrivals.take())
            except Ended:
                return
            except Overrun:
                feed.arrivals = Arrivals(MOST_WAITING_IN_A_FEED)
            except Exception as raised:
                log.warning("A private feed could not receive", keys=feed.keys, error=repr(raised))
                await asyncio.sleep(0.1)  # a feed that always raises must not keep the process busy

    async def stop_receiving(self) -> None:
        self._receiving = False
        for listener in self._listeners.values():
            listener.arrivals.end(Ended())
        for feed in self._feeds.values():
            feed.arrivals.end(Ended())
        await asyncio.gather(*self._tasks(), return_exceptions=True)

    async def close(self) -> None:
        self._receiving = False
        for task in self._tasks():
            task.cancel()
        await asyncio.gather(*self._tasks(), return_exceptions=True)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*(listener.task for listener in self._listeners.values()), *self._feeds]

    def healthy(self) -> str | None:
        return None if self._receiving else "Receiving was stopped."
