"""What owners answered, remembered until an event speaks of it: one look-up at a time, and none that an event overtook is kept."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

V = TypeVar("V")

Ask = Callable[[], Awaitable[V]]

ATTEMPTS = 4
MOST_REVOCATIONS = 100_000


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    tags: frozenset[str]
    began: int
    until: float


@dataclass(eq=False)
class _LookUp(Generic[V]):
    """A question under way, and what was dropped since it was asked."""

    began: int = 0
    dropped: set[str] = field(default_factory=set)
    forgotten: bool = False
    task: asyncio.Task[V] | None = None

    def begin(self, tick: int) -> None:
        self.began = tick
        self.dropped.clear()
        self.forgotten = False


class Remembered(Generic[V]):
    """Answers by key. Each carries tags (the ids that it speaks of); dropping a tag drops every answer that carries it.

    An answer whose question was asked before its tag was dropped may be the older one: it is asked for again.
    """

    def __init__(
        self,
        tags_of: Callable[[str, V], frozenset[str]],
        monotonic: Callable[[], float],
        *,
        seconds: float = 60,
        size: int = 50_000,
    ) -> None:
        self._tags_of = tags_of
        self._monotonic = monotonic
        self._seconds = seconds
        self._size = size
        self._entries: dict[str, _Entry[V]] = {}
        self._keys_of: dict[str, set[str]] = {}
        self._under_way: set[_LookUp[V]] = set()
        self._shared: dict[str, _LookUp[V]] = {}
        self._ticks = itertools.count(1)

    def kept(self, key: str) -> _Entry[V] | None:
        """What is remembered of a key, unless it is too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until < self._monotonic():
            self._discard(key)
            return None
        return entry

    async def get(self, key: str, ask: Ask[V]) -> V:
        """What is remembered; otherwise asks, together with whoever asks the same."""
        entry = self.kept(key)
        return entry.value if entry is not None else await self._join(key, ask, not_before=0)

    async def ask(self, key: str, ask: Ask[V]) -> V:
        """Asks, whatever is remembered. The question is put after this call, perhaps for several callers at once."""
        return await self._join(key, ask, not_before=next(self._ticks))

    async def ask_alone(self, key: str, ask: Ask[V]) -> V:
        """Asks a question that no other caller shares, and remembers the answer."""
        return await self._look_up(key, ask, _LookUp())

    def drop(self, tag: str) -> None:
        """Forgets every answer that carries the tag, those under way included."""
        for look_up in self._under_way:
            look_up.dropped.add(tag)
        for key in list(self._keys_of.get(tag, ())):
            self._discard(key)

    def forget(self) -> None:
        """Forgets everything, answers under way included."""
        for look_up in self._under_way:
            look_up.forgotten = True
        self._entries.clear()
        self._keys_of.clear()

    async def _join(self, key: str, ask: Ask[V], *, not_before: int) -> V:
        while True:
            look_up = self._shared.get(key)
            if look_up is None:
                look_up = self._share(key, ask)
            assert look_up.task is not None
            if look_up.began >= not_before:
                return await asyncio.shield(look_up.task)
            await asyncio.wait([look_up.task])

    def _share(self, key: str, ask: Ask[V]) -> _LookUp[V]:
        look_up: _LookUp[V] = _LookUp(began=next(self._ticks))

        async def run() -> V:
            try:
                return await self._look_up(key, ask, look_up)
            finally:
                del self._shared[key]

        look_up.task = asyncio.create_task(run())
        look_up.task.add_done_callback(_take_note)
        self._shared[key] = look_up
        return look_up

    async def _look_up(self, key: str, ask: Ask[V], look_up: _LookUp[V]) -> V:
        self._under_way.add(look_up)
        try:
            for _ in range(ATTEMPTS):
                look_up.begin(next(self._ticks))
                value = await ask()
                tags = self._tags_of(key, value)
                if not look_up.forgotten and look_up.dropped.isdisjoint(tags):
                    self._keep(key, _Entry(value, tags, look_up.began, self._monotonic() + self._seconds))
                    break
            return value
        finally:
            self._under_way.discard(look_up)

    def _keep(self, key: str, entry: _Entry[V]) -> None:
        earlier = self._entries.get(key)
        if earlier is not None:
            if earlier.began > entry.began:
                return
            self._discard(key)
        if len(self._entries) >= self._size:
            for oldest in list(itertools.islice(self._entries, self._size // 10 + 1)):
                self._discard(oldest)
        self._entries[key] = entry
        for tag in entry.tags:
            self._keys_of.setdefault(tag, set()).add(key)

    def _discard(self, key: str) -> None:
        entry = self._entries.pop(key)
        for tag in entry.tags:
            keys = self._keys_of[tag]
            keys.discard(key)
            if not keys:
                del self._keys_of[tag]


def _take_note(task: asyncio.Task[V]) -> None:
    """Whoever waits gets the exception; perhaps nobody is left to, and that is no news for the event loop."""
    if not task.cancelled():
        task.exception()


async def get_fact(facts: Remembered[V], key: str, ask: Ask[V], *, believe: bool, after: str | None) -> V:
    """What is remembered where that may be believed; otherwise what the owner says now, or once it has heard of `after`."""
    if after is not None:
        return await facts.ask_alone(key, ask)
    return await (facts.get if believe else facts.ask)(key, ask)


def trim(known: dict[Any, Any]) -> None:
    """Forgets the oldest of what is over when there is too much of it."""
    if len(known) > MOST_REVOCATIONS:
        for oldest in list(itertools.islice(known, MOST_REVOCATIONS // 10)):
            del known[oldest]
