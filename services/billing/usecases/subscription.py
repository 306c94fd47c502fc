"""The organization's subscription: reading it, its trial, and saying how it moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import Field

from services.billing import rules, store
from services.billing.store import clocks
from services.billing.usecases.offer import entitlements_of, on_offer, sold_to, terms_at_period_end
from services.billing.usecases.own_time import in_own_time
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events import Event
from shared.events.billing import (
    Entitlements,
    EntitlementsChanged,
    PlanChanged,
    ScheduledChange,
    Subscription,
    TrialStarted,
)
from shared.fields import Message, Money, Nothing, Versioned, View
from shared.ids import OrgId, SubscriptionId
from shared.service import Ctx


class NextInvoice(View):
    at: datetime
    amount: Money


class ScheduledView(View):
    """Happens by itself at that time, unless it is cancelled before."""

    plan: str
    plan_name: str
    interval: Literal["month", "year"]
    effective_at: datetime


class SubscriptionView(Versioned):
    """What the organization subscribes to. `price` is per interval, null by contract; `credit` pays the next invoices first."""

    id: SubscriptionId
    plan: str
    plan_name: str
    status: Literal["active", "trialing", "past_due", "cancelled"]
    interval: Literal["month", "year"]
    price: Money | None
    period_start: datetime
    period_end: datetime | None
    trial_ends_at: datetime | None
    trial_available: bool
    catalogue_version: int
    past_due_since: datetime | None
    grace_ends_at: datetime | None
    credit: Money
    next_invoice: NextInvoice | None
    scheduled_change: ScheduledView | None
    entitlements: Entitlements
    test_clock: datetime | None = Field(
        default=None, description="Of a test organization: what time it is for it. Null for all others."
    )


class OfOrganization(Message):
    org_id: OrgId


@in_own_time
async def read_subscription(ctx: Ctx, _: Nothing) -> SubscriptionView:
    """The organization's plan, its price and period, and what is scheduled."""
    async with ctx.read() as read:
        return await view(ctx, read, known(await store.subscription(read, ctx.actor.org())))


@in_own_time
async def start_trial(ctx: Ctx, _: Nothing) -> SubscriptionView:
    """Starts the trial: once per organization, from the free plan, without any payment."""
    async with ctx.tx() as tx:
        catalogue = await on_offer(ctx, tx)
        before = known(await store.lock_subscription(tx, ctx.actor.org()))
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        if await store.trial_used(tx, before.org_id):
            raise Problem("trial_used")
        trial = catalogue.trial
        started = rules.begin_trial(before, catalogue.starts_with, trial.plan, trial.length, ctx.now)
        started = replace(started, catalogue_version=catalogue.version)
        if not await store.use_up_trial(tx, before.org_id, before.id, ctx.now):
            raise Problem("trial_used")
        saved = await save(ctx, tx, started)
        await tx.emit(TrialStarted(org_id=saved.org_id, subscription=told(saved)))
        await tell_plan_change(ctx, tx, before, saved)
        return await view(ctx, tx, saved)


async def read_entitlements(ctx: Ctx, which: OfOrganization) -> Entitlements:
    """What an organization may set up, for services that haven't heard it."""
    async with ctx.read(which.org_id) as read:
        granted = await store.entitlements(read, which.org_id)
    if granted is None:
        raise Problem("not_found")
    return granted


# What the other use cases share


def known(subscription: rules.Subscription | None) -> rules.Subscription:
    if subscription is None:
        raise Problem(
            "not_yet_consistent",
            "Billing hasn't heard of this organization yet.",
            retry_after=1,
            meta={"because": "not_heard_of"},
        )
    return subscription


async def save(ctx: Ctx, tx: Tx, changed: rules.Subscription) -> rules.Subscription:
    """The next version, which knows when time alone will change it again."""
    catalogue = await sold_to(ctx, tx, changed)
    next_step_at = rules.next_step_at(changed, catalogue.trial.notice)
    return await store.save_subscription(tx, changed, next_step_at, ctx.actor.id, ctx.now)


