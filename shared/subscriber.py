"""Another service hears what this product says, in ten lines: the same inbox and bus as the product's own services.

It keeps its tables in the schema `tenantry` of the subscriber's own database, and publishes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast
from urllib.parse import quote

import asyncpg
import structlog

from shared.admin import Readiness, serve_admin
from shared.bus import Bus, Message, NotPublished, Queue, connect
from shared.clock import SystemClock
from shared.db import AWAY, Database, Tx
from shared.events import Envelope, Event
from shared.hearing import Running, handler_of, topology
from shared.ids import SERVICES
from shared.inbox import Handler, Inbox
from shared.log import set_up_logging
from shared.migrate import CannotMigrate, migrate
from shared.outbox import HEARTBEAT_SECONDS, PROBE_EVERY, Relay, lock_key, queue_name, signal
from shared.service import Consumer, Environment, Service
from shared.stopping import until_told_to_stop

log = structlog.get_logger()

SCHEMA = "tenantry"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
PATTERN = re.compile(r"[a-z][a-z0-9_]*(\.([a-z0-9_]+|\*|#))+")
PATIENCE_SECONDS = 60.0

Hear = TypeVar("Hear", bound=Callable[..., Awaitable[None]])


class Subscriber:
    """A service outside the product. `service` names its queue (`<service>.events`), `database` is its own.

    Each event reaches each function exactly once, in order per organization: the function's changes to the database
    and the note that it was done are one transaction. `admin` (`tcp://127.0.0.1:9100`) serves `/readyz` and `/metrics`.
    With `snapshot`, what it missed (at first that is all of the past) comes as a snapshot: the newest state of each thing, without what led there.
    """

    def __init__(
        self,
        bus_url: str,
        *,
        service: str,
        database: str,
        admin: str | None = None,
        workers: int = 4,
        snapshot: bool = False,
    ) -> None:
        if not NAME.fullmatch(service):
            raise ValueError(
                f"A service's name is made of a-z, 0-9, _ and -, and begins with a letter; not {service!r}."
            )
        if service in SERVICES:
            raise ValueError(f"{service!r} is one of the product's own services, whose events you would take away.")
        self.bus_url = bus_url
        self.service = service
        self.database = database
        self.admin = admin
        self._workers = workers
        self._snapshot = snapshot
        self._hears: dict[str, tuple[str, Consumer]] = {}

    def on(self, what: type[Event] | str) -> Callable[[Hear], Hear]:
        """Registers a function for one class of events, or for a pattern of types (`org.member.*.v1`; it then gets the `Envelope`).

        The function's name is remembered with each event that it heard: renamed, it is a new one.
        """
        pattern = what if isinstance(what, str) else what.TYPE
        if not PATTERN.fullmatch(pattern) or pattern.partition(".")[0] not in SERVICES:
            raise ValueError(
                f"{pattern!r} must begin with one of {', '.join(SERVICES)}, e.g. org.member.*.v1 or billing.#"
            )
        if pattern.startswith("courier.mail."):
            raise ValueError("A mail that was asked for is a task for courier, which nobody else can take on.")

        def register(hear: Hear) -> Hear:
            name = hear.__name__
            if name in self._hears:
                raise ValueError(f"There is another function {name}; what was heard is remembered by that name.")
            self._hears[name] = (pattern, Consumer(None if isinstance(what, str) else what, hear))
            return hear

        return register

    @property
    def sources(self) -> tuple[str, ...]:
        """The services that it hears. All they say is received, because only then a gap shows; the rest is skipped."""
        return tuple(sorted({pattern.partition(".")[0] for pattern in self.patterns}))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The types that its functions hear, or patterns of them."""
        return tuple(pattern for pattern, _ in self._hears.values())

    @property
    def queue(self) -> Queue:
        return topology([self._described()])[0]

    async def run(self) -> None:
        """Receives and handles until SIGTERM or SIGINT, then finishes what is under way."""
        if not structlog.is_configured():
            set_up_logging()
        async with self.hearing():
            await until_told_to_stop()

    @asynccontextmanager
    async def hearing(self, bus: Bus | None = None) -> AsyncIterator[Running]:
        """The same for as long as the block lasts; a bus that is given must have been started."""
        if not self._hears:
            raise ValueError("Nothing is heard yet: decorate a function with @sub.on(…).")
        outer_path = await _until_prepared(self.service, self.database)
        async with AsyncExitStack() as stack:
            if bus is None:
                bus = connect(self.bus_url, [self.queue])
                await bus.start()
                stack.push_async_callback(bus.close)
            database = Database(in_our_schema(self.database), size=self._workers + 2, name=self.service)
            await database.open()
            stack.push_async_callback(database.close)
            env = self._environment(database)
            inbox = Inbox(
                self.service,
                database,
                bus,
                self.sources,
                self._handlers(env, outer_path),
                workers=self._workers,
                states_only=self._snapshot,
                samples=True,
            )
            await inbox.start()
            stack.push_async_callback(inbox.stop)
            proving = asyncio.create_task(_prove_the_queue(self.service, bus))
            stack.callback(proving.cancel)
            running = Running(env, inbox, Relay(self.service, database, bus))  # never started: it says nothing
            if self.admin is not None:
                readiness = Readiness(bus)
                readiness.serves({self.service: running}, {}, {})
                admin = await serve_admin(self.admin, readiness)
                stack.push_async_callback(admin.close)
            log.info("subscribed", service=self.service, queue=self.queue.name, sources=self.sources)
            yield running
            running.draining = True
            await bus.stop_receiving()

    def _described(self) -> Service:
        return Service(self.service, None, sources=self.sources)

    def _environment(self, database: Database) -> Environment:
        none_of_the_products: Any = None  # settings, and the way to its internal endpoints
        return Environment(
            self._described(), database, SystemClock(), none_of_the_products, internal=none_of_the_products
        )

    def _handlers(self, env: Environment, outer_path: str) -> list[Handler]:
        return [
            _outside_our_schema(
                replace(handler_of(env, consumer), types=frozenset({pattern}), say=_cannot_say), outer_path
            )
            for pattern, consumer in self._hears.values()
        ]


