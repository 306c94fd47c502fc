"""The other side of an invitation: what its link shows to anyone, and how the invited person becomes a member."""

from __future__ import annotations

from datetime import datetime

from services.org import rules
from services.org.rules import Role
from services.org.rules.closing import check_open
from services.org.store import approvals, groups, invitations, members, organizations, scim_invitations
from services.org.store.organizations import Person
from services.org.usecases.holding import Held, holding
from services.org.usecases.own import own
from services.org.usecases.scim_awaiting import settle
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.org import GroupMemberAdded, InvitationAccepted, InvitationRenewalRequested, MemberJoined
from shared.fields import Message, View, canonical_email
from shared.links import read_link_token
from shared.service import Ctx


class WhichToken(Message):
    token: str


class InvitationShown(View):
    """What the holder of the link may know before signing in."""

    organization: str
    email: str
    role: Role
    groups: list[str]
    invited_by: str | None
    status: rules.InvitationStatus
    expires_at: datetime


class Membership(View):
    """Where the person is a member now. `POST /v1/me/active-organization` makes it the active one."""

    org_id: str
    organization: str
    user_id: str
    role: Role
    effective_role: Role
    group_ids: list[str]
    joined_at: datetime


async def show_invitation(ctx: Ctx, which: WhichToken) -> InvitationShown:
    """What an invitation's link leads to. Links that are used, expired, replaced, revoked or invented answer alike: 410."""
    async with ctx.read(EVERY_ORG) as read:
        org_id, invitation = await _behind(ctx, read, which.token)
        facts = await organizations.one(read, org_id)
        inviter = await members.find(read, org_id, invitation.invited_by)
        named = await groups.some(read, org_id, invitation.group_ids)
    return InvitationShown(
        organization=facts.name,
        email=invitation.email,
        role=invitation.role,
        groups=[group.name for group in named.values()],
        invited_by=inviter.name if inviter else None,
        status=invitation.status,
        expires_at=invitation.expires_at,
    )


async def request_renewal(ctx: Ctx, which: WhichToken) -> None:
    """Asks an Admin to send an expired invitation again, once after each mail; every link is answered alike."""
    made_for = read_link_token(own(ctx).links, "invitation", which.token)
    if made_for is None:
        return
    async with ctx.read(EVERY_ORG) as read:
        org_id = await invitations.organization_of(read, made_for[0])
    if org_id is None:
        return
    async with ctx.tx(org_id) as tx, holding(ctx, tx, org_id) as held:
        if held.facts.closed_at is not None:
            return  # nobody there can send it again
        asked = await invitations.request_renewal(tx, org_id, made_for[0], ctx.now)
        if asked is not None:
            await tx.emit(InvitationRenewalRequested(org_id=org_id, invitation=asked.at(ctx.now).state()))
            await _tell_admin(held, asked)


async def accept_invitation(ctx: Ctx, which: WhichToken) -> Membership:
    """Makes the signed-in person a member with the role and groups that were chosen for them.

    Their address must be the invited one, and its domain still one of the organization's.
    """
    async with ctx.read(EVERY_ORG) as read:
        org_id, _ = await _behind(ctx, read, which.token)
        known = await organizations.knows_person(read, ctx.actor.person())
    told = None if known else await _ask_identity(ctx)
    async with ctx.tx(org_id) as tx:
        # First the person, then the organization: the same order as when identity says that a person goes by another name.
        if told is not None:
            await organizations.meet_person(tx, told)
        person = await organizations.hold_person(tx, ctx.actor.person())
        async with holding(ctx, tx, org_id) as held:
            _, invitation = await _behind(ctx, tx, which.token)
            await _check(held, invitation, person)
            return await join_invited(held, invitation, person)


async def _check(held: Held, invitation: rules.Invitation, person: Person) -> None:
    check_open(held.facts.closed_at)
    email_key = canonical_email(person.email)
    if email_key != canonical_email(invitation.email):
        raise Problem("invitation_of_another")
    if await scim_invitations.is_for_another(held.tx, held.id, invitation.invitation_id, person.user_id):
        raise Problem("invitation_of_another")
    domain = email_key.rpartition("@")[2]
    if domain not in await organizations.registered_domains(held.tx, held.id):
        raise Problem(
            "conflict",
            f"{domain} is no longer a registered domain of {held.facts.name}.",
            meta={"because": "domain_gone", "domain": domain, "name": held.facts.name},
        )
    kind = rules.kind_of(invitation.role)
    if held.plan.limit(kind) is not None:
        # The invitation has held a slot since it was sent; only a smaller plan since then can have taken it back.
        rules.check_slot(held.plan, kind, await members.members_of_kind(held.tx, held.id, kind))


async def join_invited(held: Held, invitation: rules.Invitation, person: Person) -> Membership:
    """Makes the invited person a member. Whoever waited for an Admin waits no longer."""
    tx = held.tx
    await approvals.end(tx, held.id, person.user_id)
    accepted = await invitations.accept(tx, held.id, invitation.invitation_id, held.now)
    member = await members.join(tx, held.id, person, invitation.role, person.user_id, held.now)
    joined = [g for g in (await groups.some(tx, held.id, invitation.group_ids)).values() if g.kind == "custom"]
    await groups.put_in(
        tx, held.id, [group.group_id for group in joined], person.user_id, invitation.invited_by, held.now
    )
    await held.look_again()
    await tx.emit(InvitationAccepted(org_id=held.id, invitation=accepted.state(), user_id=person.user_id))
    await tx.emit(MemberJoined(org_id=held.id, member=held.state(member), invitation_id=invitation.invitation_id))
    for group in joined:
        await tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=person.user_id))
    await settle(held, person.user_id)
    return Membership(
        org_id=held.id,
        organization=held.facts.name,
        user_id=person.user_id,
        role=member.role,
        effective_role=held.overlay.effective_role(member),
        group_ids=[group.group_id for group in joined],
        joined_at=member.joined_at,
    )


async def _tell_admin(held: Held, asked: rules.Invitation) -> None:
    admin = await members.first_admin(held.tx, held.id, asked.invited_by)
    if admin is not None:
        await held.tx.emit(
            MailRequested(
                about=held.id,
                org_id=held.id,
                to=admin.email,
                reader=admin.user_id,
                template="invitation_renewal",
                values={"organization": held.facts.name, "email": asked.email, "name": admin.name},
            )
        )


async def _behind(ctx: Ctx, read: Read | Tx, token: str) -> tuple[str, rules.Invitation]:
    """The organization and the open invitation that a link was made for; `gone` for every other link."""
    made_for = read_link_token(own(ctx).links, "invitation", token)
    if made_for is not None:
        org_id = await invitations.organization_of(read, made_for[0])
        found = await invitations.find(read, org_id, made_for[0]) if org_id else None
        if org_id and found and found.at(ctx.now).status == "open" and found.link_version == made_for[1]:
            return org_id, found
    raise Problem("gone")


async def _ask_identity(ctx: Ctx) -> Person:
    """Who the actor is, from identity itself: somebody who signed up milliseconds ago isn't projected here yet.

    When identity can't be reached this is refused (503) and can be repeated; nothing was changed by then.
    """
    session = await ctx.env.internal.call("identity", "GET", f"/internal/sessions/{ctx.actor.session_id}")
    if not session["live"] or session["user_id"] != ctx.actor.person():
        raise Problem("session_ended")
    return Person(ctx.actor.person(), session["email"], session["name"])
