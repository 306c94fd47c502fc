"""Who collects money: one Protocol, and the provider that is built in and collects none. An operator records what was paid."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.billing.rules.payments import Attempt, Method, Payer, Payment, PaymentsPage, Told
from shared.errors import Problem


class Provider(Protocol):
    """Every call but `read_message` asks the provider, has a deadline, and raises `UnknownOutcome` when no answer came, `Refused` when there is no use in asking again."""

    @property
    def name(self) -> str: ...

    @property
    def collects(self) -> bool:
        """Whether invoices are collected from what organizations pay by; otherwise they wait for an operator."""

    async def add_customer(self, payer: Payer) -> str:
        """The customer's id there; the same one however often this is asked."""

    async def remove_customer(self, customer_id: str) -> None:
        """The customer is gone there, with what they paid by and whatever they subscribe to; also when they were gone before."""

    async def open_setup_page(self, customer_id: str, currency: str, back: str, key: str) -> str:
        """The address of a hosted page that takes a payment method."""

    async def open_payment_page(self, attempt: Attempt, expires_at: datetime, back: str) -> str:
        """The address of a hosted page that collects one invoice."""

    async def open_portal(self, customer_id: str, back: str) -> str:
        """The address of a hosted page where payment methods are managed."""

    async def adopt_setup(self, setup_page_id: str) -> None:
        """Makes the method that a setup page took the one that is charged."""

    async def method_of(self, customer_id: str) -> Method | None:
        """What would be charged now."""

    async def charge(self, attempt: Attempt) -> Payment:
        """Collects from the stored method. Asked again with the same attempt, it charges no second time."""

    async def find(self, attempt: Attempt) -> Payment | None:
        """The attempt's payment, if it ever arrived."""

    async def payment(self, payment_id: str) -> Payment: ...

    async def payments_since(self, moment: datetime, after: str | None) -> PaymentsPage:
        """Payments that began since then, a page at a time."""

    def read_message(self, body: bytes, signature: str, now: datetime) -> Told:
        """Raises `invalid_signature` for what the provider hasn't signed within five minutes of now."""

    async def close(self) -> None: ...


class Manual:
    """Nothing is collected and nothing leaves: invoices are paid by transfer, and an operator records that."""

    name = "manual"
    collects = False

    async def add_customer(self, payer: Payer) -> str:
        raise _by_transfer()

    async def remove_customer(self, customer_id: str) -> None:
        raise _by_transfer()

    async def open_setup_page(self, customer_id: str, currency: str, back: str, key: str) -> str:
        raise _by_transfer()

    async def open_payment_page(self, attempt: Attempt, expires_at: datetime, back: str) -> str:
        raise _by_transfer()

    async def open_portal(self, customer_id: str, back: str) -> str:
        raise _by_transfer()

    async def adopt_setup(self, setup_page_id: str) -> None:
        raise _by_transfer()

    async def method_of(self, customer_id: str) -> Method | None:
        return None

    async def charge(self, attempt: Attempt) -> Payment:
        raise _by_transfer()

    async def find(self, attempt: Attempt) -> Payment | None:
        return None

    async def payment(self, payment_id: str) -> Payment:
        raise _by_transfer()

    async def payments_since(self, moment: datetime, after: str | None) -> PaymentsPage:
        return PaymentsPage([], None)

    def read_message(self, body: bytes, signature: str, now: datetime) -> Told:
        raise Problem("not_found", "No payment provider is set up.", meta={"because": "no_provider"})

    async def close(self) -> None:
        """Holds nothing."""


def _by_transfer() -> Problem:
    return Problem(
        "conflict",
        "Invoices are paid by bank transfer: no payment provider is set up.",
        remedy=["Pay to the account that stands on the invoice."],
        meta={"because": "by_transfer"},
    )
