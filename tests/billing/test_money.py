"""Time and money, by properties: nothing is lost or made, nothing is negative, more never costs less."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.billing import rules
from services.billing.rules import DAY, Interval, Subscription, Terms
from shared.errors import Problem
from shared.ids import new_id

START = datetime(2023, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(2023, 1, 1), datetime(2032, 12, 31)).map(lambda d: d.replace(tzinfo=UTC))
amounts = st.integers(0, 10**9)
intervals: st.SearchStrategy[Interval] = st.sampled_from(["month", "year"])
paid_plans = st.builds(
    lambda order, price, interval: Terms(f"plan{order}", f"Plan {order}", order, interval, price),
    st.integers(1, 9),
    st.integers(1, 10**7),
    intervals,
)
free = Terms("free", "Free", 0, "month", 0)


def subscribed(terms: Terms, now: datetime, credit: int = 0) -> Subscription:
    begun = rules.begin(new_id("org"), new_id("sub"), free, "EUR", now)
    return replace(rules.plan_change(now, begun, free, terms, None).after, credit=credit)


@given(amounts, st.integers(1, 366), st.data())
def test_a_share_and_its_rest_are_the_whole_and_neither_is_negative(
    amount: int, whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole))
    mine = rules.share(amount, part, whole)
    assert 0 <= mine <= amount
    assert abs(mine * whole - amount * part) * 2 <= whole
    assert rules.share(amount, 0, whole) == 0
    assert rules.share(amount, whole, whole) == amount


@given(amounts, amounts, st.integers(1, 366), st.data())
def test_a_larger_amount_or_more_days_never_gives_a_smaller_share(
    a: int, b: int, whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole - 1))
    assert rules.share(min(a, b), part, whole) <= rules.share(max(a, b), part, whole)
    assert rules.share(a, part, whole) <= rules.share(a, part + 1, whole)


@given(moments, intervals, st.integers(1, 30))
def test_periods_follow_each_other_without_gap_and_never_drift(anchor: datetime, interval: Interval, many: int) -> None:
    end = anchor
    for number in range(1, many + 1):
        start, end = end, rules.boundary_after(anchor, interval, end)
        assert end == rules.add_months(anchor, number * rules.MONTHS[interval])
        days = (end - start) / DAY
        assert days == int(days)
        assert (28 <= days <= 31) if interval == "month" else (365 <= days <= 366)
        assert end.day == anchor.day or end.day == (end + DAY).replace(day=1).__add__(-DAY).day


@given(moments, intervals, st.timedeltas(timedelta(), timedelta(days=2000)))
def test_the_period_of_a_moment_holds_it(anchor: datetime, interval: Interval, passed: timedelta) -> None:
    moment = anchor + passed
    end = rules.boundary_after(anchor, interval, moment)
    assert moment < end <= rules.add_months(moment, rules.MONTHS[interval]) + 3 * DAY


@pytest.mark.parametrize(
    ("anchor", "interval", "ends"),
    [
        ("2024-01-31", "month", ["2024-02-29", "2024-03-31", "2024-04-30"]),
        ("2023-01-31", "month", ["2023-02-28", "2023-03-31", "2023-04-30"]),
        ("2024-02-29", "year", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2023-12-15", "month", ["2024-01-15"]),
    ],
)
def test_short_months_and_leap_days(anchor: str, interval: Interval, ends: list[str]) -> None:
    first = moment = datetime.fromisoformat(anchor).replace(tzinfo=UTC)
    for end in ends:
        moment = rules.boundary_after(first, interval, moment)
        assert moment.date().isoformat() == end


@given(moments, paid_plans, paid_plans, st.integers(0, 10**8), st.floats(0, 0.999))
def test_a_change_neither_loses_nor_makes_money(
    now: datetime, old: Terms, new: Terms, credit: int, passed: float
) -> None:
    subscription = subscribed(old, now, credit)
    assert subscription.period_end is not None
    later = now + (subscription.period_end - now) * passed
    assume((old.order, old.interval) != (new.order, new.interval))
    change = rules.plan_change(later, subscription, old, new, "now")
    assert change.due_now >= 0
    assert change.credit >= 0
    assert min(change.due_now, change.credit) == 0
    assert sum(line.amount for line in change.lines) == change.due_now - change.credit
    given_back = -sum(line.amount for line in change.lines if line.kind == "unused")
    assert 0 <= given_back <= (old.price or 0)
    assert change.after.credit == change.credit
    assert change.after.period_end is not None
    assert change.after.period_end > later
    if new.interval == old.interval:
        assert (change.after.period_start, change.after.period_end) == (
            subscription.period_start,
            subscription.period_end,
        )


@given(moments, st.integers(1, 10**7), st.integers(0, 10**6), intervals, st.floats(0, 0.999))
def test_an_upgrade_is_never_free_of_charge_for_less_and_costs_less_the_later_it_comes(
    now: datetime, price: int, more: int, interval: Interval, passed: float
) -> None:
    old = Terms("a", "A", 1, interval, price)
    new = Terms("b", "B", 2, interval, price + more)
    subscription = subscribed(old, now)
    assert subscription.period_end is not None
    early = rules.plan_change(now, subscription, old, new, None)
    late = rules.plan_change(now + (subscription.period_end - now) * passed, subscription, old, new, None)
    assert early.effective == late.effective == "now"
    assert more == early.due_now
    assert late.due_now - 1 <= early.due_now  # each of the two shares is rounded once


@given(moments, st.lists(st.tuples(st.integers(1, 4), st.timedeltas(timedelta(), timedelta(days=9))), max_size=12))
def test_flapping_pays_never_less_than_the_cheapest_and_never_more_than_the_dearest_plan(
    now: datetime, path: list[tuple[int, timedelta]]
) -> None:
    prices = {1: 10_000, 2: 24_900, 3: 74_900, 4: 200_001}
    terms = {order: Terms(f"p{order}", f"P{order}", order, "month", price) for order, price in prices.items()}
    current = terms[1]
    subscription = subscribed(current, now)
    paid = prices[1]
    for order, wait in path:
        now += wait
        assert subscription.period_end is not None
        if now >= subscription.period_end or order == current.order:
            break
        change = rules.plan_change(now, subscription, current, terms[order], "now")
        paid += change.due_now
        subscription, current = change.after, terms[order]
        assert paid - subscription.credit >= prices[1] - len(path)
        assert paid - subscription.credit <= prices[4] + len(path)


@given(moments, paid_plans, st.integers(0, 10**8), st.integers(1, 40))
def test_renewals_use_up_credit_and_never_more_than_the_price(
    now: datetime, terms: Terms, credit: int, many: int
) -> None:
    subscription = subscribed(terms, now, credit)
    for _ in range(many):
        after = rules.step_to(subscription, terms)
        assert after.period_start == subscription.period_end
        assert after.credit == max(subscription.credit - (terms.price or 0), 0)
        subscription = after


@given(moments, paid_plans, st.timedeltas(timedelta(), timedelta(days=3000)))
def test_time_always_arrives_at_the_present(now: datetime, terms: Terms, passed: timedelta) -> None:
    subscription, later, notice = subscribed(terms, now), now + passed, timedelta(days=3)
    steps = 0
    while (step := rules.step_due(subscription, later, notice)) is not None:
        assert step == "renewal"
        subscription = rules.step_to(subscription, terms)
        steps += 1
    assert steps <= 100
    assert subscription.period_end is not None
    assert subscription.period_start <= later < subscription.period_end


def test_a_trial_is_given_notice_of_then_ends_and_a_late_notice_is_left_out() -> None:
    begun = rules.begin(new_id("org"), new_id("sub"), free, "EUR", START)
    trial = rules.begin_trial(begun, "free", "business", timedelta(days=14), START)
    notice = timedelta(days=3)
    assert rules.next_step_at(trial, notice) == START + timedelta(days=11)
    assert rules.step_due(trial, START + timedelta(days=10), notice) is None
    assert rules.step_due(trial, START + timedelta(days=11), notice) == "notice"
    assert rules.step_due(trial, START + timedelta(days=14), notice) == "trial_end"
    told = replace(trial, trial_notice_given=True)
    assert rules.step_due(told, START + timedelta(days=13), notice) is None
    ended = rules.step_to(told, free)
    assert (ended.plan, ended.status, ended.period_end, ended.trial_ends_at) == ("free", "active", None, None)
    assert rules.step_due(ended, START + timedelta(days=999), notice) is None


def test_by_contract_nothing_changes_by_itself() -> None:
    enterprise = Terms("enterprise", "Enterprise", 3, "year", None)
    begun = rules.begin(new_id("org"), new_id("sub"), free, "EUR", START)
    for current, target in ((free, enterprise), (enterprise, free)):
        with pytest.raises(Problem, match="by_contract"):
            rules.plan_change(START, begun, current, target, None)
