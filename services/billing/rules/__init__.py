"""How a subscription moves through time and plans, and what that costs: pure decisions.

Money is whole minor units. Rounding happens in one place, `share`: half up. Days are counted in UTC from the start of the
period, and a day that has begun counts as used, so the amounts of a preview stay true until the next day begins.
Whatever a change doesn't charge is kept as credit: the lines of a change add up to `due_now - credit`, always.
"""

from __future__ import annotations

import hashlib
import json
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.errors import Problem

Interval = Literal["month", "year"]
Effective = Literal["now", "period_end"]
Direction = Literal["upgrade", "downgrade", "interval", "conversion"]
Status = Literal["active", "trialing", "past_due", "cancelled"]
Step = Literal["notice", "change", "trial_end", "renewal"]

DAY = timedelta(days=1)
MONTHS: Mapping[Interval, int] = {"month": 1, "year": 12}


@dataclass(frozen=True)
class Terms:
    """What a plan costs per interval; `price` is None by contract. `order` compares plans."""

    plan: str
    name: str
    order: int
    interval: Interval
    price: int | None
    catalogue_version: int = 1


@dataclass(frozen=True)
class Subscription:
    """The row of an organization's subscription.

    Periods are counted from `anchor_at`, so that none drifts after a short month. What is scheduled (`next_plan`) happens at `period_end`.
    Plan and price are those of `catalogue_version`, whatever is on offer by now.
    """

    org_id: str
    id: str
    plan: str
    interval: Interval
    status: Status
    price: int | None
    currency: str
    anchor_at: datetime
    period_start: datetime
    period_end: datetime | None
    changed_at: datetime
    trial_ends_at: datetime | None = None
    trial_notice_given: bool = False
    credit: int = 0
    next_plan: str | None = None
    next_interval: Interval | None = None
    catalogue_version: int = 1
    next_catalogue_version: int | None = None
    past_due_since: datetime | None = None
    past_due_reminded: bool = False
    version: int = 1
    changed_by: str | None = None

    @property
    def trialing(self) -> bool:
        return self.status == "trialing"

    @property
    def paid(self) -> bool:
        """Whether there is a paid period, whose unused time is worth something."""
        return bool(self.price) and self.period_end is not None and not self.trialing


@dataclass(frozen=True)
class Line:
    """One line of what a change costs; negative is in the customer's favour. `days` of `of_days` when it is a share.

    `text` is what stands on paper; `plan` is whose price it is, `interval` a whole one that is paid for.
    """

    kind: Literal["unused", "charge", "balance", "kept"]
    text: str
    amount: int
    days: int | None = None
    of_days: int | None = None
    plan: str | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Change:
    """What a change to `target` means: when, what it costs, and the subscription after it."""

    target: Terms
    direction: Direction
    effective: Effective
    effective_at: datetime
    lines: tuple[Line, ...]
    due_now: int
    credit: int
    next_invoice_at: datetime | None
    next_invoice: int | None
    after: Subscription


# Time


