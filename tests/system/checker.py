"""What every side saw, compared: nothing lost, nothing twice, nothing out of order, nothing that never happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import asyncpg


@dataclass(frozen=True)
class Said:
    """One committed event."""

    id: str
    subject: str
    sequence: int


@dataclass
class Verdict:
    """What is wrong, by kind; `str` of it is for whoever reads a failed test."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    gaps_at_the_source: list[str] = field(default_factory=list)
    checked: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.kinds

    @property
    def kinds(self) -> set[str]:
        return {name for name, found in vars(self).items() if isinstance(found, list) and found}

    def __str__(self) -> str:
        found = {
            name: (len(which), which[:5]) for name, which in vars(self).items() if isinstance(which, list) and which
        }
        return f"{self.checked} effects checked; wrong: {found or 'nothing'}"


def compare(said: Sequence[Said], heard: Sequence[Said], who: str, verdict: Verdict) -> None:
    """`heard` is in the order of its effects."""
    committed = {event.id for event in said}
    by_subject: dict[str, list[Said]] = defaultdict(list)
    for event in said:
        by_subject[event.subject].append(event)
    effects: dict[str, list[Said]] = defaultdict(list)
    for event in heard:
        effects[event.subject].append(event)
    for subject, events in by_subject.items():
        if sorted(event.sequence for event in events) != list(range(1, len(events) + 1)):
            verdict.gaps_at_the_source.append(subject)
    seen: set[str] = set()
    for event in heard:
        if event.id not in committed:
            verdict.ghosts.append(f"{who} {event.id}")
        elif event.id in seen:
            verdict.twice.append(f"{who} {event.id}")
        seen.add(event.id)
    verdict.lost += [f"{who} {missing}" for missing in sorted(committed - seen)]
    for subject, events in effects.items():
        order = [event.sequence for event in events]
        if any(later <= earlier for earlier, later in pairwise(order)):
            verdict.out_of_order.append(f"{who} {subject}")
    verdict.checked += len(heard)


async def verdict_on(databases: Mapping[str, str], hears: Mapping[str, Sequence[str]]) -> Verdict:
    """Reads everything from the databases, by service name."""
    verdict = Verdict()
    said = {source: await _said(databases[source]) for sources in hears.values() for source in sources}
    for consumer, sources in hears.items():
        for source in sources:
            compare(said[source], await _heard(databases[consumer], source), f"{consumer} of {source}", verdict)
    return verdict


async def _said(dsn: str) -> list[Said]:
    connection = await asyncpg.connect(dsn)
    try:
        return [
            Said(**row) for row in await connection.fetch("select id, subject, sequence from outbox order by position")
        ]
    finally:
        await connection.close()


async def _heard(dsn: str, source: str) -> list[Said]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select event_id as id, subject, sequence from heard where source = $1 order by place", source
        )
        return [Said(**row) for row in rows]
    finally:
        await connection.close()
