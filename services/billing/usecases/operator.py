"""What an operator does to the catalogue: looking at another one, applying it, moving organizations to it, and agreeing exceptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from services.billing import rules, store
from services.billing.catalogue import Catalogue, PlanEntitlements, differences, faults_of
from services.billing.usecases.offer import on_offer
from services.billing.usecases.own_time import keep_own_time
from services.billing.usecases.subscription import grant, save, told
from services.billing.usecases.time import catch_up, for_each
from shared.db import EVERY_ORG, Tx
from shared.errors import FieldError, Problem, invalid
from shared.events.billing import CatalogueApplied, EntitlementsChanged, OverrideGranted, SubscriptionMoved
from shared.fields import Message, Moment, Money, Name, Nothing, View
from shared.ids import OrgId
from shared.service import Ctx

AT_ONCE = 100


class ProposedCatalogue(Message):
    """`content` is what the file says. Nothing is changed without `apply`."""

    content: dict[str, Any]
    apply: bool = False
    by: Name


class CatalogueVerdict(View):
    version: int
    previous_version: int
    differences: tuple[str, ...]
    applied: bool


class PlanUse(View):
    catalogue_version: int
    plan: str
    subscriptions: int


class CatalogueInUse(View):
    version: int
    content: dict[str, Any]
    used: tuple[PlanUse, ...]


class WantedMove(Message):
    """Organizations on older versions, all or one, in the order of their ids after `after`. Nothing is changed without `move`."""

    org_id: OrgId | None = None
    after: str = ""
    move: bool = False
    by: Name


class Move(View):
    """`because` says why an organization stays where it is; `changes` what it would set up differently."""

    org_id: str
    from_version: int
    plan: str
    changes: tuple[str, ...]
    because: str | None


class Moves(View):
    version: int
    moves: tuple[Move, ...]
    last: str | None


class WantedOverride(Message):
    """In place of what the plan says, until a moment."""

    org_id: OrgId
    entitlement: Annotated[str, Field(max_length=40)]
    value: bool | int | str
    until: Moment
    reason: Name
    by: Name


class Override(View):
    entitlement: str
    value: bool | int | str | None
    until: datetime
    entitlements_version: int


async def read_catalogue_in_use(ctx: Ctx, _: Nothing) -> CatalogueInUse:
    """The catalogue on offer, and how many subscriptions are on each plan of each version."""
    async with ctx.read(EVERY_ORG) as read:
        catalogue = await on_offer(ctx, read)
        used = await store.plans_in_use(read)
    return CatalogueInUse(
        version=catalogue.version,
        content=catalogue.content,
        used=[
            PlanUse(catalogue_version=row["catalogue_version"], plan=row["plan"], subscriptions=row["how_many"])
            for row in used
        ],
    )


async def propose_catalogue(ctx: Ctx, proposed: ProposedCatalogue) -> CatalogueVerdict:
    """Checks a catalogue whole, says what it changes, and puts it on offer when that is wanted."""
    catalogue = _valid(proposed.content)
    async with ctx.tx(EVERY_ORG) as tx:
        old = await on_offer(ctx, tx)
        found = differences(old, catalogue)
        if catalogue.version == old.version and not found:
            return CatalogueVerdict(version=old.version, previous_version=old.version, differences=[], applied=False)
        if catalogue.version != old.version + 1:
            raise invalid("/content/version", "version", f"{old.version} is on offer: write version {old.version + 1}.")
        if proposed.apply:
            await _apply(ctx, tx, old, catalogue, found, proposed.by)
    return CatalogueVerdict(
        version=catalogue.version, previous_version=old.version, differences=found, applied=proposed.apply
    )


async def _apply(ctx: Ctx, tx: Tx, old: Catalogue, new: Catalogue, found: list[str], by: str) -> None:
    if not await store.apply_catalogue(tx, new.version, new.digest, new.content, by, ctx.now):
        raise Problem("conflict", f"Version {new.version} was applied meanwhile.")
    await tx.emit(CatalogueApplied(version=new.version, previous_version=old.version, differences=found, applied_by=by))


def _valid(content: dict[str, Any]) -> Catalogue:
    try:
        return Catalogue.model_validate(content)
    except ValidationError as wrong:
        faults = [
            FieldError(f"/content/{place.replace('.', '/')}", "invalid", what) for place, what in faults_of(wrong)
        ]
        raise Problem("invalid", "The catalogue isn't valid.", errors=faults) from None


async def move_subscriptions(ctx: Ctx, wanted: WantedMove) -> Moves:
    """Moves subscriptions to the newest version: what they include changes now, what they cost from the next period on."""
    async with ctx.read(EVERY_ORG) as read:
        catalogue = await on_offer(ctx, read)
        organizations = await store.on_older_catalogue(
            read, catalogue.version, wanted.org_id or "", wanted.after, AT_ONCE
        )
    failed = "it failed; billing's log says why"
    moves: dict[str, Move | None] = {
        org_id: Move(org_id=org_id, from_version=0, plan="?", changes=[], because=failed) for org_id in organizations
    }

    async def move(own: Ctx, tx: Tx, org_id: str) -> None:
        moves[org_id] = await _move(own, tx, org_id, catalogue, wanted)

    await for_each(ctx, organizations, move)
    return Moves(
        version=catalogue.version,
        moves=[one for one in moves.values() if one is not None],
        last=organizations[-1] if organizations else None,
    )


async def _move(ctx: Ctx, tx: Tx, org_id: str, catalogue: Catalogue, wanted: WantedMove) -> Move | None:
    before = await store.lock_subscription(tx, org_id)
    if before is not None and wanted.move:
        before = await catch_up(ctx, tx, before)
    held = await store.entitlements(tx, org_id)
    if before is None or held is None or before.catalogue_version >= catalogue.version:
        return None
    because = _why_not(before, catalogue)
    changes: list[str] = []
    if because is None:
        plan = catalogue.plan(before.plan)
        new = plan.entitlements.model_dump()
        old = held.model_dump()
        changes = [f"{name}: {old[name]} → {value}" for name, value in new.items() if old[name] != value]
        if wanted.move:
            await _moved(ctx, tx, before, catalogue, wanted.by)
    return Move(
        org_id=org_id, from_version=before.catalogue_version, plan=before.plan, changes=changes, because=because
    )


def _why_not(subscription: rules.Subscription, catalogue: Catalogue) -> str | None:
    plan = catalogue.by_id.get(subscription.plan)
    if plan is None:
        return "its plan isn't on offer any more"
    if not plan.sold_in(subscription.currency):
        return f"its plan isn't sold in {subscription.currency} any more"
    if (plan.prices is None) != (subscription.price is None):
        return "its plan is by contract on one side only"
    return None


async def _moved(ctx: Ctx, tx: Tx, before: rules.Subscription, catalogue: Catalogue, by: str) -> None:
    held = await store.entitlements(tx, before.org_id)
    after = await save(ctx, tx, rules.moved_to(before, catalogue.version))
    price = catalogue.plan(after.plan).price(after.interval, after.currency)
    await tx.emit(
        SubscriptionMoved(
            org_id=after.org_id,
            subscription=told(after),
            catalogue_version=after.catalogue_version,
            previous_catalogue_version=before.catalogue_version,
            next_price=None if price is None else Money(amount_minor=price, currency=after.currency),
            moved_by=by,
        )
    )
    granted = await grant(ctx, tx, after)
    if held is None or granted.model_copy(update={"version": held.version}) != held:
        await tx.emit(EntitlementsChanged(org_id=after.org_id, entitlements=granted))


async def override_entitlement(ctx: Ctx, wanted: WantedOverride) -> Override:
    """Agrees something with one organization alone, until a moment; what was agreed before on the same is replaced."""
    value = _value_of(wanted.entitlement, wanted.value)
    async with ctx.tx(wanted.org_id) as tx:
        await keep_own_time(ctx, tx, wanted.org_id)
        if wanted.until <= ctx.now:
            raise invalid("/until", "past", "That moment has passed already.")
        subscription = await store.lock_subscription(tx, wanted.org_id)
        if subscription is None:
            raise Problem("not_found", "Billing knows no such organization.")
        await store.override(
            tx,
            wanted.org_id,
            wanted.entitlement,
            value,
            until=wanted.until,
            reason=wanted.reason,
            by=wanted.by,
            now=ctx.now,
        )
        await tx.emit(
            OverrideGranted(
                org_id=wanted.org_id,
                entitlement=wanted.entitlement,
                value=value,
                until=wanted.until,
                reason=wanted.reason,
                granted_by=wanted.by,
            )
        )
        granted = await grant(ctx, tx, subscription)
        await tx.emit(EntitlementsChanged(org_id=wanted.org_id, entitlements=granted))
    return Override(
        entitlement=wanted.entitlement, value=value, until=wanted.until, entitlements_version=granted.version
    )


def _value_of(name: str, value: bool | int | str) -> bool | int | str | None:
    """The value as the plan's own field would have it."""
    if name not in PlanEntitlements.model_fields:
        known = ", ".join(PlanEntitlements.model_fields)
        raise invalid("/entitlement", "unknown_entitlement", f"The entitlements are {known}.")
    try:
        PlanEntitlements.model_validate({name: value})
    except ValidationError as wrong:
        faults = [what for place, what in faults_of(wrong) if place == name]
        if faults:
            raise invalid("/value", "value", faults[0]) from None
    return None if value == "unlimited" else value
