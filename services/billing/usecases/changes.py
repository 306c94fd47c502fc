"""Changing plan: a preview of what it does to people and money, and the change that presents the preview's fingerprint."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from services.billing import rules, store
from services.billing.rules.invoices import lines_of_change
from services.billing.rules.tax import Tax
from services.billing.store.invoices import overdue
from services.billing.usecases.details import tax_for
from services.billing.usecases.issuing import issue_invoice, taxed
from services.billing.usecases.neighbours import Effects, OrgEffects, SharingEffects, effects_of
from services.billing.usecases.offer import current_terms, entitlements_of, on_offer
from services.billing.usecases.own_time import in_own_time
from services.billing.usecases.subscription import (
    NextInvoice,
    SubscriptionView,
    known,
    money,
    save,
    scheduled,
    tell_plan_change,
    told,
    view,
)
from services.billing.usecases.time import catch_up
from shared.db import Read
from shared.errors import Problem, invalid
from shared.events.billing import ChangeCancelled, ChangeScheduled, TrialEnded
from shared.fields import Message, Money, Nothing, View
from shared.service import Ctx

PlanName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ChangeTarget(Message):
    """Without `when`, an upgrade happens now, and so does any change on the free plan or in a trial; a downgrade at the end of the period."""

    plan: PlanName
    interval: Literal["month", "year"] = "month"
    currency: Annotated[
        str | None,
        Field(pattern=r"^[A-Z]{3}$", description="Of a first paid period; the one in use when it is absent."),
    ] = None
    when: Literal["now", "period_end"] | None = None


class ConfirmedChange(ChangeTarget):
    fingerprint: Annotated[str, Field(max_length=200, description="Of the preview that was looked at.")]


class TargetView(View):
    plan: str
    plan_name: str
    interval: Literal["month", "year"]
    price: Money


class MoneyLine(View):
    """One part of what the change costs; negative amounts are in your favour. `days` of `of_days` for a share of a period.

    `plan_name` is whose price it is, `interval` the whole period that is paid for; `text` is what will stand on the invoice.
    """

    kind: Literal["unused", "charge", "balance", "kept"]
    text: str
    amount: Money
    days: int | None
    of_days: int | None
    plan_name: str | None
    interval: rules.Interval | None


class ForeseenInvoice(NextInvoice):
    """`amount` without tax, the tax of today on it, and what the invoice will be over."""

    tax: Money
    total: Money


class MoneyEffects(View):
    """The lines add up to `due_now` minus `credit`; what isn't due stays as credit for the next invoices.

    All of them are without tax. `tax` is on what is due now, `total_now` what the invoice will be over.
    """

    due_now: Money
    tax: Money
    total_now: Money
    credit: Money
    next_invoice: ForeseenInvoice | None
    lines: tuple[MoneyLine, ...]


class ResourceEffects(OrgEffects, SharingEffects):
    """What the change does to the organization, by name. Nothing of it is deleted; all of it returns with the plan."""


class ChangePreview(View):
    """What would happen. The fingerprint stays good until something that it shows changes, or a new day begins."""

    fingerprint: str
    target: TargetView
    direction: Literal["upgrade", "downgrade", "interval", "conversion"]
    effective: Literal["now", "period_end"]
    effective_at: datetime
    money: MoneyEffects
    resources: ResourceEffects


@in_own_time
async def preview_change(ctx: Ctx, wanted: ChangeTarget) -> ChangePreview:
    """What changing to this plan would do to groups, dashboards, people and money; nothing changes yet."""
    effects = await _effects(ctx, wanted)
    async with ctx.read() as read:
        before = known(await store.subscription(read, ctx.actor.org()))
        change = await _plan(ctx, read, before, wanted)
        taxation = await tax_for(ctx, read, before.org_id)
    subscription, tax = change.after, taxed(taxation, change.due_now)
    return ChangePreview(
        fingerprint=_fingerprint(before, change, effects, tax),
        target=TargetView(
            plan=change.target.plan,
            plan_name=change.target.name,
            interval=change.target.interval,
            price=money(subscription, change.target.price or 0),
        ),
        direction=change.direction,
        effective=change.effective,
        effective_at=change.effective_at,
        money=_money(subscription, change, taxation),
        resources=ResourceEffects.model_validate({**dict(effects.org), **dict(effects.sharing)}, by_name=True),
    )


@in_own_time
async def change_plan(ctx: Ctx, wanted: ConfirmedChange) -> SubscriptionView:
    """Changes the plan as previewed: refused when what the preview showed isn't true any more."""
    effects = await _effects(ctx, wanted)
    async with ctx.tx() as tx:
        before = await catch_up(ctx, tx, known(await store.lock_subscription(tx, ctx.actor.org())))
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        change = await _plan(ctx, tx, before, wanted)
        tax = taxed(await tax_for(ctx, tx, before.org_id), change.due_now)
        if _fingerprint(before, change, effects, tax) != wanted.fingerprint:
            raise Problem("fingerprint_mismatch")
        after = await save(ctx, tx, change.after)
        if (dropped := scheduled(before)) is not None:
            await tx.emit(ChangeCancelled(org_id=after.org_id, subscription=told(after), change=dropped))
        if change.effective == "now":
            ended = [TrialEnded(org_id=after.org_id, subscription=told(after), converted=bool(after.price))]
            if change.lines:
                await issue_invoice(ctx, tx, after, lines_of_change(change.lines, change.credit))
            # last, so that the write's `Tenantry-Change` is what the services whom the plan concerns apply
            await tell_plan_change(ctx, tx, before, after, *(ended if before.trialing else []))
        elif (coming := scheduled(after)) is not None:
            await tx.emit(ChangeScheduled(org_id=after.org_id, subscription=told(after), change=coming))
        return await view(ctx, tx, after)


