"""What an organization pays by: the provider's hosted pages, and what the provider tells of them and of payments."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Literal, TypeVar

from services.billing import store
from services.billing.rules import payments as rules
from services.billing.rules.payments import Attempt, Method, Payer, Refused, UnknownOutcome
from services.billing.store import clocks, invoices, payments
from services.billing.usecases.collecting import in_own_tx, new_attempt, settle
from services.billing.usecases.details import known_details
from services.billing.usecases.issuing import open_amount
from services.billing.usecases.offer import on_offer
from services.billing.usecases.own import own
from services.billing.usecases.subscription import known
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.billing import PaymentMethod, PaymentMethodChanged
from shared.fields import Message, Nothing, Signed, View
from shared.ids import InvoiceId, new_id
from shared.service import Ctx

T = TypeVar("T")


class WantedPage(Message):
    """A page of the payment provider: one that takes a payment method, one that manages them, or, with `invoice_id`, one that collects that invoice."""

    purpose: Literal["add", "manage", "pay"]
    invoice_id: InvoiceId | None = None


class HostedPage(View):
    """Send the browser there; it comes back to the console. `expires_at` is known of a page that collects."""

    url: str
    expires_at: datetime | None


class MethodView(View):
    brand: str
    last4: str
    expires: str | None


class PaymentMethodView(View):
    """`provider` is `manual` where invoices are paid by transfer, to the account `pay_to`; `method` is what is charged otherwise, null before one was stored."""

    provider: str
    method: MethodView | None
    pay_to: str | None
    payment_days: int | None


async def read_payment_method(ctx: Ctx, _: Nothing) -> PaymentMethodView:
    """How the organization pays, by what, and within how many days."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        payer = await payments.payer(read, org_id)
        invoicing = (await on_offer(ctx, read)).invoicing
        location = await invoices.location(read, org_id)
    method = None
    if payer is not None and payer["method_id"] is not None:
        method = MethodView(brand=payer["brand"], last4=payer["last4"], expires=payer["expires"])
    return PaymentMethodView(
        provider=own(ctx).provider.name,
        method=method,
        pay_to=invoicing.seller_at(location).bank if invoicing else None,
        payment_days=invoicing.payment_days if invoicing else None,
    )


async def open_page(ctx: Ctx, wanted: WantedPage) -> HostedPage:
    """Opens a page of the payment provider, where cards are typed: none ever passes through here."""
    if (wanted.purpose == "pay") != (wanted.invoice_id is not None):
        raise Problem("invalid", 'invoice_id belongs to "purpose": "pay", and to nothing else.')
    provider = own(ctx).provider
    back = f"{ctx.env.settings.public_url.rstrip('/')}/console/billing"
    customer = await _customer(ctx)
    if wanted.purpose == "manage":
        return HostedPage(url=await _answered(provider.open_portal(customer, back)), expires_at=None)
    if wanted.invoice_id is not None:
        return await _page_for(ctx, wanted.invoice_id, back)
    async with ctx.read() as read:
        currency = known(await store.subscription(read, ctx.actor.org())).currency
    page = await _answered(provider.open_setup_page(customer, currency, back, new_id("pay")))
    return HostedPage(url=page, expires_at=None)


