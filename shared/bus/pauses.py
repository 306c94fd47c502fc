"""How long to wait before the next attempt: longer each time, and never the same for two processes."""

from __future__ import annotations

import asyncio
import random

LONGEST = 5.0


class Pauses:
    def __init__(self, first: float = 0.2) -> None:
        self._first = first
        self._attempts = 0

    async def pause(self) -> None:
        longest = min(LONGEST, self._first * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        await asyncio.sleep(random.uniform(longest / 4, longest))  # noqa: S311

    def begin_anew(self) -> None:
        self._attempts = 0
