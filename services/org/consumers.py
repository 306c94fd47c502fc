"""What org hears: persons from identity, entitlements from billing."""

from __future__ import annotations

import structlog

from services.org import rules
from services.org.rules.digests import next_at
from services.org.store import approvals, digests, groups, members, organizations, scim_invitations
from services.org.store.organizations import Person
from services.org.usecases.domains import register_first, tell_plan_change
from services.org.usecases.erasing import note_confirmation as note_confirmation
from services.org.usecases.holding import Held, holding
from services.org.usecases.leaving import take_out
from services.org.usecases.legal import record_sign_up
from services.org.usecases.presets import preset_of
from shared.db import Tx
from shared.events import org as said
from shared.events.billing import EntitlementsChanged
from shared.events.identity import (
    SessionChanged,
    SessionStarted,
    Signup,
    TwoFactorEnabled,
    TwoFactorRemoved,
    UserClosed,
    UserEmailChanged,
    UserNameChanged,
    UserRegistered,
)
from shared.fields import canonical_email, domain_of
from shared.ids import new_id
from shared.service import Ctx

log = structlog.get_logger()


async def know_person(ctx: Ctx, told: UserRegistered) -> None:
    """Keeps who the person is; when they signed up for an organization, it exists from now on."""
    async with ctx.tx() as tx:
        person = Person(told.user_id, told.person.email, told.person.name)
        await organizations.keep_person(tx, person.user_id, person.email, person.name)
        await _follow_everywhere(ctx, tx, person)
    if told.signup is not None:
        await _found_organization(ctx, person, told.signup)


async def rename_person(ctx: Ctx, told: UserNameChanged) -> None:
    """The person goes by their new name in each of their organizations."""
    async with ctx.tx() as tx:
        await organizations.keep_person(tx, told.user_id, told.person.email, told.person.name)
        await _follow_everywhere(ctx, tx, Person(told.user_id, told.person.email, told.person.name))


async def readdress_person(ctx: Ctx, told: UserEmailChanged) -> None:
    """The person has their new address in each of their organizations."""
    async with ctx.tx() as tx:
        await organizations.keep_person(tx, told.user_id, told.person.email, told.person.name)
        await _follow_everywhere(ctx, tx, Person(told.user_id, told.person.email, told.person.name))


async def note_activity(ctx: Ctx, told: SessionStarted | SessionChanged) -> None:
    """The person was here. The organization is held first, as by everybody who touches a member."""
    if told.org_id is not None:
        async with ctx.tx(told.org_id) as tx:
            if await organizations.lock(tx, told.org_id) is not None:
                await members.note_activity(tx, told.org_id, told.user_id, ctx.cause.time if ctx.cause else ctx.now)


async def keep_two_factor(ctx: Ctx, told: TwoFactorEnabled | TwoFactorRemoved) -> None:
    """Whether the person has a second factor, for each of their organizations to look for."""
    has_one = bool(told.factors)
    async with ctx.tx() as tx:
        await organizations.keep_two_factor(tx, told.user_id, has_one)
        for org_id in await organizations.organizations_of(tx, told.user_id):
            if await organizations.lock(tx, org_id) is not None:
                await members.keep_two_factor(tx, org_id, told.user_id, has_one)


async def let_person_go(ctx: Ctx, told: UserClosed) -> None:
    """The person is no longer a member anywhere.

    They left all their organizations before identity closed the account, so this only finds what they joined in between. A last Admin
    stays on the books, because an organization keeps one at every commit, and an operator is told.
    """
    async with ctx.tx() as tx:
        await organizations.forget_person(tx, told.user_id)
        await approvals.forget_person(tx, told.user_id)
        await scim_invitations.forget_person(tx, told.user_id)
        for org_id in await organizations.organizations_of(tx, told.user_id):
            async with holding(ctx, tx, org_id) as held:
                if not await take_out(held, told.user_id, None):
                    log.error(
                        "the account of an organization's last admin was closed", org_id=org_id, user_id=told.user_id
                    )


async def apply_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """What the organization may set up from now on. Nothing is rewritten: groups and slots follow when they are looked at."""
    at = ctx.cause.time if ctx.cause else ctx.now
    async with ctx.tx(told.org_id) as tx:
        if await organizations.find(tx, told.org_id) is None:
            plan = (await organizations.plan(tx, told.org_id)).followed_by(told.entitlements, at)
            await organizations.keep_plan(tx, told.org_id, plan)
            return
        async with holding(ctx, tx, told.org_id) as held:
            before = held.plan
            if await organizations.keep_plan(tx, held.id, before.followed_by(told.entitlements, at)):
                await held.look_again()
                await _tell_groups(held, before)
                await tell_plan_change(held, before)


async def _tell_groups(held: Held, before: rules.Plan) -> None:
    had, has = before.entitlements.custom_groups, held.plan.entitlements.custom_groups
    group_ids = [group.group_id for group in await groups.custom(held.tx, held.id)] if had != has else []
    if not group_ids:
        return
    plan = held.plan.entitlements.plan
    if has:
        await held.tx.emit(said.GroupsResumed(org_id=held.id, group_ids=group_ids, plan=plan))
    else:
        since = held.plan.groups_lost_at or held.now
        await held.tx.emit(
            said.GroupsSuspended(org_id=held.id, group_ids=group_ids, cause="plan", plan=plan, suspended_at=since)
        )


async def _found_organization(ctx: Ctx, person: Person, signup: Signup) -> None:
    org_id = new_id("org")
    preset = preset_of(signup.country) if signup.country else None
    state = said.Organization(
        name=signup.company,
        location=signup.location,
        contact_email=person.email,
        product_mails=signup.product_mails,
        **(preset.model_dump(exclude={"name"}, exclude_none=True) if preset else {}),
    )
    async with ctx.tx(org_id) as tx:
        await organizations.add(tx, org_id, state, person.user_id, ctx.now)
        await tx.emit(said.OrganizationCreated(org_id=org_id, organization=state, created_by=person.user_id))
        await digests.schedule(tx, org_id, next_at(ctx.now, state.time_zone))
        await register_first(ctx, tx, org_id, domain_of(person.email))
        for kind, (name, description) in rules.BUILT_IN_GROUPS.items():
            group = await groups.add(tx, org_id, new_id("grp"), kind, name, description, None, ctx.now)
            await tx.emit(said.GroupCreated(org_id=org_id, group=group.state()))
        first = await members.join(tx, org_id, person, "admin", person.user_id, ctx.now)
        await tx.emit(said.MemberJoined(org_id=org_id, member=rules.Overlay(rules.Plan()).state(first)))
        if signup.terms_accepted:
            await record_sign_up(ctx, tx, org_id, signup.company, person, signup.source_ip)


async def _follow_everywhere(ctx: Ctx, tx: Tx, person: Person) -> None:
    for org_id in await organizations.organizations_of(tx, person.user_id):
        async with holding(ctx, tx, org_id) as held:
            member = await members.find(tx, org_id, person.user_id)
            if member is not None and member.name != person.name:
                member = await members.rename(tx, org_id, person.user_id, person.name, ctx.now)
                await tx.emit(said.MemberRenamed(org_id=org_id, member=held.state(member)))
            if member is not None and canonical_email(member.email) != canonical_email(person.email):
                moved = await members.set_email(tx, org_id, person.user_id, person.email, ctx.now)
                told = said.MemberEmailChanged(org_id=org_id, member=held.state(moved), previous_email=member.email)
                await tx.emit(told)
