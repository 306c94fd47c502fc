"""Questions of one moment are asked together, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.gathering import Gathering


class Source:
    """Answers twice the number; an answer about an organization goes out when its gate opens."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[int]]] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failing: set[int] = set()

    async def answer(self, org_id: str, questions: Sequence[int]) -> list[int]:
        self.asked.append((org_id, list(questions)))
        await self.gates.setdefault(org_id, asyncio.Event()).wait()
        if self.failing & set(questions):
            raise LookupError("away")
        return [2 * one for one in questions]

    def open(self, *org_ids: str) -> None:
        for org_id in org_ids:
            self.gates.setdefault(org_id, asyncio.Event()).set()


async def under_way(gathering: Gathering[int, int], org_id: str, *numbers: int) -> list[asyncio.Task[int]]:
    """Asked, each waiting for its answer."""
    tasks = [asyncio.create_task(gathering.ask(org_id, number)) for number in numbers]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_while_an_answer_is_on_its_way_is_asked_together_afterwards() -> None:
    source = Source()
    gathering = Gathering(source.answer, most=3)
    tasks = await under_way(gathering, "org_a", 1)
    tasks += await under_way(gathering, "org_a", 2, 3, 4, 5)
    assert source.asked == [("org_a", [1])]
    source.open("org_a")
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert source.asked == [("org_a", [1]), ("org_a", [2, 3, 4]), ("org_a", [5])]
    assert await gathering.ask("org_a", 6) == 12


async def test_another_organization_neither_waits_nor_is_asked_along() -> None:
    source = Source()
    gathering = Gathering(source.answer, most=10)
    (waiting,) = await under_way(gathering, "org_a", 1)
    source.open("org_b")
    assert await gathering.ask("org_b", 7) == 14
    assert source.asked == [("org_a", [1]), ("org_b", [7])]
    source.open("org_a")
    assert await waiting == 2


async def test_a_failure_is_told_to_all_who_asked_together_and_to_nobody_else() -> None:
    source = Source()
    gathering = Gathering(source.answer, most=2)
    first = await under_way(gathering, "org_a", 1)
    rest = await under_way(gathering, "org_a", 2, 3, 4, 5)
    source.failing = {3}
    source.open("org_a")
    said = await asyncio.gather(*first, *rest, return_exceptions=True)
    assert [one if isinstance(one, int) else type(one) for one in said] == [2, LookupError, LookupError, 8, 10]


async def test_who_gives_up_takes_nobody_along() -> None:
    source = Source()
    gathering = Gathering(source.answer, most=10)
    first, *rest = await under_way(gathering, "org_a", 1, 2, 3)
    late = await under_way(gathering, "org_a", 4, 5)
    for one in (first, late[0]):
        one.cancel()
    source.open("org_a")
    assert await asyncio.gather(*rest, late[1]) == [4, 6, 10]
    with pytest.raises(asyncio.CancelledError):
        await first
    assert source.asked == [("org_a", [1]), ("org_a", [2, 3, 5])]


async def test_at_the_end_of_everything_nobody_is_left_waiting() -> None:
    source = Source()
    gathering = Gathering(source.answer, most=1)
    tasks = await under_way(gathering, "org_a", 1, 2, 3)
    tasks[0].cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert source.asked == [("org_a", [1]), ("org_a", [2])]
    (asking,) = gathering._asking.values()
    assert asking is not None
    asking.cancel()
    said = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in said] == [asyncio.CancelledError] * 3
    source.open("org_a")
    assert await gathering.ask("org_a", 4) == 8
