"""Stripe as the provider, by its official SDK: it stores payment methods, shows hosted pages and collects. Plans and invoices stay here."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
import stripe
import structlog

from services.billing.rules.payments import (
    Attempt,
    Method,
    Payer,
    Payment,
    PaymentsPage,
    Refused,
    Told,
    UnknownOutcome,
)
from shared.errors import Problem
from shared.payments import StripeAccount

log = structlog.get_logger()

T = TypeVar("T")

SECONDS = 4.0
TOLERANCE = timedelta(minutes=5)
LOOK_BACK = timedelta(hours=1)
ATTEMPT, INVOICE = "tenantry_attempt", "tenantry_invoice"
WITH_CHARGE = {"expand": ["latest_charge"]}


class Stripe:
    """One account. The SDK pins the version of the API that it speaks."""

    name = "stripe"
    collects = True

    def __init__(self, account: StripeAccount) -> None:
        self._account = account
        self._http = stripe.AIOHTTPClient(timeout=SECONDS)
        self._client = stripe.StripeClient(
            account.api_key.get_secret_value(),
            http_client=self._http,
            base_addresses={"api": account.api_url},
            max_network_retries=0,
        )

    async def add_customer(self, payer: Payer) -> str:
        found = await _asked(
            self._client.v1.customers.create_async(
                {"name": payer.name, "email": payer.email, "metadata": {"tenantry_org": payer.org_id}},
                {"idempotency_key": _key("customer", payer.org_id, payer.name, payer.email)},
            )
        )
        return str(found.id)

    async def remove_customer(self, customer_id: str) -> None:
        try:
            await _asked(self._client.v1.customers.delete_async(customer_id))
        except Refused as refused:
            if str(refused) != "resource_missing":
                raise

    async def open_setup_page(self, customer_id: str, currency: str, back: str, key: str) -> str:
        page = await _asked(
            self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "setup",
                    "customer": customer_id,
                    "currency": currency.lower(),
                    "success_url": back,
                    "cancel_url": back,
                },
                {"idempotency_key": key},
            )
        )
        return str(page.url)

    async def open_payment_page(self, attempt: Attempt, expires_at: datetime, back: str) -> str:
        page = await _asked(
            self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "customer": attempt.customer_id,
                    "client_reference_id": attempt.id,
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": attempt.currency.lower(),
                                "unit_amount": attempt.amount,
                                "product_data": {"name": f"Invoice {attempt.invoice}"},
                            },
                        }
                    ],
                    "payment_intent_data": {
                        "description": f"Invoice {attempt.invoice}",
                        "metadata": {ATTEMPT: attempt.id, INVOICE: attempt.invoice},
                        "setup_future_usage": "off_session",
                    },
                    "expires_at": int(expires_at.timestamp()),
                    "success_url": back,
                    "cancel_url": back,
                },
                {"idempotency_key": attempt.id},
            )
        )
        return str(page.url)

    async def open_portal(self, customer_id: str, back: str) -> str:
        page = await _asked(
            self._client.v1.billing_portal.sessions.create_async({"customer": customer_id, "return_url": back})
        )
        return str(page.url)

    async def adopt_setup(self, setup_page_id: str) -> None:
        page: Any = await _asked(
            self._client.v1.checkout.sessions.retrieve_async(setup_page_id, {"expand": ["setup_intent"]})
        )
        if page.mode == "setup" and page.setup_intent is not None and page.setup_intent.payment_method:
            await _asked(
                self._client.v1.customers.update_async(
                    page.customer,
                    {"invoice_settings": {"default_payment_method": page.setup_intent.payment_method}},
                )
            )

    async def method_of(self, customer_id: str) -> Method | None:
        wanted: Any = {"expand": ["invoice_settings.default_payment_method"]}
        customer: Any = await _asked(self._client.v1.customers.retrieve_async(customer_id, wanted))
        if getattr(customer, "deleted", False):
            return None
        chosen = customer.invoice_settings.default_payment_method
        if chosen is None:
            newest = await _asked(
                self._client.v1.payment_methods.list_async({"customer": customer_id, "type": "card", "limit": 1})
            )
            chosen = newest.data[0] if newest.data else None
        return _method(chosen) if chosen is not None else None

    async def charge(self, attempt: Attempt) -> Payment:
        intent: Any
        try:
            intent = await _asked(
                self._client.v1.payment_intents.create_async(
                    {
                        "amount": attempt.amount,
                        "currency": attempt.currency.lower(),
                        "customer": attempt.customer_id,
                        "payment_method": attempt.method_id or "",
                        "confirm": True,
                        "off_session": True,
                        "metadata": {ATTEMPT: attempt.id, INVOICE: attempt.invoice},
                    },
                    {"idempotency_key": attempt.id},
                )
            )
        except stripe.CardError as declined:
            told: Any = declined.error
            intent = told.payment_intent if told is not None else None
            reason = str(declined.code or "declined")
            if intent is None:
                return Payment("", attempt.id, "failed", attempt.amount, attempt.currency, reason)
            return Payment(str(intent["id"]), attempt.id, "failed", attempt.amount, attempt.currency, reason)
        except Refused as refused:
            return Payment("", attempt.id, "failed", attempt.amount, attempt.currency, str(refused))
        return _payment(intent)

    async def find(self, attempt: Attempt) -> Payment | None:
        since = int((attempt.started_at - LOOK_BACK).timestamp())
        wanted: Any = {"customer": attempt.customer_id, "created": {"gte": since}, "limit": 100}
        page = await _asked(self._client.v1.payment_intents.list_async(wanted))
        while True:
            for intent in page.data:
                if _attempt_of(intent) == attempt.id:
                    return await self.payment(intent.id)
            if not page.has_more:
                return None
            wanted = wanted | {"starting_after": page.data[-1].id}
            page = await _asked(self._client.v1.payment_intents.list_async(wanted))

    async def payment(self, payment_id: str) -> Payment:
        wanted: Any = WITH_CHARGE
        return _payment(await _asked(self._client.v1.payment_intents.retrieve_async(payment_id, wanted)))

    async def payments_since(self, moment: datetime, after: str | None) -> PaymentsPage:
        wanted: Any = {
            "created": {"gte": int(moment.timestamp())},
            "limit": 100,
            "expand": ["data.latest_charge"],
            **({"starting_after": after} if after else {}),
        }
        page = await _asked(self._client.v1.payment_intents.list_async(wanted))
        return PaymentsPage([_payment(one) for one in page.data], page.data[-1].id if page.has_more else None)

    def read_message(self, body: bytes, signature: str, now: datetime) -> Told:
        if not any(_is_signed(body, signature, one.get_secret_value()) for one in self._account.webhook_secrets):
            raise Problem("invalid_signature")
        if abs(now.timestamp() - _signed_at(signature)) > TOLERANCE.total_seconds():
            raise Problem("invalid_signature", "The signature is older than five minutes, or of the future.")
        try:
            said: dict[str, Any] = orjson.loads(body)
            if bool(said["livemode"]) != self._account.live:
                raise Problem("invalid_signature", "This is of the other mode: live and test don't mix.")
            return _told(said)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise Problem("malformed_request", "This isn't an event of Stripe.") from None

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]


async def _asked(call: Awaitable[T]) -> T:
    """What Stripe answered. Raises `UnknownOutcome` when it didn't, `Refused` when it never will; a declined card is Stripe's own error."""
    try:
        return await call
    except stripe.CardError:
        raise
    except stripe.InvalidRequestError as refused:
        log.warning("stripe refused a request", code=refused.code, param=refused.param, request=refused.request_id)
        raise Refused(str(refused.code or refused.param or "invalid")) from None
    except stripe.StripeError as away:
        log.warning("stripe gave no answer", why=type(away).__name__, status=away.http_status, code=away.code)
        raise UnknownOutcome(type(away).__name__) from None


def _key(*facts: str) -> str:
    """Of what is asked for, so that the same is never made twice by repetitions."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _payment(intent: Any) -> Payment:
    charge = getattr(intent, "latest_charge", None)
    known = charge if charge is not None and not isinstance(charge, str) else None
    error = getattr(intent, "last_payment_error", None)
    state: Any = "waiting"
    if intent.status == "succeeded":
        state = "succeeded"
    elif intent.status == "canceled" or error is not None:
        state = "failed"
    return Payment(
        id=intent.id,
        attempt_id=_attempt_of(intent),
        state=state,
        amount=intent.amount,
        currency=intent.currency.upper(),
        reason=str(getattr(error, "code", None) or intent.status) if state == "failed" else "",
        refunded=getattr(known, "amount_refunded", 0) or 0,
        disputed=bool(getattr(known, "disputed", False)),
    )


