"""A world for tests: real services on real PostgreSQL, a bus, a clock that can be moved, and a way to ask and to wait."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest

from shared.auth import ANONYMOUS, Actor, Keyring
from shared.bus import Bus, Message, connect
from shared.clock import MovableClock
from shared.config import SERVICES, Secrets, Settings
from shared.events import Envelope, Event
from shared.hearing import Running, topology
from shared.host import running
from shared.ids import new_event_id, new_id
from shared.jobs import run_job
from shared.migrate import migrate
from shared.outbox import lock_key, routing_key
from shared.postgres import PrivatePostgres, prepare_database
from shared.service import Job, Service
from shared.web.address import Address
from shared.web.client import Client

if TYPE_CHECKING:
    from shared.otlp import Traces

counter = itertools.count()


@dataclass
class Reply:
    """An answer as a client sees it. What a header says several times stands in lines."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code, None for a success."""
        return self.json.get("code") if self.status >= 400 else None

    @property
    def change(self) -> str:
        return self.headers["tenantry-change"]

    def ok(self) -> Any:
        """The JSON of a success (None without body); fails the test otherwise."""
        assert self.status < 300, f"{self.status}: {self.body.decode()}"
        return orjson.loads(self.body) if self.body else None


@dataclass
class World:
    """Running services and how to reach them. `await settle()` waits until every event said so far has been applied everywhere."""

    started: Mapping[str, Running]
    settings: Settings
    bus: Bus
    clock: MovableClock
    _sequences: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _clients: dict[str, Client] = field(default_factory=dict)
    _keyrings: dict[str, Keyring] = field(default_factory=dict)
    _said_before: Mapping[str, int] = field(default_factory=dict)

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        actor: Actor = ANONYMOUS,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Reply:
        """One request to a service, as the gateway would send it on behalf of `actor`."""
        issuer = "gateway" if actor.kind != "service" else actor.service or ""
        if issuer not in self._keyrings:
            self._keyrings[issuer] = self.settings.secrets.keyring(issuer)
        token = self._keyrings[issuer].issue(actor, service)
        sent = {"Authorization": f"Bearer {token}", "Tenantry-Source-Ip": "203.0.113.7", **(headers or {})}
        content = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        if content and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        client = self._clients.setdefault(service, Client(Address.parse(self.settings.urls[service])))
        answer = await client.send(
            method, path, [(k.encode(), v.encode()) for k, v in sent.items()], content, deadline=15
        )
        got: dict[str, str] = {}
        for name, value in answer.headers:
            key = name.decode().lower()
            got[key] = f"{got[key]}\n{value.decode()}" if key in got else value.decode()
        return Reply(answer.status, got, answer.body)

    async def hear(self, source: str, *events: Event, at: datetime | None = None) -> str:
        """Lets the running services hear events of a service that isn't running here. Returns the last event's id."""
        last = ""
        for event in events:
            key = (source, event.subject)
            self._sequences[key] += 1
            last = new_event_id(source)
            envelope = Envelope(
                id=last,
                source=source,
                type=event.TYPE,
                subject=event.subject,
                time=at or self.clock.now(),
                data=event.data(),
                sequence=self._sequences[key],
                org_id=getattr(event, "org_id", None),
            )
            await self.bus.publish([Message(routing_key(source, event.TYPE), envelope.body())])
        await self.settle()
        return last

    async def settle(self, seconds: float = 60) -> None:
        """Waits until nothing is unpublished and nothing waits in an inbox; a dead event fails the test."""
        async with asyncio.timeout(seconds):
            quiet = 0
            while quiet < 2:
                open_work = 0
                for one in self.started.values():
                    async with one.env.database.read("") as read:
                        row = await read.row(
                            "select (select count(*) from outbox where published_at is null) as unsaid,"
                            " (select count(*) from inbox where state = 'waiting') as waiting,"
                            " (select string_agg(error, '; ') from inbox where state = 'dead') as dead,"
                            " (select string_agg(reason, '; ') from inbox_parked) as parked"
                        )
                    assert row is not None
                    assert row["dead"] is None, f"{one.name} has dead events: {row['dead']}"
                    assert row["parked"] is None, f"{one.name} parked events: {row['parked']}"
                    open_work += row["unsaid"] + row["waiting"]
                quiet = quiet + 1 if open_work == 0 else 0
                await asyncio.sleep(0.002)

    async def run(self, service: str, use_case: Any, seconds: float = 60) -> None:
        """Does a job once, after whoever is at it."""
        async with asyncio.timeout(seconds):
            while not await run_job(self.started[service].env, Job(use_case, 1)):
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def without(self, service: str, use_case: Any) -> AsyncIterator[None]:
        """Nobody does this job meanwhile: it is held as another replica would hold it."""
        async with self.started[service].env.database.tx("", lambda event: event) as tx:
            await tx.value("select pg_advisory_xact_lock($1)", lock_key(f"job {service} {use_case.__name__}"))
            yield

    async def said(self, service: str, event_type: type[Event] | None = None) -> list[Envelope]:
        """What a service has said, in order."""
        before = self._said_before.get(service, 0)
        async with self.started[service].env.database.read("") as read:
            rows = await read.rows("select body from outbox where position > $1 order by position", before)
        envelopes = [Envelope.parse(row["body"]) for row in rows]
        return [e for e in envelopes if event_type is None or e.type == event_type.TYPE]

    async def from_now_on(self) -> World:
        """The same world, for the next of several tests: what was said before is over."""
        said = {}
        for one in self.started.values():
            async with one.env.database.read("") as read:
                said[one.name] = await read.value("select coalesce(max(position), 0) from outbox")
        return replace(self, _said_before=said)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


