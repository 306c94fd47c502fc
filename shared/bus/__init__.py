"""How messages travel between services: two methods, and what each of them promises.

A bus keeps no truth: the outbox is the log, the inbox deduplicates and orders. A bus may lose everything
it holds, deliver twice, and deliver late; it may not say "published" about what reached no queue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Receive = Callable[[Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True)
class Message:
    """One message. `key`, the routing key, is an event's type or `{probe,heartbeat,replay,snapshot}.<who says it>`.

    `lasting` messages are kept by the broker until received; others expire after seconds and need no listener.
    `to` names one queue that alone gets it (a replay into one subscriber); of `key` then counts who says it.
    """

    key: str
    body: bytes
    lasting: bool = True
    to: str | None = None


@dataclass(frozen=True)
class Queue:
    """A durable queue of one subscriber and the topic patterns it is bound to (`org.#`, `billing.entitlements.*`)."""

    name: str
    keys: tuple[str, ...]


class NotPublished(Exception):
    """At least one lasting message of the batch is not known to be in a queue. Publish again: receivers deduplicate."""


class Bus(Protocol):
    """Two methods, and a beginning and an end.

    The topology (every queue of every service) is given to the constructor and declared complete by whoever
    connects first, so that a producer that starts first loses nothing.
    """

    async def start(self) -> None:
        """Begins to connect, and goes on trying in the background for ever; never fails because a broker is away."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when each lasting message is safe in at least one durable queue; a private feed does not count.

        Raises `NotPublished` otherwise, within `publish_timeout` seconds. A cancelled call may have published or not.
        Messages of one call arrive in the order given, unless the call failed. Not-lasting ones are sent and forgotten.
        """

    async def subscribe(self, receive: Receive, *, queue: str | None = None, keys: Sequence[str] = ()) -> None:
        """Calls `receive` with the bodies of one or more messages, in order, one call at a time.

        With `queue`: a durable queue of the topology; of all processes that subscribe to it one at a time receives.
        Messages are acknowledged after `receive` returned; when it raises or is cancelled they come again.
        Without `queue`: a private feed of what matches `keys` from now on; every process gets its own copy, and
        nothing is kept. A feed begins, and after every interruption begins again, with a call for no messages at all:
        what was said before that may have been missed. It may hear a message twice, and before it counts as published.
        """

    async def stop_receiving(self) -> None:
        """No further `receive` begins; those under way are waited for. Publishing goes on.

        What was not acknowledged comes again, to others.
        """

    async def close(self) -> None:
        """Ends everything."""

    def healthy(self) -> str | None:
        """None when connected and receiving; otherwise one sentence for an operator."""


def connect(url: str, topology: Sequence[Queue]) -> Bus:
    """The bus that the URL names: `memory://`, `amqp://…` or `amqps://…`."""
    scheme = url.partition("://")[0]
    if scheme == "memory":
        from shared.bus.memory import MemoryBus

        return MemoryBus(topology)
    if scheme in ("amqp", "amqps"):
        from shared.bus.rabbit import RabbitBus

        return RabbitBus(url, topology)
    raise ValueError(f"A bus URL begins with memory://, amqp:// or amqps://, not with {scheme}.")
