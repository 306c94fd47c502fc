"""What the actor may do with the organization's plan, and why not."""

from __future__ import annotations

from services.billing import rules, store
from services.billing.catalogue import Catalogue
from services.billing.usecases.offer import on_offer
from services.billing.usecases.own import own
from shared.capabilities import Because, Capabilities, Capability
from shared.fields import Nothing
from shared.service import Ctx


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Billing's actions for this actor."""
    org_id = ctx.actor.org_id
    if org_id is None or ctx.actor.role != "admin":
        why = Because(kind="role", roles=["admin"], detail="Only an Admin manages plan and billing.")
        return _all(billing=why, trial=why, change=why, paying=why)
    async with ctx.read() as read:
        subscription = await store.subscription(read, org_id)
        used = await store.trial_used(read, org_id)
        catalogue = await on_offer(ctx, read)
    if subscription is None:
        why = Because(kind="state", code="not_heard_of", detail="Billing hasn't heard of this organization yet.")
        return _all(billing=why, trial=why, change=why, paying=why)
    change = None
    if subscription.price is None:
        change = Because(
            kind="state", code="by_contract", plan=subscription.plan, detail="The plan is agreed by contract."
        )
    paying = None
    if not own(ctx).provider.collects:
        paying = Because(
            kind="state",
            code="by_transfer",
            detail="Invoices are paid by bank transfer: no payment provider is set up.",
        )
    return _all(billing=None, trial=_no_trial(catalogue, subscription, used), change=change, paying=paying)


def _no_trial(catalogue: Catalogue, subscription: rules.Subscription, used: bool) -> Because | None:
    if subscription.trialing:
        return Because(kind="state", code="trialing", plan=subscription.plan, detail="The trial is running.")
    if used:
        return Because(kind="state", code="trial_used", detail="The trial was used already.")
    if subscription.plan != catalogue.starts_with:
        return Because(
            kind="state",
            code="not_on_free_plan",
            plan=subscription.plan,
            detail="A trial starts from the free plan only.",
        )
    return None


def _all(
    billing: Because | None, trial: Because | None, change: Because | None, paying: Because | None
) -> Capabilities:
    reasons = {
        "billing.manage": billing,
        "trial.start": trial,
        "plan.change": change,
        "payment_method.manage": paying,
    }
    return Capabilities(
        capabilities=[
            Capability(action=action, allowed=because is None, because=because) for action, because in reasons.items()
        ]
    )
