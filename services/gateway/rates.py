"""How much one caller may ask: token buckets in memory, told in `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import Problem

MOST_BUCKETS = 50_000


@dataclass(frozen=True)
class Rate:
    """`quota` requests in `seconds`: all at once, and then as they come back, evenly."""

    name: str
    quota: int
    seconds: int


@dataclass(frozen=True)
class Rates:
    """The defaults stop floods and nobody else; what guesses at passwords is held back by identity, per account and address."""

    person: Rate = Rate("person", 240_000, 60)
    anonymous: Rate = Rate("anonymous", 60_000, 60)
    anonymous_writes: Rate = Rate("anonymous-writes", 3_000, 60)


DEFAULT_RATES = Rates()


class Buckets:
    """One bucket per key. When there are too many, those made first are forgotten."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._per_second = rate.quota / rate.seconds
        self._policy = f'"{rate.name}";q={rate.quota};w={rate.seconds}'
        self._monotonic = monotonic
        self._levels: dict[str, tuple[float, float]] = {}

    def check(self, key: str) -> None:
        """429 when nothing is left."""
        level = self._level(key)
        if level < 1:
            raise self._refusal(level)

    def take(self, key: str) -> dict[str, str]:
        """Takes one, and tells in headers what is left; 429 when nothing is."""
        level = self._level(key)
        if level < 1:
            raise self._refusal(level)
        if key not in self._levels and len(self._levels) >= MOST_BUCKETS:
            for oldest in list(itertools.islice(self._levels, MOST_BUCKETS // 10)):
                del self._levels[oldest]
        self._levels[key] = (level - 1, self._monotonic())
        return self._allowance(level - 1)

    def _level(self, key: str) -> float:
        known = self._levels.get(key)
        if known is None:
            return self._rate.quota
        return min(self._rate.quota, known[0] + (self._monotonic() - known[1]) * self._per_second)

    def _allowance(self, level: float) -> dict[str, str]:
        full_in = math.ceil((self._rate.quota - level) / self._per_second)
        return {"RateLimit-Policy": self._policy, "RateLimit": f'"{self._rate.name}";r={int(level)};t={full_in}'}

    def _refusal(self, level: float) -> Problem:
        return Problem(
            "rate_limited",
            meta={"policy": self._rate.name, "quota": self._rate.quota, "seconds": self._rate.seconds},
            retry_after=max(1, math.ceil((1 - level) / self._per_second)),
            headers=self._allowance(level),
        )
