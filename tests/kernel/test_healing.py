"""Running services on a bus that loses things, with failing jobs, deadlocks, lost locks and an operator who looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest

import shared.admin as admin_module
import shared.inbox as inbox_module
import shared.outbox as outbox
import shared.receiving as receiving
import shared.replay as replay
from shared.admin import Readiness
from shared.auth import Actor
from shared.bus import Message
from shared.errors import Problem
from shared.hearing import topology
from shared.host import _drain as drain
from shared.ids import new_event_id, new_id
from shared.jobs import run_job
from shared.migrate import CannotMigrate, migrate, pending
from shared.published import generated, write_documents
from shared.service import Ctx, Job
from shared.web.client import Unreachable
from tests.kernel.pieces import DeafBus, LossyBus, execute, until, value
from tests.kernel.toy import CountQuery, NoteWritten, counter, notes
from tests.world import Databases, World, an_admin, world_of

GATEWAY = Actor("service", service="gateway")


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(inbox_module, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.05)


async def heard(world: World, actor: Actor) -> list[str]:
    return (await world.ask("sharing", "GET", "/v1/heard", actor=actor)).ok()["heard"]  # type: ignore[no-any-return]


async def write_many(world: World, actor: Actor, count: int) -> None:
    """Several at once, and no more than there are connections for: whoever waits long for one is refused."""
    await asyncio.gather(*(write(world, actor, *(f"n{n}" for n in range(first, count, 4))) for first in range(4)))
    await until(lambda: _published(world))


async def write(world: World, actor: Actor, *texts: str) -> str:
    change = ""
    for text in texts:
        change = (await world.ask("org", "POST", "/v1/notes", {"text": text}, actor=actor)).change
    return change


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("lost", [range(3, 6), range(8, 11), range(1, 11)], ids=["middle", "tail", "everything"])
async def test_what_the_bus_lost_is_asked_for_and_comes_in_order(
    databases: Databases, tmp_path: Path, lost: range
) -> None:
    bus = LossyBus(topology([notes, counter]))
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        ana = an_admin()
        for number in range(1, 11):
            bus.drops = lambda message, dropped=number in lost: dropped and message.key == NoteWritten.TYPE  # type: ignore[misc]
            await write(world, ana, f"n{number}")
            await until(lambda: _published(world))
        await until(lambda: _count(world, ana, 10))
        assert await heard(world, ana) == [f"n{n}" for n in range(1, 11)]


@pytest.mark.usefixtures("quickly")
async def test_replays_that_nobody_takes_are_asked_for_until_one_is_taken(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is while a source that is still of a version whose replays aren't believed is being replaced."""
    monkeypatch.setattr(receiving, "ASK_AGAIN_SECONDS", 0.05)
    bus = LossyBus(topology([notes, counter]))
    refused: list[Message] = []

    def is_refused(message: Message) -> bool:
        if message.to != "sharing.events" or len(refused) == 12:
            return False
        refused.append(message)
        return True

    bus.drops = lambda message: message.key == NoteWritten.TYPE  # type: ignore[method-assign]
    bus.drops_replayed = is_refused  # type: ignore[method-assign]
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        ana = an_admin()
        await write(world, ana, "n1", "n2", "n3")
        await until(lambda: _count(world, ana, 3))
        assert await heard(world, ana) == ["n1", "n2", "n3"]
    assert len(refused) == 12


async def _published(world: World) -> bool:
    return bool(await value(world.started["org"].env.database, "select bool_and(published_at is not null) from outbox"))


