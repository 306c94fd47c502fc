"""Invoices as their organization reads them, and what an operator records about them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from services.billing.rules.invoices import standing
from services.billing.store import invoices as store
from services.billing.store import payments
from services.billing.usecases.collecting import refuse_while_collecting
from services.billing.usecases.dunning import recover
from services.billing.usecases.issuing import as_told, issue_credit_note
from services.billing.usecases.own_time import in_own_time, keep_own_time
from shared.db import EVERY_ORG, Row, Tx
from shared.errors import Problem
from shared.events.billing import InvoicePaid
from shared.fields import Message, Money, Name, View
from shared.ids import InvoiceId, OrgId
from shared.paging import Cursors, ListQuery, Page
from shared.service import Answer, Ctx

AT_ONCE = 500


class InvoiceSummary(View):
    """`open` is what is still to be paid. A credit note names the invoice that it `corrects`; its amounts are in your favour."""

    id: InvoiceId
    number: str
    kind: Literal["invoice", "credit_note"]
    status: Literal["open", "overdue", "paid", "credited", "issued"]
    issued_at: datetime
    due_at: datetime
    paid_at: datetime | None
    net: Money
    tax: Money
    total: Money
    open: Money
    corrects: InvoiceId | None


class InvoiceLine(View):
    """Net. Negative amounts are in your favour; `days` of `of_days` for a share of a period."""

    kind: str
    text: str
    amount: Money
    days: int | None
    of_days: int | None


class PartyView(View):
    name: str
    address: tuple[str, ...]
    country: str | None
    vat_id: str | None


class CreditNote(View):
    """What corrected an invoice; `total` is in your favour."""

    id: InvoiceId
    number: str
    issued_at: datetime
    total: Money


class FailedCharge(View):
    """The last time it couldn't be charged: `reason` is the payment provider's code, and `next_try_at` is null when it won't be tried again by itself."""

    at: datetime
    reason: str
    next_try_at: datetime | None


class InvoiceView(InvoiceSummary):
    """One invoice as it was issued: nothing of it changes but what became of it.

    `pay_to` is the account that a transfer goes to, quoting `number`. `failed_charge` is null unless it is to be paid and couldn't be charged.
    """

    seller: PartyView
    customer: PartyView
    reference: str | None
    period_start: datetime
    period_end: datetime | None
    lines: tuple[InvoiceLine, ...]
    tax_kind: str
    tax_rate: int
    tax_note: str
    pay_to: str | None
    corrects_number: str | None
    credit_notes: tuple[CreditNote, ...]
    failed_charge: FailedCharge | None


class ListInvoices(ListQuery):
    """The organization's invoices and credit notes."""


class WhichInvoice(Message):
    invoice_id: InvoiceId


class ListAllInvoices(Message):
    org_id: OrgId | None = None
    number: Annotated[str, Field(max_length=40)] = ""
    settled: bool = False


class RecordedPayment(Message):
    """Of an invoice by its number, e.g. what a bank statement says about it."""

    number: Annotated[str, Field(max_length=40)]
    reference: Name
    by: Name


class WantedCreditNote(Message):
    """Over all that is left of an invoice, or `net_minor` of it, in the currency's smallest unit."""

    number: Annotated[str, Field(max_length=40)]
    net_minor: Annotated[int, Field(gt=0, lt=2**53, strict=True)] | None = None
    reason: Name
    by: Name


class OperatorsInvoice(InvoiceSummary):
    org_id: str
    customer: str


class OperatorsInvoices(View):
    data: tuple[OperatorsInvoice, ...]


