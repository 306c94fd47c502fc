"""The plans on offer."""

from __future__ import annotations

from services.billing.catalogue import Plan, PlanEntitlements
from services.billing.rules import Interval
from services.billing.usecases.offer import on_offer
from shared.fields import Money, Nothing, View
from shared.service import Ctx


class PlanPrices(View):
    """What the plan costs per interval; null when it is agreed by contract."""

    month: Money | None
    year: Money | None


class Offer(View):
    """A price, in one of the currencies that the plan is sold in."""

    interval: Interval
    price: Money


class PlanView(View):
    """`order` compares plans: going to a higher one is an upgrade. Limits that are null mean unlimited.

    `prices` are those of the default currency, `offers` all there are.
    """

    plan: str
    name: str
    order: int
    by_contract: bool
    prices: PlanPrices
    offers: tuple[Offer, ...]
    entitlements: PlanEntitlements


class TrialOffer(View):
    plan: str
    days: int


class Plans(View):
    data: tuple[PlanView, ...]
    trial: TrialOffer
    catalogue_version: int


async def list_plans(ctx: Ctx, _: Nothing) -> Plans:
    """All plans with their prices and what they include, the smallest first."""
    async with ctx.read() as read:
        catalogue = await on_offer(ctx, read)
    return Plans(
        data=[_plan_view(plan, catalogue.currency) for plan in sorted(catalogue.plans, key=lambda plan: plan.order)],
        trial=TrialOffer(plan=catalogue.trial.plan, days=catalogue.trial.days),
        catalogue_version=catalogue.version,
    )


def _plan_view(plan: Plan, currency: str) -> PlanView:
    return PlanView(
        plan=plan.id,
        name=plan.name,
        order=plan.order,
        by_contract=plan.prices is None,
        prices=PlanPrices(month=_price(plan, "month", currency), year=_price(plan, "year", currency)),
        offers=[
            Offer(interval=interval, price=Money(amount_minor=amount, currency=in_currency))
            for interval, amounts in (("month", plan.prices.month), ("year", plan.prices.year))
            for in_currency, amount in sorted(amounts.items())
        ]
        if plan.prices
        else [],
        entitlements=plan.entitlements,
    )


def _price(plan: Plan, interval: Interval, currency: str) -> Money | None:
    amount = plan.price(interval, currency)
    return None if amount is None else Money(amount_minor=amount, currency=currency)
