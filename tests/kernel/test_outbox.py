"""The outbox and its relay: numbers without gaps, one relay at a time, nothing skipped, nothing marked that wasn't confirmed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

import shared.outbox as outbox
from shared.db import Database
from shared.ids import new_id
from shared.outbox import Relay, lock_key, write_outbox
from tests.kernel.pieces import RecordingBus, database_of, execute, notes, says, until, value
from tests.world import Databases

SUBJECTS = [new_id("org") for _ in range(3)]
LEADER = (
    "select pid from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
    " and ((classid::bigint << 32) | objid::bigint) = $1 and granted"
)


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    async with database_of(databases, notes) as database:
        yield database


async def say(database: Database, org_id: str, *said: str) -> None:
    async with database.tx(org_id, says("org", org_id)) as tx:
        for text in said:
            await tx.emit(text)


async def leader_of(database: Database) -> int | None:
    return await value(database, LEADER, lock_key("relay of org"))  # type: ignore[no-any-return]


class Relays:
    """Several relays of one service, each as in a process of its own."""

    def __init__(self, database: Database, count: int) -> None:
        self.buses = [RecordingBus() for _ in range(count)]
        self.databases = [Database(database.dsn) for _ in range(count)]
        self.relays = [Relay("org", d, b) for d, b in zip(self.databases, self.buses, strict=True)]

    async def __aenter__(self) -> Relays:
        for database, relay in zip(self.databases, self.relays, strict=True):
            await database.open()
            relay.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for database, relay in zip(self.databases, self.relays, strict=True):
            await relay.stop()
            await database.close()

    @property
    def leading(self) -> list[int]:
        return [place for place, relay in enumerate(self.relays) if relay.leading]

    async def led(self, other_than: int | None = None) -> int:
        async def somebody() -> bool:
            return len(self.leading) == 1 and self.leading[0] != other_than

        await until(somebody)
        return self.leading[0]


plans = st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans)
async def test_sequences_have_no_gap_whatever_is_rolled_back_or_concurrent(
    database: Database, plan: list[tuple[list[int], bool]]
) -> None:
    async def transaction(subjects: list[int], regret: bool) -> None:
        async with database.tx("", lambda org_id: says("org", org_id)("x")) as tx:
            for number in subjects:
                await tx.emit(SUBJECTS[number])
            if regret:
                await write_outbox(tx)
                raise InterruptedError

    await asyncio.gather(*(transaction(*one) for one in plan), return_exceptions=True)
    async with database.read("") as read:
        rows = await read.rows("select subject, sequence from outbox order by position")
        heads = {r["subject"]: r["sequence"] for r in await read.rows("select * from outbox_subjects")}
    by_subject: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_subject[row["subject"]].append(row["sequence"])
    for subject, sequences in by_subject.items():
        assert sequences == list(range(1, len(sequences) + 1)), "positions and sequences agree, without gap"
        assert heads[subject] == len(sequences)


async def test_events_of_one_transaction_keep_their_order_and_say_their_number(database: Database) -> None:
    await say(database, SUBJECTS[0], *(f"n{n}" for n in range(50)))
    async with Relays(database, 1) as world:
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        said = world.buses[0].events
    assert [(e.sequence, e.data["text"]) for e in said] == [(n + 1, f"n{n}") for n in range(50)]


async def test_a_slow_transaction_is_not_skipped(database: Database) -> None:
    slow, quick = new_id("org"), new_id("org")
    async with Relays(database, 1) as world:
        async with database.tx(slow, says("org", slow)) as tx:
            await tx.emit("slow")
            await write_outbox(tx)  # it has its position, and isn't committed
            tx.said.clear()
            await say(database, quick, "quick")
            await until(lambda: value(database, "select true from outbox where published_at is not null"))
            assert [e.data["text"] for e in world.buses[0].events] == ["quick"]
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert [e.data["text"] for e in world.buses[0].events] == ["quick", "slow"]


async def test_of_two_relays_one_publishes_and_the_other_takes_over_when_the_leader_is_cut_off(
    database: Database,
) -> None:
    org = new_id("org")
    async with Relays(database, 2) as world:
        first = await world.led()
        for n in range(20):
            await say(database, org, f"a{n}")
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert len(world.buses[first].events) == 20
        assert world.buses[1 - first].events == []
        world.relays[first]._with_connection = asyncio.Event().wait  # type: ignore[method-assign, assignment]
        await execute(database, "select pg_terminate_backend($1)", await leader_of(database))
        for n in range(20):
            await say(database, org, f"b{n}")
        second = await world.led(other_than=first)
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert [e.sequence for e in world.buses[second].events] == list(range(21, 41))


async def test_a_leader_that_is_paused_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LEADER_SILENT_SECONDS", 1.5)
    async with Relays(database, 2) as world:
        first = await world.led()
        world.buses[first].held = asyncio.Event()
        await say(database, SUBJECTS[0], "held", "back")
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert [e.data["text"] for e in world.buses[1 - first].events] == ["held", "back"]
        world.buses[first].held.set()
        await world.led(other_than=first)


async def test_a_replica_that_does_not_lead_wakes_the_leader_and_nobody_keeps_anybody_awake(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_SECONDS", 60.0)
    monkeypatch.setattr(outbox, "LEADER_SILENT_SECONDS", 120.0)
    async with Relays(database, 2) as world:
        leader = await world.led()
        await until(lambda: _true(world.buses[leader].signals("heartbeat.org")))
        ear = await asyncpg.connect(database.dsn)
        heard: list[object] = []
        await ear.add_listener(outbox.NOTIFY_CHANNEL, lambda *_: heard.append(1))
        replica = world.databases[1 - leader]
        for n in range(5):
            await say(replica, SUBJECTS[0], f"n{n}")
            await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert len(world.buses[leader].events) == 5
        await until(lambda: _true(len(heard) >= 5))  # the ear may be told later than the leader
        await asyncio.sleep(0.3)  # nothing is said now, so nothing may be heard
        await ear.close()
        assert len(heard) == 5


async def test_what_the_bus_refuses_stays_and_goes_out_in_order_later_however_long_that_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_SECONDS", 0.0)
    org = new_id("org")
    async with Relays(database, 1) as world:
        world.buses[0].refuses = True
        for n in range(10):
            await say(database, org, f"n{n}")
        # 2.0 ** 1100 is more than a float can hold
        await until(lambda: _true(world.buses[0].attempts > 1100))
        assert await value(database, "select count(*) from outbox where published_at is null") == 10
        world.buses[0].refuses = False
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))
        assert [e.sequence for e in world.buses[0].events] == list(range(1, 11))


async def test_a_relay_that_stumbles_begins_anew(database: Database) -> None:
    async with Relays(database, 1) as world:
        await world.led()
        publish = world.buses[0].publish
        world.buses[0].publish = None  # type: ignore[method-assign, assignment]
        await say(database, SUBJECTS[0], "x")
        await until(lambda: _true(not world.leading))
        world.buses[0].publish = publish  # type: ignore[method-assign]
        await until(lambda: value(database, "select bool_and(published_at is not null) from outbox"))


async def test_a_relay_that_leads_no_more_tells_of_no_events_that_wait(database: Database) -> None:
    def waiting() -> float:
        return float(REGISTRY.get_sample_value("tenantry_outbox_pending", {"service": "org"}) or 0)

    async with Relays(database, 1) as world:
        await world.led()
        world.buses[0].refuses = True
        await say(database, SUBJECTS[0], "x")
        await until(lambda: _true(waiting() == 1))
        world.relays[0]._with_connection = asyncio.Event().wait  # type: ignore[method-assign, assignment]
        await execute(database, "select pg_terminate_backend($1)", await leader_of(database))
        await until(lambda: _true(not world.leading))
        assert waiting() == 0


async def test_a_commit_wakes_the_relay_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_SECONDS", 60.0)
    monkeypatch.setattr(outbox, "LEADER_SILENT_SECONDS", 120.0)
    async with Relays(database, 1) as world:
        await until(lambda: _true(world.buses[0].signals("heartbeat.org")))
        await say(world.databases[0], SUBJECTS[0], "now")
        await until(lambda: _true(world.buses[0].events))


async def _true(found: object) -> bool:
    return bool(found)


async def test_a_relay_that_is_woken_in_the_moment_it_is_told_to_stop_stops(database: Database) -> None:
    bus = RecordingBus()
    for _ in range(5):
        relay = Relay("org", database, bus)
        heard = len(bus.signals("heartbeat.org"))
        relay.start()
        await until(lambda heard=heard: _true(len(bus.signals("heartbeat.org")) > heard))
        await asyncio.sleep(0.02)  # now it waits to be woken
        relay._woken.set()
        stopping = asyncio.create_task(relay.stop())
        stopped, _ = await asyncio.wait([stopping], timeout=60)
        assert stopped
