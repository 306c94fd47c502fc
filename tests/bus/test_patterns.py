"""Topic patterns agree with a naive model of what AMQP says about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.patterns import matches

keys = st.lists(st.sampled_from(["org", "member", "joined", ""]), max_size=6).map(".".join)
patterns = st.lists(st.sampled_from(["org", "member", "joined", "*", "#"]), max_size=6).map(".".join)


def naively(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return naively(pattern[1:], key) or (bool(key) and naively(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and naively(pattern[1:], key[1:])


@given(patterns, keys)
def test_a_pattern_matches_what_the_naive_model_says(pattern: str, key: str) -> None:
    words = key.split(".") if key else []
    assert matches(pattern, key) == naively(pattern.split(".") if pattern else [], words)


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("org.#", "org", True),
        ("org.#", "org.member.joined.v1", True),
        ("org.#", "organization.created", False),
        ("org.member.*", "org.member.joined", True),
        ("org.member.*", "org.member.joined.v1", False),
        ("*", "", False),
        ("#", "", True),
        ("probe.org", "probe.org", True),
    ],
)
def test_patterns_that_people_write(pattern: str, key: str, expected: bool) -> None:
    assert matches(pattern, key) is expected


def test_many_wildcards_cost_no_more_than_few() -> None:
    assert not matches("#.a." * 50 + "b", "a." * 200 + "c")
