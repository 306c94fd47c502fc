"""What stands on an invoice, and what is left of it: pure decisions. All lines are net; they add up to the invoice's net amount, always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.billing.rules import Line, Subscription, Terms, share
from shared.errors import Problem

Standing = Literal["open", "overdue", "paid", "credited"]


@dataclass(frozen=True)
class Amounts:
    """Net, the tax on it, and both together."""

    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.net - other.net, self.tax - other.tax)


def lines_of_change(lines: Sequence[Line], credit: int) -> tuple[Line, ...]:
    """A change's lines, closed by what is kept as credit: so an invoice is never negative, and nothing goes unsaid."""
    return (*lines, *([Line("kept", "Kept as credit for the next invoices", credit)] if credit else ()))


def lines_of_period(before: Subscription, after: Subscription, terms: Terms) -> tuple[Line, ...]:
    """What a period costs that time alone began; credit pays first."""
    used = before.credit - after.credit
    balance = [Line("balance", "Credit", -used)] if used else []
    return (Line("charge", f"{terms.name}, one {terms.interval}", after.price or 0), *balance)


def net_of(lines: Sequence[Line]) -> int:
    return sum(line.amount for line in lines)


def standing(total: int, credited: int, due_at: datetime, paid_at: datetime | None, now: datetime) -> Standing:
    """What has become of an invoice. One over nothing is paid from the start."""
    if total and credited >= total:
        return "credited"
    if paid_at is not None or total == 0:
        return "paid"
    return "overdue" if due_at <= now else "open"


def credit_note(invoice: Amounts, credited: Amounts, net: int | None) -> Amounts:
    """The amounts of another credit note: over `net`, or over all that is left. The tax of all of them adds up to the invoice's, to the cent."""
    left = invoice - credited
    net = left.net if net is None else net
    if left.net <= 0:
        raise Problem("conflict", "Nothing is left of this invoice to be credited.", meta={"because": "nothing_left"})
    if not 0 < net <= left.net:
        raise Problem(
            "conflict",
            "A credit note is over more than nothing, and at most what is left of its invoice.",
            meta={"because": "amount"},
        )
    return Amounts(net, share(invoice.tax, credited.net + net, invoice.net) - credited.tax)
