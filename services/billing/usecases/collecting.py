"""Collecting invoices: an attempt is written down before the provider is asked, so that whatever happens then can be found out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from services.billing import store
from services.billing.rules import payments as rules
from services.billing.rules.payments import Attempt, Payment, UnknownOutcome
from services.billing.store import clocks, invoices, payments
from services.billing.usecases.dunning import recover
from services.billing.usecases.issuing import as_told, open_amount, written_amount
from services.billing.usecases.own import own
from shared.db import EVERY_ORG, Row, Tx
from shared.errors import Problem
from shared.events.billing import InvoicePaid, InvoicePaymentFailed
from shared.events.courier import MailRequested
from shared.ids import new_id
from shared.service import Ctx

log = structlog.get_logger()

T = TypeVar("T")

AT_ONCE = 8
GRACE_AFTER_PAGE = timedelta(minutes=10)


async def collect(ctx: Ctx) -> None:
    """The job: charges what is due, and finds out what became of attempts that weren't answered."""
    if not own(ctx).provider.collects:
        return
    async with ctx.read(EVERY_ORG) as read:
        due = await payments.due(read, ctx.now, AT_ONCE)
        unclear = await payments.unclear(read, ctx.now, AT_ONCE)
    await asyncio.gather(
        *(_guarded(_charge(ctx, org_id, invoice_id), org_id) for org_id, invoice_id in due),
        *(_guarded(_look_after(ctx, kept), kept.attempt.org_id) for kept in unclear),
    )


async def _guarded(work: Awaitable[None], org_id: str) -> None:
    try:
        await work
    except Exception:
        log.exception("an invoice can't be collected", org_id=org_id)


async def _charge(ctx: Ctx, org_id: str, invoice_id: str) -> None:
    attempt = await in_own_tx(ctx, org_id, lambda own_ctx, tx: _begin(own_ctx, tx, org_id, invoice_id))
    if attempt is not None:
        await _ask(ctx, attempt)


async def _begin(ctx: Ctx, tx: Tx, org_id: str, invoice_id: str) -> Attempt | None:
    """The next attempt, unless nothing is to be paid, nothing to pay with, or one is under way."""
    await invoices.lock(tx, org_id)
    invoice = await invoices.one(tx, org_id, invoice_id)
    payer = await payments.payer(tx, org_id)
    amount = open_amount(invoice) if invoice is not None else 0
    is_test = await clocks.ahead(tx, org_id) is not None
    if invoice is None or payer is None or payer["method_id"] is None or not amount or is_test:
        await payments.wait_for_method(tx, org_id, invoice_id)
        return None
    if await payments.under_way(tx, org_id, invoice_id) is not None:
        await payments.collect(tx, org_id, invoice_id, ctx.now + rules.LONGEST_BETWEEN_LOOKS)
        return None
    attempt = new_attempt(ctx, invoice, payer, amount)
    await payments.begin(tx, attempt, "stored", rules.next_look(0, ctx.now))
    await payments.tried(tx, org_id, invoice_id)
    return attempt


def new_attempt(ctx: Ctx, invoice: Row, payer: Row, amount: int) -> Attempt:
    return Attempt(
        id=new_id("pay"),
        org_id=invoice["org_id"],
        invoice_id=invoice["id"],
        invoice=invoice["name"],
        customer_id=payer["customer_id"],
        method_id=payer["method_id"],
        amount=amount,
        currency=invoice["currency"],
        started_at=ctx.now,
    )


async def _ask(ctx: Ctx, attempt: Attempt) -> None:
    try:
        payment = await own(ctx).provider.charge(attempt)
    except UnknownOutcome:
        log.warning("what became of a charge isn't known yet", attempt=attempt.id)
        return
    await in_own_tx(ctx, attempt.org_id, lambda own_ctx, tx: settle(own_ctx, tx, payment))


async def _look_after(ctx: Ctx, kept: payments.Kept) -> None:
    """First looks for the payment, then asks again with the same key while that counts; what never arrived is given up."""
    attempt, provider = kept.attempt, own(ctx).provider
    try:
        payment = await provider.find(attempt)
        if payment is None and kept.kind == "stored" and rules.may_ask_again(attempt, ctx.now):
            payment = await provider.charge(attempt)
    except UnknownOutcome:
        await in_own_tx(ctx, attempt.org_id, lambda own_ctx, tx: _look_later(own_ctx, tx, kept))
        return
    if payment is not None:
        known = payment
        await in_own_tx(ctx, attempt.org_id, lambda own_ctx, tx: settle(own_ctx, tx, known))
    await in_own_tx(ctx, attempt.org_id, lambda own_ctx, tx: _look_later(own_ctx, tx, kept, payment))


async def _look_later(ctx: Ctx, tx: Tx, seen: payments.Kept, payment: Payment | None = None) -> None:
    kept = await payments.lock_attempt(tx, seen.attempt.id)
    if kept is None or not kept.under_way:
        return
    over = kept.page_until is not None and ctx.now >= kept.page_until + GRACE_AFTER_PAGE
    stale = kept.kind == "stored" and payment is None and not rules.may_ask_again(kept.attempt, ctx.now)
    if (over and (payment is None or payment.state == "waiting")) or stale:
        await _give_up(ctx, tx, kept)
    else:
        await payments.look_again(tx, kept.attempt, kept.state, None, rules.next_look(kept.looks + 1, ctx.now))


