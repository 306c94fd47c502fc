"""Changing plan: a preview of what it does to people and money, and the change that presents the preview's fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from services.billing import rules, store
from services.billing.catalogue import Catalogue
from services.billing.usecases.neighbours import Effects, OrgEffects, SharingEffects, effects_of
from services.billing.usecases.subscription import (
    NextInvoice,
    SubscriptionView,
    current_terms,
    known,
    money,
    save,
    scheduled,
    tell_plan_change,
    told,
    view,
)
from services.billing.usecases.time import catch_up
from shared.errors import Problem
from shared.events.billing import ChangeCancelled, ChangeScheduled, TrialEnded
from shared.fields import Message, Money, Nothing, View
from shared.service import Ctx

PlanName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ChangeTarget(Message):
    """Without `when`, an upgrade happens now, and so does any change on the free plan or in a trial; a downgrade at the end of the period."""

    plan: PlanName
    interval: Literal["month", "year"] = "month"
    when: Literal["now", "period_end"] | None = None


class ConfirmedChange(ChangeTarget):
    fingerprint: Annotated[str, Field(max_length=200, description="Of the preview that was looked at.")]


class TargetView(View):
    plan: str
    plan_name: str
    interval: Literal["month", "year"]
    price: Money


class MoneyLine(View):
    """One part of what the change costs; negative amounts are in your favour. `days` of `of_days` for a share of a period."""

    kind: Literal["unused", "charge", "balance"]
    text: str
    amount: Money
    days: int | None
    of_days: int | None


class MoneyEffects(View):
    """The lines add up to `due_now` minus `credit`; what isn't due stays as credit for the next invoices."""

    due_now: Money
    credit: Money
    next_invoice: NextInvoice | None
    lines: Sequence[MoneyLine]


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


async def preview_change(ctx: Ctx, wanted: ChangeTarget) -> ChangePreview:
    """What changing to this plan would do to groups, dashboards, people and money; nothing changes yet."""
    effects = await _effects(ctx, wanted)
    async with ctx.read() as read:
        subscription = known(await store.subscription(read, ctx.actor.org()))
    change = _plan(ctx, subscription, wanted)
    return ChangePreview(
        fingerprint=_fingerprint(ctx, subscription, change, effects),
        target=TargetView(
            plan=change.target.plan,
            plan_name=change.target.name,
            interval=change.target.interval,
            price=money(subscription, change.target.price or 0),
        ),
        direction=change.direction,
        effective=change.effective,
        effective_at=change.effective_at,
        money=_money(subscription, change),
        resources=ResourceEffects.model_validate({**dict(effects.org), **dict(effects.sharing)}, by_name=True),
    )


async def change_plan(ctx: Ctx, wanted: ConfirmedChange) -> SubscriptionView:
    """Changes the plan as previewed: refused when what the preview showed isn't true any more."""
    effects = await _effects(ctx, wanted)
    async with ctx.tx() as tx:
        before = await catch_up(ctx, tx, known(await store.lock_subscription(tx, ctx.actor.org())))
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        change = _plan(ctx, before, wanted)
        if _fingerprint(ctx, before, change, effects) != wanted.fingerprint:
            raise Problem("fingerprint_mismatch")
        after = await save(ctx, tx, change.after)
        if (dropped := scheduled(before)) is not None:
            await tx.emit(ChangeCancelled(org_id=after.org_id, subscription=told(after), change=dropped))
        if change.effective == "now":
            ended = [TrialEnded(org_id=after.org_id, subscription=told(after), converted=bool(after.price))]
            await tell_plan_change(ctx, tx, before, after, *(ended if before.trialing else []))
        elif (coming := scheduled(after)) is not None:
            await tx.emit(ChangeScheduled(org_id=after.org_id, subscription=told(after), change=coming))
        return await view(ctx, tx, after)


async def cancel_scheduled_change(ctx: Ctx, _: Nothing) -> None:
    """Cancels what was scheduled for the end of the period; the subscription goes on as it is."""
    async with ctx.tx() as tx:
        before = await catch_up(ctx, tx, known(await store.lock_subscription(tx, ctx.actor.org())))
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        if (dropped := scheduled(before)) is None:
            raise Problem("not_found", "No change is scheduled.")
        after = await save(ctx, tx, rules.without_schedule(before))
        await tx.emit(ChangeCancelled(org_id=after.org_id, subscription=told(after), change=dropped))


async def _effects(ctx: Ctx, wanted: ChangeTarget) -> Effects:
    """Asked before any lock is held: the neighbours may take their time."""
    catalogue: Catalogue = ctx.own
    return await effects_of(ctx, catalogue.chosen(wanted.plan).granted(version=0))


def _plan(ctx: Ctx, subscription: rules.Subscription, wanted: ChangeTarget) -> rules.Change:
    catalogue: Catalogue = ctx.own
    target = catalogue.chosen(wanted.plan).terms(wanted.interval, subscription.currency)
    return rules.plan_change(ctx.now, subscription, current_terms(catalogue, subscription), target, wanted.when)


def _fingerprint(ctx: Ctx, subscription: rules.Subscription, change: rules.Change, effects: Effects) -> str:
    catalogue: Catalogue = ctx.own
    facts: dict[str, Any] = {
        "subscription": [subscription.id, subscription.version],
        "target": [change.target.plan, change.target.interval, change.target.price, change.effective],
        "entitlements": catalogue.plan(change.target.plan).entitlements.model_dump(),
        "money": [change.due_now, change.credit],
        "effects": effects.facts(),
    }
    return rules.fingerprint(facts)


def _money(subscription: rules.Subscription, change: rules.Change) -> MoneyEffects:
    invoice = None
    if change.next_invoice_at is not None and change.next_invoice is not None:
        invoice = NextInvoice(at=change.next_invoice_at, amount=money(subscription, change.next_invoice))
    return MoneyEffects(
        due_now=money(subscription, change.due_now),
        credit=money(subscription, change.credit),
        next_invoice=invoice,
        lines=[
            MoneyLine(
                kind=line.kind,
                text=line.text,
                amount=money(subscription, line.amount),
                days=line.days,
                of_days=line.of_days,
            )
            for line in change.lines
        ],
    )
