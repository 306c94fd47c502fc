"""Receiving: what the bus brings is stored first and handled later, in order per subject and once, whatever the bus does.

Only the next event of each (source, subject) is accepted. An earlier one is a duplicate, a later one shows a gap:
its source is asked to send everything from there again. So a bus may lose, repeat and reorder, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import asyncpg
import orjson
import structlog

from shared.bus import Bus, Message, NotPublished
from shared.bus.patterns import matches
from shared.db import Database, Tx
from shared.events import Envelope
from shared.ids import may_come_from
from shared.outbox import queue_name, signal
from shared.replay import Replays
from shared.snapshots import Stretch, note_taken

log = structlog.get_logger()

ASK_AGAIN_SECONDS = 2.0
EVERY_TYPE = "#"

Subject = tuple[str, str]  # source, subject
Parked = tuple[str, bytes]  # reason, body

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
on conflict (source, subject) do update set sequence = greatest(inbox_cursors.sequence, excluded.sequence)
"""
CURSORS = """
select source, subject, sequence, snapshot from inbox_cursors
join unnest($1::text[], $2::text[]) as wanted (source, subject) using (source, subject)
"""
HELD_CURSORS = f"{CURSORS} order by source, subject for update of inbox_cursors"  # nobody sets them back meanwhile
KNOWN = "select distinct on (id) id, source, subject, sequence, body from inbox where id = any($1::text[])"
PARK = "insert into inbox_parked (reason, body) select * from unnest($1::text[], $2::bytea[]) on conflict do nothing"
HEARD = """
insert into inbox_probes select source, clock_timestamp() from unnest($1::text[]) as source
on conflict (source) do update set heard_at = excluded.heard_at
"""


class Impostors(Exception):
    """Events under ids that are other events'; they are set aside, and the rest is stored without them."""

    def __init__(self, ids: set[str]) -> None:
        super().__init__()
        self.ids = ids