@pytest.mark.usefixtures("quickly")
async def test_a_replay_is_no_faster_than_what_happens_now_can_bear(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PIECE", 20)
    monkeypatch.setattr(replay, "MOST_A_SECOND", 100)
    pieces: list[tuple[float, int]] = []
    send = replay.Replays._send

    async def noted(self: replay.Replays, queue: str, after: Mapping[str, int]) -> int:
        began = time.monotonic()
        sent = await send(self, queue, after)
        pieces.append((began, sent))
        return sent

    monkeypatch.setattr(replay.Replays, "_send", noted)
    bus = LossyBus(topology([notes, counter]))
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        ana = an_admin()
        bus.drops = lambda message: True  # type: ignore[misc]
        await write_many(world, ana, 80)
        bus.drops = lambda message: False  # type: ignore[misc]
        await until(lambda: _count(world, ana, 80))
    assert sum(sent for _, sent in pieces) > 60, "nearly all of it was replayed"
    clock = 0.01  # seconds by which a sleep may end early
    assert all(after - before >= sent / 100 - clock for (before, sent), (after, _) in pairwise(pieces))


async def _count(world: World, actor: Actor, count: int) -> bool:
    return len(await heard(world, actor)) == count


@pytest.mark.usefixtures("quickly")
async def test_a_long_replay_comes_in_pieces(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PIECE", 20)
    monkeypatch.setattr("shared.receiving.ASK_AGAIN_SECONDS", 3600)
    bus = DeafBus(topology([notes, counter]))
    most: list[int] = []
    publish = bus.publish

    async def measured(messages: list[Message]) -> None:
        most.append(sum(one.to is not None and one.lasting for one in messages))
        await publish(messages)

    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        ana = an_admin()
        # Who heard a probe while notes are written would have asked for a part of them, and never again.
        bus.is_deaf = True
        await write_many(world, ana, 110)
        monkeypatch.setattr(bus, "publish", measured)
        bus.is_deaf = False
        await until(lambda: _count(world, ana, 110))
        assert max(most) == 20
        assert sum(most) < 150, "hardly anything was sent twice"


async def test_a_read_that_cannot_be_consistent_in_time_says_so(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.endpoint.CONSISTENT_SECONDS", 0.2)
    async with world_of([notes, counter], databases, tmp_path) as world:
        ana = an_admin()
        for after in (await write(world, ana, "poison"), new_event_id("org")):
            reply = await world.ask("sharing", "GET", "/v1/heard", actor=ana, headers={"Tenantry-After": after})
            assert (reply.status, reply.code) == (503, "not_yet_consistent")
            assert reply.headers["retry-after"] == "1"
        monkeypatch.setattr("shared.endpoint.CONSISTENT_SECONDS", 600)
        for after in (new_event_id("billing"), "nonsense", new_id("evt") + "x"):
            reply = await world.ask("sharing", "GET", "/v1/heard", actor=ana, headers={"Tenantry-After": after})
            assert reply.status == 200, "it will never hear of that one"


@pytest.mark.usefixtures("quickly")
async def test_an_operator_sees_what_is_dead_and_revives_it_in_order(databases: Databases, tmp_path: Path) -> None:
    async with world_of([notes, counter], databases, tmp_path) as world:
        ana = an_admin()
        change = await write(world, ana, "before", "poison", "behind")
        database = world.started["sharing"].env.database
        await until(lambda: value(database, "select true from inbox where state = 'dead'"))
        dead = (await world.ask("sharing", "GET", "/internal/dead-events", actor=GATEWAY)).ok()
        assert [(one["sequence"], one["attempts"]) for one in dead] == [(2, 8)]
        standing = (await world.ask("sharing", "GET", f"/internal/changes/{change}", actor=GATEWAY)).ok()
        assert standing["state"] == "dead", "what is behind a dead one doesn't arrive"
        await execute(
            database,
            "update inbox set body = convert_to(replace(convert_from(body, 'UTF8'), 'poison', 'cured'), 'UTF8')",
        )
        revived = await world.ask(
            "sharing", "POST", "/internal/dead-events/revivals", {"event_id": dead[0]["id"]}, actor=GATEWAY
        )
        assert revived.ok() == {"revived": 1}
        await until(lambda: _count(world, ana, 3))
        assert await heard(world, ana) == ["before", "cured", "behind"]


async def test_a_job_runs_on_one_replica_at_a_time(databases: Databases, tmp_path: Path) -> None:
    at_once, most, runs = 0, 0, 0

    async def tidy(ctx: Ctx) -> None:
        nonlocal at_once, most, runs
        at_once, runs = at_once + 1, runs + 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    async with world_of([notes], databases, tmp_path) as world:
        env = world.started["org"].env
        job = Job(tidy, 1)
        outcomes = await asyncio.gather(*(run_job(env, job) for _ in range(6)))
        assert (most, runs, sum(outcomes)) == (1, sum(outcomes), runs)
        assert await run_job(env, job)

        async def breaks(ctx: Ctx) -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            await run_job(env, Job(breaks, 1))
        assert await run_job(env, Job(tidy, 1)), "a failure lets go of the lock"


async def test_the_key_of_a_request_whose_process_died_is_free_again(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.host.GRACE_SECONDS", 0.1)
    begun = asyncio.Event()

    async def stuck(ctx: Ctx, _: CountQuery) -> None:
        """Never ends."""
        async with ctx.tx() as tx:
            await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id="x", text="x"))
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()

    route = replace(notes.routes[0], path="/v1/stuck", use_case=stuck)
    async with world_of([replace(notes, routes=[route])], databases, tmp_path) as world:
        ana, headers = an_admin(), {"Idempotency-Key": "k"}
        first = asyncio.create_task(world.ask("org", "POST", "/v1/stuck", {}, actor=ana, headers=headers))
        await begun.wait()
        running = await world.ask("org", "POST", "/v1/stuck", {}, actor=ana, headers=headers)
        assert running.code == "idempotency_running"
        database = world.started["org"].env.database
        # jobs hold such locks, too, but for an instant: what is stuck began first
        ended = (
            "select count(*) filter (where pg_terminate_backend(pid, 10000))"  # and is gone, with its locks
            " from (select pid from pg_locks join pg_stat_activity using (pid)"
            " where locktype = 'advisory' and state = 'idle in transaction' and datname = current_database()"
            " order by xact_start limit 1) as stuck"
        )
        assert await execute(database, ended) == 1
        again = await world.ask("org", "POST", "/v1/stuck", {}, actor=ana, headers=headers)
        assert again.status == 201
        assert len(await world.said("org")) == 1
        first.cancel()


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([asyncpg.DeadlockDetectedError("x")], 201),
        ([asyncpg.SerializationError("x"), asyncpg.DeadlockDetectedError("x")], 201),
        ([asyncpg.DeadlockDetectedError("x")] * 3, 503),
        ([asyncpg.QueryCanceledError("statement timeout")], 503),
        ([TimeoutError()], 503),
        ([Problem("conflict")], 409),
        ([ValueError()], 500),
    ],
)
async def test_a_deadlock_is_run_again_and_a_slow_database_is_not_our_mistake(
    databases: Databases, tmp_path: Path, errors: list[Exception], status: int
) -> None:
    left = list(errors)

    async def unlucky(ctx: Ctx, _: CountQuery) -> None:
        """Succeeds in the end."""
        async with ctx.tx() as tx:
            await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id="x", text="x"))
        if left:
            raise left.pop()

    route = replace(notes.routes[0], path="/v1/unlucky", use_case=unlucky)
    async with world_of([replace(notes, routes=[route])], databases, tmp_path) as world:
        reply = await world.ask("org", "POST", "/v1/unlucky", {}, actor=an_admin(), headers={"Idempotency-Key": "k"})
        assert reply.status == status
        assert len(await world.said("org")) == (status == 201)


