"""The inbox: whatever the bus does and whatever fails, each event has its effect once, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shared.inbox as inbox_module
from shared.db import Database, DatabaseAway, Tx
from shared.errors import Problem
from shared.events import Envelope
from shared.ids import new_id
from shared.inbox import Inbox
from tests.kernel.pieces import (
    RecordingBus,
    counter,
    database_of,
    event_of,
    execute,
    inbox_of,
    note_it,
    stream,
    texts,
    until,
    value,
)
from tests.world import Databases

OPEN = "select count(*) from inbox where state = 'waiting'"
PARKED = "select coalesce(string_agg(reason, '; ' order by position), '') from inbox_parked"
STATE = "select md5(string_agg(t::text, '|' order by t::text)) from heard t"


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    async with database_of(databases, counter) as database:
        yield database


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.05)


async def quiet(database: Database) -> bool:
    return await value(database, OPEN) == 0  # type: ignore[no-any-return]


async def hear(inbox: Inbox, *bodies: bytes) -> None:
    await inbox.receiver.receive(bodies)


async def test_every_event_ever_again_in_any_order_changes_nothing(database: Database) -> None:
    streams = [stream(30) for _ in range(5)]
    everything = [body for one in zip(*streams, strict=True) for body in one]
    bus = RecordingBus()
    async with inbox_of(database, note_it, bus=bus) as inbox:
        await hear(inbox, *everything)
        await until(lambda: quiet(database))
        before = await value(database, STATE)
        chaos = random.Random(1)
        for _ in range(3):
            chaos.shuffle(everything)
            for start in range(0, len(everything), 17):
                await hear(inbox, *everything[start : start + 17])
        await until(lambda: quiet(database))
        assert await value(database, STATE) == before
        assert await value(database, PARKED) == ""
        assert bus.signals("replay.sharing") == [], "what is old is no gap"


deliveries = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), max_size=8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=deliveries)
async def test_what_was_applied_is_always_the_beginning_of_what_was_said(
    database: Database, batches: list[list[int]]
) -> None:
    org = new_id("org")
    said = stream(10, org)
    async with inbox_of(database, note_it) as inbox:
        cursor = 0
        for batch in batches:
            await hear(inbox, *(said[place] for place in batch))
            for place in batch:
                cursor += place == cursor
        await until(lambda: quiet(database))
        expected = [f"note {n + 1}" for n in range(10)]
        assert await of_org(database, org) == expected[:cursor]
        await hear(inbox, *said)
        await until(lambda: quiet(database))
        assert await of_org(database, org) == expected


async def of_org(database: Database, org_id: str) -> list[str]:
    async with database.read(org_id) as read:
        return [r["text"] for r in await read.rows("select text from heard where org_id = $1 order by place", org_id)]


async def test_two_receivers_of_the_same_do_not_disturb_each_other(database: Database) -> None:
    """While one replica takes over from another, both may hold the same messages."""
    said = stream(60)
    async with inbox_of(database, note_it) as one, inbox_of(database, note_it) as other:
        for start in range(0, 60, 10):
            await asyncio.gather(
                *(hear(inbox, *said[max(0, start - 5) : start + 10]) for inbox in (one, other)), return_exceptions=True
            )
            await hear(one, *said[: start + 10])
        await until(lambda: quiet(database))
    assert await texts(database) == [f"note {n}" for n in range(1, 61)]
    assert await value(database, "select sequence from inbox_cursors") == 60


async def test_a_receiver_that_comes_late_does_not_turn_the_cursor_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = stream(6)
    async with inbox_of(database, note_it) as late, inbox_of(database, note_it) as other:
        looked, go_on = asyncio.Event(), asyncio.Event()
        write = late.receiver._write

        async def write_late(*args: Any) -> None:
            looked.set()
            await go_on.wait()
            await write(*args)

        monkeypatch.setattr(late.receiver, "_write", write_late)
        slow = asyncio.create_task(hear(late, *said[:2]))
        await looked.wait()
        await hear(other, *said)
        go_on.set()
        await slow
        assert await value(database, "select sequence from inbox_cursors") == 6
        await until(lambda: quiet(database))
    assert await texts(database) == [f"note {n}" for n in range(1, 7)]


async def test_a_gap_is_asked_for_once_and_not_handled_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.receiving.ASK_AGAIN_SECONDS", 3600)
    said = stream(5)
    bus = RecordingBus()
    async with inbox_of(database, note_it, bus=bus) as inbox:
        await hear(inbox, said[0], said[2], said[3])
        await hear(inbox, said[4])
        await until(lambda: quiet(database))
        assert await texts(database) == ["note 1"]
        (asked,) = bus.signals("replay.sharing")
        assert asked.to == "org.events"
        assert orjson.loads(asked.body)["after"] == {Envelope.parse(said[0]).subject: 1}
        await hear(inbox, *said[1:])
        await until(lambda: quiet(database))
        assert await texts(database) == [f"note {n}" for n in range(1, 6)]


async def test_a_probe_behind_its_events_asks_for_nothing(database: Database) -> None:
    """They come in one batch: what was in front of the probe counts as received."""
    org = new_id("org")
    bus = RecordingBus()
    probe = orjson.dumps({"tenantry": "probe", "source": "org", "heads": {org: 3}})
    async with inbox_of(database, note_it, bus=bus) as inbox:
        await hear(inbox, *stream(3, org), probe)
        assert bus.signals("replay.sharing") == []
        await hear(inbox, orjson.dumps({"tenantry": "probe", "source": "org", "heads": {org: 4}}))
        assert len(bus.signals("replay.sharing")) == 1
        assert await value(database, "select heard_at > now() - interval '1 minute' from inbox_probes")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a CloudEvents"),
        (b'{"specversion":"1.0"}', "missing"),
        (b'{"tenantry":', "unexpected end"),
        (event_of("org", "org_1", 1, id="evt_01k9zq3v5m8c1t0g7w2x4y6z8a").body(), "isn't one of its source"),
        (event_of("org", "org_1", 1, org_id=7).body(), "orgid must be text"),
        (event_of("org", "org_1", 1, org_id="a\x00b").body(), "orgid must be text"),
        (event_of("org", "org_1", 1).body().replace(b'Z"', b'"', 1), "offset"),
        (event_of("org", "".join(random.Random(1).choices("abcdef0123456789", k=20_000)), 1).body(), "can't be stored"),
    ],
)
async def test_what_cannot_be_read_is_parked_and_others_go_on(database: Database, bad: bytes, reason: str) -> None:
    said = stream(4)
    async with inbox_of(database, note_it) as inbox:
        await hear(inbox, said[0], bad, said[1])
        await hear(inbox, bad)
        await hear(inbox, *said[2:])
        await until(lambda: quiet(database))
        assert await texts(database) == [f"note {n}" for n in range(1, 5)]
        assert reason in await value(database, PARKED)
        assert await value(database, "select count(*) from inbox_parked") == 1


@pytest.mark.parametrize(
    "odd",
    [
        b'{"tenantry":"replay","source":"sharing","after":[1]}',
        b'{"tenantry":"replay","source":"sharing","queue":7,"after":{}}',
        b'{"tenantry":"probe","source":["org"]}',
        b'{"tenantry":"nonsense"}',
    ],
)
async def test_a_signal_that_is_not_understood_holds_nobody_up(database: Database, odd: bytes) -> None:
    async with inbox_of(database, note_it) as inbox:
        await hear(inbox, odd, *stream(2))
        await until(lambda: quiet(database))
        assert len(await texts(database)) == 2


async def test_an_id_that_comes_again_with_other_content_is_parked(database: Database) -> None:
    first = event_of("org", new_id("org"), 1, "true")
    async with inbox_of(database, note_it) as inbox:
        await hear(inbox, first.body())
        await hear(inbox, first.body().replace(b"true", b"fake"))
        await until(lambda: quiet(database))
        assert "came again with other content" in await value(database, PARKED)
        assert await texts(database) == ["true"]


async def test_another_event_under_a_sequence_that_is_taken_is_parked(database: Database) -> None:
    org = new_id("org")
    async with inbox_of(database, note_it) as inbox:
        await hear(inbox, event_of("org", org, 1, "first").body(), event_of("org", org, 1, "usurper").body())
        await hear(inbox, event_of("org", org, 2, "second").body())
        await until(lambda: quiet(database))
        assert "sequence 1" in await value(database, PARKED)
        assert await texts(database) == ["first", "second"]


async def test_an_id_that_is_taken_does_not_take_the_next_sequence(database: Database) -> None:
    org = new_id("org")
    first = event_of("org", org, 1, "first")
    async with inbox_of(database, note_it) as inbox:
        await hear(inbox, first.body())
        await hear(inbox, first.numbered(2).body(), *stream(3))
        assert "is another event's" in await value(database, PARKED)
        await hear(inbox, event_of("org", org, 2, "second").body())
        await until(lambda: quiet(database))
        assert await of_org(database, org) == ["first", "second"]
        assert len(await texts(database)) == 5, "the others of the batch weren't held up"


class Fails:
    """A handler that fails for texts that begin with "bad", as long as it is told to."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = errors
        self.attempts = 0
        self.fails = True

    async def __call__(self, tx: Tx, envelope: Envelope) -> None:
        await note_it(tx, envelope)
        if self.fails and envelope.data["text"].startswith("bad"):
            self.attempts += 1
            raise self.errors[self.attempts % len(self.errors)]


