"""The kernel at work for benchmarks: two small services (one writes notes, one hears them) on real databases and a bus of choice."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle

import asyncpg
import orjson
import uvloop

from bench.suite.surroundings import folder, postgres, ready
from shared.auth import Actor
from shared.events import Envelope
from shared.ids import new_event_id, new_id
from shared.log import set_up_logging
from shared.postgres import PrivatePostgres
from tests.kernel.toy import NoteWritten, counter, notes
from tests.world import Databases, World, world_of


@asynccontextmanager
async def small_world(server: PrivatePostgres, bus_url: str, *, heard: bool = True) -> AsyncIterator[World]:
    """`notes` (as org) and, if it is to be heard, `counter` (as sharing), connected and receiving."""
    services = [notes, counter] if heard else [notes]
    async with folder() as place, world_of(services, Databases(server), place, bus_url=bus_url) as world:
        await ready(world.bus)
        yield world


def admins(count: int) -> list[Actor]:
    """An Admin in each of so many organizations."""
    return [
        Actor("person", new_id("usr"), new_id("org"), "admin", new_id("ses"), ("pwd",), int(time.time()))
        for _ in range(count)
    ]


def backlog(source: str, event_type: str, count: int, subjects: int) -> list[Envelope]:
    """Events of notes in so many organizations, in turn, as `source` would have said them."""
    sequences = {new_id("org"): 0 for _ in range(subjects)}
    events = []
    for org_id, number in zip(cycle(sequences), range(count), strict=False):
        sequences[org_id] += 1
        events.append(
            Envelope(
                id=new_event_id(source),
                source=source,
                type=event_type,
                subject=org_id,
                time=datetime.now(UTC),
                data={"note_id": new_id("grp"), "text": f"note {number} " + "x" * 250},
                sequence=sequences[org_id],
                org_id=org_id,
            )
        )
    return events


def notes_backlog(count: int, subjects: int) -> list[Envelope]:
    return backlog("org", NoteWritten.TYPE, count, subjects)


async def fill_outbox(dsn: str, events: Sequence[Envelope], *, published: bool) -> None:
    """Puts events into an outbox behind the service's back, to be drained or replayed."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "insert into outbox (id, type, subject, sequence, org_id, body, published_at)"
            " select *, case when $7 then now() end from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bytea[])",
            [event.id for event in events],
            [event.type for event in events],
            [event.subject for event in events],
            [event.sequence for event in events],
            [event.org_id for event in events],
            [event.body() for event in events],
            published,
        )
        await connection.execute("analyze outbox")
    finally:
        await connection.close()


async def run(heard: bool) -> None:
    """As a process of its own: `python -m bench.suite.worlds [heard]` prints, as JSON, where it listens and what makes its tokens."""
    set_up_logging(level="error", readable=True)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres())
        world = await stack.enter_async_context(small_world(server, "memory://", heard=heard))
        facts = {
            "url": world.settings.urls["org"],
            "secrets": world.settings.secrets.model_dump(),
            "database_url": world.settings.database_urls["org"],
        }
        print(orjson.dumps(facts).decode(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(run(sys.argv[1:] == ["heard"])))
