"""Replays: whoever missed events asks their source, which sends them again, a piece at a time, while everything else goes on.

A piece ends with a probe through the same queue: who has received it and is still behind asks for the next.
So however much was missed, no queue ever holds more than a piece of it per subscriber and source.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import asyncpg
import structlog

from shared.bus import Bus, Message, NotPublished
from shared.db import Database
from shared.errors import Problem
from shared.outbox import routing_key, signal
from shared.snapshots import stretches

log = structlog.get_logger()

PIECE = 2000  # events
SUBJECTS_AT_ONCE = 20
MOST_A_SECOND = 10_000  # events, to all who ask together: what happens now must not wait for the past
SINCE = """
select found.type, found.body from unnest($1::text[], $2::bigint[]) as wanted (subject, after),
    lateral (select type, body, sequence from outbox where outbox.subject = wanted.subject and sequence > wanted.after
        order by sequence limit $3) as found
order by wanted.subject, found.sequence
"""
HEADS = "select subject, sequence from outbox_subjects where subject = any($1::text[])"


class Replays:
    """One service's answers to the subscribers that ask it. What is asked again while it waits is answered once."""

    def __init__(self, source: str, database: Database, bus: Bus) -> None:
        self.source = source
        self._database = database
        self._bus = bus
        self._asked: dict[str, dict[str, int]] = {}
        self._want_states: set[str] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"replays of {self.source}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def ask(self, queue: str, after: Mapping[str, int], *, states: bool = False) -> None:
        """Sends the named subjects' events, from after the given sequences, to one subscriber's queue, soon; with `states` as snapshots."""
        (self._want_states.add if states else self._want_states.discard)(queue)
        self._asked.setdefault(queue, {}).update(after)
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._asked:
                for queue in list(self._asked):
                    piece = self._taken(queue)
                    began = time.monotonic()
                    try:
                        sent = await self._send(queue, piece)
                    except (NotPublished, Problem, asyncpg.PostgresError, OSError) as why:
                        self._asked.pop(queue, None)  # who still misses something asks again
                        log.warning("a replay was broken off", source=self.source, queue=queue, error=str(why))
                        continue
                    await asyncio.sleep(max(sent / MOST_A_SECOND - (time.monotonic() - began), 0))

    def _taken(self, queue: str) -> dict[str, int]:
        subjects = self._asked[queue]
        piece = {subject: subjects.pop(subject) for subject in list(subjects)[:SUBJECTS_AT_ONCE]}
        if not subjects:
            del self._asked[queue]
        return piece

    async def _send(self, queue: str, after: Mapping[str, int]) -> int:
        """Returns how many events that were."""
        subjects = list(after)
        share = PIECE // len(subjects)
        async with self._database.read("") as tx:
            heads = await tx.rows(HEADS, subjects)
            if queue in self._want_states:
                found = [each for s in subjects for each in await stretches(tx, self.source, s, after[s], share)]
                count = sum(len(stretch.bodies) for stretch in found)
                messages = [stretch.message(queue) for stretch in found]
            else:
                rows = await tx.rows(SINCE, subjects, [after[subject] for subject in subjects], share)
                count = len(rows)
                messages = [Message(routing_key(self.source, row["type"]), row["body"], to=queue) for row in rows]
        if messages:
            await self._bus.publish(messages)
        await self._bus.publish([probe(self.source, {row["subject"]: row["sequence"] for row in heads}, to=queue)])
        return count


def probe(source: str, heads: Mapping[str, int], *, to: str | None = None) -> Message:
    """Says where subjects stand. One that follows a replay (`to` a queue) may be answered by asking on at once."""
    content: dict[str, Any] = {"heads": heads} if to is None else {"heads": heads, "replayed": True}
    return Message(f"probe.{source}", signal("probe", source, content), lasting=False, to=to)