async def tell_plan_change(
    ctx: Ctx, tx: Tx, before: rules.Subscription, after: rules.Subscription, *first: Event
) -> None:
    """Says that the plan changed and, in the same transaction, what the organization may set up from now on."""
    granted = await grant(ctx, tx, after)
    for event in first:
        await tx.emit(event)
    await tx.emit(
        PlanChanged(org_id=after.org_id, subscription=told(after), previous_plan=before.plan, entitlements=granted)
    )
    await tx.emit(EntitlementsChanged(org_id=after.org_id, entitlements=granted, previous_plan=before.plan))


async def grant(ctx: Ctx, tx: Tx, subscription: rules.Subscription) -> Entitlements:
    """Gives the organization what its plan includes and what was agreed besides, under the next version."""
    catalogue = await sold_to(ctx, tx, subscription)
    wanted = await entitlements_of(ctx, tx, subscription.org_id, catalogue, subscription.plan)
    return await store.grant(tx, subscription.org_id, wanted, catalogue.version)


def told(subscription: rules.Subscription) -> Subscription:
    """A subscription as events carry it."""
    return Subscription(
        subscription_id=subscription.id,
        plan=subscription.plan,
        interval=subscription.interval,
        status=subscription.status,
        price=_price(subscription),
        period_start=subscription.period_start,
        period_end=subscription.period_end,
        trial_ends_at=subscription.trial_ends_at,
        version=subscription.version,
    )


def scheduled(subscription: rules.Subscription) -> ScheduledChange | None:
    """What will happen at the end of the period."""
    if subscription.next_plan is None or subscription.next_interval is None or subscription.period_end is None:
        return None
    return ScheduledChange(
        plan=subscription.next_plan, interval=subscription.next_interval, effective_at=subscription.period_end
    )


async def view(ctx: Ctx, read: Read, subscription: rules.Subscription) -> SubscriptionView:
    """A subscription as its organization sees it."""
    catalogue = await sold_to(ctx, read, subscription)
    granted = await store.entitlements(read, subscription.org_id)
    if granted is None:
        raise RuntimeError(f"{subscription.org_id} has a subscription but no entitlements")
    coming = await terms_at_period_end(ctx, read, subscription)
    change = scheduled(subscription)
    return SubscriptionView(
        version=subscription.version,
        id=subscription.id,
        plan=subscription.plan,
        plan_name=catalogue.plan(subscription.plan).name,
        status=subscription.status,
        interval=subscription.interval,
        price=_price(subscription),
        period_start=subscription.period_start,
        period_end=subscription.period_end,
        trial_ends_at=subscription.trial_ends_at,
        catalogue_version=subscription.catalogue_version,
        past_due_since=subscription.past_due_since,
        grace_ends_at=await grace_ends_at(ctx, read, subscription),
        trial_available=subscription.plan == catalogue.starts_with
        and not await store.trial_used(read, subscription.org_id),
        credit=money(subscription, subscription.credit),
        next_invoice=_next_invoice(subscription, coming.price),
        scheduled_change=ScheduledView(**dict(change), plan_name=coming.name) if change else None,
        entitlements=granted,
        test_clock=ctx.now if await clocks.ahead(read, subscription.org_id) is not None else None,
    )


async def grace_ends_at(ctx: Ctx, read: Read, subscription: rules.Subscription) -> datetime | None:
    """Until when the plan is kept although something is overdue."""
    invoicing = (await on_offer(ctx, read)).invoicing
    if subscription.past_due_since is None or invoicing is None:
        return None
    return subscription.past_due_since + invoicing.grace


def money(subscription: rules.Subscription, amount: int) -> Money:
    return Money(amount_minor=amount, currency=subscription.currency)


def _price(subscription: rules.Subscription) -> Money | None:
    return None if subscription.price is None else money(subscription, subscription.price)


def _next_invoice(subscription: rules.Subscription, price: int | None) -> NextInvoice | None:
    if subscription.period_end is None or not price:
        return None
    amount = max(price - subscription.credit, 0)
    return NextInvoice(at=subscription.period_end, amount=money(subscription, amount))
