"""The kernel, broken on purpose in ways that others have shipped: each must turn the checker red."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

import shared.outbox as outbox
from shared.bus import Bus, Message, NotPublished
from shared.db import Database, Tx
from shared.events import Envelope
from shared.inbox import EVERY_TYPE, Inbox
from shared.outbox import Relay, routing_key
from shared.receiving import Receiver, Subject


def publish_before_commit() -> None:
    """Says it before it has happened."""
    write, start = outbox.write_outbox, Relay.start
    buses: list[tuple[str, Bus]] = []

    def remember(self: Relay) -> None:
        buses.append((self.source, self._bus))
        start(self)

    async def write_and_publish(tx: Tx) -> None:
        await write(tx)
        source, bus = buses[0]
        rows = await tx.rows("select type, body from outbox where id = any($1::text[])", [e.id for e in tx.said])
        try:
            await bus.publish([Message(routing_key(source, row["type"]), row["body"]) for row in rows])
        except NotPublished:
            return

    Relay.start = remember  # type: ignore[method-assign]
    outbox.write_outbox = write_and_publish


def no_deduplication() -> None:
    """Handles whatever comes, whenever it comes; no inbox."""
    _handle_at_once(remember=False)


def several_relays() -> None:
    """Everybody relays what nobody else has locked, and receivers deduplicate but don't order."""

    async def lead(self: Relay, connection: asyncpg.Connection[Any]) -> None:
        while True:
            async with connection.transaction():
                rows = await connection.fetch(
                    "select position, type, body from outbox where published_at is null order by position limit 5 for update skip locked"
                )
                try:
                    await self._bus.publish(
                        [Message(routing_key(self.source, row["type"]), row["body"]) for row in rows]
                    )
                except NotPublished:
                    rows = []
                await connection.execute(outbox.MARK, [row["position"] for row in rows])
            await asyncio.sleep(0 if rows else 0.02)

    async def with_connection(self: Relay) -> None:
        connections = [await asyncpg.connect(self._database.dsn) for _ in range(3)]
        try:
            await asyncio.gather(*(lead(self, connection) for connection in connections))
        finally:
            for connection in connections:
                connection.terminate()

    Relay._with_connection = with_connection  # type: ignore[method-assign]
    _handle_at_once(remember=True)


def marked_before_confirmed() -> None:
    """Believes that what was sent has arrived, on both sides."""

    async def drain(self: Relay, connection: asyncpg.Connection[Any]) -> None:
        while rows := await connection.fetch(outbox.UNPUBLISHED, outbox.WINDOW):
            await connection.execute(outbox.MARK, [row["position"] for row in rows])
            await self._bus.publish([Message(routing_key(self.source, row["type"]), row["body"]) for row in rows])

    async def ask_nobody(self: Receiver, behind: Mapping[Subject, int], *, at_once: Any = None) -> None:
        return

    Relay._drain = drain  # type: ignore[method-assign]
    Receiver._ask_for = ask_nobody  # type: ignore[method-assign]


def _handle_at_once(*, remember: bool) -> None:
    databases: dict[str, tuple[Inbox, Database]] = {}
    start = Inbox.start

    async def begin(self: Inbox) -> None:
        databases[self.service] = (self, self._database)
        await start(self)

    async def receive(self: Receiver, bodies: Sequence[bytes]) -> None:
        inbox, database = databases[self.service]
        for body in bodies:
            if b'"tenantry":' in body[:16]:
                continue
            envelope = Envelope.parse(body)
            for handler in (one for same in inbox._handlers.values() for one in same):
                if not handler.types & {envelope.type, EVERY_TYPE}:
                    continue
                async with database.tx(envelope.org_id or "", handler.say(envelope)) as tx:
                    if remember and not await tx.run(
                        "insert into inbox_parked (reason, body) select '', convert_to($1, 'UTF8') on conflict do nothing",
                        envelope.id,
                    ):
                        continue
                    await handler.handle(tx, envelope)

    Inbox.start = begin  # type: ignore[method-assign]
    Receiver.receive = receive  # type: ignore[method-assign]
