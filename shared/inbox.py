"""The inbox: exactly one effect per event and handler, in order per subject; what fails holds back its own subject only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from shared.bus import Bus
from shared.bus.patterns import matches
from shared.db import EVERY_ORG, RETRYABLE, Database, DatabaseAway, Tx
from shared.errors import Problem
from shared.events import Envelope
from shared.ids import may_come_from
from shared.metrics import APPLIED, DEAD, EVENT_LAG
from shared.receiving import EVERY_TYPE, Receiver, Subject, says_nothing
from shared.tracing import Span, Tracer, read_traceparent, recording

__all__ = ["EVERY_TYPE", "Handler", "Inbox"]

log = structlog.get_logger()

MAX_ATTEMPTS = 8
NEVER = 2**31 - 1
BACKOFF_SECONDS = (0.2, 1, 5, 15, 60, 300, 900)
POLL_SECONDS = 1.0
FINISH_SECONDS = 5.0
LONGEST_WAIT_FOR_OTHERS = 60
ERASER = "erase_organization"  # the one handler that hears of an organization that is erased
FAIR_SHARE = 50  # events of one subject before the next one's turn

# The head of a subject's line, dead ones included: what is behind a dead event waits for it.
# From here on the transaction sees the event's organization only.
CLAIM = """
with head as (
    select * from inbox where (id, handler) = (
        select id, handler from inbox where source = $1 and subject = $2 and state in ('waiting', 'dead')
        order by sequence, handler limit 1
    ) and state = 'waiting' and not_before <= clock_timestamp() for update skip locked
)
select *, set_config('tenantry.org_id', coalesce(org_id, $3), true),
    handler <> $4 and exists (select from erasures where erasures.subject = head.org_id) as erased,
    (
        select replayed >= head.sequence and head.sequence > 0 from inbox_cursors as cursor
        where cursor.source = head.source and cursor.subject = head.subject
    ) as is_again
from head
"""
# One step along the index per subject that has something open, however much that is.
HEADS = """
with recursive heads as (
    (select source, subject, state, not_before from inbox where state in ('waiting', 'dead')
        order by source, subject, sequence, handler limit 1)
    union all
    select next.* from heads, lateral (
        select source, subject, state, not_before from inbox
        where state in ('waiting', 'dead') and (source, subject) > (heads.source, heads.subject)
        order by source, subject, sequence, handler limit 1
    ) as next
)
select source, subject, state from heads where state = 'dead' or not_before <= clock_timestamp()
"""
DONE = "update inbox set state = 'done', applied_at = clock_timestamp(), error = null where id = $1 and handler = $2"
# An organization that is erased here is heard of no more: nothing is kept of what is still said about it.
PASSED_OVER = """
update inbox set state = 'skipped', applied_at = clock_timestamp(), error = null, body = null where id = $1 and handler = $2
"""
# A sample that fails holds nothing back, and is tried this once.
FAILED = """
update inbox set attempts = attempts + 1, error = $3, not_before = clock_timestamp() + $4::interval,
    state = case when sequence = 0 then 'skipped' when attempts + 1 >= $5 then 'dead' else 'waiting' end
where id = $1 and handler = $2 and state = 'waiting' returning state, attempts
"""
APPLIED_BY = """
with asked as (select source, subject, max(sequence) as sequence, max(applied_at) as applied_at,
        bool_or(state <> 'skipped') as concerned from inbox where id = $1 group by source, subject)
