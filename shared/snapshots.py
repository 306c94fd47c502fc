"""Snapshots: who needs no history gets, of each thing, the newest event of each type, up to a number; then every event from the next on.

A snapshot is a stretch of a subject's events, from after one number up to another, with those left out that later ones replaced. It comes as one message
or as several that adjoin, is taken only where it follows what was heard before, and so leaves no gap to the events after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.bus import Message
from shared.db import Read, Tx
from shared.events import Envelope
from shared.events.states import STATES
from shared.ids import may_come_from
from shared.outbox import signal

EVENTS_IN_A_MESSAGE = 500

STRETCH = """
with kinds as materialized (
    select type, string_to_array(ids[1], '.') as first, string_to_array(ids[2], '.') as second
    from (select distinct type from outbox where subject = $1 and sequence > $2) as said
    join (select pattern, string_to_array(paths, ' ') as ids from unnest($3::text[], $4::text[]) as known (pattern, paths)) as state
        on said.type ~ state.pattern
), said as (
    select sequence, outbox.type, kinds.type is null as is_occurrence, first, second,
        case when first is not null then convert_from(body, 'UTF8')::json -> 'data' end as data
    from outbox left join kinds using (type) where subject = $1 and sequence > $2
), named as (
    select sequence, type, data #>> first as one, data #>> second as other,
        is_occurrence or (first is not null and data #>> first is null) or (second is not null and data #>> second is null) as is_kept
    from said
), newest as (
    select sequence, max(sequence) over () as head,
        is_kept or sequence = max(sequence) over (partition by type, one, other) as is_kept from named
)
select sequence, body, head from (select sequence, head from newest where is_kept order by sequence limit $5) as kept
join (select sequence, body from outbox where subject = $1) as bodies using (sequence) order by sequence
"""
TAKEN = """
update inbox_cursors set snapshot = greatest(snapshot, $3) where source = $1 and subject = $2
"""


@dataclass(frozen=True)
class Stretch:
    """The events of one subject from behind `after` up to `until`, as far as they still count."""

    source: str
    subject: str
    after: int
    until: int
    bodies: Sequence[bytes]

    def message(self, queue: str) -> Message:
        content: dict[str, Any] = {
            "subject": self.subject,
            "after": self.after,
            "until": self.until,
            "events": [body.decode() for body in self.bodies],
        }
        return Message(f"snapshot.{self.source}", signal("snapshot", self.source, content), lasting=False, to=queue)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """Reads what `message` made; `ValueError` says what is wrong with it."""
        match told:
            case {"source": str(), "subject": str(), "after": int(), "until": int(), "events": list(events)}:
                bodies = [event.encode() for event in events if isinstance(event, str)]
                return cls(told["source"], told["subject"], told["after"], told["until"], bodies)
        raise ValueError("not a snapshot")

    def events_after(self, number: int) -> list[tuple[Envelope, bytes]]:
        """Its events behind a number, in order; `ValueError` when one isn't what it should be."""
        found = [(Envelope.parse(body), body) for body in self.bodies]
        numbers = [envelope.sequence for envelope, _ in found]
        if numbers != sorted(set(numbers)) or any(not self.after < each <= self.until for each in numbers):
            raise ValueError("the events of a snapshot aren't in order")
        for envelope, _ in found:
            if (envelope.source, envelope.subject) != (self.source, self.subject) or not may_come_from(
                envelope.id, self.source
            ):
                raise ValueError("a snapshot holds an event of another subject")
        return [(envelope, body) for envelope, body in found if envelope.sequence > number]


async def stretches(read: Read, source: str, subject: str, after: int, limit: int) -> list[Stretch]:
    """What still counts of a subject's events, in messages of bearable size; at most so many events."""
    rows = await read.rows(STRETCH, subject, after, list(STATES), [" ".join(ids) for ids in STATES.values()], limit)
    found: list[Stretch] = []
    for begin in range(0, len(rows), EVENTS_IN_A_MESSAGE):
        piece = rows[begin : begin + EVENTS_IN_A_MESSAGE]
        ends_here = begin + EVENTS_IN_A_MESSAGE >= len(rows) and len(rows) < limit
        until = piece[-1]["head"] if ends_here else piece[-1]["sequence"]
        found.append(Stretch(source, subject, after, until, [row["body"] for row in piece]))
        after = until
    return found


async def note_taken(tx: Tx, stretch: Stretch) -> None:
    """From now on an unknown event with a number up to there isn't false: it was left out."""
    await tx.run(TAKEN, stretch.source, stretch.subject, stretch.until)