@in_own_time
async def cancel_scheduled_change(ctx: Ctx, _: Nothing) -> None:
    """Cancels what was scheduled for the end of the period; the subscription goes on as it is."""
    async with ctx.tx() as tx:
        before = await catch_up(ctx, tx, known(await store.lock_subscription(tx, ctx.actor.org())))
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        if (dropped := scheduled(before)) is None:
            raise Problem("not_found", "No change is scheduled.", meta={"because": "nothing_scheduled"})
        after = await save(ctx, tx, rules.without_schedule(before))
        await tx.emit(ChangeCancelled(org_id=after.org_id, subscription=told(after), change=dropped))


async def _effects(ctx: Ctx, wanted: ChangeTarget) -> Effects:
    """Asked before any lock is held: the neighbours may take their time."""
    async with ctx.read() as read:
        catalogue = await on_offer(ctx, read)
        plan = catalogue.chosen(wanted.plan)
        entitlements = await entitlements_of(ctx, read, ctx.actor.org(), catalogue, plan.id)
    return await effects_of(ctx, entitlements)


async def _plan(ctx: Ctx, read: Read, subscription: rules.Subscription, wanted: ChangeTarget) -> rules.Change:
    """Plans are chosen from what is on offer now."""
    catalogue = await on_offer(ctx, read)
    plan = catalogue.chosen(wanted.plan)
    current = await current_terms(ctx, read, subscription)
    subscription = rules.in_currency(subscription, wanted.currency or subscription.currency)
    if not plan.sold_in(subscription.currency):
        raise invalid(
            "/currency",
            "unknown_currency",
            f"{plan.name} isn't sold in {subscription.currency}.",
            plan=plan.id,
            currency=subscription.currency,
        )
    target = catalogue.terms(plan.id, wanted.interval, subscription.currency)
    change = rules.plan_change(ctx.now, subscription, current, target, wanted.when)
    if change.direction == "upgrade" and (late := await overdue(read, subscription.org_id, ctx.now)):
        numbers = ", ".join(row["name"] for row in late)
        raise Problem(
            "conflict",
            f"{numbers} is to be paid first.",
            remedy=["Pay what is overdue, then upgrade."],
            meta={"because": "overdue", "invoices": [row["name"] for row in late]},
        )
    return change


def _fingerprint(subscription: rules.Subscription, change: rules.Change, effects: Effects, tax: int) -> str:
    target = change.target
    facts: dict[str, Any] = {
        "subscription": [subscription.id, subscription.version],
        "target": [target.plan, target.interval, target.price, target.catalogue_version, change.effective],
        "entitlements": effects.asked.model_dump(mode="json"),
        "money": [change.due_now, tax, change.credit, change.after.currency],
        "effects": effects.facts(),
    }
    return rules.fingerprint(facts)


def _money(subscription: rules.Subscription, change: rules.Change, taxation: Tax | None) -> MoneyEffects:
    invoice, tax = None, taxed(taxation, change.due_now)
    if change.next_invoice_at is not None and change.next_invoice is not None:
        coming = taxed(taxation, change.next_invoice)
        invoice = ForeseenInvoice(
            at=change.next_invoice_at,
            amount=money(subscription, change.next_invoice),
            tax=money(subscription, coming),
            total=money(subscription, change.next_invoice + coming),
        )
    return MoneyEffects(
        due_now=money(subscription, change.due_now),
        tax=money(subscription, tax),
        total_now=money(subscription, change.due_now + tax),
        credit=money(subscription, change.credit),
        next_invoice=invoice,
        lines=[
            MoneyLine(
                kind=line.kind,
                text=line.text,
                amount=money(subscription, line.amount),
                days=line.days,
                of_days=line.of_days,
                plan_name=line.plan,
                interval=line.interval,
            )
            for line in change.lines
        ],
    )