def _attempt_of(intent: Any) -> str | None:
    metadata = intent.metadata
    return metadata[ATTEMPT] if metadata and ATTEMPT in metadata else None


def _method(found: Any) -> Method:
    card = getattr(found, "card", None) if found.type == "card" else None
    if card is None:
        return Method(found.id, found.type, "", None)
    return Method(found.id, card.brand, card.last4, f"{card.exp_month:02}/{card.exp_year}")


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, signature, secret))
    except (stripe.SignatureVerificationError, ValueError):
        return False


def _signed_at(signature: str) -> int:
    return int(next(part[2:] for part in signature.split(",") if part.startswith("t=")))


def _told(said: dict[str, Any]) -> Told:
    about: dict[str, Any] = said["data"]["object"]
    kind = about.get("object")
    payment = about.get("id") if kind == "payment_intent" else about.get("payment_intent")
    customer = about.get("id") if kind == "customer" else about.get("customer")
    is_setup = kind == "checkout.session" and about.get("mode") == "setup"
    return Told(
        id=str(said["id"]),
        type=str(said["type"]),
        payment_id=payment if isinstance(payment, str) else None,
        customer_id=customer if isinstance(customer, str) else None,
        setup_page_id=str(about["id"]) if is_setup and said["type"] == "checkout.session.completed" else None,
    )
