"""Parts of the kernel one at a time: a bus that records, an inbox without a bus, and events made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg

from shared.bus import Message, NotPublished, Receive
from shared.bus.memory import MemoryBus
from shared.db import EVERY_ORG, Database, Tx
from shared.events import Envelope
from shared.ids import new_event_id, new_id
from shared.inbox import EVERY_TYPE, Handler, Inbox
from tests.kernel.toy import NoteWritten, counter, notes
from tests.world import Databases

__all__ = ["EVERY_TYPE", "counter", "notes"]


class RecordingBus:
    """Takes what is published, unless told to refuse it or to take its time."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.refuses = False
        self.attempts = 0
        self.held: asyncio.Event | None = None

    async def start(self) -> None:
        return

    async def publish(self, messages: Sequence[Message]) -> None:
        lasting = [message for message in messages if message.lasting]
        self.attempts += bool(lasting)
        if lasting and self.held is not None:
            await self.held.wait()
        if lasting and self.refuses:
            raise NotPublished("no")
        self.published += messages

    async def subscribe(self, receive: Receive, *, queue: str | None = None, keys: Sequence[str] = ()) -> None:
        return

    async def stop_receiving(self) -> None:
        return

    async def close(self) -> None:
        return

    def healthy(self) -> str | None:
        return None

    @property
    def events(self) -> list[Envelope]:
        return [Envelope.parse(message.body) for message in self.published if message.lasting]

    def signals(self, key: str) -> list[Message]:
        return [message for message in self.published if message.key == key]


class LossyBus(MemoryBus):
    """Drops lasting messages of the ordinary way when told to, and what is for one queue alone when told to."""

    drops: Callable[[Message], bool] = staticmethod(lambda _: False)
    drops_replayed: Callable[[Message], bool] = staticmethod(lambda _: False)

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish([one for one in messages if not self._is_lost(one)])

    def _is_lost(self, message: Message) -> bool:
        return self.drops_replayed(message) if message.to else message.lasting and self.drops(message)


class DeafBus(MemoryBus):
    """Loses everything, probes as well, for as long as it is told to."""

    is_deaf = False

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish([one for one in messages if one.to or not self.is_deaf])


def event_of(source: str, subject: str, sequence: int, text: str = "hello", **other: Any) -> Envelope:
    fields: dict[str, Any] = {
        "id": new_event_id(source),
        "source": source,
        "type": NoteWritten.TYPE,
        "subject": subject,
        "time": datetime.now(UTC),
        "data": {"note_id": "grp_1", "text": text},
        "sequence": sequence,
        "org_id": subject,
    }
    return Envelope(**(fields | other))


def stream(count: int, org_id: str | None = None, source: str = "org") -> list[bytes]:
    org_id = org_id or new_id("org")
    return [event_of(source, org_id, number, f"note {number}").body() for number in range(1, count + 1)]


def says(source: str, org_id: str) -> Callable[[Any], Envelope]:
    return lambda text: event_of(source, org_id, 0, text)


@asynccontextmanager
async def database_of(databases: Databases, service: Any, **options: Any) -> AsyncIterator[Database]:
    async with databases.lent([service]) as urls:
        database = Database(urls[service.name], **options)
        await database.open()
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def inbox_of(
    database: Database,
    handle: Callable[[Tx, Envelope], Awaitable[None]],
    *,
    bus: RecordingBus | None = None,
    workers: int = 4,
    sources: Sequence[str] = ("org",),
) -> AsyncIterator[Inbox]:
    handler = Handler("heard", frozenset({EVERY_TYPE}), handle, lambda envelope: says("sharing", envelope.subject))
    inbox = Inbox("sharing", database, bus or RecordingBus(), sources, [handler], workers=workers)
    await inbox.start()
    try:
        yield inbox
    finally:
        await inbox.stop()


async def note_it(tx: Tx, envelope: Envelope) -> None:
    await tx.run(
        "insert into heard (org_id, event_id, text) values ($1, $2, $3)",
        envelope.subject,
        envelope.id,
        envelope.data.get("text", ""),
    )


async def texts(database: Database, org_id: str = EVERY_ORG) -> list[str]:
    async with database.read(org_id) as read:
        return [row["text"] for row in await read.rows("select text from heard order by place")]


async def value(database: Database, sql: str, *args: Any) -> Any:
    async with database.read(EVERY_ORG) as read:
        return await read.value(sql, *args)


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """Waits for a condition, and returns what it found."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


async def execute(database: Database, sql: str, *args: Any) -> Any:
    connection = await asyncpg.connect(database.dsn)
    try:
        return await connection.fetchval(sql, *args)
    finally:
        await connection.close()
