"""Publishing to RabbitMQ: a window of messages in one write, and the proof that each is in a durable queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from uuid import uuid4

import structlog
from aiormq import Channel
from aiormq.abc import AbstractConnection, ChannelFrame, ConfirmationFrameType
from pamqp import commands as spec
from pamqp.header import ContentHeader

from shared.bus import Message, NotPublished, Queue
from shared.bus.amqp_frames import publish_frames
from shared.bus.pauses import Pauses
from shared.bus.rabbit_link import Connection, Link, losses, open_channel
from shared.bus.rabbit_topology import EVENTS, LIVE, TO, address_of, declare
from shared.bus.senders import sender_of

CONTENT_TYPE = b"application/cloudevents+json"
SOON_STALE = b"60000"
DECLARE_AGAIN_EVERY = 15.0
MOST_UNANSWERED = 1_000

log = structlog.get_logger()


class Refused(NotPublished):
    """The broker answered, and said no: the channel is as good as before, but the topology may have a hole."""


class Window:
    """The lasting messages of one `publish`: settled when the broker has answered for each."""

    def __init__(self, settled: asyncio.Future[None]) -> None:
        self.settled = settled
        self._unanswered = 0
        self._failures: list[str] = []

    def expect(self) -> None:
        self._unanswered += 1

    def fail(self, why: str) -> None:
        self._failures.append(why)

    def answer(self) -> None:
        self._unanswered -= 1
        if self._unanswered or self.settled.done():
            return
        if self._failures:
            self.settled.set_exception(Refused("; ".join(sorted(set(self._failures))[:5])))
        else:
            self.settled.set_result(None)


class PublishingChannel(Channel):
    """A channel with its own account of confirms: one future per window instead of one task per message."""

    def __init__(self, connection: AbstractConnection, number: int) -> None:
        super().__init__(connection, number, publisher_confirms=True)
        self._attempt = (
            uuid4().hex
        )  # message ids are fresh per attempt: with one id twice, returns confirm the wrong one
        self._last_tag = 0
        self._unanswered: dict[int, Window | None] = {}

    @property
    def is_piling_up(self) -> bool:
        return len(self._unanswered) > MOST_UNANSWERED

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[None]:
        """Returns once all is on its way; the future says whether the lasting ones arrived."""
        async with self.lock:
            window = Window(self.create_future())
            payload = b"".join([frames for message in messages for frames in self._frames(message, window)])
            await self.write_queue.put(ChannelFrame(payload=payload, should_close=False))
        return window.settled

    def _frames(self, message: Message, window: Window) -> Iterator[bytes]:
        if message.to is None:
            yield self._publish(LIVE, message.key, message, None)
            yield self._publish(EVENTS, message.key, message, window if message.lasting else None)
        else:
            key = address_of(sender_of(message.key), message.to)
            yield self._publish(TO, key, message, window if message.lasting else None)

    def _publish(self, exchange: str, key: str, message: Message, window: Window | None) -> bytes:
        self._last_tag += 1
        self._unanswered[self._last_tag] = window
        if window is not None:
            window.expect()
        return publish_frames(
            self.number,
            exchange=exchange.encode(),
            key=key.encode(),
            body=message.body,
            message_id=f"{self._attempt}.{self._last_tag}".encode(),
            content_type=CONTENT_TYPE,
            mandatory=window is not None,
            expiration=None if window is not None else SOON_STALE,
            frame_max=self.connection.connection_tune.frame_max,
        )

    async def _on_return_frame(self, frame: spec.Basic.Return) -> None:
        """An unroutable message comes back, and is confirmed right after."""
        header = await self._get_frame()
        assert isinstance(header, ContentHeader)
        returned = await self._read_content(frame, header)
        window = self._unanswered.get(int(str(returned.header.properties.message_id).rpartition(".")[2]))
        if window is not None:
            window.fail(f"no queue takes {frame.routing_key}")

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        for tag in self._answered_by(frame):
            window = self._unanswered.pop(tag, None)
            if window is None:
                continue
            if not isinstance(frame, spec.Basic.Ack):
                window.fail("the broker refused a message")
            window.answer()

    def _answered_by(self, frame: ConfirmationFrameType) -> list[int]:
        last = frame.delivery_tag or 0
        if not getattr(frame, "multiple", False):
            return [last]
        answered = []
        for tag in self._unanswered:  # in the order they were sent
            if tag > last:
                break
            answered.append(tag)
        return answered


class Publisher:
    def __init__(self, link: Link, topology: Sequence[Queue], timeout: float) -> None:
        self._link = link
        self._topology = tuple(topology)
        self._timeout = timeout
        self._channel: PublishingChannel | None = None
        self._spoiled = asyncio.Event()
        self._declare_now = asyncio.Event()
        self.problem: str | None = "Publishing has not begun."

    async def publish(self, messages: Sequence[Message]) -> None:
        lasting = any(message.lasting for message in messages)
        channel = self._channel
        if channel is None or channel.is_closed or (channel.is_piling_up and not lasting):
            if lasting:
                raise NotPublished(self.problem or "The connection to RabbitMQ was lost.")
            return
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    await self._publish_on(channel, messages, lasting)
        except Refused:
            self._declare_now.set()
            raise
        except BaseException as failed:
            self._throw_away(channel)
            if isinstance(failed, NotPublished) or not isinstance(failed, Exception):
                raise
            if lasting:
                raise NotPublished(f"RabbitMQ did not confirm: {failed!r}") from failed

    async def _publish_on(self, channel: PublishingChannel, messages: Sequence[Message], lasting: bool) -> None:
        settled = await channel.send(messages)
        if not lasting:
            return
        await asyncio.wait([settled])  # not awaited itself: a channel that closes would look like our own cancellation
        failure = None if settled.cancelled() else settled.exception()
        if isinstance(failure, Refused):
            raise failure
        if settled.cancelled() or failure is not None:
            raise NotPublished(f"The channel was closed before RabbitMQ confirmed: {failure!r}")

    def _throw_away(self, channel: PublishingChannel) -> None:
        if channel is self._channel:
            self._channel = None
            self.problem = "The last publish failed; a new channel is being opened."
            self._spoiled.set()

    async def run(self) -> None:
        pauses = Pauses()
        while True:
            connection = await self._link.connection()
            try:
                with losses():
                    await self._session(connection, pauses)
            except Exception as failed:
                self.problem = f"Publishing to RabbitMQ is impossible: {failed!r}"
                log.warning("Publishing failed", error=repr(failed))
            self._channel = None
            self.problem = self.problem or "The publishing channel was lost."
            await self._until_unblocked(connection)
            self._link.throw_away(connection, self.problem)
            await pauses.pause()

    async def _session(self, connection: Connection, pauses: Pauses) -> None:
        """Publishing is possible from the time the topology is complete until the first failure.

        The topology is declared again now and then, and whenever the broker finds no queue for a message, so that a
        binding that somebody deleted comes back.
        """
        await declare(connection, self._topology)
        channel = await open_channel(connection, PublishingChannel)
        self._spoiled.clear()
        self._channel, self.problem = channel, None
        while await self._is_still_good(channel):
            self._declare_now.clear()
            await declare(connection, self._topology)
            pauses.begin_anew()

    async def _is_still_good(self, channel: PublishingChannel) -> bool:
        """Waits for the next time to declare the topology."""
        events = [asyncio.create_task(event.wait()) for event in (self._spoiled, self._declare_now)]
        try:
            await asyncio.wait(
                [*events, channel.closing], timeout=DECLARE_AGAIN_EVERY, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for event in events:
                event.cancel()
        return not channel.is_closed and not self._spoiled.is_set()

    async def _until_unblocked(self, connection: Connection) -> None:
        """A connection held by an alarm is not replaced: the broker would collect them, one per attempt."""
        unblocked = asyncio.create_task(connection.ready())
        try:
            await asyncio.wait([unblocked], timeout=0.05)
            if not unblocked.done():
                self.problem = "RabbitMQ takes no messages: memory or disk is short there."
                log.warning("RabbitMQ takes no messages: memory or disk is short there")
            await asyncio.wait([unblocked, connection.closing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            unblocked.cancel()
