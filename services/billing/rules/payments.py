"""Collecting an invoice: what a provider is asked and answers, when it is tried again, and where two books differ. Pure.

A payment that succeeded stays so. Whatever else is told, in whatever order, an attempt ends as the provider's newest state says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

TRY_AGAIN_AFTER = (timedelta(days=1), timedelta(days=3), timedelta(days=5))
FIRST_LOOK = timedelta(minutes=1)
LONGEST_BETWEEN_LOOKS = timedelta(minutes=15)
KEY_COUNTS_FOR = timedelta(hours=23)  # Stripe keeps idempotency keys for at least 24 hours
HOSTED_PAGE = timedelta(hours=1)


class UnknownOutcome(Exception):
    """The provider didn't answer: what was asked may have been done. Ask again with the same id."""


class Refused(Exception):
    """The provider will never do this; the text is its code for why."""


@dataclass(frozen=True)
class Payer:
    """An organization as a provider knows it."""

    org_id: str
    name: str
    email: str


@dataclass(frozen=True)
class Attempt:
    """One attempt to collect what is open of an invoice. Its id is the idempotency key at the provider, and stands in the payment there."""

    id: str
    org_id: str
    invoice_id: str
    invoice: str
    customer_id: str
    method_id: str | None
    amount: int
    currency: str
    started_at: datetime


@dataclass(frozen=True)
class Payment:
    """A payment as the provider knows it now. `refunded` and `amount` are in the currency's smallest unit."""

    id: str
    attempt_id: str | None
    state: Literal["waiting", "succeeded", "failed"]
    amount: int
    currency: str
    reason: str = ""
    refunded: int = 0
    disputed: bool = False


@dataclass(frozen=True)
class Method:
    """What an organization pays by: enough to recognise it, nothing to pay with."""

    id: str
    brand: str
    last4: str
    expires: str | None


@dataclass(frozen=True)
class Told:
    """What a provider's message is about. What it says of the state isn't believed, but asked for."""

    id: str
    type: str
    payment_id: str | None = None
    customer_id: str | None = None
    setup_page_id: str | None = None


@dataclass(frozen=True)
class PaymentsPage:
    payments: Sequence[Payment]
    next: str | None


def next_try(tries: int, now: datetime) -> datetime | None:
    """When to charge the same method again after so many attempts that failed; None when it's no use without another one."""
    return now + TRY_AGAIN_AFTER[tries - 1] if 0 < tries <= len(TRY_AGAIN_AFTER) else None


def next_look(looks: int, now: datetime) -> datetime:
    """When to look again after an attempt whose end isn't known."""
    wait: timedelta = FIRST_LOOK * (1 << min(looks, 8))
    return now + min(wait, LONGEST_BETWEEN_LOOKS)


def may_ask_again(attempt: Attempt, now: datetime) -> bool:
    """Whether the provider still knows the attempt's key, so that asking again can't charge twice."""
    return now < attempt.started_at + KEY_COUNTS_FOR


def differences(payment: Payment, attempt: Attempt | None, state: str, paid_by_it: bool) -> Sequence[tuple[str, str]]:
    """Where the provider's books and ours differ over one payment: kind and detail. `paid_by_it`: our invoice is paid by this attempt."""
    if attempt is None:
        return [("unknown", "it names an attempt that isn't known here")] if payment.attempt_id else []
    found: list[tuple[str, str]] = []
    there = f"{payment.amount} {payment.currency}"
    here = f"{attempt.amount} {attempt.currency}"
    if payment.state == "succeeded" and there != here:
        found.append(("amount", f"{there} was collected, {here} was asked for {attempt.invoice}"))
    if payment.state == "succeeded" and not paid_by_it and not payment.refunded:
        found.append(("paid_twice", f"{attempt.invoice} was settled otherwise: give {there} back"))
    if payment.state == "succeeded" and paid_by_it and payment.refunded:
        found.append(("refunded", f"{payment.refunded} {payment.currency} of {attempt.invoice} was given back there"))
    if payment.disputed:
        found.append(("disputed", f"the payment of {attempt.invoice} is disputed"))
    if payment.state != "succeeded" and state == "succeeded":
        found.append(("not_collected", f"{attempt.invoice} counts as paid, but there it is {payment.state}"))
    return found