@dataclass
class Databases:
    """Makes databases on the test run's own PostgreSQL: migrated once per service, then cloned."""

    postgres: PrivatePostgres
    _templates: dict[Path | None, str] = field(default_factory=dict)

    @asynccontextmanager
    async def lent(self, services: Iterable[Service]) -> AsyncIterator[dict[str, str]]:
        """The DSN of a new, migrated database by each service's name; afterwards they are dropped: thousands fill a disk."""
        urls = {service.name: await self.fresh(service) for service in services}
        try:
            yield urls
        finally:
            admin = await asyncpg.connect(self.postgres.admin_dsn)
            try:
                for url in urls.values():
                    await admin.execute(f"drop database {urlsplit(url).path[1:]} with (force)")
            finally:
                await admin.close()

    async def fresh(self, service: Service) -> str:
        """The DSN of a new, migrated database of this service, which stays."""
        template = self._templates.get(service.migrations)
        if template is None:
            template = f"template_{service.name}_{secrets.token_hex(4)}"
            await prepare_database(self.postgres.admin_dsn, template, "tester")
            await migrate(self.postgres.dsn(template, "tester"), service.migrations)
            self._templates[service.migrations] = template
        name = f"{service.name}_{next(counter)}_{secrets.token_hex(3)}"
        admin = await asyncpg.connect(self.postgres.admin_dsn)
        try:
            # Without fsync, copying files is three times as quick as writing each page to the log.
            await admin.execute(f"create database {name} template {template} owner tester strategy file_copy")
        finally:
            await admin.close()
        return self.postgres.dsn(name, "tester")

    async def empty(self, name: str) -> str:
        """The DSN of a new database without anything in it, for who isn't a service of the product."""
        name = f"{name}_{next(counter)}_{secrets.token_hex(3)}"
        await prepare_database(self.postgres.admin_dsn, name, "tester")
        return self.postgres.dsn(name, "tester")


@asynccontextmanager
async def world_of(
    services: Sequence[Service],
    databases: Databases,
    folder: Path,
    *,
    bus_url: str = "memory://",
    clock: MovableClock | None = None,
    bus: Bus | None = None,
    traces: Traces | None = None,
) -> AsyncIterator[World]:
    """Starts services on fresh databases, each listening on a socket of its own."""
    sockets = {name: f"unix:///tmp/tt-{secrets.token_hex(5)}.sock" for name in SERVICES}
    clock = clock or MovableClock()
    bus = bus or connect(bus_url, topology(services))
    async with AsyncExitStack() as stack:
        settings = Settings(
            services=tuple(service.name for service in services),
            secrets=Secrets.generate(),
            bus_url=bus_url,
            database_urls=await stack.enter_async_context(databases.lent(services)),
            listens={service.name: sockets[service.name] for service in services},
            urls=sockets,
            mail=f"file://{folder}/mail",
        )
        await bus.start()
        stack.push_async_callback(bus.close)
        started = await stack.enter_async_context(running(services, settings, bus, clock=clock, traces=traces))
        world = World(started, settings, bus, clock)
        stack.push_async_callback(world.close)
        yield world


@contextmanager
def standing_still(clock: MovableClock) -> Iterator[None]:
    """Time passes only when it is moved, however long the machine takes: for what is exact to the second."""
    moment = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: moment + clock.offset)
        yield


def an_admin(org_id: str | None = None) -> Actor:
    """A signed-in Admin with a fresh proof."""
    import time

    return Actor("person", new_id("usr"), org_id or new_id("org"), "admin", new_id("ses"), ("pwd",), int(time.time()))
