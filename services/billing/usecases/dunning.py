"""What follows when an invoice isn't paid: a mail, a time of grace with another, then the free plan. And the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.billing import rules, store
from services.billing.store import invoices
from services.billing.usecases.issuing import written_amount
from services.billing.usecases.offer import sold_to
from services.billing.usecases.subscription import grace_ends_at, save, tell_plan_change, told
from shared.db import Row, Tx
from shared.events.billing import SubscriptionLapsed, SubscriptionPastDue, SubscriptionRecovered
from shared.events.courier import MailRequested
from shared.service import Ctx


async def fall_past_due(ctx: Ctx, tx: Tx, org_id: str) -> None:
    """The organization is told, and its time of grace begins."""
    before = await store.lock_subscription(tx, org_id)
    late = await invoices.overdue(tx, org_id, ctx.now)
    if before is None or before.status != "active" or not before.price or not late:
        return
    after = await save(ctx, tx, rules.past_due(before, ctx.now))
    ends_at = await grace_ends_at(ctx, tx, after)
    if ends_at is None:
        return
    await tx.emit(
        SubscriptionPastDue(
            org_id=org_id, subscription=told(after), invoices=[row["name"] for row in late], grace_ends_at=ends_at
        )
    )
    await _mail(ctx, tx, after, late, "invoice_overdue")


async def remind_or_end(ctx: Ctx, tx: Tx, org_id: str) -> None:
    """In the middle of the grace another mail; at its end the free plan, whatever was missed before."""
    before = await store.lock_subscription(tx, org_id)
    if before is None or before.status != "past_due":
        return
    late = await invoices.overdue(tx, org_id, ctx.now)
    ends_at = await grace_ends_at(ctx, tx, before)
    if not late:
        await recover(ctx, tx, org_id)
    elif ends_at is not None and ends_at <= ctx.now:
        await _lapse(ctx, tx, before, late)
    elif not before.past_due_reminded and ends_at is not None and ctx.now >= _middle(before, ends_at):
        after = await save(ctx, tx, replace(before, past_due_reminded=True))
        await _mail(ctx, tx, after, late, "invoice_overdue")


def _middle(subscription: rules.Subscription, ends_at: datetime) -> datetime:
    return ends_at - (ends_at - (subscription.past_due_since or ends_at)) / 2


async def _lapse(ctx: Ctx, tx: Tx, before: rules.Subscription, late: Sequence[Row]) -> None:
    catalogue = await sold_to(ctx, tx, before)
    terms = catalogue.terms(catalogue.starts_with, before.interval, before.currency)
    after = await save(ctx, tx, rules.lapsed(before, terms, ctx.now))
    numbers = [row["name"] for row in late]
    lapse = SubscriptionLapsed(org_id=after.org_id, subscription=told(after), invoices=numbers)
    await tell_plan_change(ctx, tx, before, after, lapse)
    await _mail(ctx, tx, before, late, "plan_lapsed")


async def recover(ctx: Ctx, tx: Tx, org_id: str) -> None:
    """Once nothing is overdue any more, the subscription is as if nothing had been."""
    before = await store.lock_subscription(tx, org_id)
    if before is None or before.status != "past_due" or await invoices.overdue(tx, org_id, ctx.now):
        return
    after = await save(ctx, tx, rules.recovered(before))
    await tx.emit(SubscriptionRecovered(org_id=org_id, subscription=told(after)))


async def _mail(ctx: Ctx, tx: Tx, owing: rules.Subscription, late: Sequence[Row], template: str) -> None:
    """To where invoices are sent."""
    details = await invoices.details(tx, owing.org_id)
    organization = await store.organization(tx, owing.org_id)
    catalogue = await sold_to(ctx, tx, owing)
    ends_at = await grace_ends_at(ctx, tx, owing)
    if details is None or organization is None:
        return
    values = {
        "organization": organization["name"],
        "invoices": ", ".join(row["name"] for row in late),
        "amount": ", ".join(_sums(late)),
        "plan": catalogue.plan(owing.plan).name,
        "next_plan": catalogue.first.name,
    }
    if template == "invoice_overdue" and ends_at is not None:
        values["ends_at"] = ends_at.isoformat()
    await tx.emit(
        MailRequested.model_validate(
            {"about": owing.org_id, "org_id": owing.org_id, "to": details.email, "template": template, "values": values}
        )
    )


def _sums(late: Sequence[Row]) -> list[str]:
    """What is open, in each currency."""
    sums: dict[str, int] = {}
    for row in late:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["open"]
    return [written_amount(minor, currency) for currency, minor in sums.items()]
