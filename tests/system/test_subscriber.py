"""A service outside the product hears it over a real RabbitMQ, and loses nothing, whatever happens to it."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiormq
import pytest

from shared.bus.rabbit_topology import EVENTS, LIVE, TO
from shared.events import Envelope
from shared.events.billing import PlanChanged
from shared.events.courier import MailRequested
from shared.service import Ctx
from shared.subscriber import Subscriber
from shared.web.address import Address
from shared.web.client import Client
from tests.broker import Broker
from tests.bus.world import Admin
from tests.ports import free_port
from tests.system.subscribing import (
    GUIDE,
    Example,
    Reports,
    billing,
    change,
    reports_database,
    until,
)
from tests.world import Databases, World, world_of


@pytest.fixture
async def amqp(amqp_url: str) -> AsyncIterator[str]:
    """A broker on which the product never ran."""
    admin = Admin(amqp_url)

    async def clear() -> None:
        await admin.delete("reports.events", "early.events", "billing.events")
        async with admin.channel() as channel:
            for exchange in (EVENTS, LIVE, TO):
                await channel.exchange_delete(exchange)

    await clear()
    yield amqp_url
    await clear()


@pytest.fixture
async def reports(databases: Databases) -> AsyncIterator[Reports]:
    async with reports_database(databases) as reports:
        yield reports


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, amqp: str) -> AsyncIterator[World]:
    async with world_of([billing], databases, tmp_path, bus_url=amqp) as world:
        yield world


@pytest.fixture
async def example(python: Path, amqp: str, reports: Reports) -> AsyncIterator[Example]:
    example = Example(python, amqp, reports)
    yield example
    await example.end(signal.SIGKILL)


@pytest.fixture
def sub(amqp: str, reports: Reports) -> Subscriber:
    return Subscriber(amqp, service="reports", database=reports.dsn)


async def test_ten_lines_hear_every_change_once_and_in_order(world: World, example: Example, reports: Reports) -> None:
    ana, ben = await reports.of(2)
    await example.start()
    await change(world, ana, "team", "free", "team", "free", "team")
    await change(world, ben, "team", "free")
    await reports.has_done(7)
    assert await reports.frozen() == {ben}
    assert (await reports.changes(ana), await reports.changes(ben)) == (5, 2)


async def test_killed_again_and_again_it_loses_nothing_and_repeats_nothing(
    world: World, example: Example, reports: Reports
) -> None:
    orgs = await reports.of(4)

    async def keep_changing() -> None:
        for _ in range(40):
            for org in orgs:
                await change(world, org, random.choice(("free", "team")))
            await change(world, orgs[0], "free")
            await asyncio.sleep(0.05)

    await example.start()
    changing = asyncio.create_task(keep_changing())
    for round_ in range(3):
        await reports.has_done(20 * round_ + 1)
        await example.end(signal.SIGKILL)
        await example.start()
    await changing
    await reports.has_done(200)
    assert [await reports.changes(org) for org in orgs] == [80, 40, 40, 40]
    assert orgs[0] in await reports.frozen()


async def test_who_starts_late_catches_up_from_the_very_beginning(
    world: World, amqp: str, sub: Subscriber, example: Example, reports: Reports, databases: Databases
) -> None:
    early = Subscriber(amqp, service="early", database=await databases.empty("early"))
    heard: list[str] = []

    @early.on(PlanChanged)
    async def note(ctx: Ctx, told: PlanChanged) -> None:
        heard.append(told.org_id)

    orgs = await reports.of(3)
    async with early.hearing():
        for org in orgs:
            await change(world, org, "team", "free")
        await until(lambda: len(heard) == 6, "what the early one heard")
        await world.settle()
        await example.start()
        await reports.has_done(6)
        await change(world, orgs[0], "team")
        await reports.has_done(7)
    assert await reports.frozen() == {*orgs[1:]}
    assert [await reports.changes(org) for org in orgs] == [3, 2, 2]


async def test_it_may_start_before_the_product_ever_did(
    amqp: str, example: Example, reports: Reports, databases: Databases, tmp_path: Path
) -> None:
    (org,) = await reports.of(1)
    await example.start()

    async def has_queue() -> bool:
        try:
            return await Admin(amqp).consumers("reports.events") == 1
        except Exception:
            return False

    await until(has_queue, "its own queue")
    with pytest.raises(Exception, match="NOT_FOUND"):
        await Admin(amqp).waiting("billing.events")
    async with world_of([billing], databases, tmp_path, bus_url=amqp) as world:
        await change(world, org, "free")
        await reports.has_done(1)
    assert await reports.frozen() == {org}


async def test_a_poison_event_is_parked_and_the_others_go_on(
    world: World, sub: Subscriber, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.inbox.BACKOFF_SECONDS", (0.01,))
    poisoned, other = await reports.of(2)
    is_mended = False

    @sub.on(PlanChanged)
    async def freeze(ctx: Ctx, told: PlanChanged) -> None:
        async with ctx.tx() as tx:
            await tx.run("update reports set frozen = true where org_id = $1", told.org_id)
        if told.org_id == poisoned and not is_mended:
            raise ValueError("no such report")

    async with sub.hearing():
        await change(world, poisoned, "free", "team")
        await change(world, other, "free", "team")
        await reports.has_done(2)
        await until(lambda: reports.events("dead"), "the dead event")
        assert await reports.frozen() == {other}
        assert await reports.events("waiting") == 1, "what is behind the dead one waits for it"
        is_mended = True
        await reports.connection.execute(
            "update tenantry.inbox set state = 'waiting', attempts = 0, not_before = now() where state = 'dead'"
        )
        await reports.has_done(4)
    assert await reports.changes(poisoned) == 2


async def test_on_sigterm_it_finishes_what_is_under_way_and_ends_well(
    world: World, example: Example, reports: Reports
) -> None:
    (org,) = await reports.of(1)
    await reports.connection.execute("update reports set slowness = 1.5")
    before = await reports.changes(org)
    await example.start()
    await change(world, org, "free", "team", "free")

    async def is_under_way() -> bool:
        return bool(
            await reports.connection.fetchval(
                "select true from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
            )
        )

    await until(is_under_way, "a function under way")
    assert await example.end(signal.SIGTERM) == 0
    assert await reports.changes(org) == before + 1
    assert (await reports.events("done"), await reports.events("waiting")) == (1, 2)


async def test_a_pattern_of_types_gives_the_envelope_and_says_whether_it_is_well(
    world: World, amqp: str, reports: Reports
) -> None:
    port = free_port()
    sub = Subscriber(amqp, service="reports", database=reports.dsn, admin=f"tcp://127.0.0.1:{port}")
    heard: list[Envelope] = []

    @sub.on("billing.*.plan_changed.v1")
    async def hear_plans(ctx: Ctx, told: Envelope) -> None:
        heard.append(told)

    @sub.on("billing.trial.#")
    async def never(ctx: Ctx, told: Envelope) -> None:
        raise AssertionError

    (org,) = await reports.of(1)
    async with sub.hearing():
        await change(world, org, "free")
        await reports.has_done(1)
        client = Client(Address.parse(f"tcp://127.0.0.1:{port}"))

        async def is_ready() -> bool:
            return (await client.send("GET", "/readyz", [], b"", deadline=5)).status == 200

        await until(is_ready, "readiness")

        async def is_counted() -> bool:
            metrics = (await client.send("GET", "/metrics", [], b"", deadline=5)).body
            return b'tenantry_events_applied_total{handler="hear_plans",service="reports"} 1.0' in metrics

        await until(is_counted, "the count of what was applied")
        await client.close()
    assert [(e.type, e.org_id, e.sequence) for e in heard] == [(PlanChanged.TYPE, org, 1)]


async def test_the_guides_rights_are_enough_to_catch_up_and_too_few_to_publish(
    world: World, own_broker: Broker | None, amqp: str, sub: Subscriber, reports: Reports, databases: Databases
) -> None:
    if own_broker is None:
        pytest.skip("this test makes a user, and TENANTRY_TEST_AMQP_URL names a broker that belongs to somebody")
    granted = re.search(r"set_permissions reports '(.*)' '(.*)' '(.*)'", GUIDE.read_text())
    bound = re.search(r"set_topic_permissions reports (\S+) '(.*)' '(.*)'", GUIDE.read_text())
    assert granted is not None
    assert bound is not None
    await own_broker.ctl("add_user", "reports", "secret")
    await own_broker.ctl("set_permissions", "reports", *granted.groups())
    await own_broker.ctl("set_topic_permissions", "reports", *bound.groups())
    early = Subscriber(amqp, service="early", database=await databases.empty("early"))
    for each in (early, sub):
        each.on(PlanChanged)(freeze_nothing)
    (org,) = await reports.of(1)
    async with early.hearing():
        await change(world, org, "free", "team")
        await world.settle()
        sub.bus_url = amqp.replace("guest:guest", "reports:secret")
        async with sub.hearing():
            await reports.has_done(2)
            await change(world, org, "free")
            await reports.has_done(3)
    for exchange, key in ((EVENTS, "billing.x.y.v1"), (TO, "billing.sharing.events"), ("", "sharing.events")):
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            async with Admin(sub.bus_url).channel() as channel:
                await channel.basic_publish(b"{}", exchange=exchange, routing_key=key)
    await own_broker.ctl("delete_user", "reports")


async def freeze_nothing(ctx: Ctx, told: PlanChanged) -> None:
    """Hears, and does nothing."""


def test_what_cannot_be_subscribed_is_refused_with_the_reason() -> None:
    def subscriber(service: str = "reports") -> Subscriber:
        return Subscriber("memory://", service=service, database="postgresql:///reports")

    with pytest.raises(ValueError, match="product's own"):
        subscriber("sharing")
    with pytest.raises(ValueError, match="name is made of"):
        subscriber("Reports #1")
    with pytest.raises(ValueError, match="task for courier"):
        subscriber().on(MailRequested)
    for pattern in ("members", "#", "*.member.joined.v1", "ogr.member.*.v1", "org."):
        with pytest.raises(ValueError, match="begin with one of"):
            subscriber().on(pattern)
