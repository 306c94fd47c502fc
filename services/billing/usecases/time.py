"""What time alone does to subscriptions: notices, ends of trials, scheduled changes, renewals, ends of overrides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from services.billing import rules, store
from services.billing.catalogue import Catalogue
from services.billing.rules.invoices import lines_of_period
from services.billing.store import clocks, invoices
from services.billing.usecases.dunning import fall_past_due, remind_or_end
from services.billing.usecases.issuing import issue_invoice
from services.billing.usecases.offer import on_offer, sold_to, terms_at_period_end
from services.billing.usecases.own_time import keep_own_time
from services.billing.usecases.subscription import (
    grant,
    save,
    scheduled,
    tell_plan_change,
    told,
)
from shared.db import EVERY_ORG, Tx
from shared.events.billing import EntitlementsChanged, OverrideEnded, SubscriptionRenewed, TrialEnded, TrialEnding
from shared.events.courier import MailRequested
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 100


async def keep_time(ctx: Ctx) -> None:
    """Does what is due by now."""
    async with ctx.read(EVERY_ORG) as read:
        organizations = await store.due(read, ctx.now, AT_ONCE)
        released = await store.overrides_ended(read, ctx.now, AT_ONCE)
        organizations = list(dict.fromkeys([*organizations, *await clocks.due(read, ctx.now)]))
        released = list(dict.fromkeys([*released, *await clocks.overrides_ended(read, ctx.now)]))
    await for_each(ctx, organizations, _catch_up)
    await for_each(ctx, released, release_overrides)


async def dun(ctx: Ctx) -> None:
    """Tells whoever owes, reminds them in the middle of their grace, and ends their plan when it is over."""
    async with ctx.read(EVERY_ORG) as read:
        invoicing = (await on_offer(ctx, read)).invoicing
        if invoicing is None:
            return
        owing = await invoices.owing(read, ctx.now, AT_ONCE)
        over, middle = ctx.now - invoicing.grace, ctx.now - invoicing.grace / 2
        late = await invoices.past_due(read, over, middle, AT_ONCE)
        testing = await clocks.every(read)
    await for_each(ctx, list(dict.fromkeys([*owing, *testing])), fall_past_due)
    await for_each(ctx, list(dict.fromkeys([*late, *testing])), remind_or_end)


async def for_each(ctx: Ctx, organizations: Sequence[str], do: Callable[[Ctx, Tx, str], Awaitable[None]]) -> None:
    """Each organization in a transaction of its own: one that fails holds up no other."""
    for org_id in organizations:
        own = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
        try:
            async with own.finishing(), own.tx() as tx:
                await keep_own_time(own, tx, org_id)
                await do(own, tx, org_id)
        except Exception:
            log.exception("billing can't do what is due", org_id=org_id, what=do.__name__)


async def _catch_up(ctx: Ctx, tx: Tx, org_id: str) -> None:
    subscription = await store.lock_subscription(tx, org_id)
    if subscription is not None:
        await catch_up(ctx, tx, subscription)


async def release_overrides(ctx: Ctx, tx: Tx, org_id: str) -> None:
    """Ends what was agreed with an organization until now."""
    subscription = await store.lock_subscription(tx, org_id)
    ended = await store.end_overrides(tx, org_id, ctx.now)
    if subscription is None or not ended:
        return
    granted = await grant(ctx, tx, subscription)
    await tx.emit(OverrideEnded(org_id=org_id, entitlements_ended=ended))
    await tx.emit(EntitlementsChanged(org_id=org_id, entitlements=granted))


async def catch_up(ctx: Ctx, tx: Tx, subscription: rules.Subscription) -> rules.Subscription:
    """Takes every step that is due on a locked subscription, in the order of their times."""
    while (step := rules.step_due(subscription, ctx.now, await _notice(ctx, tx, subscription))) is not None:
        if step == "notice":
            subscription = await _give_notice(ctx, tx, subscription)
        else:
            subscription = await _begin_next_period(ctx, tx, subscription, step)
    return subscription


async def _notice(ctx: Ctx, tx: Tx, subscription: rules.Subscription) -> timedelta:
    return (await sold_to(ctx, tx, subscription)).trial.notice


async def _begin_next_period(ctx: Ctx, tx: Tx, before: rules.Subscription, step: rules.Step) -> rules.Subscription:
    terms = await terms_at_period_end(ctx, tx, before)
    after = await save(ctx, tx, rules.step_to(before, terms))
    if after.price:
        await issue_invoice(ctx, tx, after, lines_of_period(before, after, terms))
    if step == "renewal":
        await tx.emit(SubscriptionRenewed(org_id=after.org_id, subscription=told(after)))
    else:
        ended = [TrialEnded(org_id=after.org_id, subscription=told(after), converted=bool(after.price))]
        await tell_plan_change(ctx, tx, before, after, *(ended if before.trialing else []))
    return after


async def _give_notice(ctx: Ctx, tx: Tx, before: rules.Subscription) -> rules.Subscription:
    after = await save(ctx, tx, replace(before, trial_notice_given=True))
    await tx.emit(TrialEnding(org_id=after.org_id, subscription=told(after)))
    organization = await store.organization(tx, after.org_id)
    if organization is not None and scheduled(after) is None and after.trial_ends_at is not None:
        await tx.emit(
            _trial_mail(await sold_to(ctx, tx, after), after, organization["name"], organization["contact_email"])
        )
    return after


def _trial_mail(catalogue: Catalogue, subscription: rules.Subscription, organization: str, to: str) -> MailRequested:
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
