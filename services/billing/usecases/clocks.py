"""Test organizations: an operator moves their time in billing ahead, and everything happens that time alone does, day by day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from services.billing import store
from services.billing.store import clocks, invoices
from services.billing.usecases.dunning import fall_past_due, remind_or_end
from services.billing.usecases.time import catch_up, release_overrides
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem
from shared.events.billing import TestClockAdvanced, TestClockStarted
from shared.fields import Message, Name, Nothing, View
from shared.ids import OrgId
from shared.service import Ctx

DAY = timedelta(days=1)


class WantedClock(Message):
    org_id: OrgId
    by: Name


class WantedAdvance(Message):
    org_id: OrgId
    seconds: Annotated[int, Field(gt=0, le=400 * 24 * 3600)]
    by: Name


class TestClock(View):
    """What time it is for the organization, and where its subscription stands then."""

    org_id: OrgId
    now: datetime
    plan: str
    status: str


class TestClocks(View):
    data: tuple[TestClock, ...]


async def list_test_clocks(ctx: Ctx, _: Nothing) -> TestClocks:
    """All test organizations and their time."""
    async with ctx.read(EVERY_ORG) as read:
        names = await clocks.every(read)
        found = [await _clock(ctx, read, name, await clocks.ahead(read, name) or timedelta()) for name in names]
    return TestClocks(data=found)


async def start_test_clock(ctx: Ctx, wanted: WantedClock) -> TestClock:
    """Makes a test organization, for good: its invoices are numbered apart and never collected. Refused once there is an invoice."""
    async with ctx.tx(wanted.org_id) as tx:
        if await store.lock_subscription(tx, wanted.org_id) is None:
            raise Problem("not_found", "Billing knows no such organization.")
        if await invoices.count(tx, wanted.org_id):
            raise Problem("conflict", "There are invoices: this organization's time is everybody's.")
        if await clocks.start(tx, wanted.org_id, wanted.by, ctx.now):
            await tx.emit(TestClockStarted(org_id=wanted.org_id, started_by=wanted.by))
        return await _clock(ctx, tx, wanted.org_id, await clocks.ahead(tx, wanted.org_id) or timedelta())


async def advance_test_clock(ctx: Ctx, wanted: WantedAdvance) -> TestClock:
    """Moves a test organization's time ahead, and does on each day what is due then."""
    async with ctx.tx(wanted.org_id) as tx:
        ahead = await clocks.lock(tx, wanted.org_id)
        if ahead is None:
            raise Problem("not_found", "This is no test organization.", remedy=["tenantry clock start ORG"])
        left = timedelta(seconds=wanted.seconds)
        while left:
            step = min(left, DAY)
            ahead, left = ahead + step, left - step
            ctx.now = ctx.env.clock.now() + ahead
            await _live(ctx, tx, wanted.org_id)
        await clocks.move(tx, wanted.org_id, ahead)
        await tx.emit(TestClockAdvanced(org_id=wanted.org_id, now=ctx.now, advanced_by=wanted.by))
        return await _clock(ctx, tx, wanted.org_id, ahead)


async def _live(ctx: Ctx, tx: Tx, org_id: str) -> None:
    subscription = await store.lock_subscription(tx, org_id)
    if subscription is not None:
        await catch_up(ctx, tx, subscription)
    await release_overrides(ctx, tx, org_id)
    await fall_past_due(ctx, tx, org_id)
    await remind_or_end(ctx, tx, org_id)


async def _clock(ctx: Ctx, read: Read, org_id: str, ahead: timedelta) -> TestClock:
    subscription = await store.subscription(read, org_id)
    if subscription is None:
        raise Problem("not_found", "Billing knows no such organization.")
    return TestClock(org_id=org_id, now=ctx.env.clock.now() + ahead, plan=subscription.plan, status=subscription.status)
