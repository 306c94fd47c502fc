"""The outbox: what a transaction said, numbered without gaps per subject, and the one relay that publishes it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
import structlog

from shared.bus import Bus, Message, NotPublished
from shared.db import AWAY, Database, Read, Row, Tx
from shared.events.courier import MailRequested
from shared.metrics import OUTBOX_OLDEST, OUTBOX_PENDING, PUBLISHED
from shared.tracing import Span, Tracer, traceparent_of

log = structlog.get_logger()

WINDOW = 500
HEARTBEAT_SECONDS = 1.0
PROBE_EVERY = 5  # heartbeats
LONGEST_PAUSE_SECONDS = 2.0
LEADER_SILENT_SECONDS = 10.0  # longer than a publish may take
NOTIFY_CHANNEL = "outbox"

WRITE = """
with said as (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        with ordinality as said (id, type, subject, org_id, head, tail, place)
), counted as (
    select subject, count(*) as how_many from said group by subject order by subject
), numbered as (
    insert into outbox_subjects as known (subject, sequence) select subject, how_many from counted
    on conflict (subject) do update set sequence = known.sequence + excluded.sequence, changed_at = clock_timestamp()
    returning subject, sequence
), placed as (
    select said.*, numbered.sequence - counted.how_many + row_number() over (partition by said.subject order by place) as number
    from said join counted using (subject) join numbered using (subject)
)
insert into outbox (id, type, subject, sequence, org_id, body)
select id, type, subject, number, org_id, convert_to(head || number || tail, 'UTF8') from placed order by place
"""
UNPUBLISHED = "select position, type, body from outbox where published_at is null order by position limit $1"
MARK = "update outbox set published_at = clock_timestamp() where position = any($1::bigint[])"
CHANGED = "select max(sequence) from outbox where subject = $1 and type <> $2 and type not like '%.action.refused.v1'"
HEADS_CHANGED = "select subject, sequence from outbox_subjects where changed_at > now() - interval '90 seconds' order by changed_at desc limit 500"
HEADS_IN_TURN = "select subject, sequence from outbox_subjects where subject > $1 order by subject limit 200"


async def newest_change(read: Read, subject: str) -> int:
    """The number of the last event that tells of a change. A mail that was asked for and a refusal are none: what was shown before is still so."""
    return await read.value(CHANGED, subject, MailRequested.TYPE) or 0


async def write_outbox(tx: Tx) -> None:
    """Writes what the transaction said: one statement, sequences assigned under each subject's row lock."""
    envelopes = tx.said
    around = [envelope.around_sequence() for envelope in envelopes]
    await tx.run(
        WRITE,
        [envelope.id for envelope in envelopes],
        [envelope.type for envelope in envelopes],
        [envelope.subject for envelope in envelopes],
        [envelope.org_id for envelope in envelopes],
        [head for head, _ in around],
        [tail for _, tail in around],
    )