select asked.applied_at, asked.concerned, (
    select inbox.state from inbox where inbox.source = asked.source and inbox.subject = asked.subject
        and inbox.sequence <= asked.sequence and inbox.state in ('waiting', 'dead') order by inbox.sequence limit 1
) as held_by from asked
"""


@dataclass(frozen=True)
class Handler:
    """A consumer function under its name, and the event types that it hears (or patterns of them, as a bus has them)."""

    name: str
    types: frozenset[str]
    handle: Callable[[Tx, Envelope], Awaitable[None]]
    say: Callable[[Envelope], Callable[[Any], Envelope]]


class Inbox:
    """One service's inbox. Several replicas may run it: a subject is handled by one of them at a time."""

    def __init__(
        self,
        service: str,
        database: Database,
        bus: Bus,
        sources: Sequence[str],
        handlers: Sequence[Handler],
        *,
        workers: int = 4,
        states_only: bool = False,
        samples: bool = False,
        tracer: Tracer | None = None,
    ) -> None:
        self.service = service
        self._tracer = tracer
        self.sources = frozenset(sources)
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        for handler in handlers:
            self._handlers[handler.name].append(handler)
        heard = {name: frozenset[str]().union(*(one.types for one in same)) for name, same in self._handlers.items()}
        self.receiver = Receiver(
            service, database, bus, sources, heard, self._make_ready, states_only=states_only, samples=samples
        )
        self._database = database
        self._bus = bus
        self._workers = workers
        self._ready: asyncio.Queue[Subject] = asyncio.Queue()
        self._queued: set[Subject] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._applied = asyncio.Condition()

    async def start(self) -> None:
        """Begins to receive and to handle."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"inbox of {self.service} {n}") for n in range(self._workers)
        ]
        self._tasks.append(asyncio.create_task(self._poll(), name=f"inbox poll of {self.service}"))
        self.receiver.replays.start()
        await self._bus.subscribe(self.receiver.receive, queue=self.receiver.queue)

    async def stop(self) -> None:
        """What is under way may finish; after that it is rolled back: nothing is marked that was not done."""
        self._stopping = True
        for task in self._tasks:
            if task not in self._busy:
                task.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=FINISH_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.receiver.replays.stop()

    # -- handling

    def _make_ready(self, subject: Subject) -> None:
        if subject not in self._queued:
            self._queued.add(subject)
            self._ready.put_nowait(subject)

    async def _poll(self) -> None:
        while True:
            try:
                async with self._database.read("") as tx:
                    heads = await tx.rows(HEADS)
                DEAD.labels(self.service).set(sum(head["state"] == "dead" for head in heads))
                for head in heads:
                    if head["state"] == "waiting":
                        self._make_ready((head["source"], head["subject"]))
            except (asyncpg.PostgresError, Problem, OSError) as away:
                log.warning("the inbox can't look at its database", service=self.service, error=str(away))
            await asyncio.sleep(POLL_SECONDS)

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._stopping:
            self._busy.discard(me)
            subject = await self._ready.get()
            self._queued.discard(subject)
            self._busy.add(me)
            try:
                await self._handle_some(subject)
            except (asyncpg.PostgresError, Problem, OSError) as away:
                log.warning("handling waits for the database", service=self.service, error=str(away))
                await asyncio.sleep(0.5)
                self._make_ready(subject)
            except Exception:
                log.exception("the inbox stumbled", service=self.service, subject=subject)
                await asyncio.sleep(0.5)

    async def _handle_some(self, subject: Subject) -> None:
        for _ in range(FAIR_SHARE):
            if self._stopping or not await self._handle_next(subject):
                return
        self._make_ready(subject)

    async def _handle_next(self, subject: Subject) -> bool:
        """Handles the head of a subject's line. False when there is nothing to do, or not yet."""
        with contextlib.ExitStack() as recorded:
            return await self._handle_head(subject, recorded)

    async def _handle_head(self, subject: Subject, recorded: contextlib.ExitStack) -> bool:
        span: Span | None = None
        failed: Exception | None = None
        row: asyncpg.Record | None = None
        says: list[Callable[[Any], Envelope]] = []
        try:
            async with self._database.tx("", lambda event: says[0](event)) as tx:
                row = await tx.row(CLAIM, *subject, EVERY_ORG, ERASER)
                if row is None:
                    return False
                if row["erased"]:
                    await tx.run(PASSED_OVER, row["id"], row["handler"])
                    return True
                envelope = replace(Envelope.parse(row["body"]), replayed=bool(row["is_again"]))
                span = recorded.enter_context(self._recording(envelope, row))
                handler = self._handler(row["type"], row["handler"])
                says.append(handler.say(envelope))
                await handler.handle(tx, envelope)
                await tx.run(DONE, row["id"], row["handler"])
        except DatabaseAway:
            raise
        except Exception as error:
            if row is None:
                raise
            failed = error
        if failed is not None:
            if span is not None and self._tracer is not None:
                self._tracer.failed(span, type(failed).__name__)
            return await self._note_failure(row, failed)
        APPLIED.labels(self.service, row["handler"]).inc()
        log.debug("applied", service=self.service, handler=row["handler"], type=row["type"], event_id=row["id"])
        EVENT_LAG.labels(self.service).observe(max((datetime.now(UTC) - envelope.time).total_seconds(), 0))
        async with self._applied:
            self._applied.notify_all()
        return True

    def _recording(self, envelope: Envelope, row: asyncpg.Record) -> contextlib.AbstractContextManager[Span | None]:
        """Within what the event was said in; what is heard again, perhaps years later, is a trace of its own that names the other."""
        if self._tracer is None:
            return contextlib.nullcontext()
        said_in = read_traceparent(envelope.traceparent)
        facts = {
            "messaging.operation.type": "process",
            "messaging.message.id": envelope.id,
            "tenantry.event_type": envelope.type,
            "tenantry.handler": row["handler"],
            "tenantry.attempt": row["attempts"] + 1,
        }
        parent, link = (None, said_in) if envelope.replayed else (said_in, None)
        name = f"handle {envelope.type}"
        return recording(self._tracer, name, "consumer", parent=parent, link=link, facts=facts)

    def _handler(self, event_type: str, name: str) -> Handler:
        return next(one for one in self._handlers[name] if any(matches(pattern, event_type) for pattern in one.types))

    async def _note_failure(self, row: asyncpg.Record, error: Exception) -> bool:
        seconds = BACKOFF_SECONDS[min(row["attempts"], len(BACKOFF_SECONDS) - 1)]
        most = MAX_ATTEMPTS
        if _passes(error):
            seconds, most = min(seconds, LONGEST_WAIT_FOR_OTHERS), NEVER
        wait = timedelta(seconds=seconds)
        async with self._database.tx("", says_nothing) as tx:
            after = await tx.row(FAILED, row["id"], row["handler"], _told(error), wait, most)
        if after is None:
            return True
        say = log.error if after["state"] == "dead" else log.warning
        say(
            "an event can't be applied",
            service=self.service,
            handler=row["handler"],
            type=row["type"],
            event_id=row["id"],
            org_id=row["org_id"],
            attempts=after["attempts"],
            state=after["state"],
            exc_info=error,
        )
        asyncio.get_running_loop().call_later(
            wait.total_seconds() + 0.01, self._make_ready, (row["source"], row["subject"])
        )
        return False

    # -- telling

    async def standing_of(self, event_id: str) -> dict[str, Any] | None:
        """Where an event stands here: `{"state": "applied"|"waiting"|"dead", "applied_at", "concerned"}`, or None if it hasn't arrived."""
        async with self._database.read("") as tx:
            row = await tx.row(APPLIED_BY, event_id)
        if row is None:
            return None
        return {"state": row["held_by"] or "applied", "applied_at": row["applied_at"], "concerned": row["concerned"]}

    async def wait_for(self, event_id: str, seconds: float) -> bool:
        """Whether this service has applied the event, waiting for it that long. True at once for events it will never hear."""
        if not any(may_come_from(event_id, source) for source in self.sources):
            return True
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            standing = await self.standing_of(event_id)
            if standing is not None and standing["state"] == "applied":
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            async with self._applied:
                with contextlib.suppress(TimeoutError):
                    # Another replica may be the one that applies it: so never longer than a moment.
                    await asyncio.wait_for(self._applied.wait(), min(left, 0.05))


def _passes(error: Exception) -> bool:
    """Whether the fault is somebody else's, and so never the end of an event: a neighbour is away, a deadlock was resolved."""
    return isinstance(error, RETRYABLE) or (isinstance(error, Problem) and error.status in (503, 504))


def _told(error: Exception) -> str:
    """As PostgreSQL can keep it, whatever is in it."""
    return f"{type(error).__name__}: {error}"[:2000].replace("\x00", "").encode(errors="replace").decode()