def in_our_schema(dsn: str) -> str:
    """The same database, where names without a schema mean the inbox's tables."""
    separator = "&" if "?" in dsn else "?"
    return f"{dsn}{separator}search_path={quote(SCHEMA)}"


async def prepare(dsn: str) -> str:
    """Brings the inbox's tables up to date. Returns the search path that the subscriber's own statements have."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        outer_path = cast(str, await connection.fetchval("show search_path"))
        await connection.execute("select pg_advisory_lock($1)", lock_key("subscriber's schema"))
        if await connection.fetchval("select to_regnamespace($1)", SCHEMA) is None:
            await connection.execute(f"create schema {SCHEMA}")
    except asyncpg.InsufficientPrivilegeError as refused:
        raise CannotMigrate(
            f"The schema {SCHEMA} can't be made ({refused}). As the database's owner:"
            f" create schema {SCHEMA} authorization <the role of this service>"
        ) from None
    finally:
        await connection.close()
    await migrate(in_our_schema(dsn), None)
    return outer_path


async def _until_prepared(service: str, dsn: str) -> str:
    """The database may start at the same moment; it gets a minute."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            return await prepare(dsn)
        except AWAY as away:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("waiting for the database", service=service, error=str(away))
            await asyncio.sleep(0.5)


async def _prove_the_queue(service: str, bus: Bus) -> None:
    """Sends a sign of life through its own queue, as a relay does for its service: readiness depends on that."""
    while True:
        with contextlib.suppress(NotPublished):
            await bus.publish(
                [Message(f"probe.{service}", signal("probe", service, {}), lasting=False, to=queue_name(service))]
            )
        await asyncio.sleep(HEARTBEAT_SECONDS * PROBE_EVERY)


def _outside_our_schema(handler: Handler, path: str) -> Handler:
    """What the subscriber does sees its own tables, whatever they are called, and not the inbox's."""

    async def handle(tx: Tx, envelope: Envelope) -> None:
        await tx.value("select set_config('search_path', $1, true)", path)
        await handler.handle(tx, envelope)
        await tx.value("select set_config('search_path', $1, true)", SCHEMA)

    return replace(handler, handle=handle)


def _cannot_say(_: Envelope) -> Callable[[Any], Envelope]:
    def refuse(event: Any) -> Envelope:
        raise TypeError("A subscriber hears; it can't emit events in the product's name.")

    return refuse
