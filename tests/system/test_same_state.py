"""Whatever happens to a subscriber, it ends with the state of the owner: the same hash over members, groups and who is in which."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.org.app import service as org
from shared.auth import Actor
from shared.bus.rabbit_topology import EVENTS, TO
from shared.events import Event
from tests.bus.world import Admin, healthy
from tests.org.house import House, founded, identity_with
from tests.system.commands import product_of, tenantry
from tests.system.subscribing import until
from tests.world import Databases, World, world_of

PROGRAM = Path(__file__).with_name("roster.py")
TABLES = """
create table members (org_id text, user_id text, email text, role text, status text, primary key (org_id, user_id));
create table groups (org_id text, group_id text, name text, description text, primary key (org_id, group_id));
create table group_members (org_id text, group_id text, user_id text, primary key (org_id, group_id, user_id));
create table heard (count integer not null);
insert into heard values (0);
"""
STATE = """
select 'member' as kind, user_id as id, email as one, role as two, status as three from members where status <> 'removed'
union all select 'group', group_id, name, description, '' from groups where group_id = any($1::text[])
union all select 'in group', group_id, user_id, '', '' from group_members where group_id = any($1::text[])
order by 1, 2, 3
"""
CAUGHT_UP = """
select exists (select from tenantry.inbox_cursors where source = 'org' and subject = $1 and sequence >= $2)
    and not exists (select from tenantry.inbox where state = 'waiting')
"""
ROSTERS = ("roster", "rebuilt", "replayed")


@dataclass
class Roster:
    """One roster: its database and, while it runs, its process."""

    python: Path
    amqp_url: str
    name: str
    dsn: str
    connection: asyncpg.Connection[asyncpg.Record]
    log: Path
    snapshot: bool = False
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        given = {"ROSTER_AMQP_URL": self.amqp_url, "ROSTER_NAME": self.name, "ROSTER_DATABASE_URL": self.dsn}
        given |= {"ROSTER_SNAPSHOT": "yes"} if self.snapshot else {}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(self.python), str(PROGRAM), env={**clean, **given}, stdout=log, stderr=log
            )

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await self.process.wait()

    async def heard(self) -> int:
        return int(await self.connection.fetchval("select count from heard"))


async def state_hash(connection: Any, groups: list[str]) -> str:
    rows = [list(row) for row in await connection.fetch(STATE, groups)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


@dataclass
class Owner:
    """The service that decides: one organization whose people and groups change at random."""

    world: World
    house: House
    people: list[Actor]
    chance: random.Random

    async def hash_and_groups(self) -> tuple[str, list[str]]:
        async with self.world.started["org"].env.database.read("*") as read:
            groups = [row["group_id"] for row in await read.rows("select group_id from groups where kind = 'custom'")]
            return await state_hash(read.connection, groups), groups

    async def change(self, count: int) -> None:
        """So many random changes; some have no effect, or are refused, as in life."""
        for _ in range(count):
            groups = (await self.house.ask("GET", "/v1/groups?limit=200")).ok()["data"]
            custom = [group["id"] for group in groups if group["kind"] == "custom"]
            person = self.chance.choice(self.people)
            what = self.chance.choice(
                ("new", "add", "add", "add", "take", "rename", "drop", "role", "off", "on", "join")
            )
            if what == "new" or not custom:
                await self.house.ask("POST", "/v1/groups", {"name": f"Group {self.chance.random()}"})
                continue
            path = f"/v1/groups/{self.chance.choice(custom)}"
            match what:
                case "add":
                    await self.house.ask("PUT", f"{path}/members/{person.user_id}")
                case "take":
                    await self.house.ask("DELETE", f"{path}/members/{person.user_id}")
                case "rename":
                    await self.house.ask("PATCH", path, {"name": f"Named {self.chance.random()}"})
                case "drop":
                    await self.house.ask("DELETE", path)
                case "role":
                    await self.house.give(person, self.chance.choice(("viewer", "analyst")))
                case "off":
                    await self.house.ask("POST", f"/v1/users/{person.user_id}/deactivation")
                case "on":
                    await self.house.ask("POST", f"/v1/users/{person.user_id}/reactivation")
                case "join":
                    self.people.append(await self.house.member())

    async def is_matched_by(self, roster: Roster) -> None:
        """Once the roster has handled all that was ever said about the organization, it has the owner's state and nothing else."""
        await self.world.settle()
        wanted, groups = await self.hash_and_groups()
        async with self.world.started["org"].env.database.read("*") as read:
            told = await read.value("select sequence from outbox_subjects where subject = $1", self.house.org_id)

        async def caught_up() -> bool:
            made = await roster.connection.fetchval("select to_regclass('tenantry.inbox_cursors')")
            return bool(made and await roster.connection.fetchval(CAUGHT_UP, self.house.org_id, told))

        await until(caught_up, f"all {told} events in {roster.name}")
        assert await state_hash(roster.connection, groups) == wanted
        left = "select count(*) from groups where not group_id = any($1::text[])"
        assert await roster.connection.fetchval(left, groups) == 0


