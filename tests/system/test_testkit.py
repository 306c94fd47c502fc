"""The kit with which a subscriber is tested: the guide's example, in memory, on a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.events import audit, billing, courier, identity, org, sharing
from shared.events.billing import PlanChanged
from shared.events.org import MemberJoined
from shared.ids import new_id
from shared.service import Ctx
from shared.subscriber import Subscriber
from shared.testkit import NotApplied, deliver, sample
from tests.system.subscribing import EXAMPLE, GUIDE, Reports, reports_database
from tests.world import Databases


@pytest.fixture
async def reports(databases: Databases) -> AsyncIterator[Reports]:
    async with reports_database(databases) as reports:
        yield reports


@pytest.fixture
def sub(reports: Reports) -> Subscriber:
    """What the guide's example does."""
    sub = Subscriber("memory://", service="reports", database=reports.dsn)

    @sub.on(PlanChanged)
    async def freeze_reports(ctx: Ctx, told: PlanChanged) -> None:
        async with ctx.tx() as tx:
            free = told.entitlements.plan == "free"
            await tx.run("update reports set frozen = $2 where org_id = $1", told.org_id, free)

    return sub


def test_every_event_has_a_sample() -> None:
    for module in (identity, org, sharing, billing, audit, courier):
        for event in module.PUBLISHED:
            made = sample(event)
            assert event.model_validate(made.model_dump()) == made


def test_a_sample_takes_parts_of_what_it_holds_and_refuses_what_is_not_valid() -> None:
    org_id = new_id("org")
    made = sample(PlanChanged, org_id=org_id, entitlements={"plan": "free"})
    assert (made.org_id, made.entitlements.plan) == (org_id, "free")
    with pytest.raises(ValueError, match="org_id"):
        sample(PlanChanged, org_id="Acme")


async def test_what_is_delivered_has_its_effect_once_even_when_it_arrives_twice(
    sub: Subscriber, reports: Reports
) -> None:
    ana, ben = await reports.of(2)
    free = [sample(PlanChanged, org_id=org_id, entitlements={"plan": "free"}) for org_id in (ana, ben, ana)]
    await deliver(sub, *free, twice=True)
    assert await reports.frozen() == {ana, ben}
    assert await reports.changes(ana) == 2
    (later,) = await deliver(sub, sample(PlanChanged, org_id=ana, entitlements={"plan": "team"}))
    assert later.sequence == 3
    assert await reports.frozen() == {ben}


async def test_a_function_that_fails_fails_the_test_with_its_reason(reports: Reports) -> None:
    sub = Subscriber("memory://", service="reports", database=reports.dsn)

    @sub.on(PlanChanged)
    async def freeze(ctx: Ctx, told: PlanChanged) -> None:
        async with ctx.tx() as tx:
            await tx.run("update no_such_table set frozen = true")

    with pytest.raises(NotApplied, match=r"freeze at #1: UndefinedTableError.*no_such_table"):
        await deliver(sub, sample(PlanChanged))
    with pytest.raises(NotApplied, match=r"has no function for org\.member\.joined"):
        await deliver(sub, sample(MemberJoined))


async def test_a_subscriber_cannot_speak_in_the_products_name(reports: Reports) -> None:
    sub = Subscriber("memory://", service="reports", database=reports.dsn)

    @sub.on(PlanChanged)
    async def answer_back(ctx: Ctx, told: PlanChanged) -> None:
        async with ctx.tx() as tx:
            await tx.emit(told)

    with pytest.raises(NotApplied, match="can't emit"):
        await deliver(sub, sample(PlanChanged))


async def test_own_tables_may_be_called_as_the_inboxs_are(sub: Subscriber, databases: Databases) -> None:
    dsn = await databases.empty("namesakes")
    connection = await asyncpg.connect(dsn)
    for name in ("inbox", "migrations", "outbox"):
        await connection.execute(f"create table {name} (org_id text)")
    sub = Subscriber("memory://", service="reports", database=dsn)

    @sub.on(PlanChanged)
    async def note(ctx: Ctx, told: PlanChanged) -> None:
        async with ctx.tx() as tx:
            await tx.run("insert into inbox (org_id) values ($1)", told.org_id)

    told = sample(PlanChanged)
    await deliver(sub, told)
    assert [r["org_id"] for r in await connection.fetch("select * from inbox")] == [told.org_id]
    assert await connection.fetchval("select count(*) from migrations") == 0
    assert await connection.fetchval("select count(*) from tenantry.inbox") == 1
    await connection.close()


async def test_a_role_that_may_not_make_the_schema_is_told_what_to_ask_for(
    sub: Subscriber, databases: Databases
) -> None:
    dsn = await databases.empty("closed")
    owner = await asyncpg.connect(databases.postgres.admin_dsn)
    database = dsn.partition("@/")[2].partition("?")[0]
    await owner.execute("create role guest_of_closed login")
    await owner.execute(f"grant connect on database {database} to guest_of_closed")
    await owner.close()
    sub.database = databases.postgres.dsn(database, "guest_of_closed")
    with pytest.raises(Exception, match="create schema tenantry authorization"):
        await deliver(sub, sample(PlanChanged))


def test_the_guide_shows_the_examples_that_run() -> None:
    guide = GUIDE.read_text()
    for pattern, language in (("*.py", "python"), ("node/*.mjs", "js")):
        for example in EXAMPLE.parent.glob(pattern):
            assert f"```{language}\n{example.read_text()}```" in guide
    for link in re.findall(r"\]\((?!http)([^)#]+)", guide):
        assert (GUIDE.parent / link).exists(), link
