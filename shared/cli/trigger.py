"""`tenantry events trigger`: a made-up event for one subscriber or one webhook, of a test organization."""

from __future__ import annotations

import asyncio
import difflib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from pydantic import ValidationError

from shared.bus import Bus, Message, NotPublished, connect
from shared.cli.asking import asking
from shared.cli.place import Place, Refused
from shared.config import SERVICES
from shared.events import Envelope, Event
from shared.outbox import queue_name, routing_key
from shared.process import Product

PATIENCE_SECONDS = 15.0
HEARD = "select handler, state, applied_at, error from inbox where id = $1 order by handler"


@dataclass(frozen=True)
class Trial:
    """Who shall hear it, a subscriber or a webhook, of which organization; `given` is JSON of what isn't made up."""

    to: str | None
    webhook: str | None
    org: str | None
    given: str
    database: str | None


async def trigger(product: Product, data: Path | None, event_type: str, trial: Trial) -> None:
    """Sends it, and says what came of it: for a subscriber, when its database is named."""
    if (trial.to is None) == (trial.webhook is None):
        raise Refused("Name one that shall hear it: --to SERVICE, or --webhook ID.")
    kind = _kind(product, event_type)
    event = _made_up(kind, await _test_organization(data, trial.org), trial.given)
    if trial.webhook is not None:
        await _to_webhook(data, trial.webhook, event)
    elif trial.to is not None:
        await _to_subscriber(data, trial.to, event, trial.database)


def _kind(product: Product, event_type: str) -> type[Event]:
    known = {event.TYPE: event for service in product.all() for event in service.publishes}
    kind = known.get(event_type)
    if kind is None:
        near = difflib.get_close_matches(event_type, known, 3, 0.4)
        raise Refused(f"There is no event {event_type}." + (f" Do you mean {' or '.join(near)}?" if near else ""))
    if "org_id" not in kind.model_fields or event_type.startswith("courier.mail."):
        raise Refused(f"{event_type} belongs to no organization, or is a task, which nobody else can take on.")
    return kind


async def _test_organization(data: Path | None, wanted: str | None) -> str:
    async with asking(data, "billing") as ask:
        known: list[str] = [one["org_id"] for one in (await ask("GET", "/internal/test-clocks"))["data"]]
    if wanted is None and len(known) != 1:
        raise Refused(f"Name one with --org: there are {len(known)} test organizations (`tenantry clock list`).")
    if wanted is not None and wanted not in known:
        raise Refused(
            f"{wanted} is no test organization, and real ones are told nothing that didn't happen. Make one with `tenantry clock start ORG`."
        )
    return wanted or known[0]


def _made_up(kind: type[Event], org_id: str, given: str) -> Event:
    from shared.testkit import sample

    try:
        fields = orjson.loads(given)
        event = sample(kind, **({**fields, "org_id": org_id} if isinstance(fields, dict) else fields))
    except orjson.JSONDecodeError as broken:
        raise Refused(f"--with isn't JSON: {broken}") from None
    except TypeError:
        raise Refused("--with is a JSON object: the fields that aren't to be made up.") from None
    except ValidationError as wrong:
        faults = [f"  {'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in wrong.errors()]
        raise Refused("\n".join([f"That isn't a valid {kind.TYPE}:", *faults])) from None
    if unknown := list(_left_out(fields, event.data(), "")):
        raise Refused(f"{kind.TYPE} has no {', '.join(unknown)}.")
    return event


def _left_out(given: dict[str, Any], told: dict[str, Any], inside: str) -> Iterator[str]:
    """Fields that were given and that the event doesn't have."""
    for name, value in given.items():
        if name not in told:
            yield f"{inside}{name}"
        elif isinstance(value, dict) and isinstance(told[name], dict):
            yield from _left_out(value, told[name], f"{inside}{name}.")


async def _to_webhook(data: Path | None, webhook: str, event: Event) -> None:
    async with asking(data, "courier") as ask:
        wanted = {"webhook_id": webhook, "type": event.TYPE, "org_id": event.subject, "data": event.data()}
        sent = await ask("POST", "/internal/webhook-samples", wanted)
    print(f"{event.TYPE} is in line for {webhook}, as {sent['event_id']} in delivery {sent['delivery_id']}.")


async def _to_subscriber(data: Path | None, service: str, event: Event, database: str | None) -> None:
    from shared.testkit import envelope_of

    if service in SERVICES:
        raise Refused(f"{service} is one of the product's own services: a made-up event would be believed.")
    envelope = envelope_of(event)
    message = Message(routing_key(envelope.source, event.TYPE), envelope.body(), to=queue_name(service))
    bus = connect(_bus_url(data), ())
    await bus.start()
    try:
        await _connected(bus)
        await bus.publish([message])
    except NotPublished as why:
        raise Refused(f"{service} can't be reached: {why}. Did it ever run on this broker?") from None
    finally:
        await bus.close()
    print(f"{event.TYPE} went to {service} alone, as {envelope.id}.", flush=True)
    if database is not None:
        await _what_came_of_it(database, envelope)


async def _connected(bus: Bus) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (problem := bus.healthy()) is not None:
        if time.monotonic() > deadline:
            raise Refused(f"The broker can't be reached: {problem}")
        await asyncio.sleep(0.05)


def _bus_url(data: Path | None) -> str:
    url = os.environ.get("TENANTRY_AMQP_URL") or (Place.at(data).running() or {}).get("bus_url", "")
    if not url:
        raise Refused("Tenantry isn't running here. Start it with `tenantry up`, or set TENANTRY_AMQP_URL.")
    if url.startswith("memory:"):
        raise Refused("The bus of this product is in its memory, where no subscriber hears. A webhook can be tried.")
    return str(url)


async def _what_came_of_it(database: str, envelope: Envelope) -> None:
    from shared.subscriber import in_our_schema

    connection = await asyncpg.connect(in_our_schema(database), timeout=5)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        rows: list[Any] = []
        while not rows or any(row["state"] == "waiting" for row in rows):
            if time.monotonic() > deadline:
                raise Refused(f"After {PATIENCE_SECONDS:.0f} s it wasn't handled. Does the subscriber run?")
            await asyncio.sleep(0.1)
            rows = await connection.fetch(HEARD, envelope.id)
    finally:
        await connection.close()
    for row in rows:
        print(f"  {_outcome(row)}")
    if any(row["error"] for row in rows):
        raise Refused("It failed, and isn't tried again.")


def _outcome(row: Any) -> str:
    if row["error"]:
        return f"failed in {row['handler']}: {row['error']}"
    return f"applied by {row['handler']}" if row["state"] == "done" else "no function there hears its type"