class Receiver:
    """Stores what one service hears: `handlers` names the types, or patterns of them, of each. `make_ready` is told of each subject that has something new to handle.

    With `samples`, made-up events are stored as well; they stand outside the order, and move no cursor.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        bus: Bus,
        sources: Sequence[str],
        handlers: Mapping[str, Collection[str]],
        make_ready: Callable[[Subject], None],
        *,
        states_only: bool = False,
        samples: bool = False,
    ) -> None:
        self.service = service
        self._states_only = states_only
        self._samples = samples
        self.queue = queue_name(service)
        self.replays = Replays(service, database, bus)
        self._database = database
        self._bus = bus
        self._sources = frozenset(sources)
        self._handlers = handlers
        self._heard_by: dict[str, list[str]] = {}
        self._make_ready = make_ready
        self._asked: dict[Subject, tuple[float, int]] = {}

    async def receive(self, bodies: Sequence[bytes]) -> None:
        """Stores a batch in one transaction. Raises only when the database is away: the bus then brings it again."""
        events: list[tuple[Envelope, bytes]] = []
        signals: list[dict[str, Any]] = []
        unreadable: list[Parked] = []
        for body in bodies:
            try:
                if b'"tenantry":' in body[:16]:
                    signals.append(orjson.loads(body))
                    continue
                envelope = Envelope.parse(body)
                if not may_come_from(envelope.id, envelope.source):
                    raise ValueError("the id isn't one of its source")
                events.append((envelope, body))
            except ValueError as why:
                unreadable.append((str(why), body))
        await self._store_what_can_be(events, unreadable)
        await self._heed(signals)

    async def _store_what_can_be(self, events: list[tuple[Envelope, bytes]], unreadable: list[Parked]) -> None:
        try:
            await self._store(events, unreadable)
        except Impostors as found:
            reason = "the id {} is another event's"
            unreadable += [(reason.format(e.id), body) for e, body in events if e.id in found.ids]
            await self._store_what_can_be([(e, body) for e, body in events if e.id not in found.ids], unreadable)
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as wrong:
            if len(events) == 1:
                await self._store([], [*unreadable, (f"it can't be stored: {wrong}", events[0][1])])
                return
            await self._store([], unreadable)
            for event in events:
                await self._store_what_can_be([event], [])

    async def _store(self, events: list[tuple[Envelope, bytes]], unreadable: Sequence[Parked]) -> None:
        if not events and not unreadable:
            return
        async with self._database.tx("", says_nothing) as tx:
            cursors = await self._cursors(tx, {(e.source, e.subject) for e, _ in events}, hold=True)
            before = dict(cursors)
            accepted: list[tuple[Envelope, bytes]] = []
            duplicates: list[tuple[Envelope, bytes]] = []
            gaps: set[Subject] = set()
            for envelope, body in events:
                subject = (envelope.source, envelope.subject)
                if envelope.is_sample and self._samples:
                    accepted.append((envelope, body))
                elif envelope.sequence <= cursors[subject]:
                    duplicates.append((envelope, body))
                elif envelope.sequence == cursors[subject] + 1:
                    cursors[subject] = envelope.sequence
                    accepted.append((envelope, body))
                else:
                    gaps.add(subject)
            await self._write(tx, accepted, {s: n for s, n in cursors.items() if n != before[s]})
            await self._park(tx, [*unreadable, *await self._false_duplicates(tx, duplicates)])
        for subject in dict.fromkeys((envelope.source, envelope.subject) for envelope, _ in accepted):
            self._make_ready(subject)
        if gaps:
            await self._ask_for({subject: cursors[subject] for subject in gaps})

    async def _cursors(
        self, tx: Tx, subjects: set[Subject], what: str = "sequence", *, hold: bool = False
    ) -> dict[Subject, int]:
        wanted = sorted(subjects)
        sql = HELD_CURSORS if hold else CURSORS
        rows = await tx.rows(sql, [source for source, _ in wanted], [subject for _, subject in wanted])
        return dict.fromkeys(wanted, 0) | {(row["source"], row["subject"]): row[what] for row in rows}

    async def _write(self, tx: Tx, accepted: list[tuple[Envelope, bytes]], moved: dict[Subject, int]) -> None:
        rows = [
            (e.id, handler, e.source, e.subject, e.sequence, e.type, e.org_id, body if handler else None)
            for e, body in accepted
            for handler in self._who_hears(e.type) or ("",)
        ]
        if not rows:
            return
        if await tx.run(STORE, *[list(column) for column in zip(*rows, strict=True)]) < len(rows):
            await self._refuse_impostors(tx, [envelope for envelope, _ in accepted])
        places = sorted(moved)
        await tx.run(
            ADVANCE,
            [source for source, _ in places],
            [subject for _, subject in places],
            [moved[place] for place in places],
        )

    def _who_hears(self, event_type: str) -> list[str]:
        if event_type not in self._heard_by:
            self._heard_by[event_type] = [
                name for name, types in self._handlers.items() if any(matches(pattern, event_type) for pattern in types)
            ]
        return self._heard_by[event_type]

    async def _refuse_impostors(self, tx: Tx, accepted: Sequence[Envelope]) -> None:
        """Some were there already: of another replica, which had just stored the same, or under an id that is taken."""
        known = {row["id"]: row for row in await tx.rows(KNOWN, [envelope.id for envelope in accepted])}
        ids = {e.id for e in accepted if (e.source, e.subject, e.sequence) != tuple(known[e.id])[1:4]}
        if ids:
            raise Impostors(ids)

    async def _false_duplicates(self, tx: Tx, duplicates: list[tuple[Envelope, bytes]]) -> list[Parked]:
        """Another event under a sequence or an id that was taken."""
        if not duplicates:
            return []
        known = {row["id"]: row for row in await tx.rows(KNOWN, [envelope.id for envelope, _ in duplicates])}
        snapshots = await self._cursors(tx, {(e.source, e.subject) for e, _ in duplicates}, "snapshot")
        found = []
        for envelope, body in duplicates:
            row = known.get(envelope.id)
            if row is None and envelope.sequence <= snapshots[envelope.source, envelope.subject]:
                continue  # a snapshot left it out
            if row is None:
                found.append((f"sequence {envelope.sequence} of {envelope.subject} is another event's", body))
            elif row["sequence"] != envelope.sequence or (row["body"] is not None and row["body"] != body):
                found.append((f"the id {envelope.id} came again with other content", body))
        return found

    async def _park(self, tx: Tx, parked: Sequence[Parked]) -> None:
        if parked:
            await tx.run(PARK, [why for why, _ in parked], [body for _, body in parked])
            log.error("parked what isn't a valid event", service=self.service, reasons=[why for why, _ in parked][:5])

    async def _take_snapshot(self, told: dict[str, Any]) -> None:
        """Takes over a stretch of a subject that follows what was heard; of one that was heard in part, the rest."""
        try:
            stretch = Stretch.of(told)
            place = (stretch.source, stretch.subject)
            async with self._database.tx("", says_nothing) as tx:
                cursor = (await self._cursors(tx, {place}, hold=True))[place]
                if cursor < stretch.after or cursor >= stretch.until:
                    return
                await self._write(tx, stretch.events_after(cursor), {place: stretch.until})
                await note_taken(tx, stretch)
        except (ValueError, Impostors) as wrong:
            log.error("a snapshot can't be taken", service=self.service, told=str(told)[:200], error=repr(wrong))
            return
        self._make_ready(place)

    # -- what kernels tell each other

    async def _heed(self, signals: Sequence[dict[str, Any]]) -> None:
        alive: set[str] = set()
        heads: dict[Subject, int] = {}
        replayed: set[Subject] = set()
        for told in signals:
            match told:
                case {"tenantry": "replay", "source": self.service, "queue": str(queue), "after": dict(after), **how}:
                    wanted = {s: n for s, n in after.items() if isinstance(n, int)}
                    self.replays.ask(queue, wanted, states=how.get("states") is True)
                case {"tenantry": "snapshot", "source": str(source)} if source in self._sources:
                    await self._take_snapshot(told)
                case {"tenantry": "probe", "source": str(source), **rest} if source in (*self._sources, self.service):
                    stands = rest.get("heads") or {}
                    heads |= {(source, subject): number for subject, number in stands.items()}
                    if rest.get("replayed"):
                        replayed |= {(source, subject) for subject in stands}
                    else:
                        alive.add(source)
                case _:
                    log.warning("a signal that isn't known here", service=self.service, signal=str(told)[:200])
        if not alive and not heads:
            return
        async with self._database.tx("", says_nothing) as tx:
            await tx.run(HEARD, sorted(alive))
            cursors = await self._cursors(tx, set(heads))
        behind = {subject: cursors[subject] for subject, head in heads.items() if head > cursors[subject]}
        await self._ask_for(behind, at_once=replayed)

    async def _ask_for(self, behind: Mapping[Subject, int], *, at_once: set[Subject] | None = None) -> None:
        """Asks the sources for what is missing: not again within seconds, unless a replay has brought something."""
        now = asyncio.get_running_loop().time()
        self._asked = {place: asked for place, asked in self._asked.items() if now - asked[0] < ASK_AGAIN_SECONDS}
        after: dict[str, dict[str, int]] = defaultdict(dict)
        for place, sequence in behind.items():
            _, asked_from = self._asked.get(place, (0.0, -1))
            if asked_from < 0 or (place in (at_once or ()) and sequence > asked_from):
                self._asked[place] = (now, sequence)
                after[place[0]][place[1]] = sequence
        for source, subjects in after.items():
            log.info("asking for events that are missing", service=self.service, source=source, subjects=len(subjects))
            how = {"states": True} if self._states_only else {}
            request = signal("replay", source, {"queue": self.queue, "after": subjects, **how})
            with contextlib.suppress(NotPublished):
                await self._bus.publish(
                    [Message(f"replay.{self.service}", request, lasting=False, to=queue_name(source))]
                )


def says_nothing(event: Any) -> Envelope:
    raise TypeError("this transaction has nothing to say")
