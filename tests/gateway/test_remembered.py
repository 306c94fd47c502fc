"""Answers are remembered until an event speaks of them, and never an older one in place of a newer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.remembered import Remembered


@dataclass
class Owner:
    """Holds one number. An answer is what it was when the owner looked; it arrives when it is let go."""

    number: int = 0
    looks: int = 0
    answers: list[asyncio.Future[None]] = field(default_factory=list)

    async def ask(self) -> int:
        self.looks += 1
        found = self.number
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers.append(gate)
        await gate
        return found

    def let_go(self, which: int = 0) -> None:
        self.answers.pop(which).set_result(None)


def numbers(size: int = 100) -> Remembered[int]:
    return Remembered(lambda key, value: frozenset({key, "everybody"}), lambda: 0.0, size=size)


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_while_it_is_asked_shares_the_answer_and_who_comes_later_asks_nobody() -> None:
    owner, facts = Owner(7), numbers()
    asking = [asyncio.create_task(facts.get("k", owner.ask)) for _ in range(5)]
    await turn()
    owner.let_go()
    assert await asyncio.gather(*asking) == [7] * 5
    assert await facts.get("k", owner.ask) == 7
    assert owner.looks == 1


async def test_a_caller_who_goes_away_takes_no_answer_from_others() -> None:
    owner, facts = Owner(7), numbers()
    first, second = (asyncio.create_task(facts.get("k", owner.ask)) for _ in range(2))
    await turn()
    first.cancel()
    await turn()
    owner.let_go()
    assert await second == 7


async def test_a_failure_is_told_to_all_who_waited_and_not_remembered() -> None:
    facts = numbers()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise OSError

    waiting = await asyncio.gather(*(facts.get("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in waiting] == [OSError] * 3
    owner = Owner(7)
    again = asyncio.create_task(facts.get("k", owner.ask))
    await turn()
    owner.let_go()
    assert await again == 7


@pytest.mark.parametrize("tag", ["k", "everybody"])
async def test_an_answer_whose_question_is_older_than_the_news_is_asked_for_again(tag: str) -> None:
    owner, facts = Owner(1), numbers()
    asking = asyncio.create_task(facts.get("k", owner.ask))
    await turn()
    owner.number = 2
    facts.drop(tag)
    owner.let_go()
    await turn()
    owner.let_go()
    assert await asking == 2
    assert await facts.get("k", owner.ask) == 2


async def test_who_comes_after_the_news_never_shares_an_answer_from_before() -> None:
    owner, facts = Owner(1), numbers()
    first = asyncio.create_task(facts.get("k", owner.ask))
    await turn()
    owner.let_go()  # the answer is on its way
    owner.number = 2
    facts.drop("k")  # and the news with it
    later = asyncio.create_task(facts.get("k", owner.ask))
    await turn()
    while owner.answers:
        owner.let_go()
        await turn()
    assert await later == 2
    assert await first in (1, 2)


async def test_asking_anew_waits_for_a_question_put_after_the_call() -> None:
    owner, facts = Owner(1), numbers()
    early = asyncio.create_task(facts.ask("k", owner.ask))
    await turn()
    owner.number = 2
    late = [asyncio.create_task(facts.ask("k", owner.ask)) for _ in range(5)]
    await turn()
    owner.let_go()
    await turn()
    owner.let_go()
    assert await early == 1
    assert await asyncio.gather(*late) == [2] * 5
    assert owner.looks == 2


async def test_news_without_end_ends_in_an_answer_that_is_not_remembered() -> None:
    owner, facts = Owner(1), numbers()
    asking = asyncio.create_task(facts.get("k", owner.ask))
    for number in range(2, 100):
        await turn()
        if asking.done():
            break
        owner.number = number
        facts.drop("k")
        owner.let_go()
    assert await asking >= 1
    assert facts.kept("k") is None


async def test_no_more_is_kept_than_agreed_and_no_tag_without_an_entry() -> None:
    facts = numbers(size=10)

    async def one() -> int:
        return 1

    for number in range(100):
        await facts.get(f"k{number}", one)
        facts.drop(f"k{number - 1}")
    assert len(facts._entries) <= 10
    assert facts._keys_of.keys() <= {"everybody", *(f"k{n}" for n in range(100))}
    facts.drop("everybody")
    assert facts._keys_of == {}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["get", "ask", "alone", "change", "news", "answer first", "answer last", "forget"]), max_size=40
    )
)
def test_once_all_news_has_arrived_nothing_older_than_the_truth_is_remembered(steps: list[str]) -> None:
    async def play() -> None:
        owner, facts = Owner(), numbers()
        asking = []
        for step in steps:
            if step in ("get", "ask", "alone"):
                how = {"get": facts.get, "ask": facts.ask, "alone": facts.ask_alone}[step]
                asking.append(asyncio.create_task(how("k", owner.ask)))
            elif step == "change":
                owner.number += 1
            elif step == "news":
                facts.drop("k")
            elif step == "forget":
                facts.forget()
            elif owner.answers:
                owner.let_go(0 if step == "answer first" else -1)
            await turn()
        facts.drop("k")
        while not all(task.done() for task in asking):
            while owner.answers:
                owner.let_go()
            await turn()
        entry = facts.kept("k")
        assert entry is None or entry.value == owner.number
        assert not facts._under_way
        assert not facts._shared

    asyncio.run(play())
