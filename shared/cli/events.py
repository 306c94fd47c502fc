"""Commands about events: tail, show, dead, revive, replay, trigger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import orjson
import typer

from shared.cli.place import Refused, database_urls
from shared.cli.run import Data, finish
from shared.cli.trigger import Trial
from shared.cli.trigger import trigger as send_sample
from shared.process import Product
from shared.rewinding import Standing, rewind, standing

EventType = Annotated[str, typer.Option("--type", help="Only types that begin with this, e.g. org.member.")]
Subscriber = Annotated[
    str | None,
    typer.Option("--database", help="Look into a subscriber's database instead, e.g. postgresql://…/reports."),
]

Urls = Callable[[], dict[str, str]]

OVERLAP = 500  # positions that are looked at again: a slow transaction commits behind a quick one

BEGIN = "select coalesce(max(position), 0) - $1 from outbox"
FRESH = "select position, body from outbox where position > $1 and not position = any($2::bigint[]) order by position limit 1000"
DEAD = """
select dead.*, (
    select count(*) from inbox as behind where behind.source = dead.source and behind.subject = dead.subject
        and behind.state = 'waiting' and behind.sequence >= dead.sequence
) as held_back from inbox as dead where dead.state = 'dead' order by dead.received_at
"""
PARKED = "select reason, parked_at, body from inbox_parked order by position"
REVIVE = "update inbox set state = 'waiting', attempts = 0, not_before = now() where state = 'dead' and ($1::text is null or id = $1)"
SAID = "select body, said_at, published_at from outbox where id = $1"
HEARD = "select handler, state, attempts, applied_at, error from inbox where id = $1 order by handler"


def add_to(app: typer.Typer, product: Product) -> None:
    events = typer.Typer(no_args_is_help=True, help="What the services said and heard.")
    app.add_typer(events, name="events")

    @events.command("tail")
    def tail(
        data: Data = None,
        begins: EventType = "",
        follow: Annotated[bool, typer.Option("--follow/--once", help="Go on for ever.")] = True,
        whole: Annotated[bool, typer.Option("--json", help="Whole envelopes, one per line.")] = False,
        last: Annotated[int, typer.Option(help="How many of the past of each service to begin with.")] = 20,
    ) -> None:
        """Shows events as they are said."""
        finish(_tail(lambda: database_urls(data), begins, follow, whole, last))

    @events.command("show")
    def show(event: Annotated[str, typer.Argument(help="The event's id.")], data: Data = None) -> None:
        """Shows one event: what it says, and how far it has come in each service."""
        finish(_show(lambda: database_urls(data), event))

    @events.command("dead")
    def dead(data: Data = None, database: Subscriber = None) -> None:
        """Lists events that failed for good, and what came in that is no valid event."""
        finish(_dead(lambda: _databases(data, database)))

    @events.command("revive")
    def revive(
        event: Annotated[str | None, typer.Argument(help="One event's id (default: all dead ones).")] = None,
        data: Data = None,
        database: Subscriber = None,
    ) -> None:
        """Gives dead events another round of attempts; what waited behind them follows."""
        finish(_revive(lambda: _databases(data, database), event))

    @events.command("replay")
    def replay(
        database: Annotated[str, typer.Option("--database", help="The subscriber's database: postgresql://…/reports.")],
        source: Annotated[str | None, typer.Option(help="Only what this service said, e.g. org.")] = None,
        subject: Annotated[str | None, typer.Option(help="Only of this organization (or person).")] = None,
        after: Annotated[int, typer.Option(min=0, help="Behind this sequence number (0: from the beginning).")] = 0,
        follow: Annotated[bool, typer.Option("--follow/--once", help="Wait until all was handled.")] = True,
    ) -> None:
        """Lets one subscriber hear the past again; nobody else does. Its functions see `ctx.cause.replayed`."""
        finish(_replay(lambda: _databases(None, database), source, subject, after, follow))

    @events.command("trigger")
    def trigger(
        event: Annotated[str, typer.Argument(help="Its type, e.g. billing.subscription.plan_changed.v1.")],
        to: Annotated[str | None, typer.Option(help="The subscriber that alone hears it, by its name.")] = None,
        webhook: Annotated[str | None, typer.Option(help="Or the webhook that is told it, by its id.")] = None,
        org: Annotated[str | None, typer.Option(help="A test organization (default: the only one).")] = None,
        given: Annotated[str, typer.Option("--with", help="Fields that aren't to be made up, as JSON.")] = "{}",
        database: Annotated[
            str | None, typer.Option("--database", help="The subscriber's database: says what came of it.")
        ] = None,
        data: Data = None,
    ) -> None:
        """Sends a made-up, valid event to one subscriber or webhook. Its `sequence` is 0: nothing of the kind happened."""
        finish(send_sample(product, data, event, Trial(to, webhook, org, given, database)))


def _databases(data: Path | None, subscriber: str | None) -> dict[str, str]:
    if subscriber is None:
        return database_urls(data)
    from shared.subscriber import in_our_schema

    return {"subscriber": in_our_schema(subscriber)}


@asynccontextmanager
async def _connected(urls: Urls) -> AsyncIterator[dict[str, asyncpg.Connection[asyncpg.Record]]]:
    connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
    where = urls()
    try:
        for name, url in where.items():
            connections[name] = await asyncpg.connect(url, timeout=5)
        yield connections
    except (asyncpg.UndefinedTableError, asyncpg.InvalidCatalogNameError) as lacking:
        raise Refused(
            f"Of {', '.join(where)}, some database isn't set up ({lacking}). Run `tenantry migrate up`."
        ) from None
    finally:
        for connection in connections.values():
            await connection.close(timeout=2)


async def _tail(urls: Urls, begins: str, follow: bool, whole: bool, last: int) -> None:
    async with _connected(urls) as connections:
        begin = {name: await connection.fetchval(BEGIN, last) for name, connection in connections.items()}
        shown: dict[str, list[int]] = {name: [] for name in connections}
        while True:
            said: list[dict[str, Any]] = []
            for name, connection in connections.items():
                rows = await connection.fetch(FRESH, begin[name], shown[name])
                shown[name] = sorted(shown[name] + [row["position"] for row in rows])
                begin[name] = max([begin[name], *shown[name][-OVERLAP - 1 : -OVERLAP]])
                shown[name] = shown[name][-OVERLAP:]
                said += [orjson.loads(row["body"]) for row in rows]
            for event in sorted(said, key=lambda event: str(event["time"])):
                if event["type"].startswith(begins):
                    print(orjson.dumps(event).decode() if whole else _line(event), flush=True)
            if not follow:
                return
            await asyncio.sleep(0.2)


def _line(event: dict[str, Any]) -> str:
    return f"{event['time'][11:23]}  {event['type']:42} {event['subject']} #{event['sequence']:<5} {event['id']}"


async def _show(urls: Urls, event: str) -> None:
    async with _connected(urls) as connections:
        known = False
        for name, connection in connections.items():
            if said := await connection.fetchrow(SAID, event):
                known = True
                print(orjson.dumps(orjson.loads(said["body"]), option=orjson.OPT_INDENT_2).decode())
                print(f"\n  {name:10} said at {_moment(said['said_at'])}, {_published(said['published_at'])}")
        for name, connection in connections.items():
            for row in await connection.fetch(HEARD, event):
                known = True
                print(f"  {name:10} {_standing(row)}")
    if not known:
        raise Refused(f"No service here knows an event {event}.")


def _published(at: datetime | None) -> str:
    return f"on the bus at {_moment(at)}" if at else "not on the bus yet"


def _standing(row: asyncpg.Record) -> str:
    match row["state"]:
        case "done":
            return f"applied at {_moment(row['applied_at'])} by {row['handler']}"
        case "skipped":
            return f"received at {_moment(row['applied_at'])}; nothing here hears its type"
        case "dead":
            return f"DEAD in {row['handler']} after {row['attempts']} attempts: {row['error']}"
    tried = f", {row['attempts']} attempts failed: {row['error']}" if row["attempts"] else ""
    return f"waiting for {row['handler']}{tried}"


async def _dead(urls: Urls) -> None:
    dead = parked = 0
    async with _connected(urls) as connections:
        for name, connection in connections.items():
            for row in await connection.fetch(DEAD):
                dead += 1
                print(f"{row['id']}  {row['type']}  of {row['subject']} #{row['sequence']}")
                print(
                    f"    failed in   {name}, {row['handler']}: {row['attempts']} attempts, received {_moment(row['received_at'])}"
                )
                print(f"    why         {_indented(row['error'])}")
                if row["held_back"]:
                    print(f"    holds back  {row['held_back']} later of {row['subject']}")
            for row in await connection.fetch(PARKED):
                parked += 1
                print(f"parked by {name} at {_moment(row['parked_at'])}, {len(row['body'])} bytes")
                print(f"    why         {_indented(row['reason'])}")
    if not dead and not parked:
        print("Nothing is dead.")
        return
    print(f"\nDead: {dead}. Parked, being no valid events: {parked}.")
    if dead:
        print("When the cause is mended, `tenantry events revive [ID]` tries dead ones again.")
    if parked:
        print("Parked ones hold nothing back; look for who published them.")


def _indented(text: str | None) -> str:
    return (text or "-").strip().replace("\n", "\n                ")


async def _revive(urls: Urls, event: str | None) -> None:
    async with _connected(urls) as connections:
        revived = 0
        for connection in connections.values():
            revived += int((await connection.execute(REVIVE, event)).rpartition(" ")[2])
    if not revived and event is not None:
        raise Refused(f"No dead event has the id {event}. `tenantry events dead` lists them.")
    print(f"Revived {revived}. They are tried again within a second." if revived else "Nothing is dead.")


async def _replay(urls: Urls, source: str | None, subject: str | None, after: int, follow: bool) -> None:
    async with _connected(urls) as connections:
        (connection,) = connections.values()
        subjects = await rewind(connection, source=source, subject=subject, after=after)
        if not subjects:
            raise Refused("There is nothing to hear again: no cursor is beyond that number.")
        now = await standing(connection)
        print(f"Set back {subjects} subjects: {now.missing} events come again.", flush=True)
        began, all_of_it = time.monotonic(), now.left
        while follow and not now.is_over:
            await asyncio.sleep(0.5)
            if (later := await standing(connection)) != now:
                print(f"  {_progress(later, all_of_it - later.left, time.monotonic() - began)}", flush=True)
            now = later
        print("All of it was handled." if now.is_over else "The subscriber asks for them when it next hears a probe.")


def _progress(now: Standing, done: int, seconds: float) -> str:
    says = f"{now.missing} have still to come, {now.waiting} wait for their function"
    return (
        f"{says}; {done / seconds:,.0f} a second, about {now.left * seconds / done:,.0f} s left" if done > 0 else says
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
