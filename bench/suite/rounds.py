"""Alternating rounds of one benchmark: medians of what each contender did, ratios within each round."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.suite.shape import Benchmark, Goal, Unmeasurable


@dataclass(frozen=True)
class Verdict:
    """How a goal came out. `value` is the median of the rounds' ratios, or the median itself; None when unmeasured."""

    of: str
    against: str | None
    unit: str
    goal: str
    value: float | None
    met: bool | None


@dataclass
class Result:
    """What one benchmark found."""

    name: str
    what: str
    rounds: int
    seconds: float
    load_before: float
    load_after: float
    measured_at: str
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # contender → unit → a value per round
    unmeasured: dict[str, str] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, contender: str, unit: str) -> float | None:
        values = self.figures.get(contender, {}).get(unit)
        return statistics.median(values) if values else None

    def json(self) -> dict[str, Any]:
        medians = {
            name: {unit: statistics.median(values) for unit, values in units.items()}
            for name, units in self.figures.items()
        }
        return {**asdict(self), "medians": medians}


async def measure(name: str, benchmark: Benchmark, rounds: int, seconds: float, say: Callable[[str], None]) -> Result:
    """Runs every contender once unmeasured, then `rounds` times in turn."""
    rounds = min(rounds, benchmark.most_rounds)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    result = Result(name, benchmark.what, rounds, seconds, os.getloadavg()[0], 0, started, notes=list(benchmark.notes))
    async with benchmark.opens() as place:
        for turn in range(rounds + 1):
            for contender in benchmark.contenders:
                if contender.name in result.unmeasured or (turn == 0 and benchmark.most_rounds <= 3):
                    continue
                say(f"{name}  {'warming up' if turn == 0 else f'round {turn} of {rounds}'}  {contender.name}")
                try:
                    figures = await contender.run(place, seconds if turn else min(seconds, 0.3))
                except Unmeasurable as why:
                    result.unmeasured[contender.name] = str(why)
                    continue
                if turn:
                    units = result.figures.setdefault(contender.name, {})
                    for unit, value in figures.items():
                        units.setdefault(unit, []).append(value)
    result.load_after = os.getloadavg()[0]
    result.verdicts = [_verdict(goal, result) for goal in benchmark.goals]
    return result


def _verdict(goal: Goal, result: Result) -> Verdict:
    value = _value(result.figures.get(goal.of, {}).get(goal.unit), goal, result)
    met = None if value is None else goal.met_by(value)
    return Verdict(goal.of, goal.against, goal.unit, str(goal), value, met)


def _value(own: Sequence[float] | None, goal: Goal, result: Result) -> float | None:
    if not own:
        return None
    if goal.against is None:
        return statistics.median(own)
    others = result.figures.get(goal.against, {}).get(goal.unit)
    if not others:
        return None
    return statistics.median(mine / theirs for mine, theirs in zip(own, others, strict=False))
