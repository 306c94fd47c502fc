"""Slots over time: a day counts who holds a slot when it ends, in UTC; today counts who holds one now. Pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

SlotKind = Literal["author", "viewer"]
LOOKS_BACK = 30


@dataclass(frozen=True)
class Turn:
    """How many more (or fewer) slots of each kind were held at the end of a day than at its beginning."""

    day: date
    author: int
    viewer: int


@dataclass(frozen=True)
class Held:
    """How many slots of each kind were held at the end of a day."""

    day: date
    author: int
    viewer: int


def kind_of(role: str) -> SlotKind:
    """Admins and Analysts share the author slots."""
    return "viewer" if role == "viewer" else "author"


def days_of(first: date, last: date, author: int, viewer: int, turns: Sequence[Turn]) -> list[Held]:
    """Each day from `first` to `last`, beginning with what was held before."""
    by_day: Mapping[date, Turn] = {turn.day: turn for turn in turns}
    held = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        turn = by_day.get(day, Turn(day, 0, 0))
        author, viewer = author + turn.author, viewer + turn.viewer
        held.append(Held(day, author, viewer))
    return held


def first_forecast(began: date) -> date:
    """The first day whose forecast compares with a day on which there was anybody: any sooner, the founding itself would be taken for growth."""
    return began + timedelta(days=LOOKS_BACK)


def expected(then: int, now: int, days_between: int, days_ahead: int) -> int:
    """If it goes on as it went: a straight line through two days, half up, never below nothing."""
    if days_between <= 0:
        return now
    grown = (2 * (now - then) * days_ahead + days_between) // (2 * days_between)
    return max(0, now + grown)


def full_in(then: int, now: int, days_between: int, limit: int | None) -> int | None:
    """In how many days the limit is reached if it goes on so; 0 when it is, None when never."""
    if limit is None:
        return None
    if now >= limit:
        return 0
    if now <= then or days_between <= 0:
        return None
    return -(-(limit - now) * days_between // (now - then))
