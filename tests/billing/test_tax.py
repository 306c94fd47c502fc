"""Tax and invoices' sums, by properties: what is charged is what stands on the lines, to the cent, and what is given back adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing import rules
from services.billing.rules import Interval, Terms
from services.billing.rules.invoices import Amounts, credit_note, lines_of_change, lines_of_period, net_of, standing
from services.billing.rules.tax import Tax, tax_of, vat_id_of
from shared.errors import Problem
from tests.billing.test_money import moments, paid_plans, subscribed

RATES = {"DE": 1900, "FR": 2000, "US": 0, "CH": 810}


@pytest.mark.parametrize(
    ("seller", "customer", "vat_id", "kind", "rate"),
    [
        ("DE", "DE", "DE136695976", "domestic", 1900),
        ("DE", None, None, "domestic", 1900),
        ("DE", "FR", "FR40303265045", "reverse_charge", 0),
        ("DE", "FR", None, "destination", 2000),
        ("DE", "AT", None, "domestic", 1900),
        ("DE", "US", None, "outside", 0),
        ("DE", "GB", "GB980780684", "outside", 0),
        ("CH", "DE", "DE136695976", "destination", 1900),
        ("CH", "JP", None, "outside", 0),
        ("CH", "CH", None, "domestic", 810),
    ],
)
def test_who_pays_which_tax(seller: str, customer: str | None, vat_id: str | None, kind: str, rate: int) -> None:
    tax = tax_of(seller, customer, vat_id, RATES)
    assert (tax.kind, tax.rate) == (kind, rate)
    assert bool(tax.note) is (kind != "domestic")


@pytest.mark.parametrize(
    ("country", "text", "known"),
    [
        ("DE", "de 136 695 976", "DE136695976"),
        ("DE", "136695976", "DE136695976"),
        ("DE", "136695978", None),
        ("DE", "\uff24\uff25 13669597\uff16", "DE136695976"),
        ("DE", "13669597\u0666", None),
        ("DE", "FR40303265045", None),
        ("GR", "EL 094259216", "EL094259216"),
        ("US", "12-3456789", "123456789"),
        ("US", "!", None),
    ],
)
def test_a_vat_id_has_one_spelling_and_must_be_possible(country: str, text: str, known: str | None) -> None:
    assert vat_id_of(country, text) == known


@given(st.integers(0, 10**10), st.integers(0, 10_000))
def test_tax_is_at_most_half_a_cent_off_and_a_credit_mirrors_it(net: int, rate: int) -> None:
    tax = Tax("domestic", "DE", rate)
    assert abs(tax.on(net) * 10_000 - net * rate) * 2 <= 10_000
    assert tax.on(-net) == -tax.on(net)


@given(st.integers(1, 10**9), st.integers(0, 10_000), st.lists(st.integers(1, 10**9), max_size=8))
def test_credit_notes_in_any_parts_add_up_to_the_invoice_and_never_to_more(
    net: int, rate: int, parts: list[int]
) -> None:
    invoice = Amounts(net, Tax("domestic", "DE", rate).on(net))
    credited = Amounts(0, 0)
    for part in parts:
        left = invoice - credited
        if part > left.net or left.net == 0:
            with pytest.raises(Problem, match="conflict"):
                credit_note(invoice, credited, part)
            continue
        note = credit_note(invoice, credited, part)
        assert note.net == part
        assert 0 <= note.tax <= left.tax
        credited = Amounts(credited.net + note.net, credited.tax + note.tax)
    if credited != invoice:
        rest = credit_note(invoice, credited, None)
        assert Amounts(credited.net + rest.net, credited.tax + rest.tax) == invoice


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
)


@given(moments, paid_plans, paid_plans, st.integers(0, 10**8), st.floats(0, 0.999), zones)
def test_an_invoice_is_over_what_the_change_said_in_every_zone_and_month(
    start: datetime, old: Terms, new: Terms, credit: int, passed: float, zone: str
) -> None:
    before = subscribed(old, start, credit)
    assert before.period_end is not None
    now = start + (before.period_end - start) * passed
    if (old.order, old.interval) == (new.order, new.interval):
        return
    change = rules.plan_change(now, before, old, new, "now")
    assert rules.plan_change(now.astimezone(ZoneInfo(zone)), before, old, new, "now").lines == change.lines
    lines = lines_of_change(change.lines, change.credit)
    assert net_of(lines) == change.due_now >= 0
    for line in lines:
        if line.of_days is not None and line.days is not None:
            assert 0 <= line.days <= line.of_days
            assert line.of_days in (*range(28, 32), 365, 366)


@given(moments, paid_plans, st.integers(0, 10**8), st.integers(1, 14))
def test_renewals_charge_each_period_once_and_credit_is_used_up_exactly(
    start: datetime, terms: Terms, credit: int, many: int
) -> None:
    subscription, invoiced = subscribed(terms, start, credit), 0
    for _ in range(many):
        after = rules.step_to(subscription, terms)
        invoiced += net_of(lines_of_period(subscription, after, terms))
        subscription = after
    assert invoiced + credit - subscription.credit == many * (terms.price or 0)


@pytest.mark.parametrize(
    ("start", "upgrade", "interval", "days", "of_days"),
    [
        ("2024-01-31", "2024-02-28T12:00", "month", 0, 29),
        ("2024-02-01", "2024-02-15T00:00", "month", 15, 29),
        ("2023-02-01", "2023-02-15T00:00", "month", 14, 28),
        ("2024-04-01", "2024-04-01T00:00", "month", 30, 30),
        ("2023-06-01", "2023-06-01T10:00", "year", 365, 366),
    ],
)
def test_days_of_short_months_and_leap_years(
    start: str, upgrade: str, interval: Interval, days: int, of_days: int
) -> None:
    begun = datetime.fromisoformat(start).replace(tzinfo=UTC)
    old, new = Terms("a", "A", 1, interval, 10_000), Terms("b", "B", 2, interval, 20_000)
    change = rules.plan_change(
        datetime.fromisoformat(upgrade).replace(tzinfo=UTC), subscribed(old, begun), old, new, None
    )
    assert {(line.days, line.of_days) for line in change.lines} == {(days, of_days)}


def test_what_becomes_of_an_invoice() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later, before = now + timedelta(days=1), now - timedelta(days=1)
    assert standing(100, 0, later, None, now) == "open"
    assert standing(100, 99, before, None, now) == "overdue"
    assert standing(100, 0, before, now, now) == "paid"
    assert standing(100, 100, before, None, now) == "credited"
    assert standing(0, 0, before, None, now) == "paid"
