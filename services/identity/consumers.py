"""What identity hears from org: organizations and their domains, memberships, which decide where a session may be, and invitations."""

from __future__ import annotations

from services.identity.rules import Invitation
from services.identity.store import accounts, projections, requirements, sessions
from shared.events import org
from shared.events.identity import SessionChanged, SessionEnded
from shared.service import Ctx


async def project_organization(ctx: Ctx, told: org.OrganizationCreated | org.OrganizationChanged) -> None:
    async with ctx.tx() as tx:
        await projections.keep_organization(tx, told.org_id, told.organization.name)


async def project_joined(ctx: Ctx, told: org.MemberJoined) -> None:
    await _enter(ctx, told.org_id, told.member)


async def project_reactivated(ctx: Ctx, told: org.MemberReactivated) -> None:
    await _enter(ctx, told.org_id, told.member)


async def project_deactivated(ctx: Ctx, told: org.MemberDeactivated) -> None:
    await _leave(ctx, told.org_id, told.member)


async def project_removed(ctx: Ctx, told: org.MemberRemoved) -> None:
    await _leave(ctx, told.org_id, told.member)


async def project_role_changed(ctx: Ctx, told: org.MemberRoleChanged) -> None:
    await _keep_role(ctx, told.org_id, told.member)


async def project_slot_suspended(ctx: Ctx, told: org.MemberSlotSuspended) -> None:
    await _keep_role(ctx, told.org_id, told.member)


async def project_slot_resumed(ctx: Ctx, told: org.MemberSlotResumed) -> None:
    await _keep_role(ctx, told.org_id, told.member)


async def _keep_role(ctx: Ctx, org_id: str, member: org.Member) -> None:
    async with ctx.tx() as tx:
        await accounts.lock(tx, member.user_id)
        await projections.keep_membership(
            tx, org_id, member.user_id, member.status, member.effective_role, member.joined_at
        )


DomainNews = org.DomainClaimed | org.DomainVerified | org.DomainAtRisk | org.DomainLapsed | org.DomainRemoved


async def project_domain(ctx: Ctx, told: DomainNews) -> None:
    """A domain proves whose an account is only while it is proven itself."""
    proven = told.domain.status in ("verified", "at_risk")
    async with ctx.tx() as tx:
        await projections.keep_domain(tx, told.org_id, told.domain.domain_id, told.domain.name, proven)


async def project_security_policy(ctx: Ctx, told: org.SecurityPolicyChanged) -> None:
    async with ctx.tx() as tx:
        await requirements.keep(tx, told.org_id, told.policy.two_factor_deadline)


async def _enter(ctx: Ctx, org_id: str, member: org.Member) -> None:
    """Who signed in before the organization was ready is in it now. No session that was elsewhere moves, and none that ended returns."""
    async with ctx.tx() as tx:
        await accounts.lock(tx, member.user_id)
        await projections.keep_membership(
            tx, org_id, member.user_id, member.status, member.effective_role, member.joined_at
        )
        for session in await sessions.enter(tx, member.user_id, org_id):
            await tx.emit(
                SessionChanged(
                    user_id=session.user_id,
                    session_id=session.session_id,
                    org_id=org_id,
                    authenticated_at=session.authenticated_at,
                    reason="entered",
                )
            )


async def _leave(ctx: Ctx, org_id: str, member: org.Member) -> None:
    """Ends the sessions that are in the organization, whatever others the person belongs to: nobody is moved without asking for it.

    Should the person come back, so does nothing that they held before: what is elsewhere enters with a new proof.
    """
    async with ctx.tx() as tx:
        await accounts.lock(tx, member.user_id)
        await projections.keep_membership(
            tx, org_id, member.user_id, member.status, member.effective_role, member.joined_at
        )
        await projections.mark_revoked(tx, org_id, member.user_id, ctx.now)
        for session in await sessions.end_in_org(tx, member.user_id, org_id):
            await tx.emit(
                SessionEnded(
                    user_id=session.user_id,
                    session_id=session.session_id,
                    org_id=org_id,
                    reason="member_deactivated",
                )
            )


async def project_invitation_sent(ctx: Ctx, told: org.InvitationSent) -> None:
    await _keep(ctx, told.org_id, told.invitation)


async def project_invitation_resent(ctx: Ctx, told: org.InvitationResent) -> None:
    await _keep(ctx, told.org_id, told.invitation)


async def project_invitation_revoked(ctx: Ctx, told: org.InvitationRevoked) -> None:
    await _keep(ctx, told.org_id, told.invitation)


async def project_invitation_expired(ctx: Ctx, told: org.InvitationExpired) -> None:
    await _keep(ctx, told.org_id, told.invitation)


async def project_invitation_accepted(ctx: Ctx, told: org.InvitationAccepted) -> None:
    await _keep(ctx, told.org_id, told.invitation)


async def _keep(ctx: Ctx, org_id: str, told: org.Invitation) -> None:
    async with ctx.tx() as tx:
        await projections.keep_invitation(
            tx,
            Invitation(
                org_id=org_id,
                invitation_id=told.invitation_id,
                email=told.email,
                status=told.status,
                link_version=told.link_version,
                expires_at=told.expires_at,
            ),
        )
