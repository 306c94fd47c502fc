"""Provisioning as Admins see it: what new users become, removals that wait for a decision, a dry run, and groups let go of."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from scim2_models import Context

from services.org import rules
from services.org.rules import scim
from services.org.rules.domains import is_registered
from services.org.store import domains, groups, members, organizations
from services.org.store import scim as store
from services.org.store.scim import Settings
from services.org.usecases.groups import OneGroup, WhichGroup, one_view
from services.org.usecases.holding import administering
from services.org.usecases.scim_facts import facts_of
from services.org.usecases.scim_removals import carry_out
from shared.db import Read
from shared.errors import Problem
from shared.events.org import GroupHandedOver, ProvisioningChanged, RemovalsDecided
from shared.fields import Message, Nothing, Versioned, View, canonical_email
from shared.ids import UserId
from shared.service import Ctx

MOST_ROWS = 1000
OUTCOMES = ("created", "invited", "matched", "unchanged", "refused")
Outcome = Literal["created", "invited", "matched", "unchanged", "refused"]
UNSEEN_SHOWN = 200


class Provisioning(Versioned):
    """`removals_per_hour`: beyond so many deactivations and removals within an hour, an identity provider's are held for an Admin."""

    default_role: Literal["analyst", "viewer"]
    removals_per_hour: int
    removals_held: int


class ChangeProvisioning(Message):
    """A merge patch: what isn't named stays as it is."""

    default_role: Literal["analyst", "viewer"] = Field(default_factory=lambda: "viewer")
    removals_per_hour: Annotated[int, Field(ge=0, le=100_000)] = Field(default_factory=int)


class HeldRemoval(View):
    user_id: str
    name: str
    email: str
    role: rules.Role
    kind: Literal["deactivation", "deletion"]
    asked_at: datetime


class HeldRemovals(View):
    data: list[HeldRemoval]


class DecideRemovals(Message):
    """`approve` carries out what the identity provider asked for; otherwise these users stay, and are active again to it."""

    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=MOST_ROWS)]
    approve: bool


class Decided(View):
    """`refused` are those for whom it can't be carried out, as the last Admin."""

    done: list[str]
    refused: list[str]


class PreviewProvisioning(Message):
    """Users as the identity provider would send them: SCIM documents, as in its export or its own preview."""

    users: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ROWS)]


class PreviewedUser(View):
    """`changes` are those of a user who is matched; `problem` says why one would be refused, and so does `because`, as a code. `invited`: they have an account of their own, and join when they accept."""

    row: int
    user_name: str | None
    outcome: Outcome
    user_id: str | None
    changes: list[str]
    problem: str | None
    because: Literal["invalid", "twice", "address_known", "domain_not_proven", "slots_exhausted"] | None


class Unmentioned(View):
    user_id: str
    name: str
    email: str


class ProvisioningPreview(View):
    """Members whom the list doesn't name stay as they are; the first 200 of them by name."""

    created: int
    invited: int
    matched: int
    unchanged: int
    refused: int
    rows: list[PreviewedUser]
    unmentioned_count: int
    unmentioned: list[Unmentioned]


async def read_provisioning(ctx: Ctx, _: Nothing) -> Provisioning:
    """What users become whom the identity provider creates, and how many it may remove within an hour."""
    async with ctx.read() as read:
        return await _view(read, ctx.actor.org())


async def change_provisioning(ctx: Ctx, wanted: ChangeProvisioning) -> Provisioning:
    """Changes the role of new users, or how many may be removed within an hour. An identity provider never makes Admins."""
    async with administering(ctx, "provisioning.manage") as held:
        known = await store.settings(held.tx, held.id)
        ctx.check_version(known.version, known.changed_by, known.changed_at)
        now = {"default_role": known.default_role, "removals_per_hour": known.removals_per_hour}
        asked = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        if now | asked != now:
            new = Settings(**(now | asked), version=known.version + 1, changed_by=held.by_person, changed_at=held.now)
            await store.set_up(held.tx, held.id, new)
            told = ProvisioningChanged(
                org_id=held.id, default_role=new.default_role, removals_per_hour=new.removals_per_hour
            )
            await held.tx.emit(told)
        return await _view(held.tx, held.id)


async def list_held_removals(ctx: Ctx, _: Nothing) -> HeldRemovals:
    """The users whom the identity provider wants out, and who keep their access until an Admin decides."""
    async with ctx.read() as read:
        found = await store.held(read, ctx.actor.org())
    return HeldRemovals(
        data=[
            HeldRemoval(
                user_id=member.user_id,
                name=member.name,
                email=member.email,
                role=member.role,
                kind=kind,
                asked_at=asked_at,
            )
            for member, kind, asked_at in found
        ]
    )


async def decide_removals(ctx: Ctx, wanted: DecideRemovals) -> Decided:
    """Approves or rejects removals that are held. Those that aren't held, or no longer, are left out of the answer."""
    done: list[str] = []
    refused: list[str] = []
    async with administering(ctx, "provisioning.manage") as held:
        for member, kind, _ in await store.held(held.tx, held.id, wanted.user_ids):
            if not wanted.approve:
                await store.let_go(held.tx, held.id, [member.user_id])
            else:
                try:
                    await held.check_keeps_an_admin(member)
                except Problem:
                    refused.append(member.user_id)
                    continue
                await carry_out(held, member, kind)
            done.append(member.user_id)
        if done:
            decision: Literal["approved", "rejected"] = "approved" if wanted.approve else "rejected"
            await held.tx.emit(RemovalsDecided(org_id=held.id, user_ids=done, decision=decision))
    return Decided(done=done, refused=refused)


