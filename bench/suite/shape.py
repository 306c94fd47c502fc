"""The shape of a benchmark: contenders that take turns, and the goal that one must reach against another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, float]  # by unit, e.g. {"/s": 5210.0} or {"ms p50": 1.9, "ms p99": 4.2}


class Unmeasurable(Exception):
    """Something that this needs isn't on this machine; the text says what."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work. `run(place, seconds)` is one round and returns its figures."""

    name: str
    run: Callable[[Any, float], Awaitable[Figures]]


@dataclass(frozen=True)
class Goal:
    """What `of` must reach in `unit`: as a ratio of what `against` reaches, or, without it, as it stands."""

    of: str
    unit: str
    against: str | None = None
    least: float | None = None
    most: float | None = None

    def met_by(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        bound = f"≥ {_number(self.least)}" if self.least is not None else f"≤ {_number(self.most)}"
        return f"{bound}×" if self.against else f"{bound} {self.unit}"


@dataclass(frozen=True)
class Benchmark:
    """`opens` sets the scene that all contenders share; a round of each follows the other until all rounds are done."""

    what: str
    opens: Callable[[], AbstractAsyncContextManager[Any]]
    contenders: Sequence[Contender]
    goals: Sequence[Goal] = ()
    most_rounds: int = 1_000
    notes: Sequence[str] = ()


def _number(value: float | None) -> str:
    return f"{value:,.10g}" if value is not None else ""
