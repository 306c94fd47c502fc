"""What billing does when it hears of organizations, and of who takes a slot there."""

from __future__ import annotations

from services.billing import rules, store
from services.billing.rules.usage import kind_of
from services.billing.store import closing, usage
from services.billing.usecases.offer import on_offer
from services.billing.usecases.subscription import grant
from services.billing.usecases.subscription import told as as_told
from shared.events.billing import EntitlementsChanged, SubscriptionStarted
from shared.events.org import (
    InvitationAccepted,
    InvitationExpired,
    InvitationResent,
    InvitationRevoked,
    InvitationSent,
    MemberDeactivated,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
    MemberRoleChanged,
    OrganizationChanged,
    OrganizationClosed,
    OrganizationCreated,
    OrganizationReopened,
)
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


async def close_organization(ctx: Ctx, heard: OrganizationClosed) -> None:
    """While it is closed nothing is renewed, ended or invoiced; what was due is done when it is open again."""
    async with ctx.tx() as tx:
        await closing.set_closed(tx, heard.org_id, closed=True)


async def reopen_organization(ctx: Ctx, heard: OrganizationReopened) -> None:
    async with ctx.tx() as tx:
        await closing.set_closed(tx, heard.org_id, closed=False)


MemberTold = MemberJoined | MemberRoleChanged | MemberDeactivated | MemberReactivated | MemberRemoved
InvitationTold = InvitationSent | InvitationResent | InvitationAccepted | InvitationRevoked | InvitationExpired


async def count_member(ctx: Ctx, heard: MemberTold) -> None:
    """An active member holds a slot of their role, whatever the plan lets them do with it."""
    member = heard.member
    await _count(ctx, heard.org_id, member.user_id, member.role if member.status == "active" else None)


async def count_invitation(ctx: Ctx, heard: InvitationTold) -> None:
    """An open invitation holds a slot of the role that it is for."""
    invitation = heard.invitation
    role = invitation.role if invitation.status == "open" else None
    await _count(ctx, heard.org_id, invitation.invitation_id, role)


async def _count(ctx: Ctx, org_id: str, holder_id: str, role: str | None) -> None:
    if ctx.cause is None:
        raise RuntimeError("slots are counted by events alone")
    async with ctx.tx() as tx:
        await usage.hold(tx, org_id, holder_id, kind_of(role) if role else None, ctx.cause.time, ctx.cause.id)
