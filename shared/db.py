"""A service's own PostgreSQL: a pool, and transactions that know their organization and what they will say.

Row-level security reads `tenantry.org_id`, set inside each transaction together with its BEGIN.
Events emitted on a transaction are written to the outbox just before its commit.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from shared.errors import Problem
from shared.tracing import Tracer, measuring

if TYPE_CHECKING:
    from shared.events import Envelope

log = structlog.get_logger()

EVERY_ORG = "*"
SAFE_SCOPE = re.compile(r"[\w*]*")

Row = asyncpg.Record
Violations = Callable[[asyncpg.PostgresError], Problem | None]

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,  # a connection that ended in the midst of a message
)
AWAY = (OSError, *LOST, asyncpg.InterfaceError, asyncpg.TooManyConnectionsError)
RECORDED = {"db.system.name": "postgresql"}
RETRYABLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
TOO_SLOW = (TimeoutError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)


class DatabaseAway(Problem):
    """The service's own database can't be used now; it says nothing about the message that was being handled."""

    def __init__(self, detail: str) -> None:
        super().__init__("unavailable", detail, retry_after=2)


class _Connection(asyncpg.Connection):
    """A connection that is only ever used through `Database`, which leaves no state behind: no RESET is needed."""

    def get_reset_query(self) -> str:
        return ""


class Read:
    """Statements inside one transaction. `$1`-style parameters, rows as `asyncpg.Record`."""

    def __init__(self, connection: asyncpg.Connection[Row]) -> None:
        self.connection = connection

    async def row(self, sql: str, *args: Any) -> Row | None:
        return await self.connection.fetchrow(sql, *args)

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        return await self.connection.fetch(sql, *args)

    async def value(self, sql: str, *args: Any) -> Any:
        return await self.connection.fetchval(sql, *args)


class Tx(Read):
    """A transaction that may change things, and say so."""

    def __init__(self, connection: asyncpg.Connection[Row], say: Callable[[Any], Envelope]) -> None:
        super().__init__(connection)
        self._say = say
        self.said: list[Envelope] = []
        self.wakes: list[Callable[[], None]] = []

    async def run(self, sql: str, *args: Any) -> int:
        """Executes a statement and tells how many rows it touched."""
        status = await self.connection.execute(sql, *args)
        return int(status.rpartition(" ")[2]) if status[-1].isdigit() else 0

    async def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.connection.executemany(sql, rows)

    async def emit(self, event: Any) -> Envelope:
        """Says that `event` happened, if and only if this transaction commits. Returns its envelope (its sequence is given at commit)."""
        envelope = self._say(event)
        self.said.append(envelope)
        return envelope

    def speaks_as(self, say: Callable[[Any], Envelope]) -> None:
        """What is emitted from here on is said on behalf of another."""
        self._say = say

    def after_commit(self, wake: Callable[[], None]) -> None:
        """`wake` is called if and only if this transaction commits, right after it."""
        self.wakes.append(wake)


class Database:
    """The pool of one service. Every statement has a deadline; so has waiting for a connection."""

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 8,
        statement_seconds: float = 10.0,
        acquire_seconds: float = 2.5,
        name: str = "tenantry",
        tracer: Tracer | None = None,
    ) -> None:
        self.dsn = dsn
        self._tracer = tracer
        self._size = size
        self._statement_seconds = statement_seconds
        self._acquire_seconds = acquire_seconds
        self._name = name
        self._pool: asyncpg.Pool[Row] | None = None
        self._after_commit: list[Callable[[], None]] = []

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=1,
            max_size=self._size,
            connection_class=_Connection,
            command_timeout=self._statement_seconds,
            timeout=5,
            max_inactive_connection_lifetime=300,
            server_settings=self.settings(),
        )

    def settings(self) -> dict[str, str]:
        return {
            "application_name": self._name,
            "timezone": "UTC",
            "statement_timeout": str(int(self._statement_seconds * 1000)),
            "idle_in_transaction_session_timeout": "30000",
            "jit": "off",
        }

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), 5)
            except TimeoutError:
                self._pool.terminate()

    @property
    def pool(self) -> asyncpg.Pool[Row]:
        if self._pool is None:
            raise RuntimeError("the database isn't open yet")
        return self._pool

    def on_commit(self, wake: Callable[[], None]) -> None:
        """`wake` is called right after each commit that said something."""
        self._after_commit.append(wake)

    async def _begun(self, statement: str) -> asyncpg.pool.PoolConnectionProxy[Row]:
        """A connection on which a transaction has begun. One that broke while it was idle is replaced: nothing had happened on it."""
        for _ in range(self._size + 1):
            connection = await self._acquired()
            try:
                await connection.execute(statement)
            except BaseException as failed:
                broken = _is_lost(connection, failed)
                try:
                    if broken:
                        _terminate(connection)
                    else:
                        await _end(connection, "rollback")
                finally:  # a second cancellation ends the rollback's waiting, and the connection must go back all the same
                    await self.pool.release(connection)
                if broken and isinstance(failed, Exception):
                    continue
                if isinstance(failed, AWAY):
                    raise DatabaseAway("The database doesn't begin a transaction.") from failed
                raise
            return connection
        raise DatabaseAway("The database ends every connection.")

    async def _acquired(self) -> asyncpg.pool.PoolConnectionProxy[Row]:
        try:
            return await self.pool.acquire(timeout=self._acquire_seconds)
        except TimeoutError:
            raise Problem("overloaded", "All database connections are in use.", retry_after=1) from None
        except (*AWAY, asyncpg.PostgresError) as away:
            raise DatabaseAway("The database is away.") from away

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[Any]:
        """What raises inside rolls back; when it was the connection that failed, it raises `DatabaseAway`."""
        connection = await self._begun(begin)
        try:
            try:
                yield connection
            except BaseException as failed:
                lost = _is_lost(connection, failed)
                await _end(connection, "rollback")
                if lost and isinstance(failed, Exception) and not isinstance(failed, Problem):
                    raise DatabaseAway("The database went away.") from failed
                raise
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def read(self, org_id: str) -> AsyncIterator[Read]:
        """A read-only transaction inside one organization (or `EVERY_ORG`, for a service's own housekeeping)."""
        with measuring(self._tracer, "read", "client", RECORDED):
            async with self._transaction(f"begin read only; {scope_statement(org_id)}") as connection:
                yield Read(connection)
                await _end(connection, "commit")

    @asynccontextmanager
    async def tx(self, org_id: str, say: Callable[[Any], Envelope]) -> AsyncIterator[Tx]:
        """A transaction: commits when the block ends well, after its events are in the outbox; rolls back when it raises."""
        with measuring(self._tracer, "transaction", "client", RECORDED) as span:
            async with self._transaction(f"begin; {scope_statement(org_id)}") as connection:
                tx = Tx(connection, say)
                yield tx
                if tx.said:
                    from shared.outbox import write_outbox

                    await write_outbox(tx)
                    if span is not None:
                        span.keep()
                        span.note({"tenantry.events": len(tx.said)})
                await _commit(connection)
        for wake in (*tx.wakes, *(self._after_commit if tx.said else ())):
            wake()


def scope_statement(org_id: str) -> str:
    """`set local` travels with BEGIN in one round trip, so the value is checked rather than bound."""
    if not SAFE_SCOPE.fullmatch(org_id):
        raise ValueError("an organization id has letters, digits and _ only")
    return f"set local tenantry.org_id = '{org_id}'"


async def _commit(connection: Any) -> None:
    try:
        outcome = await _uninterrupted(connection.execute("commit"))
    except AWAY as away:
        # Whether it happened is unknown: the truth is what a repetition with the same Idempotency-Key answers.
        raise DatabaseAway("The database went away during the commit.") from away
    if outcome != "COMMIT":
        raise RuntimeError(
            "nothing was committed: a statement had failed, and its error was caught without a savepoint"
        )


async def _end(connection: Any, how: str) -> None:
    try:
        await _uninterrupted(connection.execute(how, timeout=5))
    except (TimeoutError, asyncpg.PostgresError, *AWAY):
        _terminate(connection)


def _is_lost(connection: Any, failed: BaseException) -> bool:
    """A pooled connection that broke has left the pool already, and refuses even to say so."""
    try:
        return isinstance(failed, LOST) or connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def _terminate(connection: Any) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _uninterrupted(work: Coroutine[Any, Any, str]) -> str:
    """A commit that is cancelled half-way has usually happened, so it is waited for before the cancellation goes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as told:
            cancelled = told
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    return task.result()
