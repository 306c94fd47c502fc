"""Issuing: the next number, the lines, the tax of the day, in the transaction that makes the money due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from babel.numbers import get_currency_precision

from services.billing import rules
from services.billing import store as organizations
from services.billing.catalogue import Invoicing, Seller
from services.billing.rules.invoices import Amounts, credit_note, net_of
from services.billing.rules.tax import Tax, tax_of
from services.billing.store import clocks, payments
from services.billing.store import invoices as store
from services.billing.usecases.offer import on_offer
from services.billing.usecases.own import own
from shared.db import Row, Tx
from shared.errors import Problem
from shared.events.billing import Invoice, InvoiceCredited, InvoiceIssued
from shared.events.courier import MailRequested
from shared.fields import Money
from shared.ids import new_id
from shared.service import Ctx

TEST = " of test organizations"


async def issue_invoice(ctx: Ctx, tx: Tx, after: rules.Subscription, lines: Sequence[rules.Line]) -> str | None:
    """Issues an invoice for the period that the subscription is in; None where nobody was named who sells."""
    invoicing = (await on_offer(ctx, tx)).invoicing
    details = await store.details(tx, after.org_id)
    if invoicing is None or details is None:
        return None
    seller = invoicing.seller_at(await store.location(tx, after.org_id))
    tax = tax_of(seller.country, details.country, details.vat_id, invoicing.tax_rates)
    net = net_of(lines)
    content = {
        "seller": seller.model_dump(mode="json"),
        "customer": _customer(details),
        "lines": [_line(line) for line in lines],
        "period": [after.period_start.isoformat(), after.period_end.isoformat() if after.period_end else None],
        "subscription_id": after.id,
        "tax": {"kind": tax.kind, "country": tax.country, "rate": tax.rate, "note": tax.note},
    }
    issued = await _issue(ctx, tx, after.org_id, seller, invoicing, after.currency, Amounts(net, tax.on(net)), content)
    await tx.emit(InvoiceIssued(org_id=after.org_id, invoice=issued))
    is_test = await clocks.ahead(tx, after.org_id) is not None
    collects = own(ctx).provider.collects and issued.total.amount_minor > 0 and not is_test
    if collects:
        await payments.collect(tx, after.org_id, issued.invoice_id, ctx.now)
    await _mail(tx, after.org_id, details.email, issued, collects)
    return issued.invoice_id


async def _mail(tx: Tx, org_id: str, to: str, issued: Invoice, collects: bool) -> None:
    """Where it is, and how it is paid: charged to what is stored, by transfer, or not at all where nothing is due."""
    organization = await organizations.organization(tx, org_id)
    payer = await payments.payer(tx, org_id) if collects else None
    total = issued.total
    values = {
        "organization": organization["name"] if organization else "",
        "number": issued.number,
        "invoice_id": issued.invoice_id,
        "amount": written_amount(total.amount_minor, total.currency),
        "due_at": issued.due_at.isoformat() if total.amount_minor else "",
        "charged": "yes" if payer is not None and payer["method_id"] else "",
    }
    await tx.emit(MailRequested(about=org_id, org_id=org_id, to=to, template="invoice_issued", values=values))


async def issue_credit_note(ctx: Ctx, tx: Tx, invoice: Row, net: int | None, reason: str, by: str) -> Invoice:
    """Corrects an invoice by the same legal entity, at the invoice's own tax."""
    if invoice["corrects"] is not None:
        raise Problem(
            "conflict",
            f"{invoice['name']} is a credit note itself.",
            meta={"because": "credit_note", "invoice": invoice["name"]},
        )
    invoicing = (await on_offer(ctx, tx)).invoicing
    original: dict[str, Any] = orjson.loads(invoice["content"])
    seller = Seller.model_validate_json(orjson.dumps(original["seller"]))
    amounts = credit_note(
        Amounts(invoice["net"], invoice["tax"]), Amounts(invoice["credited_net"], invoice["credited_tax"]), net
    )
    text = f"Correction of {invoice['name']}: {reason}"
    content = {
        **original,
        "lines": [_line(rules.Line("charge", text, amounts.net))],
        "corrects": {"number": invoice["name"], "issued_at": invoice["issued_at"].isoformat(), "reason": reason},
    }
    issued = await _issue(
        ctx, tx, invoice["org_id"], seller, invoicing, invoice["currency"], amounts, content, corrects=invoice["id"]
    )
    await tx.emit(InvoiceCredited(org_id=invoice["org_id"], invoice=issued, reason=reason, credited_by=by))
    return issued


async def _issue(
    ctx: Ctx,
    tx: Tx,
    org_id: str,
    seller: Seller,
    invoicing: Invoicing | None,
    currency: str,
    amounts: Amounts,
    content: dict[str, Any],
    corrects: str | None = None,
) -> Invoice:
    is_test = await clocks.ahead(tx, org_id) is not None
    counted = f"{seller.id}{TEST}" if is_test else seller.id
    number = await store.next_number(tx, counted)
    invoice = {
        "id": new_id("ivc"),
        "seller": counted,
        "number": number,
        "name": f"{'TEST-' if is_test else ''}{seller.prefix}{number:06}",
        "corrects": corrects,
        "issued_at": ctx.now,
        "due_at": ctx.now + timedelta(days=invoicing.payment_days if invoicing and not corrects else 0),
        "currency": currency,
        "net": amounts.net,
        "tax": amounts.tax,
        "content": content,
    }
    await store.issue(tx, org_id, invoice)
    return as_told(invoice)


def as_told(invoice: dict[str, Any] | Row) -> Invoice:
    """An invoice as events carry it."""

    def money(amount: int) -> Money:
        return Money(amount_minor=amount, currency=invoice["currency"])

    return Invoice(
        invoice_id=invoice["id"],
        number=invoice["name"],
        kind="credit_note" if invoice["corrects"] else "invoice",
        issued_at=_moment(invoice["issued_at"]),
        due_at=_moment(invoice["due_at"]),
        net=money(invoice["net"]),
        tax=money(invoice["tax"]),
        total=money(invoice["net"] + invoice["tax"]),
        corrects=invoice["corrects"],
    )


def _moment(value: Any) -> datetime:
    moment: datetime = value
    return moment


def _customer(details: store.Details) -> dict[str, Any]:
    return {
        "company": details.company,
        "address": list(details.address),
        "country": details.country,
        "vat_id": details.vat_id,
        "email": details.email,
        "reference": details.reference,
    }


def _line(line: rules.Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "text": line.text,
        "amount": line.amount,
        "days": line.days,
        "of_days": line.of_days,
    }


def open_amount(invoice: Row) -> int:
    """What is still to be paid of an invoice as the store reads it."""
    if invoice["paid_at"] is not None or invoice["corrects"] is not None:
        return 0
    total: int = invoice["net"] + invoice["tax"] - invoice["credited_net"] - invoice["credited_tax"]
    return max(total, 0)


def written_amount(minor: int, currency: str) -> str:
    """As a mail is told it; it says it in its reader's language."""
    return f"{Decimal(minor).scaleb(-get_currency_precision(currency)):f} {currency}"


def taxed(tax: Tax | None, net: int) -> int:
    return 0 if tax is None else tax.on(net)
