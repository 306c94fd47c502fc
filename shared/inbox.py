"""The inbox: stores first, handles later; exactly one effect per event and handler, in order per subject.

Receiving accepts only the next event of each (source, subject). An earlier one is a duplicate, a later one shows a gap:
its source is asked to send everything from there again. So a bus may lose, repeat and reorder, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import structlog

from shared.bus import Bus, Message, NotPublished
from shared.bus.patterns import matches
from shared.db import AWAY, EVERY_ORG, RETRYABLE, Database, Tx
from shared.errors import Problem
from shared.events import Envelope
from shared.ids import may_come_from
from shared.metrics import APPLIED, DEAD, EVENT_LAG
from shared.outbox import resend, signal

log = structlog.get_logger()

MAX_ATTEMPTS = 8
BACKOFF_SECONDS = (0.2, 1, 5, 15, 60, 300, 900)
ASK_AGAIN_SECONDS = 2.0
POLL_SECONDS = 1.0
FINISH_SECONDS = 5.0
EVERY_TYPE = "#"

Subject = tuple[str, str]  # source, subject

STORE = """
insert into inbox (id, handler, source, subject, sequence, type, org_id, body, state, applied_at)
select id, handler, source, subject, sequence, type, org_id, body, case when body is null then 'skipped' else 'waiting' end,
    case when body is null then now() end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bytea[])
    as heard (id, handler, source, subject, sequence, type, org_id, body)
