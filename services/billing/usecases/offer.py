"""Which catalogue counts: the newest for what is chosen now, the one that was bought under for what runs."""

from __future__ import annotations

from dataclasses import replace

import orjson

from services.billing import rules, store
from services.billing.catalogue import Catalogue
from services.billing.usecases.own import own
from shared.db import Read
from shared.events.billing import Entitlements
from shared.service import Ctx


async def on_offer(ctx: Ctx, read: Read) -> Catalogue:
    """The newest catalogue."""
    newest = await store.newest_catalogue(read)
    if newest is None:
        raise RuntimeError("billing runs without a catalogue")
    return await version_of(ctx, read, newest)


async def version_of(ctx: Ctx, read: Read, version: int) -> Catalogue:
    return await own(ctx).shelf.take(version, lambda wanted: store.catalogue(read, wanted))


async def sold_to(ctx: Ctx, read: Read, subscription: rules.Subscription) -> Catalogue:
    """The catalogue that a subscription was bought under."""
    return await version_of(ctx, read, subscription.catalogue_version)


async def entitlements_of(ctx: Ctx, read: Read, org_id: str, catalogue: Catalogue, plan_id: str) -> Entitlements:
    """What a plan of a catalogue gives this organization: the plan's, and what was agreed with this one alone."""
    granted = catalogue.plan(plan_id).granted(version=0)
    agreed = {
        row["entitlement"]: orjson.loads(row["value"])
        for row in await store.overrides(read, org_id)
        if row["until"] > ctx.now
    }
    return granted.model_copy(update=agreed)


async def terms_at_period_end(ctx: Ctx, read: Read, subscription: rules.Subscription) -> rules.Terms:
    """What the subscription goes on as when its period ends: what was scheduled, or the free plan after a trial, or itself."""
    catalogue = await sold_to(ctx, read, subscription)
    if subscription.next_plan is not None and subscription.next_interval is not None:
        if subscription.next_catalogue_version is not None:
            catalogue = await version_of(ctx, read, subscription.next_catalogue_version)
        return catalogue.terms(subscription.next_plan, subscription.next_interval, subscription.currency)
    plan = catalogue.starts_with if subscription.trialing else subscription.plan
    return catalogue.terms(plan, subscription.interval, subscription.currency)


async def current_terms(ctx: Ctx, read: Read, subscription: rules.Subscription) -> rules.Terms:
    """Today's terms: the price is the one that the period was bought at. Plans are compared as they are on offer now."""
    catalogue = await sold_to(ctx, read, subscription)
    terms = catalogue.terms(subscription.plan, subscription.interval, subscription.currency)
    offered = (await on_offer(ctx, read)).by_id.get(subscription.plan)
    return replace(terms, price=subscription.price, order=offered.order if offered else terms.order)