async def preview_provisioning(ctx: Ctx, wanted: PreviewProvisioning) -> ProvisioningPreview:
    """A dry run: who would be created, invited, matched, changed or refused if the identity provider sent these users now. Nothing is kept."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        plan = await organizations.plan(read, org_id)
        proven = {one.name for one in await domains.every(read, org_id) if one.proven and is_registered(one, plan)}
    holders = await _holders(ctx, wanted.users, proven)
    async with ctx.read() as read:
        kind = rules.kind_of((await store.settings(read, org_id)).default_role)
        used, limit = (await members.slots_used(read, org_id, ctx.now))[kind], plan.limit(kind)
        rows: list[PreviewedUser] = []
        seen: set[str] = set()
        for place, document in enumerate(wanted.users):
            is_full = limit is not None and used >= limit
            row = await _foreseen(read, org_id, place, document, proven, holders, seen, is_full)
            used += row.outcome in ("created", "invited")
            rows.append(row)
        named = {row.user_id for row in rows if row.user_id}
        everybody = await members.listed(read, org_id, members.Wanted(), None, MOST_ROWS + UNSEEN_SHOWN)
        total = await members.counted(read, org_id, members.Wanted(), rules.MOST_MEMBERS)
    rest = [member for member in everybody if member.user_id not in named]
    counts = {outcome: sum(row.outcome == outcome for row in rows) for outcome in OUTCOMES}
    active = sum(member.user_id in named for member in everybody)
    return ProvisioningPreview(
        **counts,
        rows=rows,
        unmentioned_count=total - active,
        unmentioned=[Unmentioned(user_id=m.user_id, name=m.name, email=m.email) for m in rest[:UNSEEN_SHOWN]],
    )


async def detach_group(ctx: Ctx, which: WhichGroup) -> OneGroup:
    """Lets go of a group that the identity provider manages: from now on it is kept by hand, and the provider doesn't see it any more."""
    async with administering(ctx, "groups.edit") as held:
        group = await groups.one(held.tx, held.id, which.group_id)
        ctx.check_version(group.version, group.changed_by, group.changed_at)
        if group.origin != "scim":
            raise Problem("conflict", "This group is kept by hand already.", meta={"because": "by_hand"})
        await store.own_group(held.tx, held.id, group.group_id, "hand", None)
        await held.tx.emit(GroupHandedOver(org_id=held.id, group=group.state(), managed_by="hand"))
        after = await groups.one(held.tx, held.id, which.group_id)
        return await one_view(held.tx, held.id, held.overlay, after)


async def _holders(ctx: Ctx, users: list[dict[str, Any]], proven: set[str]) -> set[str]:
    """The addresses in proven domains whose account is its person's own: they are asked before they join."""
    emails: set[str] = set()
    for document in users:
        with contextlib.suppress(Problem):
            facts = facts_of(scim.read(scim.ProvisionedUser, document, Context.RESOURCE_CREATION_REQUEST))
            emails.add(canonical_email(facts.email))
    asked = {"org_id": ctx.actor.org(), "emails": sorted(one for one in emails if one.rpartition("@")[2] in proven)}
    answer = await ctx.env.internal.call("identity", "POST", "/internal/accounts-held", body=asked)
    return set(answer["emails"])


async def _foreseen(
    read: Read,
    org_id: str,
    place: int,
    document: dict[str, Any],
    proven: set[str],
    holders: set[str],
    seen: set[str],
    full: bool,
) -> PreviewedUser:
    """What would become of one user. `seen` grows with the names that were used up."""

    def row(
        outcome: Any,
        problem: str | None = None,
        user_id: str | None = None,
        changes: list[str] | None = None,
        because: Any = None,
    ) -> PreviewedUser:
        name = document.get("userName")
        return PreviewedUser(
            row=place,
            user_name=name if isinstance(name, str) else None,
            outcome=outcome,
            user_id=user_id,
            changes=changes or [],
            problem=problem,
            because=because,
        )

    try:
        facts = facts_of(scim.read(scim.ProvisionedUser, document, Context.RESOURCE_CREATION_REQUEST))
    except Problem as why:
        return row("refused", why.detail, because="invalid")
    key, email_key = rules.key_of(facts.user_name), canonical_email(facts.email)
    if key in seen:
        return row("refused", "This userName is here twice.", because="twice")
    seen.add(key)
    linked = await store.look_up(read, org_id, "username", facts.user_name)
    if linked is not None:
        member = linked.member
        changes = ["name"] if facts.name != member.name else []
        differs = facts.active is not None and facts.active != linked.active
        changes += ["active"] if differs and not (linked.awaited and facts.active) else []
        changes += ["link"] if linked.resource is None else []
        return row("matched" if changes else "unchanged", None, member.user_id, changes)
    if await members.known_addresses(read, org_id, [email_key]):
        return row(
            "refused", f"A user has the address {facts.email} already, under another userName.", because="address_known"
        )
    if (domain := email_key.rpartition("@")[2]) not in proven:
        words = f"{domain} isn't a domain that this organization has proven."
        return row("refused", words, because="domain_not_proven")
    if full and facts.active is not False:
        words = "All slots of the role that new users get are taken."
        return row("refused", words, because="slots_exhausted")
    return row("invited" if email_key in holders and facts.active is not False else "created")


async def _view(read: Read, org_id: str) -> Provisioning:
    settings = await store.settings(read, org_id)
    return Provisioning(
        version=settings.version,
        default_role=settings.default_role,
        removals_per_hour=settings.removals_per_hour,
        removals_held=len(await store.held(read, org_id)),
    )
