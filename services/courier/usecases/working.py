"""Tasks that take what is due from the database, one by one, until there is nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import structlog

from shared.db import AWAY, RETRYABLE
from shared.errors import Problem

log = structlog.get_logger()

POLL_SECONDS = 1.0
GRACE_SECONDS = 5.0
AGAIN_SECONDS = 0.5
MOMENTARY = (*AWAY, *RETRYABLE, asyncpg.PostgresError, Problem, TimeoutError)


class Workers:
    """A few tasks that do the same. Woken right after work was stored; a look every second finds what is due again, and what a process that died left."""

    def __init__(self, name: str, do_next: Callable[[], Awaitable[bool]], how_many: int) -> None:
        self._name = name
        self._do_next = do_next
        self._how_many = how_many
        self._woken = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(), name=f"{self._name} {n}") for n in range(self._how_many)]

    def wake(self) -> None:
        self._woken.set()

    async def stop(self) -> None:
        """Ends what is under way; what takes too long is left to its lease."""
        self._stopping = True
        self.wake()
        _, unfinished = await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                if await self._do_next():
                    continue
            except MOMENTARY as away:
                log.warning("a worker waits for the database", worker=self._name, error=str(away))
            except Exception:
                log.exception("a worker failed unexpectedly; a lease brings its work back", worker=self._name)
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return
        if not self._stopping:
            self._woken.clear()


async def until_noted(note: Callable[[], Awaitable[None]], lease: timedelta) -> None:
    """Writes down what was done out there, again and again while the database is away: what isn't noted is done once more."""
    async with asyncio.timeout(lease.total_seconds()):
        while True:
            try:
                return await note()
            except MOMENTARY as away:
                log.warning("what was done can't be noted yet", error=str(away))
            await asyncio.sleep(AGAIN_SECONDS)
