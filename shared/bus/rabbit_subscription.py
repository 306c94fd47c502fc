"""Receiving from RabbitMQ: what arrived is received together, then acknowledged together; in doubt it comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from aiormq import Channel
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.exceptions import AMQPError
from pamqp import commands as spec
from pamqp.header import ContentHeader

from shared.bus import Queue, Receive
from shared.bus.arrivals import Arrivals, Ended
from shared.bus.pauses import Pauses
from shared.bus.rabbit_link import CLOSE_TIMEOUT, Connection, Link, cancelled, losses, open_channel
from shared.bus.rabbit_topology import TO, declare_exchanges, declare_feed, declare_queue
from shared.bus.senders import UNKNOWN, may_say, sender_of

SET_UP_TIMEOUT = 10.0
MOST_WAITING_IN_A_FEED = 100_000
LONGEST_SILENCE = 15.0  # seconds: three probes of a service to itself

Arrived = tuple[int, bytes | None]  # a delivery's number, and its body unless nobody shall receive it

log = structlog.get_logger()


class Interrupted(Exception):
    """The broker took the consumer or its channel away."""


class ReceivingChannel(Channel):
    """A channel that puts deliveries aside in the order they came, instead of starting a task for each."""

    def __init__(self, connection: AbstractConnection, number: int) -> None:
        super().__init__(connection, number, publisher_confirms=False)
        self.arrivals: Arrivals[Arrived] = Arrivals()

    async def _on_deliver_frame(self, frame: spec.Basic.Deliver) -> None:
        header = await self._get_frame()
        assert isinstance(header, ContentHeader)
        message = await self._read_content(frame, header)
        sender = _sender(frame.exchange or "", frame.routing_key or "")
        is_theirs = may_say(sender, message.body)
        if not is_theirs:
            log.error("A message says what isn't its sender's to say", sender=sender, routing_key=frame.routing_key)
        self.arrivals.put((frame.delivery_tag or 0, message.body if is_theirs else None))


class Subscription:
    """One durable queue, or one private feed, received by one function, one call at a time."""

    def __init__(
        self, link: Link, receive: Receive, *, queue: Queue | None, keys: Sequence[str], prefetch: int
    ) -> None:
        self._link = link
        self._receive = receive
        self._queue = queue
        self._keys = tuple(keys)
        self._prefetch = prefetch
        self._busy = False
        self._stopped = False
        self._arrivals: Arrivals[Arrived] | None = None
        self._task: asyncio.Task[None] | None = None
        self.joined = asyncio.Event()
        self.problem: str | None = f"{self} is not being received yet."

    def __str__(self) -> str:
        return self._queue.name if self._queue else f"The private feed of {', '.join(self._keys)}"

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"bus subscription {self}")

    async def stop(self) -> None:
        """Waits for a `receive` under way; begins no other."""
        self._stopped = True
        if self._task is None:
            return
        if self._arrivals is not None:
            self._arrivals.end(Ended())
        if not self._busy:
            await cancelled(self._task)
            return
        await asyncio.gather(self._task, return_exceptions=True)

    async def cancel(self) -> None:
        self._stopped = True
        if self._task is not None:
            await cancelled(self._task)

    async def _run(self) -> None:
        pauses = Pauses(first=0.1)
        while not self._stopped:
            connection = await self._link.connection()
            try:
                with losses():
                    await self._session(connection, pauses)
            except Ended:
                return
            except Exception as failed:
                self.problem = f"{self} is not being received: {failed!r}"
                log.warning("Receiving was interrupted", queue=str(self), error=repr(failed))
            if not self._stopped:
                await pauses.pause()

    async def _session(self, connection: Connection, pauses: Pauses) -> None:
        """One channel, until its first failure. What it did not acknowledge comes again, in order, on the next.

        A queue that is silent for long gets a new one: a broker can take the consumer away without a word (RabbitMQ 3.10
        was seen to, when a quorum queue was deleted and declared again 30 ms later). For a replica in waiting it changes nothing.
        """
        async with asyncio.timeout(SET_UP_TIMEOUT):
            await declare_exchanges(connection)
        channel = await open_channel(connection, ReceivingChannel)
        try:
            async with asyncio.timeout(SET_UP_TIMEOUT):
                await self._set_up(channel)
            if self._queue is None:
                await self._receive_and_acknowledge(channel, [])
            self.problem = None
            self.joined.set()
            while arrived := await self._next(channel):
                await self._receive_and_acknowledge(channel, arrived)
                pauses.begin_anew()
            pauses.begin_anew()
        finally:
            self._arrivals = None
            await _close(channel)

    async def _next(self, channel: ReceivingChannel) -> list[Arrived]:
        """What has arrived; nothing when a queue is silent for too long. A private feed may be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SILENCE if self._queue else None):
                return await channel.arrivals.take()
        return []

    async def _set_up(self, channel: ReceivingChannel) -> None:
        channel.closing.add_done_callback(lambda _: channel.arrivals.end(Interrupted("the channel was closed")))
        channel.on_consumer_cancel_callbacks.add(
            lambda _: channel.arrivals.end(Interrupted("the broker cancelled the consumer"))
        )
        if self._queue is None:
            channel.arrivals = Arrivals(MOST_WAITING_IN_A_FEED)
        self._arrivals = channel.arrivals
        if self._stopped:
            raise Ended
        await channel.basic_qos(prefetch_count=self._prefetch)
        if self._queue is None:
            feed = await declare_feed(channel, self._keys)
            await channel.basic_consume(feed, _put_aside, no_ack=True)
        else:
            await declare_queue(channel, self._queue)
            await channel.basic_consume(self._queue.name, _put_aside)

    async def _receive_and_acknowledge(self, channel: ReceivingChannel, arrived: Sequence[Arrived]) -> None:
        """A feed's beginning is a call for nothing; when all that arrived is for nobody, there is none."""
        bodies = [body for _, body in arrived if body is not None]
        self._busy = True
        try:
            if bodies or not arrived:
                await self._receive(bodies)
            if self._queue is not None:
                await channel.basic_ack(arrived[-1][0], multiple=True)
        finally:
            self._busy = False


def _sender(exchange: str, key: str) -> str:
    if exchange == TO:
        return key.partition(".")[0]
    return sender_of(key) if exchange else UNKNOWN


async def _put_aside(_: DeliveredMessage) -> None:
    """Never called: a `ReceivingChannel` has put the message aside already."""


async def _close(channel: Channel) -> None:
    try:
        await channel.close(timeout=CLOSE_TIMEOUT)
    except (AMQPError, TimeoutError, RuntimeError) as failed:
        log.info("A channel did not close in time", error=repr(failed))
