"""For tests of a subscriber: samples of events, and their delivery in memory, on a real PostgreSQL, without a broker.

await deliver(sub, sample(PlanChanged, org_id=org_id, entitlements={"plan": "free"}))
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared.bus import Message
from shared.bus.memory import MemoryBus
from shared.bus.patterns import matches
from shared.db import Database
from shared.events import Envelope, Event
from shared.hearing import Running
from shared.ids import new_event_id
from shared.outbox import routing_key
from shared.samples import made_up
from shared.subscriber import Subscriber

E = TypeVar("E", bound=Event)

APPLY_SECONDS = 10.0


class NotApplied(AssertionError):
    """An event that was delivered had no effect; the text says why."""


def sample(event: type[E], **fields: Any) -> E:
    """A valid event: what isn't given is made up; nested objects may be given in part."""
    schema = event.model_json_schema()
    return event.model_validate(_merged(made_up(schema, schema.get("$defs", {})), fields))


async def deliver(sub: Subscriber, *events: Event, twice: bool = False) -> list[Envelope]:
    """Lets the subscriber hear these events, as next ones of their organizations, and returns when all are applied.

    What a function raised is raised here. With `twice`, everything arrives twice, as it may from a broker.
    """
    bus = MemoryBus([sub.queue])
    await bus.start()
    try:
        async with sub.hearing(bus) as running:
            envelopes = await _numbered(running.env.database, [_on_the_wire(sub, event) for event in events])
            for _ in range(2 if twice else 1):
                await bus.publish([Message(routing_key(e.source, e.type), e.body()) for e in envelopes])
            for envelope in envelopes:
                await _until_applied(running, envelope)
            return envelopes
    finally:
        await bus.close()


def envelope_of(event: Event) -> Envelope:
    """As if its owner had just said it, without a number."""
    source = event.TYPE.partition(".")[0]
    return Envelope(
        id=new_event_id(source),
        source=source,
        type=event.TYPE,
        subject=event.subject,
        time=datetime.now(UTC),
        data=event.data(),
        org_id=getattr(event, "org_id", None),
    )


def _on_the_wire(sub: Subscriber, event: Event) -> Envelope:
    """The event as it would be read by whoever gets it: what doesn't survive that fails here."""
    if not any(matches(pattern, event.TYPE) for pattern in sub.patterns):
        raise NotApplied(f"{sub.service} has no function for {event.TYPE}.")
    envelope = envelope_of(event)
    assert type(event).read(Envelope.parse(envelope.body())) == event, f"{event!r} doesn't survive the wire"
    return envelope


async def _numbered(database: Database, envelopes: list[Envelope]) -> list[Envelope]:
    last: dict[tuple[str, str], int] = defaultdict(int)
    async with database.read("") as read:
        for row in await read.rows("select source, subject, sequence from inbox_cursors"):
            last[row["source"], row["subject"]] = row["sequence"]
    numbered = []
    for envelope in envelopes:
        last[envelope.source, envelope.subject] += 1
        numbered.append(replace(envelope, sequence=last[envelope.source, envelope.subject]))
    return numbered


async def _until_applied(running: Running, envelope: Envelope) -> None:
    deadline = asyncio.get_running_loop().time() + APPLY_SECONDS
    while not await running.inbox.wait_for(envelope.id, 0.1):
        failures = await _failures(running.env.database, envelope)
        if failures or asyncio.get_running_loop().time() > deadline:
            raise NotApplied(f"{envelope.type} wasn't applied: {failures or f'it is not done after {APPLY_SECONDS} s'}")


async def _failures(database: Database, envelope: Envelope) -> str:
    """What went wrong with the event, or with one before it that it waits for."""
    async with database.read("") as read:
        rows = await read.rows(
            "select handler, sequence, error from inbox where source = $1 and subject = $2 and error is not null and sequence <= $3 order by sequence",
            envelope.source,
            envelope.subject,
            envelope.sequence,
        )
    return "; ".join(f"{row['handler']} at #{row['sequence']}: {row['error']}" for row in rows)


def _merged(made_up: Any, given: Any) -> Any:
    if isinstance(made_up, dict) and isinstance(given, Mapping):
        return made_up | {name: _merged(made_up.get(name), value) for name, value in given.items()}
    return given
