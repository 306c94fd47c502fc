"""People who come by the organization's identity provider: taken in at once, or when an Admin agrees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.org import rules
from services.org.rules import Role
from services.org.store import approvals, groups, invitations, members, organizations, scim_invitations
from services.org.store.approvals import Approval, Reason
from services.org.store.organizations import Person
from services.org.usecases.acceptance import join_invited
from services.org.usecases.admins_mail import tell_admins
from services.org.usecases.holding import Held, administering, holding
from services.org.usecases.own import own
from services.org.usecases.scim_awaiting import settle
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.identity_sso import SsoUserArrived
from shared.events.org import GroupMemberAdded, MemberJoined
from shared.events.org_approvals import MemberApprovalRequested, MemberApproved, MemberDeclined
from shared.fields import Message, View, canonical_email
from shared.ids import GroupId, UserId
from shared.paging import TOTAL_CAP, ListQuery, Page
from shared.service import Ctx


class ApprovalView(View):
    """Somebody who waits. `reason`: approvals are asked for, no slot is left, the plan has lapsed, or they were removed before."""

    id: str
    email: str
    name: str
    role: Literal["viewer", "analyst"]
    group_ids: list[str]
    connection_id: str
    reason: Reason
    requested_at: datetime


class ListApprovals(ListQuery):
    """Who waits for an Admin."""


class WhichApproval(Message):
    user_id: UserId


class Approve(WhichApproval):
    """Without `role` and `group_ids` they are those that the connection names."""

    role: Role | None = None
    group_ids: Annotated[list[GroupId], Field(max_length=500)] | None = None


class ApprovedMember(View):
    user_id: str
    role: Role
    effective_role: Role
    group_ids: list[str]


async def take_in(ctx: Ctx, told: SsoUserArrived) -> None:
    """Makes who arrived a member, by their invitation if they have one; or asks the Admins.

    After a lapse of the plan nobody new comes in by themselves, and into a closed organization nobody at all.
    """
    person = Person(told.user_id, told.email, told.name)
    async with ctx.tx(told.org_id) as tx:
        if await organizations.find(tx, told.org_id) is None:
            return
        await organizations.meet_person(tx, person)
        person = await organizations.hold_person(tx, told.user_id)
        async with holding(ctx, tx, told.org_id) as held:
            if held.facts.closed_at is not None or await members.find(tx, held.id, told.user_id) is not None:
                return
            email = canonical_email(told.email)
            invited = (await invitations.open_addresses(tx, held.id, [email], ctx.now)).get(email)
            if invited is not None:
                invitation = await invitations.one(tx, held.id, invited)
                another = await scim_invitations.is_for_another(tx, held.id, invited, told.user_id)
                if not another and await _still_fits(held, invitation.role):
                    await join_invited(held, invitation, person)
                    return
            reason = await _why_not(held, told)
            if reason is not None:
                await _ask(held, told, reason)
            elif told.new_users != "refused":
                await _join(held, person, told.default_role, told.group_ids)


async def list_approvals(ctx: Ctx, query: ListApprovals) -> Page[ApprovalView]:
    """Who signed in at the identity provider and waits for an Admin."""
    cursors = own(ctx).cursors
    after = cursors.read(query) or [""]
    async with ctx.read() as read:
        found = await approvals.listed(read, ctx.actor.org(), after[0], query.limit + 1)
        total = await approvals.counted(read, ctx.actor.org(), TOTAL_CAP)
    views = [ApprovalView(**{**vars(one), "id": one.user_id, "group_ids": list(one.group_ids)}) for one in found]
    return cursors.page(views, query, lambda last: [last.id], total)


async def approve_arrival(ctx: Ctx, wanted: Approve) -> ApprovedMember:
    """Lets somebody in who waits, with this role and these groups. It takes a slot."""
    async with ctx.tx() as tx:
        # First the person, then the organization: as everybody does who touches both.
        person = await organizations.hold_person(tx, wanted.user_id)
        async with administering(ctx, "users.manage") as held:
            approval = await _waiting(held, wanted.user_id)
            role = wanted.role or approval.role
            await held.check_slot(role)
            group_ids = approval.group_ids
            if wanted.group_ids is not None:
                known = await groups.some(tx, held.id, wanted.group_ids)
                rules.check_groups_known(wanted.group_ids, known)
                rules.check_may_gain_members([group.kind for group in known.values()], held.plan)
                group_ids = tuple(known)
            await tx.emit(MemberApproved(org_id=held.id, approval=approval.state()))
            approved = await _join(held, person, role, group_ids)
            await tx.emit(
                MailRequested(
                    about=held.id,
                    org_id=held.id,
                    to=person.email,
                    reader=person.user_id,
                    template="sso_approved",
                    values={"name": person.name, "organization": held.facts.name},
                )
            )
            return approved


async def decline_arrival(ctx: Ctx, which: WhichApproval) -> None:
    """Doesn't let somebody in who waits. They aren't listed again; an invitation still brings them in."""
    async with administering(ctx, "users.manage") as held:
        approval = await _waiting(held, which.user_id)
        await approvals.decline(held.tx, held.id, which.user_id, held.now)
        await held.tx.emit(MemberDeclined(org_id=held.id, approval=approval.state()))


async def _waiting(held: Held, user_id: str) -> Approval:
    approval = await approvals.waiting(held.tx, held.id, user_id)
    if approval is None:
        raise Problem("not_found")
    return approval


async def _why_not(held: Held, told: SsoUserArrived) -> Reason | None:
    if told.new_users == "refused":
        return None
    if not held.plan.entitlements.single_sign_on:
        return "plan"
    if told.new_users == "approval":
        return "approval"
    awaited = await scim_invitations.find(held.tx, held.id, told.user_id)
    if awaited is not None and not awaited.wanted:
        return "removed"
    if await approvals.was_removed(held.tx, held.id, told.user_id):
        return "removed"
    kind = rules.kind_of(told.default_role)
    limit = held.plan.limit(kind)
    free = limit is None or (await members.slots_used(held.tx, held.id, held.now))[kind] < limit
    return None if free else "slots"


async def _still_fits(held: Held, role: Role) -> bool:
    """An invitation has held a slot since it was sent; only a smaller plan since then can have taken it back."""
    kind = rules.kind_of(role)
    limit = held.plan.limit(kind)
    return limit is None or await members.members_of_kind(held.tx, held.id, kind) < limit


async def _ask(held: Held, told: SsoUserArrived, reason: Reason) -> None:
    approval = Approval(
        user_id=told.user_id,
        email=told.email,
        name=told.name,
        role=told.default_role,
        group_ids=tuple(told.group_ids),
        connection_id=told.connection_id,
        reason=reason,
        requested_at=held.now,
    )
    if not await approvals.ask(held.tx, held.id, approval):
        return
    await held.tx.emit(MemberApprovalRequested(org_id=held.id, approval=approval.state()))
    await tell_admins(held.tx, held.facts, "sso_approval_requested", person=told.name, email=told.email)


async def _join(held: Held, person: Person, role: Role, group_ids: Sequence[str]) -> ApprovedMember:
    """A member with this role, in those of the groups that are there and that the plan lets grow."""
    member = await members.join(held.tx, held.id, person, role, held.by, held.now)
    known = (await groups.some(held.tx, held.id, list(group_ids))).values()
    joined = [group for group in known if group.kind == "custom" and held.plan.entitlements.custom_groups]
    ids = [group.group_id for group in joined]
    await groups.put_in(held.tx, held.id, ids, person.user_id, held.by, held.now)
    await approvals.end(held.tx, held.id, person.user_id)
    await held.look_again()
    await held.tx.emit(MemberJoined(org_id=held.id, member=held.state(member)))
    for group in joined:
        await held.tx.emit(GroupMemberAdded(org_id=held.id, group=group.state(), user_id=person.user_id))
    await settle(held, person.user_id)
    return ApprovedMember(
        user_id=person.user_id, role=member.role, effective_role=held.overlay.effective_role(member), group_ids=ids
    )