@in_own_time
async def list_invoices(ctx: Ctx, query: ListInvoices) -> Page[InvoiceSummary]:
    """Invoices and credit notes, the newest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read() as read:
        rows = await store.page(read, ctx.actor.org(), str(position[0]) if position else None, query.limit + 1)
        total = await store.count(read, ctx.actor.org())
    return cursors.page([_summary(ctx, row) for row in rows], query, lambda one: [one.id], total)


@in_own_time
async def read_invoice(ctx: Ctx, which: WhichInvoice) -> InvoiceView:
    """One invoice, line by line."""
    row = await _known(ctx, which)
    async with ctx.read() as read:
        notes = await store.notes_on(read, row["org_id"], row["id"])
        failed = await payments.last_failed(read, row["org_id"], row["id"])
    content: dict[str, Any] = orjson.loads(row["content"])
    period = content["period"]
    summary = _summary(ctx, row)
    return InvoiceView(
        **dict(summary),
        seller=_party(content["seller"], "name"),
        customer=_party(content["customer"], "company"),
        reference=content["customer"]["reference"],
        period_start=period[0],
        period_end=period[1],
        lines=[
            InvoiceLine(**{**line, "amount": Money(amount_minor=line["amount"], currency=row["currency"])})
            for line in content["lines"]
        ],
        tax_kind=content["tax"]["kind"],
        tax_rate=content["tax"]["rate"],
        tax_note=content["tax"]["note"],
        pay_to=content["seller"]["bank"],
        corrects_number=row["corrects_name"],
        credit_notes=[
            CreditNote(
                id=note["id"],
                number=note["name"],
                issued_at=note["issued_at"],
                total=Money(amount_minor=note["total"], currency=row["currency"]),
            )
            for note in notes
        ],
        failed_charge=FailedCharge(**dict(failed)) if failed is not None and summary.open.amount_minor else None,
    )


async def read_invoice_pdf(ctx: Ctx, which: WhichInvoice) -> Answer[bytes]:
    """The same as a PDF: the same bytes every time."""
    row = await _known(ctx, which)
    drawn = await asyncio.to_thread(_draw, dict(row))
    headers = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{row["name"]}.pdf"',
    }
    return Answer(drawn, headers)


def _draw(row: dict[str, Any]) -> bytes:
    """What draws it takes long to import: whoever asks for the first one waits for it, and not every start."""
    from services.billing.usecases import paper

    return paper.draw(row)


async def list_all_invoices(ctx: Ctx, query: ListAllInvoices) -> OperatorsInvoices:
    """Of every organization or one: those to be paid, or, with `settled`, all. The oldest first, at most 500."""
    async with ctx.read(EVERY_ORG) as read:
        rows = await store.every(read, query.org_id or "", query.number, query.settled, AT_ONCE)
    return OperatorsInvoices(data=[_operators(ctx, row) for row in rows])


async def record_payment(ctx: Ctx, payment: RecordedPayment) -> OperatorsInvoice:
    """An operator saw that an invoice was paid."""
    async with ctx.tx(EVERY_ORG) as tx:
        row = await _locked(tx, payment.number)
        await keep_own_time(ctx, tx, row["org_id"])
        if row["corrects"] is not None:
            raise Problem(
                "conflict",
                f"{payment.number} is a credit note.",
                meta={"because": "credit_note", "invoice": payment.number},
            )
        if _status(ctx, row) not in ("open", "overdue"):
            raise Problem(
                "already_exists",
                f"Nothing is to be paid on {payment.number}.",
                meta={"because": "nothing_due", "invoice": payment.number},
            )
        await refuse_while_collecting(tx, row["org_id"], row["id"])
        await store.pay(tx, row["org_id"], row["id"], ctx.now, payment.reference, payment.by)
        await tx.emit(
            InvoicePaid(
                org_id=row["org_id"],
                invoice=as_told(row),
                paid_at=ctx.now,
                reference=payment.reference,
                recorded_by=payment.by,
            )
        )
        await recover(ctx, tx, row["org_id"])
        return _operators(ctx, await _locked(tx, payment.number))


async def write_credit_note(ctx: Ctx, wanted: WantedCreditNote) -> OperatorsInvoice:
    """An operator corrects an invoice, which itself stays as it is."""
    async with ctx.tx(EVERY_ORG) as tx:
        row = await _locked(tx, wanted.number)
        await keep_own_time(ctx, tx, row["org_id"])
        await refuse_while_collecting(tx, row["org_id"], row["id"])
        note = await issue_credit_note(ctx, tx, row, wanted.net_minor, wanted.reason, wanted.by)
        await recover(ctx, tx, row["org_id"])
        return _operators(ctx, await _locked(tx, note.number))


async def _known(ctx: Ctx, which: WhichInvoice) -> Row:
    async with ctx.read() as read:
        row = await store.one(read, ctx.actor.org(), which.invoice_id)
    if row is None:
        raise Problem("not_found")
    return row


async def _locked(tx: Tx, number: str) -> Row:
    """Read again behind the lock, so that two who record at once see each other."""
    row = await store.named(tx, number)
    if row is not None:
        await store.lock(tx, row["org_id"])
        row = await store.named(tx, number)
    if row is None:
        raise Problem("not_found", f"There is no invoice {number}.")
    return row


def _status(ctx: Ctx, row: Row) -> str:
    total, credited = row["net"] + row["tax"], row["credited_net"] + row["credited_tax"]
    return standing(total, credited, row["due_at"], row["paid_at"], ctx.now)


def _summary(ctx: Ctx, row: Row) -> InvoiceSummary:
    def money(amount: int) -> Money:
        return Money(amount_minor=amount, currency=row["currency"])

    is_note = row["corrects"] is not None
    status: Any = "issued" if is_note else _status(ctx, row)
    total = row["net"] + row["tax"]
    to_pay = total - row["credited_net"] - row["credited_tax"] if status in ("open", "overdue") else 0
    return InvoiceSummary(
        id=row["id"],
        number=row["name"],
        kind="credit_note" if is_note else "invoice",
        status=status,
        issued_at=row["issued_at"],
        due_at=row["due_at"],
        paid_at=row["paid_at"],
        net=money(row["net"]),
        tax=money(row["tax"]),
        total=money(total),
        open=money(to_pay),
        corrects=row["corrects"],
    )


def _operators(ctx: Ctx, row: Row) -> OperatorsInvoice:
    customer = orjson.loads(row["content"])["customer"]["company"]
    return OperatorsInvoice(**dict(_summary(ctx, row)), org_id=row["org_id"], customer=customer)


def _party(told: dict[str, Any], name: str) -> PartyView:
    return PartyView(name=told[name], address=told["address"], country=told["country"], vat_id=told["vat_id"])
