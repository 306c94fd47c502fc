"""What time alone does to subscriptions: notices, ends of trials, scheduled changes, renewals; and following the catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from services.billing import rules, store
from services.billing.catalogue import Catalogue
from services.billing.usecases.subscription import (
    grant,
    save,
    scheduled,
    tell_plan_change,
    terms_at_period_end,
    told,
)
from shared.db import EVERY_ORG, Tx
from shared.events.billing import EntitlementsChanged, SubscriptionRenewed, TrialEnded, TrialEnding
from shared.events.courier import MailRequested
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 100


async def keep_time(ctx: Ctx) -> None:
    """Does what is due by now."""
    async with ctx.read(EVERY_ORG) as read:
        organizations = await store.due(read, ctx.now, AT_ONCE)
    await _for_each(ctx, organizations, _catch_up)


async def follow_catalogue(ctx: Ctx) -> None:
    """Gives organizations what a newer catalogue says that their plan includes."""
    catalogue: Catalogue = ctx.own
    async with ctx.read(EVERY_ORG) as read:
        organizations = await store.granted_by_older_catalogue(read, catalogue.version, AT_ONCE)
    await _for_each(ctx, organizations, _follow)


async def _for_each(ctx: Ctx, organizations: Sequence[str], do: Callable[[Ctx, Tx, str], Awaitable[None]]) -> None:
    """Each organization in a transaction of its own: one that fails holds up no other."""
    for org_id in organizations:
        own = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
        try:
            async with own.finishing(), own.tx() as tx:
                await do(own, tx, org_id)
        except Exception:
            log.exception("billing can't do what is due", org_id=org_id, what=do.__name__)


async def _catch_up(ctx: Ctx, tx: Tx, org_id: str) -> None:
    subscription = await store.lock_subscription(tx, org_id)
    if subscription is not None:
        await catch_up(ctx, tx, subscription)


async def _follow(ctx: Ctx, tx: Tx, org_id: str) -> None:
    catalogue: Catalogue = ctx.own
    subscription = await store.lock_subscription(tx, org_id)
    before = await store.entitlements(tx, org_id)
    if subscription is None or before is None:
        return
    if catalogue.plan(subscription.plan).granted(before.version) == before:
        await store.followed_catalogue(tx, org_id, catalogue.version)
        return
    granted = await grant(ctx, tx, subscription)
    await tx.emit(EntitlementsChanged(org_id=org_id, entitlements=granted, previous_plan=subscription.plan))


async def catch_up(ctx: Ctx, tx: Tx, subscription: rules.Subscription) -> rules.Subscription:
    """Takes every step that is due on a locked subscription, in the order of their times."""
    catalogue: Catalogue = ctx.own
    while (step := rules.step_due(subscription, ctx.now, catalogue.trial.notice)) is not None:
        if step == "notice":
            subscription = await _give_notice(ctx, tx, subscription)
        else:
            subscription = await _begin_next_period(ctx, tx, subscription, step)
    return subscription


async def _begin_next_period(ctx: Ctx, tx: Tx, before: rules.Subscription, step: rules.Step) -> rules.Subscription:
    catalogue: Catalogue = ctx.own
    after = await save(ctx, tx, rules.step_to(before, terms_at_period_end(catalogue, before)))
    if step == "renewal":
        await tx.emit(SubscriptionRenewed(org_id=after.org_id, subscription=told(after)))
        return after
    ended = [TrialEnded(org_id=after.org_id, subscription=told(after), converted=bool(after.price))]
    await tell_plan_change(ctx, tx, before, after, *(ended if before.trialing else []))
    return after


async def _give_notice(ctx: Ctx, tx: Tx, before: rules.Subscription) -> rules.Subscription:
    after = await save(ctx, tx, replace(before, trial_notice_given=True))
    await tx.emit(TrialEnding(org_id=after.org_id, subscription=told(after)))
    organization = await store.organization(tx, after.org_id)
    if organization is not None and scheduled(after) is None and after.trial_ends_at is not None:
        await tx.emit(_trial_mail(ctx, after, organization["name"], organization["contact_email"]))
    return after


def _trial_mail(ctx: Ctx, subscription: rules.Subscription, organization: str, to: str) -> MailRequested:
    catalogue: Catalogue = ctx.own
    return MailRequested(
        about=subscription.org_id,
        org_id=subscription.org_id,
        to=to,
        template="trial_ending",
        values={
            "organization": organization,
            "plan": catalogue.plan(subscription.plan).name,
            "next_plan": catalogue.first.name,
            "ends_at": subscription.trial_ends_at.isoformat() if subscription.trial_ends_at else "",
        },
    )