def add_months(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later; the month's last day where there is no such day."""
    count = moment.month - 1 + months
    year, month = moment.year + count // 12, count % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def boundary_after(anchor: datetime, interval: Interval, moment: datetime) -> datetime:
    """The first end of a period, counted from the anchor, that is later than `moment`."""
    step = MONTHS[interval]
    passed = (moment.year - anchor.year) * 12 + moment.month - anchor.month
    count = max(passed // step - 1, 1)
    while add_months(anchor, count * step) <= moment:
        count += 1
    return add_months(anchor, count * step)


def days_left(start: datetime, end: datetime, now: datetime) -> tuple[int, int]:
    """Whole days that haven't begun, and how many the period has."""
    days = -((start - end) // DAY)
    return max(0, min(days, (end - now) // DAY)), days


# Money


def share(amount: int, part: int, whole: int) -> int:
    """`amount * part / whole`, half up; the rest is `amount - share(…)`, so nothing is lost. Grows with `amount` and with `part`."""
    return (2 * amount * part + whole) // (2 * whole)


def settle(lines: tuple[Line, ...]) -> tuple[int, int]:
    """What is due, and what is left as credit: one of them is 0."""
    total = sum(line.amount for line in lines)
    return max(total, 0), max(-total, 0)


# A change of plan


def plan_change(
    now: datetime, subscription: Subscription, current: Terms, target: Terms, when: Effective | None
) -> Change:
    """What changing to `target` would mean. An upgrade is at once, a downgrade of a paid period at its end, unless `when` says otherwise."""
    if current.price is None or target.price is None:
        agreed = target if target.price is None else current
        raise Problem("by_contract", f"{agreed.name} is agreed by contract.", meta={"plan": agreed.plan})
    direction = direction_of(subscription, current, target)
    if when is None:
        at_once = not subscription.paid or direction == "upgrade" or (direction == "interval" and _is_longer(target))
        when = "now" if at_once else "period_end"
    if when == "now":
        return _change_now(now, subscription, current, target, direction)
    if subscription.period_end is None:
        told, remedy = {"because": "no_period", "plan": current.plan}, ['Send "when": "now".']
        raise Problem("conflict", f"{current.name} has no end to wait for.", meta=told, remedy=remedy)
    return Change(
        target=target,
        direction=direction,
        effective="period_end",
        effective_at=subscription.period_end,
        lines=(),
        due_now=0,
        credit=subscription.credit,
        next_invoice_at=subscription.period_end if target.price else None,
        next_invoice=max(target.price - subscription.credit, 0) if target.price else None,
        after=replace(
            subscription,
            next_plan=target.plan,
            next_interval=target.interval,
            next_catalogue_version=target.catalogue_version,
        ),
    )


def in_currency(subscription: Subscription, currency: str) -> Subscription:
    """A currency is chosen once, before there is money in another."""
    if currency != subscription.currency and (subscription.paid or subscription.credit or subscription.price is None):
        told = {"because": "another_currency", "currency": subscription.currency}
        raise Problem("conflict", f"The subscription is paid in {subscription.currency}.", meta=told)
    return replace(subscription, currency=currency)


def direction_of(subscription: Subscription, current: Terms, target: Terms) -> Direction:
    if target.order != current.order:
        return "upgrade" if target.order > current.order else "downgrade"
    if subscription.trialing:
        return "conversion"
    if not current.price or target.interval == current.interval:
        told = {"because": "same_plan", "plan": current.plan}
        raise Problem("conflict", f"The organization is on {current.name} already.", meta=told)
    return "interval"


def _is_longer(target: Terms) -> bool:
    return target.interval == "year"


def _change_now(
    now: datetime, subscription: Subscription, current: Terms, target: Terms, direction: Direction
) -> Change:
    lines: list[Line] = []
    keeps_period = subscription.paid and bool(target.price) and target.interval == current.interval
    left, days = 0, 1
    if subscription.paid and subscription.period_end is not None:
        left, days = days_left(subscription.period_start, subscription.period_end, now)
        unused = share(subscription.price or 0, left, days)
        lines.append(Line("unused", f"Unused time on {current.name}", -unused, left, days, current.name))
    if keeps_period:
        text = f"{target.name} for the rest of the period"
        lines.append(Line("charge", text, share(target.price or 0, left, days), left, days, target.name))
    elif target.price:
        text = f"{target.name}, one {target.interval}"
        lines.append(Line("charge", text, target.price, plan=target.name, interval=target.interval))
    if subscription.credit:
        lines.append(Line("balance", "Credit", -subscription.credit))
    due_now, credit = settle(tuple(lines))
    moved = _on_terms(subscription, target)
    if not keeps_period:
        moved = _in_new_period(moved, now)
    after = replace(moved, credit=credit)
    return Change(
        target=target,
        direction=direction,
        effective="now",
        effective_at=now,
        lines=tuple(lines),
        due_now=due_now,
        credit=credit,
        next_invoice_at=after.period_end if after.price else None,
        next_invoice=next_invoice(after),
        after=after,
    )


def _on_terms(subscription: Subscription, terms: Terms) -> Subscription:
    """The same subscription on other terms; a trial is over and nothing is scheduled any more."""
    return replace(
        without_schedule(subscription),
        plan=terms.plan,
        interval=terms.interval,
        price=terms.price,
        catalogue_version=terms.catalogue_version,
        trial_ends_at=None,
        trial_notice_given=False,
        **_owing(subscription, terms),
    )


def _owing(subscription: Subscription, terms: Terms) -> dict[str, Any]:
    """Whoever owes goes on owing on another paid plan, and has no time of grace to lose on one that costs nothing."""
    if subscription.status == "past_due" and terms.price:
        return {"status": "past_due"}
    return {"status": "active", "past_due_since": None, "past_due_reminded": False}


def _in_new_period(subscription: Subscription, start: datetime) -> Subscription:
    end = boundary_after(start, subscription.interval, start) if subscription.price else None
    return replace(subscription, anchor_at=start, period_start=start, period_end=end)


def without_schedule(subscription: Subscription) -> Subscription:
    return replace(subscription, next_plan=None, next_interval=None, next_catalogue_version=None)


def next_invoice(subscription: Subscription) -> int | None:
    """What the next period will cost when nothing is changed; None when there will be no invoice."""
    if not subscription.price or subscription.trialing:
        return None
    return max(subscription.price - subscription.credit, 0)


# Beginning, trial, and what time alone does


def begin(org_id: str, subscription_id: str, terms: Terms, currency: str, now: datetime) -> Subscription:
    """The subscription that every organization starts with."""
    return Subscription(
        org_id=org_id,
        id=subscription_id,
        plan=terms.plan,
        interval=terms.interval,
        status="active",
        price=terms.price,
        catalogue_version=terms.catalogue_version,
        currency=currency,
        anchor_at=now,
        period_start=now,
        period_end=None,
        changed_at=now,
    )


def begin_trial(
    subscription: Subscription, free_plan: str, trial_plan: str, length: timedelta, now: datetime
) -> Subscription:
    """A trial costs nothing; its period is its length."""
    if subscription.plan != free_plan or subscription.trialing:
        raise Problem("conflict", "A trial starts from the free plan only.", meta={"because": "not_on_free_plan"})
    ends_at = now + length
    return replace(
        subscription,
        plan=trial_plan,
        status="trialing",
        price=0,
        anchor_at=now,
        period_start=now,
        period_end=ends_at,
        trial_ends_at=ends_at,
    )


def step_due(subscription: Subscription, now: datetime, notice: timedelta) -> Step | None:
    """What time alone asks for now; asked again after each step, until there is none."""
    at = next_step_at(subscription, notice)
    if at is None or at > now:
        return None
    ends_at = subscription.trial_ends_at
    if subscription.trialing and ends_at is not None and ends_at > now:
        return "notice"
    if subscription.next_plan is not None:
        return "change"
    return "trial_end" if subscription.trialing else "renewal"


def next_step_at(subscription: Subscription, notice: timedelta) -> datetime | None:
    """When time alone changes something next."""
    if subscription.status == "cancelled" or subscription.period_end is None:
        return None
    if subscription.trialing and not subscription.trial_notice_given:
        return subscription.period_end - notice
    return subscription.period_end


def step_to(subscription: Subscription, terms: Terms) -> Subscription:
    """The period is over and the next begins on these terms, at the very end of the last; credit pays first."""
    if subscription.period_end is None:
        raise ValueError("a period without end can't be followed by another")
    start = subscription.period_end
    same = subscription.status in ("active", "past_due") and (terms.plan, terms.interval) == (
        subscription.plan,
        subscription.interval,
    )
    if same:
        end = boundary_after(subscription.anchor_at, subscription.interval, start)
        after = replace(subscription, period_start=start, period_end=end, price=terms.price)
    else:
        after = _in_new_period(_on_terms(subscription, terms), start)
    return replace(after, credit=max(after.credit - (after.price or 0), 0))


def moved_to(subscription: Subscription, catalogue_version: int) -> Subscription:
    """On another version of the same plan: this period stays as it was bought, the next costs what that version says."""
    return replace(subscription, catalogue_version=catalogue_version)


# Past due


def past_due(subscription: Subscription, now: datetime) -> Subscription:
    """An invoice is overdue: the time of grace begins now, however late this was noticed."""
    return replace(subscription, status="past_due", past_due_since=now, past_due_reminded=False)


def recovered(subscription: Subscription) -> Subscription:
    return replace(subscription, status="active", past_due_since=None, past_due_reminded=False)


def lapsed(subscription: Subscription, terms: Terms, now: datetime) -> Subscription:
    """The time of grace is over: on to what costs nothing, now."""
    return _in_new_period(_on_terms(subscription, terms), now)


# What a preview was made of


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A digest of everything that a preview depended on: presented with the change, it shows that nothing has changed since."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
