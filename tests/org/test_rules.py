"""The pure decisions, on whatever hypothesis comes up with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.org import rules
from services.org.usecases.own import Own
from shared.errors import Problem
from shared.ids import new_id
from tests.org.house import plan

T0 = datetime(2026, 1, 1, tzinfo=UTC)

authors = st.lists(
    st.builds(
        rules.Author,
        user_id=st.uuids().map(str),
        role=st.sampled_from(["admin", "analyst"]),
        joined_at=st.integers(0, 5).map(lambda hours: T0 + timedelta(hours=hours)),
    ),
    unique_by=lambda author: author.user_id,
    max_size=12,
)
limits = st.one_of(st.none(), st.integers(0, 12))


def lacking(limit: int | None, who: list[rules.Author]) -> frozenset[str]:
    return rules.overlay(rules.Plan(plan(1, "x", limit, None, False)), who).slotless


@given(limits, authors)
def test_as_many_keep_a_slot_as_there_are_and_one_always_does(limit: int | None, who: list[rules.Author]) -> None:
    keep = len(who) - len(lacking(limit, who))
    assert keep == len(who) if limit is None else keep == min(len(who), max(limit, 1))


@given(limits, authors)
def test_nobody_keeps_a_slot_before_somebody_with_a_better_claim(limit: int | None, who: list[rules.Author]) -> None:
    without = lacking(limit, who)
    for keeper in who:
        for loser in who:
            if keeper.user_id not in without and loser.user_id in without:
                assert (keeper.role == "admin") >= (loser.role == "admin")
                if keeper.role == loser.role:
                    assert keeper.joined_at <= loser.joined_at


@given(limits, authors, st.randoms())
def test_the_order_in_which_members_are_read_decides_nothing(
    limit: int | None, who: list[rules.Author], random: object
) -> None:
    shuffled = list(who)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert lacking(limit, shuffled) == lacking(limit, who)


@given(st.integers(0, 12), authors)
def test_a_larger_plan_never_takes_a_slot_away(limit: int, who: list[rules.Author]) -> None:
    assert lacking(limit + 1, who) <= lacking(limit, who)


@given(limits, st.integers(0, 20), st.integers(1, 5))
def test_a_grant_is_refused_exactly_when_it_would_exceed_the_limit(limit: int | None, used: int, more: int) -> None:
    given_plan = rules.Plan(plan(1, "x", limit, limit, False))
    for kind in ("author", "viewer"):
        if limit is not None and used + more > limit:
            with pytest.raises(Problem, match="slots_exhausted"):
                rules.check_slot(given_plan, kind, used, more)
        else:
            rules.check_slot(given_plan, kind, used, more)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_the_day_of_the_lapse_is_that_of_the_last_loss(has: list[bool]) -> None:
    now = rules.Plan()
    for hour, groups in enumerate(has):
        now = now.followed_by(plan(hour + 1, "x", 1, 1, groups), T0 + timedelta(hours=hour))
    if has[-1]:
        assert now.groups_lost_at is None
    else:
        since = len(has) - 1
        while since and not has[since - 1]:
            since -= 1
        assert now.groups_lost_at == T0 + timedelta(hours=since)


@given(st.text(min_size=1, max_size=40))
def test_names_are_compared_the_same_however_they_are_written(name: str) -> None:
    key = rules.key_of(name)
    assert rules.key_of(key) == key
    assert rules.key_of(name.casefold()) == key


def test_the_list_of_mail_providers_has_the_well_known_ones_and_only_domains() -> None:
    kept = Own.open(b"k", b"l")
    for name in (
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "yahoo.com",
        "icloud.com",
        "gmx.de",
        "web.de",
        "proton.me",
        "qq.com",
        "mail.ru",
    ):
        assert not kept.can_be_registered(name), name
    for name in ("acme.com", "bücher.example".encode("idna").decode(), "mail.acme.co.uk"):
        assert kept.can_be_registered(name), name
    for name in ("com", "co.uk", "github.io", "localhost"):
        assert not kept.can_be_registered(name), name
    assert all(name == name.strip().lower() and "." in name for name in kept.consumer_domains)


def test_an_overdue_invitation_has_expired_whoever_looks() -> None:
    invitation = rules.Invitation(
        new_id("inv"), "a@b.c", "viewer", (), "open", 1, "usr", T0, T0, T0 + rules.INVITATION_LIFE, None
    )
    assert invitation.at(T0 + timedelta(days=14) - timedelta(microseconds=1)).status == "open"
    assert invitation.at(T0 + timedelta(days=14)).status == "expired"
