"""`tenantry events`: what an operator sees of the events, and does about dead ones."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import orjson
import pytest

from shared.bus import Message
from shared.events import Envelope
from shared.events.billing import PlanChanged
from shared.ids import new_id
from shared.process import Product
from shared.service import Ctx
from shared.subscriber import Subscriber
from shared.testkit import NotApplied, deliver, sample
from tests.contracts.source import ROOT
from tests.kernel.toy import NoteWritten, counter, notes
from tests.system.commands import Said, announce, product_of, tenantry
from tests.system.subscribing import until
from tests.world import Databases, World, an_admin, world_of

PRODUCT: Product = product_of([notes, counter])


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([notes, counter], databases, tmp_path) as world:
        announce(tmp_path / "data", database_urls=world.settings.database_urls)
        yield world


@pytest.fixture
async def poison(world: World, monkeypatch: pytest.MonkeyPatch) -> Envelope:
    """A dead event, another one behind it, and one of another organization that was applied."""
    monkeypatch.setattr("shared.inbox.BACKOFF_SECONDS", (0.01,))
    ana = an_admin()
    for text, actor in (("poison", ana), ("behind", ana), ("free", an_admin())):
        await world.ask("org", "POST", "/v1/notes", {"text": text}, actor=actor)

    async def is_dead() -> bool:
        async with world.started["sharing"].env.database.read("") as read:
            states = await read.value("select array_agg(state order by state) from inbox")
            return bool(states == ["dead", "done", "waiting"])

    await until(is_dead, "the dead event, and what became of the others")
    return (await world.said("org", NoteWritten))[0]


async def events(tmp_path: Path, *arguments: str) -> Said:
    return await tenantry(PRODUCT, "events", *arguments, "--data", str(tmp_path / "data"))


async def test_a_dead_event_is_listed_with_its_reason_and_what_waits_behind_it(
    poison: Envelope, tmp_path: Path
) -> None:
    said = await events(tmp_path, "dead")
    assert said.code == 0
    assert f"{poison.id}  org.note.written.v1  of {poison.subject} #1" in said.output
    assert "failed in   sharing, count_note: 8 attempts" in said.output
    assert "why         ValueError: poison" in said.output
    assert "holds back  1 later" in said.output
    assert "Dead: 1. Parked, being no valid events: 0." in said.output


async def test_showing_an_event_tells_what_it_says_and_how_far_it_has_come(
    poison: Envelope, world: World, tmp_path: Path
) -> None:
    said = await events(tmp_path, "show", poison.id)
    assert '"text": "poison"' in said.output
    assert "on the bus at" in said.output
    assert "DEAD in count_note after 8 attempts: ValueError: poison" in said.output
    free = (await world.said("org", NoteWritten))[2]
    assert "applied at" in (await events(tmp_path, "show", free.id)).output
    unknown = await events(tmp_path, "show", new_id("evt"))
    assert (unknown.code, unknown.output.startswith("No service here knows")) == (1, True)


async def test_a_revived_event_is_applied_with_all_that_waited_behind_it(
    poison: Envelope, world: World, tmp_path: Path
) -> None:
    database = await asyncpg.connect(world.settings.database_urls["sharing"])
    await database.execute(
        "update inbox set body = convert_to(replace(convert_from(body, 'UTF8'), 'poison', 'mended'), 'UTF8')"
    )
    assert (await events(tmp_path, "revive", new_id("evt"))).code == 1
    revived = await events(tmp_path, "revive", poison.id)
    assert (revived.code, revived.output.startswith("Revived 1.")) == (0, True)

    async def is_done() -> bool:
        return bool(await database.fetchval("select count(*) = 3 from inbox where state = 'done'"))

    await until(is_done, "the effect of all three")
    await database.close()
    assert "Nothing is dead." in (await events(tmp_path, "dead")).output
    assert "Nothing is dead." in (await events(tmp_path, "revive")).output


async def test_what_is_no_event_is_listed_as_parked(world: World, tmp_path: Path) -> None:
    await world.bus.publish([Message("org.x.y.v1", b'{"specversion":"0.3"}')])
    said = await events(tmp_path, "dead")
    assert "parked by sharing" in said.output
    assert "not a CloudEvents 1.0 envelope" in said.output
    assert "Dead: 0. Parked, being no valid events: 1." in said.output


async def test_the_tail_shows_the_last_ones_of_a_type(poison: Envelope, tmp_path: Path) -> None:
    lines = (await events(tmp_path, "tail", "--once", "--last", "2")).output.splitlines()
    assert [line.split()[1] for line in lines] == ["org.note.written.v1"] * 2
    assert (await events(tmp_path, "tail", "--once", "--type", "billing.")).output == ""
    whole = (await events(tmp_path, "tail", "--once", "--json")).output.splitlines()
    assert [orjson.loads(line)["data"]["text"] for line in whole] == ["poison", "behind", "free"]


async def test_the_tail_goes_on_with_what_is_said_from_now_on(world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "services.launcher", "events", "tail", "--data", str(tmp_path / "data")]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    following = await asyncio.create_subprocess_exec(*command, env=surroundings, stdout=asyncio.subprocess.PIPE)
    assert following.stdout is not None
    try:
        for n in range(3):
            change = (await world.ask("org", "POST", "/v1/notes", {"text": f"n{n}"}, actor=an_admin())).change
            line = await asyncio.wait_for(following.stdout.readline(), 40)
            assert line.split()[-1].decode() == change
    finally:
        following.kill()
        await following.wait()


async def test_a_subscribers_dead_events_are_seen_and_revived_by_its_database(
    databases: Databases, tmp_path: Path
) -> None:
    dsn = await databases.empty("reports")
    sub = Subscriber("memory://", service="reports", database=dsn)

    @sub.on(PlanChanged)
    async def fail(ctx: Ctx, told: PlanChanged) -> None:
        raise ValueError("no such report")

    with pytest.raises(NotApplied):
        await deliver(sub, sample(PlanChanged))
    connection = await asyncpg.connect(dsn)
    await connection.execute("update tenantry.inbox set state = 'dead'")
    await connection.close()
    assert "subscriber, fail: 1 attempts" in (await tenantry(PRODUCT, "events", "dead", "--database", dsn)).output
    assert "Revived 1." in (await tenantry(PRODUCT, "events", "revive", "--database", dsn)).output


async def test_without_a_running_product_the_command_says_what_to_do(tmp_path: Path) -> None:
    said = await events(tmp_path, "dead")
    assert (said.code, "tenantry up" in said.output) == (1, True)


async def test_databases_that_are_not_migrated_are_named_as_the_problem(databases: Databases, tmp_path: Path) -> None:
    announce(tmp_path / "data", database_urls={"org": await databases.empty("org")})
    said = await events(tmp_path, "dead")
    assert (said.code, "tenantry migrate up" in said.output) == (1, True)
