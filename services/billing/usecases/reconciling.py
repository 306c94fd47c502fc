"""Each night the provider's books are compared with ours, payment by payment. What can be settled is; what differs is kept for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated

import structlog
from pydantic import Field

from services.billing.rules.payments import Payment, UnknownOutcome
from services.billing.store import payments
from services.billing.usecases.collecting import in_own_tx, settle
from services.billing.usecases.own import own
from shared.db import EVERY_ORG, Row, Tx
from shared.errors import Problem
from shared.fields import Message, Name, Nothing, View
from shared.metrics import BILLING_DRIFT
from shared.service import Ctx

log = structlog.get_logger()

LOOKS_BACK = timedelta(days=30)
SETTLING = timedelta(minutes=30)
KINDS = ("unknown", "amount", "paid_twice", "refunded", "disputed", "not_collected", "missing")


class Difference(View):
    """`subject` is a payment at the provider, or an attempt here. One that was accepted isn't counted any more."""

    subject: str
    kind: str
    detail: str
    found_at: datetime
    accepted_by: str | None
    accepted_because: str | None


class Reconciliation(View):
    day: date
    since: datetime
    compared: int
    ended_at: datetime | None


class Drift(View):
    provider: str
    last: Reconciliation | None
    differences: tuple[Difference, ...]


class AcceptedDrift(Message):
    subject: Annotated[str, Field(max_length=100)]
    because: Name
    by: Name


async def reconcile(ctx: Ctx) -> None:
    """The job: a page of today's comparison, until it is over; and how much differs, for whoever watches."""
    provider = own(ctx).provider
    if not provider.collects:
        return
    async with ctx.tx(EVERY_ORG) as tx:
        today = await payments.reconciliation(tx, ctx.now, ctx.now - LOOKS_BACK)
        if today["ended_at"] is None:
            try:
                page = await provider.payments_since(today["since"], today["next_page"])
                await _compare(ctx, tx, page.payments)
            except UnknownOutcome:
                log.warning("the provider's books can't be read now")
            else:
                ended_at = ctx.now if page.next is None else None
                if ended_at is not None:
                    await _note_missing(ctx, tx, today)
                await payments.turn_page(tx, today["day"], page.next, len(page.payments), ended_at)
        _count(await payments.drift(tx))


async def _compare(ctx: Ctx, tx: Tx, there: Sequence[Payment]) -> None:
    for payment in there:
        await in_own_tx(ctx, EVERY_ORG, partial(_settle, payment))
    await payments.mark_seen(tx, [one.attempt_id for one in there if one.attempt_id], ctx.now)


async def _settle(payment: Payment, ctx: Ctx, tx: Tx) -> None:
    await settle(ctx, tx, payment)


async def _note_missing(ctx: Ctx, tx: Tx, today: Row) -> None:
    """What we count on and the provider didn't list, in all of its pages."""
    for kept in await payments.unseen(tx, today["since"] + SETTLING, ctx.now - SETTLING, today["began_at"]):
        detail = f"{kept.attempt.invoice} counts as paid by {kept.payment_id}, which isn't there"
        await payments.note_drift(tx, kept.attempt.id, "missing", detail, ctx.now)


def _count(found: Sequence[Row]) -> None:
    kinds = [row["kind"] for row in found if row["accepted_by"] is None]
    for kind in KINDS:
        BILLING_DRIFT.labels(kind).set(kinds.count(kind))


async def read_drift(ctx: Ctx, _: Nothing) -> Drift:
    """Where the provider's books and ours differ, and when they were compared last."""
    async with ctx.read(EVERY_ORG) as read:
        rows, last = await payments.drift(read), await payments.last_reconciliation(read)
    return Drift(
        provider=own(ctx).provider.name,
        last=Reconciliation(**dict(last)) if last is not None else None,
        differences=[Difference(**dict(row)) for row in rows],
    )


async def accept_drift(ctx: Ctx, accepted: AcceptedDrift) -> None:
    """An operator has looked at a difference, and it stays: it is kept, with the reason, and not counted any more."""
    async with ctx.tx(EVERY_ORG) as tx:
        if not await payments.accept_drift(tx, accepted.subject, accepted.by, accepted.because):
            raise Problem("not_found", f"Nothing differs over {accepted.subject}.")
