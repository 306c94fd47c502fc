"""What sharing does when org and billing speak: it keeps what they said. The two arrive in any order to each other."""

from __future__ import annotations

from datetime import datetime

from services.sharing.store import closing
from services.sharing.store import heard as store
from services.sharing.store.access import standing
from services.sharing.usecases.embed_secrets import create_secret
from shared.events.billing import EntitlementsChanged
from shared.events.org import (
    GroupChanged,
    GroupCreated,
    GroupDeleted,
    GroupMemberAdded,
    GroupMemberRemoved,
    GroupRestored,
    MemberDeactivated,
    MemberEmailChanged,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
    MemberRenamed,
    MemberRoleChanged,
    MemberSlotResumed,
    MemberSlotSuspended,
    OrganizationChanged,
    OrganizationClosed,
    OrganizationCreated,
    OrganizationReopened,
)
from shared.events.sharing import LinksResumed, LinksSuspended
from shared.service import Ctx

MemberTold = (
    MemberJoined
    | MemberRoleChanged
    | MemberRenamed
    | MemberEmailChanged
    | MemberSlotSuspended
    | MemberSlotResumed
    | MemberDeactivated
    | MemberReactivated
)


async def welcome_organization(ctx: Ctx, told: OrganizationCreated) -> None:
    """A new organization: its name, and its first embed secret."""
    async with ctx.tx() as tx:
        await store.keep_organization(tx, told.org_id, told.organization.name)
        await create_secret(ctx, tx, told.org_id, first=True)


async def keep_organization(ctx: Ctx, told: OrganizationChanged) -> None:
    async with ctx.tx() as tx:
        await store.keep_organization(tx, told.org_id, told.organization.name)


async def close_organization(ctx: Ctx, told: OrganizationClosed) -> None:
    """From now on its links open nothing."""
    async with ctx.tx() as tx:
        await closing.set_closed(tx, told.org_id, closed=True)


async def reopen_organization(ctx: Ctx, told: OrganizationReopened) -> None:
    """Its links open what they opened."""
    async with ctx.tx() as tx:
        await closing.set_closed(tx, told.org_id, closed=False)


async def keep_member(ctx: Ctx, told: MemberTold) -> None:
    """A member's state, whatever changed it."""
    async with ctx.tx() as tx:
        await store.keep_member(tx, told.org_id, told.member, *_cause(ctx))


async def let_member_go(ctx: Ctx, told: MemberRemoved) -> None:
    """A removed member is in no group any more; what they own stays, and an Admin may hand it over."""
    async with ctx.tx() as tx:
        await store.keep_member(tx, told.org_id, told.member, *_cause(ctx))
        await store.leave_every_group(tx, told.org_id, told.member.user_id, *_cause(ctx))


async def keep_group(ctx: Ctx, told: GroupCreated | GroupChanged) -> None:
    async with ctx.tx() as tx:
        await store.keep_group(tx, told.org_id, told.group, _cause(ctx)[1])


async def delete_group(ctx: Ctx, told: GroupDeleted) -> None:
    """A deleted group grants nothing; no dashboard needs to be touched for that."""
    async with ctx.tx() as tx:
        await store.delete_group(tx, told.org_id, told.group, *_cause(ctx))


async def restore_group(ctx: Ctx, told: GroupRestored) -> None:
    """A group that is back grants what it granted, to those who are in it now."""
    async with ctx.tx() as tx:
        await store.restore_group(tx, told.org_id, told.group, told.user_ids, *_cause(ctx))


async def add_to_group(ctx: Ctx, told: GroupMemberAdded) -> None:
    async with ctx.tx() as tx:
        await store.keep_group_member(tx, told.org_id, told.group.group_id, told.user_id, *_cause(ctx), present=True)


async def take_from_group(ctx: Ctx, told: GroupMemberRemoved) -> None:
    async with ctx.tx() as tx:
        await store.keep_group_member(tx, told.org_id, told.group.group_id, told.user_id, *_cause(ctx), present=False)


async def keep_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """What the plan includes, in one row: everything that it suspends or restores follows at the next question."""
    async with ctx.tx() as tx:
        _, before = await standing(tx, told.org_id, "")
        had_links = before is not None and before.sharing_links
        is_newest = await store.keep_entitlements(tx, told.org_id, told.entitlements, *_cause(ctx))
        if is_newest and before is not None and told.entitlements.sharing_links != had_links:
            kind = LinksResumed if told.entitlements.sharing_links else LinksSuspended
            await tx.emit(kind(org_id=told.org_id, cause="plan"))


def _cause(ctx: Ctx) -> tuple[str, datetime]:
    """The event being heard: it stands behind every fact that it changes."""
    assert ctx.cause is not None
    return ctx.cause.id, ctx.cause.time