@pytest.fixture
async def owner(amqp_url: str, databases: Databases, tmp_path: Path) -> AsyncIterator[Owner]:
    queues = [f"{name}.events" for name in ("org", "identity", *ROSTERS)]
    await Admin(amqp_url).delete(*queues)
    services = [org, identity_with(tmp_path / "identity", {})]
    async with world_of(services, databases, tmp_path, bus_url=amqp_url) as world:
        await healthy(world.bus)
        world.hear = _applied_when_it_returns(world)  # type: ignore[method-assign]
        house = await founded(world)
        people = [await house.member() for _ in range(3)]
        yield Owner(world, house, people, random.Random(8))
    await Admin(amqp_url).delete(*queues)


def _applied_when_it_returns(world: World) -> Any:
    """`World.hear` for a bus that takes its time."""
    hear = world.hear

    async def applied(source: str, *events: Event) -> str:
        last = await hear(source, *events)
        for one in world.started.values():
            assert await one.inbox.wait_for(last, 20) or source not in one.inbox.sources
        await world.settle()
        return last

    return applied


@asynccontextmanager
async def roster(
    python: Path, amqp_url: str, databases: Databases, folder: Path, name: str, *, snapshot: bool = False
) -> AsyncIterator[Roster]:
    dsn = await databases.empty(name)
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLES)
    made = Roster(python, amqp_url, name, dsn, connection, folder / f"{name}.log", snapshot)
    try:
        yield made
    finally:
        await made.end(signal.SIGKILL)
        await connection.close()


async def test_killed_duplicated_robbed_late_rebuilt_and_replayed_it_ends_with_the_owners_state(
    owner: Owner, python: Path, amqp_url: str, databases: Databases, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:

        async def new(name: str, *, snapshot: bool = False) -> Roster:
            return await stack.enter_async_context(
                roster(python, amqp_url, databases, tmp_path, name, snapshot=snapshot)
            )

        lived = await new("roster")
        await lived.start()
        for _ in range(2):
            changing = asyncio.create_task(owner.change(25))
            await asyncio.sleep(0)
            before = await lived.heard()
            await until(lambda: _heard_more(lived, before), "something heard before it is killed")
            await lived.end(signal.SIGKILL)
            await lived.start()
            await changing
        await owner.is_matched_by(lived)

        await lived.end()  # away, while the owner's clock goes on by an hour; what happens meanwhile waits in the queue
        owner.world.clock.advance(timedelta(hours=1))
        await owner.change(10)
        await owner.world.settle()
        await lived.start()
        await owner.is_matched_by(lived)

        every = [envelope.body() for envelope in await owner.world.said("org")]
        once = await lived.heard()
        async with Admin(amqp_url).channel() as channel:
            for body in every:  # an hour old, and all of them a second time
                await channel.basic_publish(body, exchange=TO, routing_key="org.roster.events")
            await channel.queue_unbind("roster.events", EVENTS, "org.#")
            (await owner.house.ask("POST", "/v1/groups", {"name": "Never told"})).ok()
            await owner.world.settle()
            await channel.queue_bind("roster.events", EVENTS, "org.#")
        (await owner.house.ask("POST", "/v1/groups", {"name": "Told afterwards"})).ok()
        await owner.is_matched_by(lived)
        assert await lived.heard() == once + 2, "duplicates have no effect, and the skipped one comes before the next"
        assert "asking for events that are missing" in lived.log.read_text()

        rebuilt = await new("rebuilt", snapshot=True)
        await rebuilt.start()
        await owner.is_matched_by(rebuilt)
        from_snapshot = await rebuilt.heard()
        assert from_snapshot < await lived.heard(), "what later events replaced isn't in a snapshot"
        await owner.change(15)
        await asyncio.gather(owner.is_matched_by(rebuilt), owner.is_matched_by(lived))
        parked = "select count(*) from tenantry.inbox_parked"
        assert await rebuilt.connection.fetchval(parked) == 0
        async with Admin(amqp_url).channel() as channel:
            for body in every:
                await channel.basic_publish(body, exchange=TO, routing_key="org.rebuilt.events")
        (await owner.house.ask("POST", "/v1/groups", {"name": "Behind the repetitions"})).ok()
        await owner.is_matched_by(rebuilt)
        assert await rebuilt.connection.fetchval(parked) == 0, (
            "what a snapshot left out isn't false when it comes after all"
        )

        for table in ("members", "groups", "group_members"):
            await lived.connection.execute(f"truncate {table}")
        said = await tenantry(product_of([]), "events", "replay", "--database", lived.dsn)
        assert (said.code, said.output.splitlines()[-1]) == (0, "All of it was handled.")
        await owner.is_matched_by(lived)


async def _heard_more(roster: Roster, than: int) -> bool:
    return await roster.heard() > than
