"""What has arrived and waits to be received: a batch is whatever gathered while the last one was being received."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Ended(Exception):
    """Nothing further is taken: receiving was stopped."""


class Overrun(Exception):
    """More arrived than may wait; a private feed begins anew, and says so."""


class Arrivals(Generic[T]):
    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._waiting: list[T] = []
        self._end: Exception | None = None
        self._news = asyncio.Event()

    def put(self, item: T) -> None:
        if self._most is not None and len(self._waiting) >= self._most:
            self.end(Overrun(f"More than {self._most} messages were waiting to be received."))
        if self._end is None:
            self._waiting.append(item)
            self._news.set()

    def end(self, why: Exception) -> None:
        """From now on `take` raises `why`, even when something waits; the first reason stays."""
        self._end = self._end or why
        self._news.set()

    async def take(self) -> list[T]:
        await self._news.wait()
        if self._end is not None:
            raise self._end
        self._news.clear()
        taken, self._waiting = self._waiting, []
        return taken

    def left(self) -> list[T]:
        return self._waiting
