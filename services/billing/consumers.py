"""What billing does when it hears of organizations."""

from __future__ import annotations

from services.billing import rules, store
from services.billing.usecases.offer import on_offer
from services.billing.usecases.subscription import grant
from services.billing.usecases.subscription import told as as_told
from shared.events.billing import EntitlementsChanged, SubscriptionStarted
from shared.events.org import OrganizationChanged, OrganizationCreated
from shared.ids import new_id
from shared.service import Ctx


async def start_subscription(ctx: Ctx, heard: OrganizationCreated) -> None:
    """Every organization starts on the free plan."""
    async with ctx.tx() as tx:
        catalogue = await on_offer(ctx, tx)
        terms = catalogue.terms(catalogue.starts_with, "month", catalogue.currency)
        subscription = rules.begin(heard.org_id, new_id("sub"), terms, catalogue.currency, ctx.now)
        told = heard.organization
        await store.keep_organization(tx, heard.org_id, told.name, told.contact_email, told.location)
        if await store.add_subscription(tx, subscription):
            granted = await grant(ctx, tx, subscription)
            await tx.emit(SubscriptionStarted(org_id=heard.org_id, subscription=as_told(subscription)))
            await tx.emit(EntitlementsChanged(org_id=heard.org_id, entitlements=granted))


async def keep_organization(ctx: Ctx, heard: OrganizationChanged) -> None:
    """Billing knows how to address an organization."""
    async with ctx.tx() as tx:
        told = heard.organization
        await store.keep_organization(tx, heard.org_id, told.name, told.contact_email, told.location)