async def _give_up(ctx: Ctx, tx: Tx, kept: payments.Kept) -> None:
    """Nobody paid on the page, or the charge never arrived: the invoice is collected anew, under another key."""
    await payments.end(tx, kept.attempt, "abandoned", None, "never_arrived", ctx.now)
    await payments.collect(tx, kept.attempt.org_id, kept.attempt.invoice_id, ctx.now)


async def settle(ctx: Ctx, tx: Tx, payment: Payment) -> None:
    """Makes ours what the provider's newest state says. Done again, or in another order, it comes to the same."""
    kept = await payments.lock_attempt(tx, payment.attempt_id) if payment.attempt_id else None
    if kept is None:
        await note_differences(ctx, tx, payment, None)
        return
    await invoices.lock(tx, kept.attempt.org_id)
    if payment.state == "succeeded":
        if kept.state != "succeeded":
            await payments.end(tx, kept.attempt, "succeeded", payment.id, "", ctx.now)
            await _pay(ctx, tx, kept.attempt, payment)
    elif payment.state == "waiting":
        if kept.under_way:
            at = rules.next_look(kept.looks + 1, ctx.now)
            await payments.look_again(tx, kept.attempt, "waiting", payment.id, at)
    elif kept.under_way and (kept.page_until is None or kept.page_until <= ctx.now):
        await _fail(ctx, tx, kept.attempt, payment)  # on a page, another card may still be tried
    await note_differences(ctx, tx, payment, await payments.lock_attempt(tx, kept.attempt.id))


async def _pay(ctx: Ctx, tx: Tx, attempt: Attempt, payment: Payment) -> None:
    invoice = await _invoice(tx, attempt)
    if not open_amount(invoice) or (payment.amount, payment.currency) != (attempt.amount, attempt.currency):
        return
    by = own(ctx).provider.name
    await invoices.pay(tx, attempt.org_id, attempt.invoice_id, ctx.now, payment.id, by)
    told = InvoicePaid(
        org_id=attempt.org_id, invoice=as_told(invoice), paid_at=ctx.now, reference=payment.id, recorded_by=by
    )
    await tx.emit(told)
    await recover(ctx, tx, attempt.org_id)


async def _fail(ctx: Ctx, tx: Tx, attempt: Attempt, payment: Payment) -> None:
    await payments.end(tx, attempt, "failed", payment.id, payment.reason, ctx.now)
    invoice = await _invoice(tx, attempt)
    if not open_amount(invoice):
        return
    again = rules.next_try(await payments.tries(tx, attempt.org_id, attempt.invoice_id), ctx.now)
    if again is not None:
        await payments.collect(tx, attempt.org_id, attempt.invoice_id, again)
    await tx.emit(
        InvoicePaymentFailed(org_id=attempt.org_id, invoice=as_told(invoice), reason=payment.reason, next_try_at=again)
    )
    await _mail(tx, attempt, invoice, again)


async def _mail(tx: Tx, attempt: Attempt, invoice: Row, again: datetime | None) -> None:
    details = await invoices.details(tx, attempt.org_id)
    organization = await store.organization(tx, attempt.org_id)
    payer = await payments.payer(tx, attempt.org_id)
    if details is None or organization is None:
        return
    values = {
        "organization": organization["name"],
        "number": attempt.invoice,
        "amount": written_amount(open_amount(invoice), attempt.currency),
        "method": f"{(payer['brand'] or '').title()} •••• {payer['last4']}" if payer and payer["last4"] else "",
        "due_at": invoice["due_at"].isoformat(),
        "next_try_at": again.isoformat() if again is not None else "",
    }
    await tx.emit(
        MailRequested(
            about=attempt.org_id, org_id=attempt.org_id, to=details.email, template="payment_failed", values=values
        )
    )


async def _invoice(tx: Tx, attempt: Attempt) -> Row:
    invoice = await invoices.one(tx, attempt.org_id, attempt.invoice_id)
    if invoice is None:
        raise RuntimeError(f"{attempt.id} is of an invoice that isn't there")
    return invoice


async def note_differences(ctx: Ctx, tx: Tx, payment: Payment, kept: payments.Kept | None) -> None:
    """Keeps what differs over this payment, and forgets what doesn't any more."""
    paid_by_it = False
    if kept is not None:
        invoice = await _invoice(tx, kept.attempt)
        paid_by_it = invoice["paid_at"] is not None and invoice["reference"] == payment.id
    found = rules.differences(payment, kept.attempt if kept else None, kept.state if kept else "", paid_by_it)
    subject = payment.id or payment.attempt_id or ""
    for kind, detail in found:
        await payments.note_drift(tx, subject, kind, detail, ctx.now)
    await payments.keep_drift_only(tx, subject, [kind for kind, _ in found])


async def refuse_while_collecting(tx: Tx, org_id: str, invoice_id: str) -> None:
    """An invoice is settled by one hand at a time."""
    kept = await payments.under_way(tx, org_id, invoice_id)
    if kept is not None:
        until = f" until {kept.page_until:%H:%M} UTC" if kept.page_until else ""
        raise Problem(
            "conflict",
            f"{kept.attempt.invoice} is being collected{until}.",
            remedy=["Look again when that has ended; a charge takes a moment, a page in the browser up to an hour."],
            meta={"because": "being_collected", "invoice": kept.attempt.invoice},
        )


async def in_own_tx(ctx: Ctx, org_id: str, do: Callable[[Ctx, Tx], Awaitable[T]]) -> T:
    """Does something in a transaction of one organization's own, committed when this returns."""
    own_ctx = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
    async with own_ctx.finishing(), own_ctx.tx() as tx:
        return await do(own_ctx, tx)