on conflict do nothing
"""
ADVANCE = """
insert into inbox_cursors (source, subject, sequence)
select * from unnest($1::text[], $2::text[], $3::bigint[])
on conflict (source, subject) do update set sequence = excluded.sequence
"""
CURSORS = """
select source, subject, sequence from inbox_cursors
join unnest($1::text[], $2::text[]) as wanted (source, subject) using (source, subject)
"""
# The head of a subject's line, dead ones included: what is behind a dead event waits for it.
CLAIM = """
select * from inbox where (id, handler) = (
    select id, handler from inbox where source = $1 and subject = $2 and state in ('waiting', 'dead')
    order by sequence, handler limit 1
) and state = 'waiting' and not_before <= clock_timestamp() for update skip locked
"""
DUE = """
select distinct on (source, subject) source, subject from inbox
where state = 'waiting' and not_before <= clock_timestamp() limit 500
"""
DONE = "update inbox set state = 'done', applied_at = clock_timestamp(), error = null where id = $1 and handler = $2"
FAILED = """
update inbox set attempts = attempts + 1, error = $3, not_before = clock_timestamp() + $4::interval,
    state = case when attempts + 1 >= $5 then 'dead' else 'waiting' end
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
    ) -> None:
        self.service = service
        self.queue = queue_name(service)
        self.sources = frozenset(sources)
        self._database = database
        self._bus = bus
        self._handlers = {handler.name: handler for handler in handlers}
        self._by_type: dict[str, list[str]] = {}
        self._workers = workers
        self._ready: asyncio.Queue[Subject] = asyncio.Queue()
        self._queued: set[Subject] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._asked: dict[Subject, float] = {}
        self._applied = asyncio.Condition()
        self.probed_at: dict[str, float] = {}

    async def start(self) -> None:
        """Begins to receive and to handle."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"inbox of {self.service} {n}") for n in range(self._workers)
        ]
        self._tasks.append(asyncio.create_task(self._poll(), name=f"inbox poll of {self.service}"))
        await self._bus.subscribe(self.receive, queue=self.queue)

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

    # -- receiving

    async def receive(self, bodies: Sequence[bytes]) -> None:
        """Stores a batch in one transaction. Raises only when the database is away: the bus then brings it again."""
        events: list[tuple[Envelope, bytes]] = []
        unreadable: list[tuple[str, bytes]] = []
        for body in bodies:
            if b'"tenantry":' in body[:16]:
                await self._signal(orjson.loads(body))
                continue
            try:
                envelope = Envelope.parse(body)
                if not may_come_from(envelope.id, envelope.source):
                    raise ValueError("the id isn't one of its source")
                events.append((envelope, body))
            except ValueError as why:
                unreadable.append((str(why), body))
        await self._store(events, unreadable)

    async def _store(self, events: list[tuple[Envelope, bytes]], unreadable: list[tuple[str, bytes]]) -> None:
        if not events and not unreadable:
            return
        async with self._database.tx("", _says_nothing) as tx:
            cursors = await self._cursors(tx, {(e.source, e.subject) for e, _ in events})
            before = dict(cursors)
            accepted: list[tuple[Envelope, bytes]] = []
            duplicates: list[tuple[Envelope, bytes]] = []
            gaps: set[Subject] = set()
            for envelope, body in events:
                subject = (envelope.source, envelope.subject)
                if envelope.sequence <= cursors[subject]:
                    duplicates.append((envelope, body))
                elif envelope.sequence == cursors[subject] + 1:
                    cursors[subject] = envelope.sequence
                    accepted.append((envelope, body))
                else:
                    gaps.add(subject)
            await self._write(tx, accepted, {s: n for s, n in cursors.items() if n != before[s]})
            unreadable += await self._impostors(tx, duplicates)
            if unreadable:
                await tx.run_many("insert into inbox_parked (reason, body) values ($1, $2)", unreadable)
                log.error(
                    "parked what isn't a valid event", service=self.service, reasons=[why for why, _ in unreadable][:5]
                )
        for envelope, _ in accepted:
            self._make_ready((envelope.source, envelope.subject))
        if gaps:
            await self._ask_for({subject: cursors[subject] for subject in gaps})

    async def _cursors(self, tx: Tx, subjects: set[Subject]) -> dict[Subject, int]:
        wanted = sorted(subjects)
        rows = await tx.rows(CURSORS, [source for source, _ in wanted], [subject for _, subject in wanted])
        return dict.fromkeys(wanted, 0) | {(row["source"], row["subject"]): row["sequence"] for row in rows}

    async def _write(self, tx: Tx, accepted: list[tuple[Envelope, bytes]], moved: dict[Subject, int]) -> None:
        rows = [
            (e.id, handler, e.source, e.subject, e.sequence, e.type, e.org_id, body if handler else None)
            for e, body in accepted
            for handler in self._heard_by(e.type) or ("",)
        ]
        if rows:
            await tx.run(STORE, *[list(column) for column in zip(*rows, strict=True)])
            places = sorted(moved)
            await tx.run(
                ADVANCE,
                [source for source, _ in places],
                [subject for _, subject in places],
                [moved[place] for place in places],
            )

    def _heard_by(self, event_type: str) -> list[str]:
        if event_type not in self._by_type:
            self._by_type[event_type] = [
                name
                for name, handler in self._handlers.items()
                if any(matches(pattern, event_type) for pattern in handler.types)
            ]
        return self._by_type[event_type]

    async def _impostors(self, tx: Tx, duplicates: list[tuple[Envelope, bytes]]) -> list[tuple[str, bytes]]:
        """Duplicates that aren't: another event under a sequence or an id that was taken."""
        if not duplicates:
            return []
        rows = await tx.rows(
            "select id, sequence, subject, body from inbox where id = any($1::text[])", [e.id for e, _ in duplicates]
        )
        known = {row["id"]: row for row in rows}
        found = []
        for envelope, body in duplicates:
            row = known.get(envelope.id)
            if row is None:
                found.append((f"sequence {envelope.sequence} of {envelope.subject} is another event's", body))
            elif row["sequence"] != envelope.sequence or (row["body"] is not None and row["body"] != body):
                found.append((f"the id {envelope.id} came again with other content", body))
        return found

    async def _signal(self, message: dict[str, Any]) -> None:
        if message["tenantry"] == "replay":
            if message["source"] == self.service:
                await resend(self._database, self._bus, message["queue"], [(s, n) for s, n in message["after"].items()])
            return
        self.probed_at[message["source"]] = asyncio.get_running_loop().time()
        heads = {(message["source"], subject): number for subject, number in message.get("heads", {}).items()}
        if heads:
            async with self._database.read("") as tx:
                cursors = await self._cursors(tx, set(heads))  # type: ignore[arg-type]
            await self._ask_for(
                {subject: cursors[subject] for subject, head in heads.items() if head > cursors[subject]}
            )

    async def _ask_for(self, behind: dict[Subject, int]) -> None:
        now = asyncio.get_running_loop().time()
        self._asked = {subject: when for subject, when in self._asked.items() if now - when < ASK_AGAIN_SECONDS}
        after: dict[str, dict[str, int]] = defaultdict(dict)
        for (source, subject), sequence in behind.items():
            if (source, subject) not in self._asked:
                self._asked[source, subject] = now
                after[source][subject] = sequence
        for source, subjects in after.items():
            log.info(
                "asking for events that didn't arrive", service=self.service, source=source, subjects=len(subjects)
            )
            request = signal("replay", source, {"queue": self.queue, "after": subjects})
            with contextlib.suppress(NotPublished):
                await self._bus.publish([Message(f"replay.{source}", request, lasting=False, to=queue_name(source))])

    # -- handling

    def _make_ready(self, subject: Subject) -> None:
        if subject not in self._queued:
            self._queued.add(subject)
            self._ready.put_nowait(subject)

    async def _poll(self) -> None:
        while True:
            try:
                async with self._database.read("") as tx:
                    due = await tx.rows(DUE)
                    dead = await tx.value("select count(*) from inbox where state = 'dead'")
                DEAD.labels(self.service).set(dead)
                for row in due:
                    self._make_ready((row["source"], row["subject"]))
            except (*AWAY, asyncpg.PostgresError, Problem) as away:
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
                while not self._stopping and await self._handle_next(subject):
                    pass
            except (*AWAY, *RETRYABLE, asyncpg.PostgresError, Problem, TimeoutError) as away:
                log.warning("handling waits for the database", service=self.service, error=str(away))
                await asyncio.sleep(0.5)
                self._make_ready(subject)

    async def _handle_next(self, subject: Subject) -> bool:
        """Handles the head of a subject's line. False when there is nothing to do, or not yet."""
        failed: Exception | None = None
        row: asyncpg.Record | None = None
        says: list[Callable[[Any], Envelope]] = []
        try:
            async with self._database.tx("", lambda event: says[0](event)) as tx:
                row = await tx.row(CLAIM, *subject)
                if row is None:
                    return False
                envelope = Envelope.parse(row["body"])
                handler = self._handlers[row["handler"]]
                says.append(handler.say(envelope))
                await tx.connection.execute(
                    "select set_config('tenantry.org_id', $1, true)", row["org_id"] or EVERY_ORG
                )
                await handler.handle(tx, envelope)
                await tx.run(DONE, row["id"], row["handler"])
        except (*AWAY, *RETRYABLE):
            raise
        except Problem as problem:
            if problem.code in ("unavailable", "overloaded"):
                raise
            failed = problem
        except Exception as error:
            failed = error
        if row is None:
            raise failed if failed is not None else RuntimeError("nothing was claimed")
        if failed is not None:
            return await self._note_failure(row, failed)
        APPLIED.labels(self.service, row["handler"]).inc()
        EVENT_LAG.labels(self.service).observe(max((datetime.now(UTC) - envelope.time).total_seconds(), 0))
        async with self._applied:
            self._applied.notify_all()
        return True

    async def _note_failure(self, row: asyncpg.Record, error: Exception) -> bool:
        wait = timedelta(seconds=BACKOFF_SECONDS[min(row["attempts"], len(BACKOFF_SECONDS) - 1)])
        async with self._database.tx("", _says_nothing) as tx:
            after = await tx.row(
                FAILED, row["id"], row["handler"], f"{type(error).__name__}: {error}"[:2000], wait, MAX_ATTEMPTS
            )
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


def queue_name(service: str) -> str:
    return f"{service}.events"


def _says_nothing(event: Any) -> Envelope:
    raise TypeError("this transaction has nothing to say")
