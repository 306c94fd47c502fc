"""Commands about events: tail, dead, revive."""

from __future__ import annotations

import asyncio
from typing import Annotated

import asyncpg
import orjson
import typer

from shared.cli.place import database_urls
from shared.cli.run import Data, finish
from shared.process import Product

EventType = Annotated[str, typer.Option("--type", help="Only types that begin with this, e.g. org.member.")]


def add_to(app: typer.Typer, product: Product) -> None:
    events = typer.Typer(no_args_is_help=True, help="What the services said and heard.")
    app.add_typer(events, name="events")

    @events.command("tail")
    def tail(
        data: Data = None,
        begins: EventType = "",
        follow: Annotated[bool, typer.Option("--follow/--once", help="Go on for ever.")] = True,
        whole: Annotated[bool, typer.Option("--json", help="Whole envelopes, one per line.")] = False,
        last: Annotated[int, typer.Option(help="How many of the past to begin with.")] = 20,
    ) -> None:
        """Shows events as they are said."""
        finish(_tail(database_urls(data), begins, follow, whole, last))

    @events.command("dead")
    def dead(data: Data = None) -> None:
        """Lists events that failed for good, and what came in that is no valid event."""
        finish(_dead(database_urls(data)))

    @events.command("revive")
    def revive(
        event: Annotated[str | None, typer.Argument(help="One event's id (default: all dead ones).")] = None,
        data: Data = None,
    ) -> None:
        """Gives dead events another round of attempts; what waited behind them follows."""
        finish(_revive(database_urls(data), event))


async def _tail(urls: dict[str, str], begins: str, follow: bool, whole: bool, last: int) -> None:
    connections = {name: await asyncpg.connect(url, timeout=5) for name, url in urls.items()}
    seen: dict[str, int] = {}
    for name, connection in connections.items():
        seen[name] = await connection.fetchval(
            "select coalesce(max(position), 0) from outbox where position <= (select coalesce(max(position), 0) - $1 from outbox)",
            last,
        )
    while True:
        rows = []
        for name, connection in connections.items():
            fresh = await connection.fetch(
                "select position, body from outbox where position > $1 order by position limit 1000", seen[name]
            )
            if fresh:
                seen[name] = fresh[-1]["position"]
            rows += [orjson.loads(row["body"]) for row in fresh]
        for event in sorted(rows, key=lambda e: str(e["time"])):
            if event["type"].startswith(begins):
                print(
                    orjson.dumps(event).decode()
                    if whole
                    else f"{event['time'][11:23]}  {event['type']:42} {event['subject']} #{event['sequence']}  {event['id']}",
                    flush=True,
                )
        if not follow:
            return
        await asyncio.sleep(0.2)


async def _dead(urls: dict[str, str]) -> None:
    found = 0
    for name, url in urls.items():
        connection = await asyncpg.connect(url, timeout=5)
        for row in await connection.fetch("select * from inbox where state = 'dead' order by received_at"):
            found += 1
            print(
                f"{name}/{row['handler']}  {row['type']}  {row['id']}  of {row['subject']} #{row['sequence']}, {row['attempts']} attempts\n    {row['error']}"
            )
        for row in await connection.fetch("select * from inbox_parked order by position"):
            found += 1
            print(f"{name}  parked at {row['parked_at']:%Y-%m-%d %H:%M:%S}: {row['reason']}")
        await connection.close()
    print(
        "Nothing is dead." if not found else f"\n{found} in all. `tenantry events revive [ID]` tries dead ones again."
    )


async def _revive(urls: dict[str, str], event: str | None) -> None:
    total = 0
    for url in urls.values():
        connection = await asyncpg.connect(url, timeout=5)
        done = await connection.execute(
            "update inbox set state = 'waiting', attempts = 0, not_before = now() where state = 'dead' and ($1::text is null or id = $1)",
            event,
        )
        total += int(done.rpartition(" ")[2])
        await connection.close()
    print(f"Revived {total}. They are tried again within a second.")