async def _customer(ctx: Ctx) -> str:
    """The organization at the provider; made when it is needed first."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        payer = await payments.payer(read, org_id)
        details = await known_details(read, org_id)
    if payer is not None:
        return str(payer["customer_id"])
    made = await _answered(own(ctx).provider.add_customer(Payer(org_id, details.company, details.email)))
    return await in_own_tx(ctx, org_id, lambda apart, tx: payments.keep_customer(tx, org_id, made, apart.now))


async def _page_for(ctx: Ctx, invoice_id: str, back: str) -> HostedPage:
    """A page of its own per invoice; asked for twice, it is the same page. The attempt is written down before the provider is asked."""
    org_id = ctx.actor.org()
    attempt, url, until = await in_own_tx(
        ctx, org_id, lambda apart, tx: _attempt_on_page(apart, tx, org_id, invoice_id)
    )
    if url is None:
        url = await _answered(own(ctx).provider.open_payment_page(attempt, until, back))
        async with ctx.tx() as tx:
            await payments.keep_page(tx, attempt, url)
    return HostedPage(url=url, expires_at=until)


async def _attempt_on_page(ctx: Ctx, tx: Tx, org_id: str, invoice_id: str) -> tuple[Attempt, str | None, datetime]:
    await invoices.lock(tx, org_id)
    invoice, payer = await invoices.one(tx, org_id, invoice_id), await payments.payer(tx, org_id)
    if invoice is None or payer is None:
        raise Problem("not_found")
    if await clocks.ahead(tx, org_id) is not None:
        raise Problem(
            "conflict",
            "This is a test organization: its invoices aren't collected.",
            meta={"because": "test_organization"},
        )
    if not (amount := open_amount(invoice)):
        raise Problem(
            "conflict",
            f"Nothing is to be paid on {invoice['name']}.",
            meta={"because": "nothing_due", "invoice": invoice["name"]},
        )
    kept = await payments.under_way(tx, org_id, invoice_id)
    if kept is not None and (kept.page_until is None or kept.page_until <= ctx.now):
        raise Problem(
            "conflict",
            f"{invoice['name']} is being collected right now.",
            retry_after=30,
            meta={"because": "being_collected", "invoice": invoice["name"]},
        )
    if kept is not None and kept.page_until is not None:
        return kept.attempt, kept.page_url, kept.page_until
    attempt, until = new_attempt(ctx, invoice, payer, amount), ctx.now + rules.HOSTED_PAGE
    await payments.begin(tx, attempt, "hosted", rules.next_look(0, ctx.now), until)
    return attempt, None, until


async def hear_provider(ctx: Ctx, message: Signed) -> None:
    """What the payment provider tells: signed, counted once, and only a reason to ask it for the newest state."""
    provider = own(ctx).provider
    told = provider.read_message(message.body, message.signature, ctx.now)
    async with ctx.read(EVERY_ORG) as read:
        if await payments.heard(read, told.id):
            return
    if told.setup_page_id is not None:
        await _answered(provider.adopt_setup(told.setup_page_id))
    payment = await _answered(provider.payment(told.payment_id)) if told.payment_id else None
    method = await _answered(provider.method_of(told.customer_id)) if told.customer_id else None
    async with ctx.tx(EVERY_ORG) as tx:
        if not await payments.hear(tx, told.id, told.type, ctx.now):
            return
        if told.customer_id is not None:
            await _keep_method(ctx, tx, told.customer_id, method)
        if payment is not None:
            await settle(ctx, tx, payment)


async def _keep_method(ctx: Ctx, tx: Tx, customer_id: str, method: Method | None) -> None:
    """Another method is a reason to try all that is open again, at once."""
    payer = await payments.payer_of_customer(tx, customer_id)
    if payer is None or payer["method_id"] == (method.id if method else None):
        return
    await payments.keep_method(tx, payer["org_id"], method, ctx.now)
    told = PaymentMethod(brand=method.brand, last4=method.last4, expires=method.expires) if method else None
    await tx.emit(PaymentMethodChanged(org_id=payer["org_id"], method=told))
    if method is not None:
        await payments.collect_all_open(tx, payer["org_id"], ctx.now)


async def _answered(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except UnknownOutcome:
        raise Problem(
            "unavailable", "The payment provider doesn't answer.", retry_after=5, meta={"because": "provider_silent"}
        ) from None
    except Refused as why:
        raise Problem(
            "conflict",
            f"The payment provider refuses this ({why}).",
            meta={"because": "provider_refuses", "reason": str(why)},
        ) from None
