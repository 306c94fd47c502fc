"""One connection to RabbitMQ, made again after every loss, for ever.

Not aio-pika's robust connection: that one restores channels behind the back of whoever holds delivery tags of the
old ones, and a consumer that the broker cancelled stays away when its queue was deleted. Here a loss is visible:
a channel is used until its first failure and never again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from aiormq import Channel
from aiormq import Connection as AmqpConnection
from yarl import URL

from shared.bus.pauses import Pauses

HEARTBEAT = 10
CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 3.0
OLDEST_VERSION = (3, 10)

log = structlog.get_logger()

C = TypeVar("C", bound=Channel)


class Connection(AmqpConnection):
    HEARTBEAT_GRACE_MULTIPLIER = 2  # a broker that says nothing for 22 s is gone; three times would pass 30 s


class Lost(Exception):
    """The connection or channel was given up while its answer was waited for."""


@contextmanager
def losses() -> Iterator[None]:
    """aiormq tells whoever waits on what it gives up by a `CancelledError`, which would end the waiting task for good: raises `Lost` instead."""
    try:
        yield
    except asyncio.CancelledError as told:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Lost("the connection was given up") from told


async def open_channel(connection: AmqpConnection, kind: type[C]) -> C:
    number = max(connection.channels, default=0) + 1
    channel = kind(connection, number)
    connection.channels[number] = channel
    await channel.open(timeout=CONNECT_TIMEOUT)
    return channel


class Link:
    def __init__(self, url: str, name: str) -> None:
        self._url = URL(url).update_query(heartbeat=str(HEARTBEAT), name=name)
        self._name = name
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._given_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()
        self.problem: str | None = "RabbitMQ has not been reached yet."

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"bus link {self._name}")

    async def connection(self) -> Connection:
        """The connection of now, or the next one."""
        while self._connection is None:
            await self._up.wait()
        return self._connection

    def throw_away(self, connection: Connection, why: str) -> None:
        """Closes in the background: a broker that doesn't answer must not keep anybody waiting."""
        if self._connection is connection:
            self._lost(why)
            self._given_up.set()
        closing = asyncio.create_task(_close(connection))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            closed, self._connection = self._connection, None
            self.throw_away(closed, "")
        await asyncio.gather(*self._closings, return_exceptions=True)
        self.problem = "The connection to RabbitMQ was closed."

    async def _keep(self) -> None:
        pauses = Pauses()
        while True:
            try:
                connection = Connection(self._url)
                with losses():
                    async with asyncio.timeout(CONNECT_TIMEOUT):
                        await connection.connect()
            except Exception as refused:
                self._note(f"RabbitMQ at {self._url.host}:{self._url.port or 'the usual port'} refuses: {refused!r}")
                await pauses.pause()
                continue
            pauses.begin_anew()
            self._found(connection)
            await self._until_lost(connection)
            self._lost("The connection to RabbitMQ was lost.")
            await pauses.pause()

    async def _until_lost(self, connection: Connection) -> None:
        """Or thrown away: a connection to a broker that answers nothing can take long to close."""
        given_up = asyncio.create_task(self._given_up.wait())
        try:
            await asyncio.wait([connection.closing, given_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            given_up.cancel()

    def _found(self, connection: Connection) -> None:
        version = str(connection.server_properties.get("version", ""))
        log.info("Connected to RabbitMQ", connection=self._name, version=version)
        if _older(version):
            log.error("This RabbitMQ is older than 3.10: upgrade it, its quorum queues may lose order", version=version)
        self.problem = None
        self._connection = connection
        self._given_up.clear()
        self._up.set()

    def _lost(self, why: str) -> None:
        if self._connection is not None:
            self._connection = None
            self._up.clear()
            self._note(why)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("RabbitMQ is away", connection=self._name, problem=problem)
        self.problem = problem


async def cancelled(task: asyncio.Task[None]) -> None:
    """Ends a task. One that waits for a broker's answer all the same, or whose cancellation a library took for another's, keeps nobody from closing."""
    task.cancel()
    _, living = await asyncio.wait([task], timeout=CLOSE_TIMEOUT)
    if living:
        log.info("A task of the bus did not end in time", task=task.get_name())
        task.cancel()


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_TIMEOUT)
    except Exception as failed:
        log.info("A connection to RabbitMQ did not close in time", error=repr(failed))


def _older(version: str) -> bool:
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return len(numbers) == 2 and tuple(numbers) < OLDEST_VERSION