class Relay:
    """Publishes one service's outbox: one relay at a time, whatever the number of replicas.

    Leadership is a session advisory lock on a dedicated connection, which also does all the relay's reading and marking:
    who loses the connection has lost the lock. PostgreSQL ends the connection of a leader that says nothing for seconds,
    so a process that was paused or cut off doesn't keep the others waiting; what it still publishes is a duplicate.
    A relay that doesn't lead passes wake-ups on by NOTIFY.
    """

    def __init__(self, source: str, database: Database, bus: Bus, tracer: Tracer | None = None) -> None:
        self.source = source
        self._tracer = tracer
        self._database = database
        self._bus = bus
        self._woken = asyncio.Event()
        self.leading = False
        self._task: asyncio.Task[None] | None = None
        self._turn = ""

    def start(self) -> None:
        self._database.on_commit(self._woken.set)
        self._task = asyncio.create_task(self._run(), name=f"relay of {self.source}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._with_connection()
            except (*AWAY, asyncpg.PostgresError) as away:
                log.warning("the relay lost its database", source=self.source, error=str(away))
            except Exception:
                log.exception("the relay failed and begins anew", source=self.source)
            finally:
                self.leading = False
                self._tell_waiting(0, 0)  # what waits is the next leader's to tell
            await asyncio.sleep(0.5)

    async def _with_connection(self) -> None:
        connection = await asyncpg.connect(
            self._database.dsn,
            timeout=5,
            command_timeout=10,
            server_settings={
                **self._database.settings(),
                "idle_session_timeout": str(int(LEADER_SILENT_SECONDS * 1000)),
            },
        )
        try:
            while not await connection.fetchval("select pg_try_advisory_lock($1)", lock_key(f"relay of {self.source}")):
                await self._pass_on_wakes(connection)
            await connection.add_listener(NOTIFY_CHANNEL, lambda *_: self._woken.set())
            self.leading = True
            log.info("this process relays", source=self.source)
            await self._lead(connection)
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)

    async def _pass_on_wakes(self, connection: asyncpg.Connection[Row]) -> None:
        with contextlib.suppress(TimeoutError):
            await self._wait_for_wake(1.0)
            self._woken.clear()
            await connection.execute(f"notify {NOTIFY_CHANNEL}")

    async def _lead(self, connection: asyncpg.Connection[Row]) -> None:
        failures = 0
        beat = asyncio.get_running_loop().time()
        beats = 0
        while True:
            self._woken.clear()
            due = asyncio.get_running_loop().time() >= beat
            try:
                heads = await self._heads(connection) if due and beats % PROBE_EVERY == 0 else None
                await self._drain(connection)
                failures = 0
                if due:
                    beat = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS
                    await self._say_alive(heads)
                    beats += 1
            except NotPublished as why:
                failures += 1
                if failures in (1, 10) or failures % 100 == 0:
                    log.warning(
                        "the bus doesn't take events; they wait in the outbox",
                        source=self.source,
                        error=str(why),
                        failures=failures,
                    )
                await self._count(connection)
                if due:
                    beat = asyncio.get_running_loop().time() + PROBE_EVERY * HEARTBEAT_SECONDS
                    await self._bus.publish([self._to_itself()])
                await asyncio.sleep(min(0.1 * 2 ** min(failures, 5), LONGEST_PAUSE_SECONDS))
                continue
            with contextlib.suppress(TimeoutError):
                await self._wait_for_wake(max(beat - asyncio.get_running_loop().time(), 0.01))

    async def _wait_for_wake(self, seconds: float) -> None:
        """Not `asyncio.wait_for`: before Python 3.12 that swallows a cancellation that comes together with the wake, and the relay never stops."""
        async with asyncio.timeout(seconds):
            await self._woken.wait()

    async def _drain(self, connection: asyncpg.Connection[Row]) -> None:
        while rows := await connection.fetch(UNPUBLISHED, WINDOW):
            spans = self._begin_spans(rows) if self._tracer is not None else []
            await self._bus.publish([Message(routing_key(self.source, row["type"]), row["body"]) for row in rows])
            for span in spans:
                span.end()
            await connection.execute(MARK, [row["position"] for row in rows])
            PUBLISHED.labels(self.source).inc(len(rows))
            if len(rows) < WINDOW:
                break
        self._tell_waiting(0, 0)

    def _tell_waiting(self, pending: int, oldest: float) -> None:
        OUTBOX_PENDING.labels(self.source).set(pending)
        OUTBOX_OLDEST.labels(self.source).set(oldest)

    def _begin_spans(self, rows: Sequence[Row]) -> list[Span]:
        """One per event whose cause is traced. When publishing fails they are never told of: it is tried again, perhaps for hours."""
        assert self._tracer is not None
        traced = [(row["type"], parent) for row in rows if (parent := traceparent_of(row["body"])) is not None]
        return [self._tracer.begin(f"publish {name}", "producer", parent=parent) for name, parent in traced]

    async def _count(self, connection: asyncpg.Connection[Row]) -> None:
        row = await connection.fetchrow(
            "select count(*) as pending, coalesce(extract(epoch from now() - min(said_at)), 0)::float as oldest from outbox where published_at is null"
        )
        if row is not None:
            self._tell_waiting(row["pending"], row["oldest"])

    async def _heads(self, connection: asyncpg.Connection[Row]) -> dict[str, int]:
        """Where the subjects stand: the lately changed ones, and some of the others in turn, so that a lost tail is noticed."""
        in_turn = await connection.fetch(HEADS_IN_TURN, self._turn)
        self._turn = in_turn[-1]["subject"] if in_turn else ""
        changed = await connection.fetch(HEADS_CHANGED)
        return {row["subject"]: row["sequence"] for row in (*in_turn, *changed)}

    def _to_itself(self) -> Message:
        """Proves that what goes into this service's own queue comes out of it: readiness depends on that."""
        return Message(
            f"probe.{self.source}", signal("probe", self.source, {}), lasting=False, to=queue_name(self.source)
        )

    async def _say_alive(self, heads: dict[str, int] | None) -> None:
        messages = [Message(f"heartbeat.{self.source}", signal("heartbeat", self.source, {}), lasting=False)]
        if heads is not None:
            messages.append(
                Message(f"probe.{self.source}", signal("probe", self.source, {"heads": heads}), lasting=False)
            )
            messages.append(self._to_itself())
        await self._bus.publish(messages)


def routing_key(source: str, event_type: str) -> str:
    """An event's type; a task for another service goes under the name of who asks, because who hears a source hears all of it."""
    return event_type if event_type.startswith(f"{source}.") else f"{source}.{event_type}"


def queue_name(service: str) -> str:
    return f"{service}.events"


def signal(kind: str, source: str, content: dict[str, Any]) -> bytes:
    """A message between kernels (heartbeat, probe, replay): never stored, not an event."""
    return orjson.dumps({"tenantry": kind, "source": source, **content})


def lock_key(name: str) -> int:
    """A name as the 64-bit key of an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
