"""What the bus tests speak of: receivers that remember, conditions to wait for, an operator's hands on the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import aiormq
from aiormq.abc import DeliveredMessage

from shared.bus import Bus, Message, NotPublished

AUDIT, SHARING = "audit.events", "sharing.events"
PATIENCE = 60.0
CONFIRMED_WITHIN = 20.0  # seconds: a broker on a busy machine, whose disk is others', too


async def until(condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
    try:
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


async def healthy(bus: Bus) -> None:
    await until(lambda: bus.healthy() is None, "a healthy bus")


async def published(bus: Bus, *messages: Message, within: float = PATIENCE) -> int:
    """As the relay does: again and again until it is published. Returns how often that failed."""
    failures = 0
    async with asyncio.timeout(within):
        while True:
            try:
                await bus.publish(messages)
            except NotPublished:
                failures += 1
                await asyncio.sleep(0.05)
            else:
                return failures


def said(*bodies: object, key: str = "org.member.joined") -> list[Message]:
    return [Message(key, str(body).encode()) for body in bodies]


def first_of_each(bodies: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(bodies))


@dataclass
class Receiver:
    """Remembers what it was given; raises while `broken`, waits while `gate` is closed."""

    broken: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[str] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    begun: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, batch: Sequence[bytes]) -> None:
        self.begun += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if self.broken:
                self.broken -= 1
                raise RuntimeError("the database is away")
            self.calls.append(len(batch))
            self.bodies.extend(body.decode() for body in batch)
        finally:
            self.at_once -= 1

    async def has(self, *bodies: object) -> None:
        wanted = {str(body) for body in bodies}
        await until(lambda: wanted <= set(self.bodies), f"{wanted}")


@dataclass(frozen=True)
class Admin:
    url: str

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aiormq.Channel]:
        connection = await aiormq.connect(self.url)
        try:
            yield cast(aiormq.Channel, await connection.channel())
        finally:
            await connection.close()

    async def delete(self, *queues: str) -> None:
        async with self.channel() as channel:
            for queue in queues:
                await channel.queue_delete(queue)

    async def unbind(self, queue: str, *keys: str) -> None:
        async with self.channel() as channel:
            for key in keys:
                await channel.queue_unbind(queue, "events", key)

    async def waiting(self, queue: str) -> int:
        async with self.channel() as channel:
            return (await channel.queue_declare(queue, passive=True)).message_count or 0

    async def has_waiting(self, queue: str, count: int) -> None:
        """Waits until so many messages wait: what a consumer held comes back some time after its end."""
        async with asyncio.timeout(PATIENCE):
            while await self.waiting(queue) != count:
                await asyncio.sleep(0.05)

    async def consumers(self, queue: str) -> int:
        async with self.channel() as channel:
            return (await channel.queue_declare(queue, passive=True)).consumer_count or 0

    async def take(self, queue: str, count: int) -> list[DeliveredMessage]:
        taken: list[DeliveredMessage] = []

        async def take(message: DeliveredMessage) -> None:
            taken.append(message)

        async with self.channel() as channel:
            await channel.basic_consume(queue, take)
            await until(lambda: len(taken) >= count, f"{count} messages in {queue}")
        return taken