async def test_what_is_in_flight_is_finished_before_a_process_ends(databases: Databases, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def slow(ctx: Ctx, _: CountQuery) -> dict[str, bool]:
        """Takes its time."""
        begun.set()
        await asyncio.sleep(0.3)
        async with ctx.tx() as tx:
            await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id="x", text="x"))
        return {"done": True}

    route = replace(notes.routes[0], path="/v1/slow", use_case=slow)
    async with world_of([replace(notes, routes=[route])], databases, tmp_path) as world:
        asked = asyncio.create_task(world.ask("org", "POST", "/v1/slow", {}, actor=an_admin()))
        await begun.wait()
        await drain(list(world.started.values()))
        assert (await asked).ok() == {"done": True}
        assert len(await world.said("org")) == 1
        with pytest.raises(Unreachable):
            await world.ask("org", "POST", "/v1/slow", {}, actor=an_admin())


async def test_readiness_tells_lost_ears_from_an_absent_broker(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = LossyBus(topology([notes, counter]))
    broken: list[str | None] = ["not yet"]
    monkeypatch.setattr(bus, "healthy", lambda: broken[0])
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        readiness = Readiness(bus)
        assert await readiness.findings() == ({"process": "it is starting"}, {})
        readiness.serves(world.started, {}, {})
        faults, _ = await readiness.findings()
        assert "bus" in faults, "who never reached the broker isn't ready"
        broken[0] = None
        assert await readiness.findings() == ({}, {})
        broken[0] = "away"
        assert await readiness.findings() == ({}, {"bus": "away"}), "it still serves"
        broken[0] = None
        database = world.started["sharing"].env.database
        await until(lambda: value(database, "select count(*) = 2 from inbox_probes"))
        await readiness.findings()
        monkeypatch.setattr(admin_module, "SILENT_SECONDS", 0.0)
        await execute(database, "update inbox_probes set heard_at = now() - interval '1 hour' where source = 'sharing'")
        faults, remarks = await readiness.findings()
        assert "sharing queue" in faults
        assert "sharing events of org" in remarks, "a silent neighbour is worth knowing, and no fault of ours"
        monkeypatch.setattr(admin_module, "SILENT_SECONDS", 30.0)
        assert await readiness.findings() == ({}, {}), "the broker hasn't been there for that long"
        world.started["org"].draining = True
        assert "org draining" in (await readiness.findings())[0]


async def test_migrations_run_once_in_order_and_never_change(databases: Databases, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("create table first (id text primary key);")
    name = f"migrating_{new_id('x' * 3)[-8:]}"
    connection = await asyncpg.connect(databases.postgres.admin_dsn)
    await connection.execute(f"create database {name} owner tester")
    await connection.close()
    dsn = databases.postgres.dsn(name, "tester")
    applied = await asyncio.gather(*(migrate(dsn, folder) for _ in range(4)))
    assert sorted(len(one) for one in applied)[:3] == [0, 0, 0], "they wait for each other"
    assert next(one for one in applied if one)[-1] == "service/0001_first.sql"
    (folder / "0002_broken.sql").write_text("create table second (id text); insert into nowhere values (1);")
    assert await pending(dsn, folder) == ["service/0002_broken.sql"]
    with pytest.raises(CannotMigrate, match="rolled back"):
        await migrate(dsn, folder)
    (folder / "0002_broken.sql").write_text("create table second (id text);")
    assert await migrate(dsn, folder) == ["service/0002_broken.sql"]
    (folder / "0001_first.sql").write_text("create table first (id integer primary key);")
    with pytest.raises(CannotMigrate, match="only ever added"):
        await migrate(dsn, folder)


def test_documents_are_written_once_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    first = write_documents([notes, counter], tmp_path)
    assert {"openapi.json", "asyncapi.json", f"events/{NoteWritten.TYPE}.json"} <= set(first)
    assert write_documents([notes, counter], tmp_path) == []
    (tmp_path / "events" / "org.old.v1.json").write_text("{}")
    assert write_documents([notes, counter], tmp_path) == ["events/org.old.v1.json"]
    assert dict(generated([notes, counter])) == dict(generated([notes, counter]))
    openapi = (tmp_path / "openapi.json").read_text()
    assert "/v1/notes/{note_id}" in openapi
    assert "/internal/" not in openapi
