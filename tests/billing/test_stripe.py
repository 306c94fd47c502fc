"""Stripe collects: by hosted pages, by what was stored, once whatever is lost on the way, told in any order, compared each night."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from services.billing.usecases.reconciling import reconcile
from services.launcher import PRODUCT
from shared.clock import MovableClock
from shared.events.billing import InvoicePaid, InvoicePaymentFailed, PaymentMethodChanged, SubscriptionRecovered
from shared.events.courier import MailRequested
from shared.metrics import BILLING_DRIFT
from tests.billing.conftest import OPERATOR
from tests.billing.paid_stage import NO_CARD, PaidStage, account_at, paid_stage
from tests.billing.stripe_server import stripe_server
from tests.system.commands import announce, tenantry
from tests.system.whole import whole_product
from tests.world import Databases, standing_still


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[PaidStage]:
    async with paid_stage(databases, tmp_path) as stage:
        yield stage


async def test_a_card_is_stored_on_a_hosted_page_and_charged_for_each_invoice(stage: PaidStage) -> None:
    before = (await stage.ask("GET", "/v1/payment-method")).ok()
    assert before == {"provider": "stripe", "method": None, "pay_to": None, "payment_days": 30}
    await stage.store_card()
    shown = (await stage.ask("GET", "/v1/payment-method")).ok()
    assert shown["method"] == {"brand": "visa", "last4": "4242", "expires": "12/2031"}
    (told,) = await stage.world.said("billing", PaymentMethodChanged)
    assert PaymentMethodChanged.read(told).org_id == stage.ada.org_id
    (await stage.change("pro")).ok()
    assert [one["status"] for one in await stage.invoices()] == ["open"]
    await stage.run()
    (invoice,) = await stage.invoices()
    assert (invoice["status"], invoice["open"]["amount_minor"]) == ("paid", 0)
    (intent,) = stage.stripe.ledger
    assert (intent["amount"], intent["currency"]) == (invoice["total"]["amount_minor"], "eur")
    (paid,) = await stage.world.said("billing", InvoicePaid)
    assert InvoicePaid.read(paid).reference == intent["id"]
    assert (await stage.tell(stage.stripe.events[-1])).status == 204
    assert len(await stage.world.said("billing", InvoicePaid)) == 1


async def test_the_portal_manages_methods_and_a_page_collects_one_invoice(stage: PaidStage) -> None:
    (await stage.change("pro")).ok()
    await stage.run()
    assert (await stage.page("manage")).startswith("bps_")
    (invoice,) = await stage.invoices()
    page = await stage.page("pay", invoice_id=invoice["id"])
    assert await stage.page("pay", invoice_id=invoice["id"]) == page
    refused = await stage.ask(
        "POST", "/internal/payments", {"number": invoice["number"], "reference": "bank", "by": "olga"}, actor=OPERATOR
    )
    assert (refused.status, refused.code) == (409, "conflict")
    assert (await stage.tell(stage.stripe.pays_on_page(page, "declined"))).status == 204
    assert [one["status"] for one in await stage.invoices()] == ["open"]
    assert (await stage.tell(stage.stripe.pays_on_page(page))).status == 204
    assert [one["status"] for one in await stage.invoices()] == ["paid"]
    again = await stage.ask("POST", "/v1/payment-method-sessions", {"purpose": "pay", "invoice_id": invoice["id"]})
    assert again.status == 409
    assert not await stage.drift()


async def test_a_page_that_nobody_paid_on_is_given_up(stage: PaidStage) -> None:
    (await stage.change("pro")).ok()
    (invoice,) = await stage.invoices()
    page = await stage.page("pay", invoice_id=invoice["id"])
    await stage.pass_time(hours=2)
    await stage.run()
    assert await stage.page("pay", invoice_id=invoice["id"]) != page


async def test_another_organization_can_open_no_page_for_an_invoice_and_nobody_for_nothing(stage: PaidStage) -> None:
    (await stage.change("pro")).ok()
    (invoice,) = await stage.invoices()
    stranger = await stage.found("Contoso")
    body = {"purpose": "pay", "invoice_id": invoice["id"]}
    assert (await stage.ask("POST", "/v1/payment-method-sessions", body, actor=stranger)).status == 404
    for wrong in ({"purpose": "pay"}, {"purpose": "add", "invoice_id": invoice["id"]}):
        assert (await stage.ask("POST", "/v1/payment-method-sessions", wrong)).status == 422


async def test_a_declined_card_is_told_tried_again_and_replaced(stage: PaidStage) -> None:
    await stage.store_card("declined", "0002")
    (await stage.change("pro")).ok()
    await stage.run()
    (told,) = await stage.world.said("billing", InvoicePaymentFailed)
    failed = InvoicePaymentFailed.read(told)
    assert failed.reason == "card_declined"
    assert failed.next_try_at is not None
    asked = MailRequested.read((await stage.world.said("billing", MailRequested))[-1])
    assert (asked.template, asked.values["amount"]) == ("payment_failed", "296.31 EUR")
    (invoice,) = await stage.invoices()
    shown = (await stage.ask("GET", f"/v1/invoices/{invoice['id']}")).ok()["failed_charge"]
    assert (shown["reason"], datetime.fromisoformat(shown["next_try_at"])) == (failed.reason, failed.next_try_at)
    await stage.run()
    for _ in range(5):
        await stage.pass_time(days=5)
        await stage.run()
    told_all = [InvoicePaymentFailed.read(one) for one in await stage.world.said("billing", InvoicePaymentFailed)]
    assert [one.next_try_at is None for one in told_all] == [False, False, False, True]
    await stage.pass_time(days=6)
    assert (await stage.subscription())["status"] == "past_due"
    await stage.store_card("visa", "4242")
    await stage.run()
    assert (await stage.subscription())["status"] == "active"
    assert (await stage.ask("GET", f"/v1/invoices/{invoice['id']}")).ok()["failed_charge"] is None
    assert len(await stage.world.said("billing", SubscriptionRecovered)) == 1
    assert len({one["metadata"]["tenantry_attempt"] for one in stage.stripe.all("payment_intent")}) == 6
    assert len(stage.stripe.ledger) == 2  # the next month's as well


async def test_a_card_that_wants_its_holder_is_a_failure_with_that_reason(stage: PaidStage) -> None:
    await stage.store_card("challenged")
    (await stage.change("pro")).ok()
    await stage.run()
    (told,) = await stage.world.said("billing", InvoicePaymentFailed)
    assert InvoicePaymentFailed.read(told).reason == "authentication_required"


async def test_an_answer_that_is_lost_after_the_charge_is_found_and_nothing_is_charged_twice(stage: PaidStage) -> None:
    await stage.store_card()
    (await stage.change("pro")).ok()
    stage.stripe.lose_next = True
    await stage.run()
    assert len(stage.stripe.ledger) == 1
    assert [one["status"] for one in await stage.invoices()] == ["open"]
    await stage.pass_time(minutes=2)
    await stage.run()
    assert [one["status"] for one in await stage.invoices()] == ["paid"]
    assert len(stage.stripe.ledger) == 1


async def test_three_days_without_the_provider_charge_once_when_it_is_back(stage: PaidStage) -> None:
    await stage.store_card()
    (await stage.change("pro")).ok()
    stage.stripe.away = True
    for _ in range(12):
        await stage.run()
        await stage.pass_time(hours=6)
    assert (await stage.subscription())["plan"] == "pro"
    refused = await stage.ask("POST", "/v1/payment-method-sessions", {"purpose": "manage"})
    assert (refused.status, refused.code) == (503, "unavailable")
    stage.stripe.away = False
    for _ in range(3):
        await stage.run()
        await stage.pass_time(minutes=16)
    assert [one["status"] for one in await stage.invoices()] == ["paid"]
    assert len(stage.stripe.ledger) == 1


async def test_with_a_tenth_of_all_answers_lost_every_invoice_is_paid_once_and_no_book_differs(
    stage: PaidStage,
) -> None:
    stage.stripe.lose = 10
    admins = [stage.ada, *[await stage.found(f"Org {number}") for number in range(19)]]
    for admin in admins:
        stage.ada = admin
        await _insistently(stage)
        (await stage.change("pro")).ok()
    for _ in range(14):
        await stage.run()
        await stage.pass_time(minutes=16)
    assert len(stage.stripe.ledger) == len(admins)
    assert len({one["customer"] for one in stage.stripe.ledger}) == len(admins)
    for admin in admins:
        stage.ada = admin
        assert [one["status"] for one in await stage.invoices()] == ["paid"]
    stage.stripe.lose = 0
    await stage.compare()
    assert not await stage.drift()


async def _insistently(stage: PaidStage) -> None:
    """A person who presses the button again, and Stripe, which tells again."""
    reply = await stage.ask("POST", "/v1/payment-method-sessions", {"purpose": "add"})
    while reply.status == 503:
        reply = await stage.ask("POST", "/v1/payment-method-sessions", {"purpose": "add"})
    event = stage.stripe.completes_setup(reply.ok()["url"].rpartition("/")[2])
    while (await stage.tell(event)).status == 503:
        pass


async def test_messages_count_in_any_order_and_any_number(stage: PaidStage) -> None:
    chance = random.Random(3)
    await stage.store_card("declined")
    (await stage.change("pro")).ok()
    await stage.run()
    await stage.store_card("visa")
    stage.stripe.lose_next = True
    await stage.run()
    told = stage.stripe.events * 3
    chance.shuffle(told)
    for event in told:
        assert (await stage.tell(event)).status == 204
    assert [one["status"] for one in await stage.invoices()] == ["paid"]
    assert len(await stage.world.said("billing", InvoicePaid)) == 1
    assert len(await stage.world.said("billing", InvoicePaymentFailed)) == 1
    assert not await stage.drift()
    stage.world.clock.advance(timedelta(days=7))
    for event in stage.stripe.events:
        assert (await stage.tell(event)).status == 204
    assert len(await stage.world.said("billing", InvoicePaid)) == 1


async def test_what_a_message_says_isnt_believed(stage: PaidStage) -> None:
    await stage.store_card("declined")
    (await stage.change("pro")).ok()
    await stage.run()
    (intent,) = stage.stripe.all("payment_intent")
    lie = stage.stripe.happens("payment_intent.succeeded", intent | {"status": "succeeded"})
    assert (await stage.tell(lie)).status == 204
    assert [one["status"] for one in await stage.invoices()] == ["open"]


async def test_only_what_stripe_signed_just_now_over_these_very_bytes_counts(stage: PaidStage) -> None:
    with standing_still(stage.world.clock):
        event = stage.stripe.happens("customer.updated", stage.stripe.make("cus", "customer", invoice_settings=NO_CARD))
        now = stage.stripe.now
        body, signature = stage.stripe.signed(event)
        assert (await stage.tell(event, secret="whsec_old")).status == 204
        for refused in (
            await stage.tell_bytes(body, ""),
            await stage.tell_bytes(body, "t=1"),
            await stage.tell_bytes(body, "v1=00,t=x"),
            await stage.tell_bytes(body + b" ", signature),
            await stage.tell_bytes(b"\xff" + body, signature),
            await stage.tell(event, secret="whsec_other"),
            await stage.tell(event, at=now - 305),
            await stage.tell(event, at=now + 305),
            await stage.tell(event | {"livemode": True}),
        ):
            assert (refused.status, refused.code) == (400, "invalid_signature")
        assert (await stage.tell({"id": "evt_1", "type": "x", "livemode": False})).code == "malformed_request"
        assert (await stage.tell(event, at=now - 290)).status == 204


async def test_each_night_the_books_are_compared_and_what_differs_is_shown_until_it_doesnt(stage: PaidStage) -> None:
    await stage.store_card()
    (await stage.change("pro")).ok()
    await stage.run()
    (intent,) = stage.stripe.ledger
    stranger = stage.stripe.make(
        "pi",
        "payment_intent",
        amount=900,
        currency="eur",
        customer=intent["customer"],
        status="succeeded",
        metadata={"tenantry_attempt": "pay_gone"},
    )
    foreign = stage.stripe.make(
        "pi", "payment_intent", amount=1, currency="eur", customer=None, status="succeeded", metadata={}
    )
    stage.stripe.gives_back(intent)
    await stage.compare()
    assert await stage.drift() == {intent["id"]: "refunded", stranger["id"]: "unknown"}
    assert foreign["id"] not in await stage.drift()
    assert BILLING_DRIFT.labels("refunded")._value.get() == 1
    accepted = {"subject": intent["id"], "because": "Goodwill", "by": "olga"}
    assert (await stage.ask("POST", "/internal/drift-acceptances", accepted, actor=OPERATOR)).status == 204
    assert (
        await stage.ask("POST", "/internal/drift-acceptances", accepted | {"subject": "no"}, actor=OPERATOR)
    ).status == 404
    stage.stripe.objects[stranger["id"]]["metadata"] = {}
    await stage.compare()
    assert await stage.drift() == {intent["id"]: "refunded"}
    assert BILLING_DRIFT.labels("refunded")._value.get() == 0
    stage.stripe.objects.pop(intent["id"])
    await stage.compare()
    assert "missing" in (await stage.drift()).values()


async def test_the_comparison_settles_what_was_never_told_and_shows_what_was_paid_twice(stage: PaidStage) -> None:
    (await stage.change("pro")).ok()
    (invoice,) = await stage.invoices()
    page = await stage.page("pay", invoice_id=invoice["id"])
    stage.stripe.pays_on_page(page)
    await stage.compare()
    assert [one["status"] for one in await stage.invoices()] == ["paid"]
    (await stage.change("business")).ok()
    invoice = (await stage.invoices())[0]
    page = await stage.page("pay", invoice_id=invoice["id"])
    await stage.pass_time(hours=2)
    await stage.run()  # the page is given up, and the invoice paid by transfer
    (await stage.ask("POST", "/internal/payments", {"number": invoice["number"], "reference": "bank", "by": "olga"}, actor=OPERATOR)).ok()  # fmt: skip
    stage.stripe.pays_on_page(page)
    await stage.compare()
    assert list((await stage.drift()).values()) == ["paid_twice"]
    stage.stripe.gives_back(stage.stripe.ledger[-1])
    await stage.compare()
    assert not await stage.drift()


async def test_more_payments_than_a_page_holds_are_all_compared(stage: PaidStage) -> None:
    for _ in range(230):
        stage.stripe.make(
            "pi", "payment_intent", amount=1, currency="eur", customer=None, status="canceled", metadata={}
        )
    stage.world.clock.advance(timedelta(days=1))
    await stage.run(reconcile, reconcile, reconcile)
    last = (await stage.ask("GET", "/internal/drift", actor=OPERATOR)).ok()["last"]
    assert last["compared"] == 230
    assert last["ended_at"] is not None


async def test_an_operator_sees_what_differs_and_accepts_it(stage: PaidStage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    announce(data, urls=dict(stage.world.settings.urls))
    stage.world.settings.secrets.save(data / "secrets.json")
    said = await tenantry(PRODUCT, "billing", "drift", "--data", str(data))
    assert (said.code, "never compared" in said.output) == (0, True)
    metadata = {"tenantry_attempt": "pay_gone"}
    stage.stripe.make(
        "pi", "payment_intent", amount=9, currency="eur", customer=None, status="canceled", metadata=metadata
    )
    await stage.compare()
    said = await tenantry(PRODUCT, "billing", "drift", "--data", str(data))
    assert (said.code, "pi_000001" in said.output, "1 payments at stripe" in said.output) == (1, True, True)
    accept = ("billing", "drift", "--accept", "pi_000001", "--because", "Restored", "--data", str(data))
    assert (await tenantry(PRODUCT, *accept)).code == 0
    said = await tenantry(PRODUCT, "billing", "drift", "--data", str(data))
    assert (said.code, "Restored" in said.output) == (0, True)


async def test_a_signed_message_passes_the_gateway_byte_by_byte_and_nothing_leaves_unconfigured(
    databases: Databases, tmp_path: Path
) -> None:
    clock = MovableClock()
    async with stripe_server(clock) as server:
        customer = server.make("cus", "customer", invoice_settings=NO_CARD)
        body, signature = server.signed(server.happens("customer.updated", customer))
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
        async with whole_product(databases, tmp_path, clock=clock, stripe=account_at(server)) as product:
            url = f"{product.gateway.url}/v1/webhooks/stripe"
            async with aiohttp.ClientSession(headers=headers) as session:
                for sent, status in ((body, 204), (body + b"\n", 400)):
                    async with session.post(url, data=sent) as answer:
                        assert answer.status == status
        assert f"GET /v1/customers/{customer['id']}" in server.asked
