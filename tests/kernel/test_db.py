"""Transactions on real PostgreSQL: scoped to one organization, whole or not at all, and clean afterwards, whatever interrupts them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.db import EVERY_ORG, Database, DatabaseAway, scope_statement
from shared.errors import Problem
from shared.ids import new_id
from tests.kernel.pieces import database_of, execute, notes, says, until, value
from tests.world import Databases

OTHERS = "datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"  # no autovacuum
BUSY = f"select count(*) from pg_stat_activity where {OTHERS} and state <> 'idle'"


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    async with database_of(databases, notes, size=4, acquire_seconds=0.5) as database:
        yield database


async def write(database: Database, org_id: str, note: str) -> None:
    async with database.tx(org_id, says("org", org_id)) as tx:
        await tx.run("insert into notes (org_id, id, text) values ($1, $2, '')", org_id, note)
        await tx.emit(note)


async def count(database: Database, table: str = "notes") -> int:
    return int(await value(database, f"select count(*) from {table}"))


async def test_a_statement_without_any_filter_sees_nothing_of_others(database: Database) -> None:
    ana, eve = new_id("org"), new_id("org")
    await write(database, ana, "secret")
    for scope in (eve, ""):
        async with database.read(scope) as read:
            assert await read.rows("select * from notes") == []
        async with database.tx(scope, says("org", eve)) as tx:
            assert await tx.run("update notes set text = 'taken'") == 0
            assert await tx.run("delete from notes") == 0
    async with database.read(ana) as read:
        assert len(await read.rows("select * from notes")) == 1
    assert await count(database) == 1


async def test_nobody_writes_into_another_organization(database: Database) -> None:
    ana, eve = new_id("org"), new_id("org")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.tx(eve, says("org", eve)) as tx:
            await tx.run("insert into notes (org_id, id, text) values ($1, 'x', '')", ana)


async def test_a_scope_never_stays_on_a_connection(databases: Databases) -> None:
    async with database_of(databases, notes, size=1) as database:
        ana = new_id("org")
        await write(database, ana, "secret")
        assert await count(database) == 1
        assert not await database.pool.fetchval("select current_setting('tenantry.org_id', true)")
        assert await database.pool.fetchval("select count(*) from notes") == 0


@pytest.mark.parametrize("scope", ["x'; drop table notes; --", "a b", "org-1", "\n"])
def test_a_scope_is_letters_and_digits(scope: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        scope_statement(scope)


async def test_a_read_can_not_write(database: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.read(EVERY_ORG) as read:
            await read.value("insert into notes (org_id, id, text) values ('a', 'b', '') returning id")


async def test_cancelled_at_any_moment_it_is_whole_or_not_at_all_and_the_connections_are_clean(
    database: Database,
) -> None:
    chaos = random.Random(3)
    org = new_id("org")

    async def cut_short(number: int) -> None:
        task = asyncio.create_task(write(database, org, f"n{number}"))
        await asyncio.sleep(chaos.uniform(0, 0.012))
        task.cancel()
        await asyncio.sleep(chaos.uniform(0, 0.001))
        task.cancel()  # whoever stops a process doesn't ask only once
        await asyncio.gather(task, return_exceptions=True)

    for round_ in range(40):
        await asyncio.gather(*(cut_short(4 * round_ + n) for n in range(4)))
    written, said = await count(database), await count(database, "outbox")
    assert 0 < written < 160, "the moments were well chosen"
    assert written == said
    assert await value(database, "select max(sequence) from outbox") == said
    assert await execute(database, BUSY) == 0
    await asyncio.gather(*(write(database, org, f"after{n}") for n in range(8)))


async def test_a_commit_that_is_cancelled_has_happened(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    committing = asyncio.Event()
    original = asyncpg.Connection.execute

    async def execute_slowly(
        self: asyncpg.Connection[asyncpg.Record], query: str, *args: object, **options: object
    ) -> str:
        if query == "commit":
            committing.set()
            await asyncio.sleep(0.05)
        return await original(self, query, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncpg.Connection, "execute", execute_slowly)
    task = asyncio.create_task(write(database, new_id("org"), "n"))
    await committing.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 1


async def test_a_beginning_that_is_cancelled_twice_gives_its_connection_back(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_of(databases, notes, size=1, acquire_seconds=0.5) as database:
        reached = {"begin": asyncio.Event(), "rollback": asyncio.Event()}
        original = asyncpg.Connection.execute

        async def execute_slowly(
            self: asyncpg.Connection[asyncpg.Record], query: str, *args: object, **options: object
        ) -> str:
            if (moment := query.split()[0].rstrip(";")) in reached:
                reached[moment].set()
                await asyncio.sleep(0.05)
            return await original(self, query, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(asyncpg.Connection, "execute", execute_slowly)
        task = asyncio.create_task(write(database, new_id("org"), "n"))
        for moment in ("begin", "rollback"):
            await reached[moment].wait()
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        assert await count(database) == 0


async def test_what_postgresql_rolled_back_is_never_taken_for_committed(database: Database) -> None:
    org = new_id("org")
    with pytest.raises(RuntimeError, match="nothing was committed"):  # noqa: PT012
        async with database.tx(org, says("org", org)) as tx:
            await tx.run("insert into notes (org_id, id, text) values ($1, 'n', '')", org)
            with contextlib.suppress(asyncpg.DivisionByZeroError):
                await tx.run("select 1 / 0")
    assert await count(database) == 0


async def test_when_all_connections_are_in_use_it_says_so_soon(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()
    acquire, patience = asyncpg.Pool.acquire, []

    def noted(self: asyncpg.Pool[asyncpg.Record], *, timeout: float) -> object:
        patience.append(timeout)
        return acquire(self, timeout=timeout)

    async def sit() -> None:
        async with database.read(""):
            await done.wait()

    sitting = [asyncio.create_task(sit()) for _ in range(4)]
    await until(lambda: _is_busy(database))
    monkeypatch.setattr(asyncpg.Pool, "acquire", noted)
    with pytest.raises(Problem) as told:
        await value(database, "select 1")
    assert told.value.code == "overloaded"
    assert patience == [0.5], "it waits once, and no longer than was agreed"
    done.set()
    await asyncio.gather(*sitting)
    assert await value(database, "select 1") == 1


async def _is_busy(database: Database) -> bool:
    return bool(await execute(database, BUSY) == 4)


async def test_connections_that_died_while_idle_concern_nobody(database: Database) -> None:
    org = new_id("org")
    for round_ in range(5):
        await asyncio.gather(*(write(database, org, f"{round_}-{n}") for n in range(4)))
        await execute(
            database,
            f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {OTHERS}",
        )
    await write(database, org, "last")
    assert await count(database) == 21


@pytest.mark.parametrize("moment", ["statement", "between", "commit"])
async def test_a_connection_that_dies_under_a_transaction_makes_it_unavailable(database: Database, moment: str) -> None:
    org = new_id("org")

    async def cut(tx_pid: int) -> None:
        await execute(database, "select pg_terminate_backend($1)", tx_pid)

    with pytest.raises(DatabaseAway) as told:  # noqa: PT012
        async with database.tx(org, says("org", org)) as tx:
            await tx.run("insert into notes (org_id, id, text) values ($1, 'n', '')", org)
            pid = await tx.value("select pg_backend_pid()")
            if moment == "statement":
                asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(cut(pid)))
                await tx.value("select pg_sleep(5)")
            await cut(pid)
            if moment == "between":
                await asyncio.sleep(0.05)
                await tx.value("select 1")
    assert told.value.status == 503
    assert await count(database) == 0


@pytest.mark.parametrize("word", ["rollback", "commit"])
async def test_a_connection_that_the_library_cant_make_sense_of_serves_nobody_until_it_is_rolled_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    execute_as_ever, thrown = asyncpg.Connection.execute, []

    async def stumble(self: asyncpg.Connection[asyncpg.Record], query: str, *given: object, **more: float) -> str:
        if query == word and not thrown:
            thrown.append(self.get_server_pid())
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
        return str(await execute_as_ever(self, query, *given, **more))

    monkeypatch.setattr(asyncpg.Connection, "execute", stumble)
    org = new_id("org")
    with pytest.raises(Problem if word == "rollback" else DatabaseAway) as told:  # noqa: PT012
        async with database.tx(org, says("org", org)) as tx:
            await tx.run("insert into notes (org_id, id, text) values ($1, 'n', '')", org)
            if word == "rollback":
                raise Problem("conflict")
    assert told.value.status == (409 if word == "rollback" else 503)
    await asyncio.gather(*(write(database, org, str(n)) for n in range(8)))
    alive = "select exists (select from pg_stat_activity where pid = $1)"
    if word == "commit":
        assert await value(database, alive, thrown[0]), "after a rollback that went well it goes on"
    else:
        await until(lambda: value(database, f"select not ({alive})", thrown[0]))
    assert await count(database) == 8


async def test_while_the_database_is_away_everything_is_unavailable_and_afterwards_it_is_not(
    databases: Databases,
) -> None:
    async with database_of(databases, notes, acquire_seconds=0.5) as database:
        name = await value(database, "select current_database()")
        admin = await asyncpg.connect(databases.postgres.admin_dsn)
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        with pytest.raises(DatabaseAway):
            await write(database, new_id("org"), "n")
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()
        await write(database, new_id("org"), "n")
        assert await count(database) == 1