@pytest.mark.usefixtures("quickly")
async def test_what_fails_backs_off_then_is_dead_and_holds_back_its_own_subject_only(database: Database) -> None:
    ana, ben = new_id("org"), new_id("org")
    handler = Fails(ValueError("no\x00 \ud800 such"))
    async with inbox_of(database, handler) as inbox:
        await hear(inbox, *(event_of("org", ana, n, text).body() for n, text in ((1, "ok"), (2, "bad"), (3, "behind"))))
        await hear(inbox, *stream(20, ben))
        await until(lambda: value(database, "select true from inbox where state = 'dead' and attempts = 8"))
        await until(lambda: _is(of_org(database, ben), 20))
        assert await of_org(database, ana) == ["ok"]
        await hear(inbox, event_of("org", ana, 4, "last").body())
        assert await value(database, OPEN) == 2
        handler.fails = False
        await execute(
            database, "update inbox set state = 'waiting', attempts = 0, not_before = now() where state = 'dead'"
        )
        await until(lambda: quiet(database))
        assert await of_org(database, ana) == ["ok", "bad", "behind", "last"]


async def _is(found: object, count: int) -> bool:
    return len(await found) == count  # type: ignore[misc, no-any-return]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "statement",
    [
        "insert into inbox_cursors values ('a', 'b', 1), ('a', 'b', 1)",  # a unique violation
        "select 1 / 0",
        "select * from nothing",
    ],
)
async def test_an_error_of_postgresql_is_a_failure_of_the_event(database: Database, statement: str) -> None:
    async def handle(tx: Tx, envelope: Envelope) -> None:
        await tx.run(statement)

    async with inbox_of(database, handle) as inbox:
        await hear(inbox, *stream(1))
        await until(lambda: value(database, "select true from inbox where state = 'dead' and attempts = 8"))


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("the server expects 2 arguments"),
        asyncpg.exceptions._base.DataError("not a number"),
        FileNotFoundError("template"),
        TimeoutError(),
        KeyError("x"),
        Problem("conflict"),
        asyncpg.QueryCanceledError("statement timeout"),
    ],
)
async def test_a_mistake_that_only_looks_like_a_lost_database_is_a_failure_of_the_event(
    database: Database, error: Exception
) -> None:
    async with inbox_of(database, Fails(error)) as inbox:
        await hear(inbox, event_of("org", new_id("org"), 1, "bad").body())
        await until(lambda: value(database, "select true from inbox where state = 'dead' and attempts = 8"))


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    "error",
    [Problem("unavailable"), Problem("deadline_exceeded"), asyncpg.DeadlockDetectedError("x"), DatabaseAway("x")],
)
async def test_what_is_not_the_events_fault_never_kills_it(
    database: Database, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Fails(error)
    async with inbox_of(database, handler, workers=1) as inbox:
        await hear(inbox, event_of("org", new_id("org"), 1, "bad").body(), *stream(5))
        wanted = 3 if isinstance(error, DatabaseAway) else 12
        await until(lambda: _at_least(handler, wanted), 20)
        await until(lambda: _is(texts(database), 5))
        handler.fails = False
        await until(lambda: _is(texts(database), 6))


async def _at_least(handler: Fails, attempts: int) -> bool:
    return handler.attempts >= attempts


async def test_a_long_line_lets_others_have_their_turn(database: Database) -> None:
    long, short = new_id("org"), new_id("org")
    async with inbox_of(database, note_it, workers=1) as inbox:
        await hear(inbox, *stream(400, long), *stream(1, short))
        await until(lambda: quiet(database))
    async with database.read("*") as read:
        heard = [row["org_id"] for row in await read.rows("select org_id from heard order by place")]
    assert heard.index(short) <= 60


async def test_what_another_replica_stored_is_found_even_behind_many_that_are_stuck(database: Database) -> None:
    await execute(
        database,
        "insert into inbox (id, handler, source, subject, sequence, type, body, state) select 'd' || n, 'heard', 'org', 'a' || n, 1, 'x', '', 'dead' from generate_series(1, 700) n",
    )
    await execute(
        database,
        "insert into inbox (id, handler, source, subject, sequence, type, body, state) select 'w' || n, 'heard', 'org', 'a' || n, 2, 'x', '', 'waiting' from generate_series(1, 700) n",
    )
    org = new_id("org").replace("org_", "zzz_")
    body = event_of("org", org, 1).body()
    await execute(
        database,
        "insert into inbox (id, handler, source, subject, sequence, type, org_id, body, state) values ($1, 'heard', 'org', $2, 1, 'x', $2, $3, 'waiting')",
        Envelope.parse(body).id,
        org,
        body,
    )
    async with inbox_of(database, note_it):
        await until(lambda: _is(texts(database), 1))


async def test_a_handler_that_is_cut_off_has_no_effect_and_is_repeated(database: Database) -> None:
    begun = asyncio.Event()

    async def handle(tx: Tx, envelope: Envelope) -> None:
        await note_it(tx, envelope)
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()

    async with inbox_of(database, handle) as inbox:
        await hear(inbox, *stream(2))
        await begun.wait()
    assert await texts(database) == []
    async with inbox_of(database, handle):
        await until(lambda: quiet(database))
    assert await texts(database) == ["note 1", "note 2"]


async def test_a_connection_that_dies_under_a_handler_costs_no_attempt(database: Database) -> None:
    killed = False

    async def handle(tx: Tx, envelope: Envelope) -> None:
        nonlocal killed
        await note_it(tx, envelope)
        if not killed:
            killed = True
            await execute(database, "select pg_terminate_backend($1)", await tx.value("select pg_backend_pid()"))
            await tx.value("select 1")

    async with inbox_of(database, handle) as inbox:
        await hear(inbox, *stream(3))
        await until(lambda: quiet(database))
        assert len(await texts(database)) == 3
        assert await value(database, "select max(attempts) from inbox") == 0


async def test_of_two_replicas_one_handles_a_subject_at_a_time(database: Database) -> None:
    under_way: set[str] = set()
    met: list[str] = []

    async def handle(tx: Tx, envelope: Envelope) -> None:
        if envelope.subject in under_way:
            met.append(envelope.subject)
        under_way.add(envelope.subject)
        await asyncio.sleep(0.001)
        await note_it(tx, envelope)
        under_way.discard(envelope.subject)

    orgs = [new_id("org") for _ in range(4)]
    async with inbox_of(database, handle) as one, inbox_of(database, handle) as other:
        for org in orgs:
            said = stream(40, org)
            for body in said:
                await hear(one, body)
                other._make_ready(("org", org))
        await until(lambda: quiet(database))
    assert met == []
    for org in orgs:
        assert await of_org(database, org) == [f"note {n}" for n in range(1, 41)]
