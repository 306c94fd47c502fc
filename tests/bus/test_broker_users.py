"""A broker user per service, on a real RabbitMQ: each speaks for itself, hears its own queue, and nothing else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiormq
import orjson
import pytest
from aiormq.exceptions import AMQPError, ChannelAccessRefused

from services.launcher import PRODUCT
from shared.bus import Bus, Message, NotPublished, Queue
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_topology import EVENTS, LIVE, TO, address_of
from shared.cli.doctor_broker import broker
from shared.cli.findings import Installation
from shared.config import SERVICES
from shared.hearing import topology
from shared.outbox import signal
from shared.subscriber import Subscriber
from tests.broker import Broker
from tests.bus.world import CONFIRMED_WITHIN, Receiver, healthy, published, until
from tests.system.commands import tenantry
from tests.system.subscribing import until as whenever
from tests.system.whole import a_cast, whole_product
from tests.world import Databases

QUEUES = {queue.name: queue for queue in topology(PRODUCT.all())}


@dataclass
class House:
    """A virtual host as `tenantry broker plan` made it."""

    broker: Broker
    urls: Mapping[str, str]

    def queue(self, service: str) -> Queue:
        return QUEUES[f"{service}.events"]

    @asynccontextmanager
    async def bus(self, service: str) -> AsyncIterator[Bus]:
        own = [QUEUES[f"{service}.events"]] if f"{service}.events" in QUEUES else []
        bus = RabbitBus(self.urls[service], own, publish_timeout=CONFIRMED_WITHIN)
        await bus.start()
        try:
            yield bus
        finally:
            await bus.close()

    @asynccontextmanager
    async def channel(self, service: str) -> AsyncIterator[aiormq.abc.AbstractChannel]:
        connection = await aiormq.connect(self.urls[service])
        try:
            yield await connection.channel()
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def a_house(own_broker: Broker | None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    if own_broker is None:
        pytest.skip("this test makes users, and TENANTRY_TEST_AMQP_URL names a broker that belongs to somebody")
    vhost = f"house-{secrets.token_hex(4)}"
    where = own_broker.url.partition("@")[2].rstrip("/")
    urls = {name: f"amqp://{vhost}-{name}:{secrets.token_urlsafe(12)}@{where}/{vhost}" for name in SERVICES}
    environ = {f"TENANTRY_{name.upper()}_AMQP_URL": url for name, url in urls.items()}
    planned = await tenantry(PRODUCT, "broker", "plan", environ=environ)
    assert planned.code == 0, planned.output
    assert not [url for url in urls.values() if url.split(":")[2].partition("@")[0] in planned.output], "no password"
    file = tmp_path_factory.mktemp("plan") / "definitions.json"
    file.write_text(planned.output)
    await own_broker.ctl("import_definitions", str(file))
    yield House(own_broker, urls)
    await own_broker.ctl("delete_vhost", vhost)


@pytest.fixture
async def house(a_house: House) -> House:
    """With nothing left over in the queue that is looked into."""
    async with a_house.channel("sharing") as channel:
        await channel.queue_purge("sharing.events")
    return a_house


def event(source: str, kind: str) -> bytes:
    return orjson.dumps({"specversion": "1.0", "source": f"/services/{source}", "type": kind, "sequence": 1})


async def test_each_service_is_heard_by_whom_it_concerns(house: House) -> None:
    sharing, gateway = Receiver(), Receiver()
    said = event("org", "org.member.joined.v1")
    async with house.bus("org") as org, house.bus("sharing") as hears, house.bus("gateway") as feed:
        await hears.subscribe(sharing, queue="sharing.events")
        await feed.subscribe(gateway, keys=["org.#"])
        for bus in (org, hears, feed):
            await healthy(bus)
        await published(org, Message("org.member.joined.v1", said))
        await sharing.has(said.decode())
        await gateway.has(said.decode())
        asked = signal("replay", "org", {"queue": "sharing.events", "after": {}})
        receives = Receiver()
        await org.subscribe(receives, queue="org.events")
        await hears.publish([Message("replay.sharing", asked, lasting=False, to="org.events")])
        await receives.has(asked.decode())
        await published(org, Message("org.member.joined.v1", said, to="sharing.events"))
        await until(lambda: sharing.bodies.count(said.decode()) == 2, "what was replayed")


@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        (EVENTS, "org.member.joined.v1"),
        (EVENTS, "identityx.user.closed.v1"),
        (EVENTS, "heartbeat.org"),
        (LIVE, "org.member.joined.v1"),
        (TO, address_of("org", "sharing.events")),
        ("", "sharing.events"),
    ],
)
async def test_identity_can_not_publish_as_anybody_else(house: House, exchange: str, key: str) -> None:
    async with house.channel("identity") as channel:
        await channel.basic_publish(b"{}", exchange=EVENTS, routing_key="identity.user.closed.v1")
        with pytest.raises(ChannelAccessRefused):
            await channel.basic_publish(b"{}", exchange=exchange, routing_key=key)


async def test_what_it_says_in_anothers_name_under_its_own_key_is_not_received(house: House) -> None:
    sharing = Receiver()
    forged, honest = event("org", "org.member.joined.v1"), event("identity", "identity.user.closed.v1")
    async with house.bus("identity") as identity, house.bus("sharing") as hears:
        await hears.subscribe(sharing, queue="sharing.events")
        await healthy(hears)
        await healthy(identity)
        await published(identity, Message("identity.user.closed.v1", forged, to="sharing.events"))
        for _ in range(250):  # more than may be under way: what nobody receives is acknowledged all the same
            await published(identity, Message("identity.user.closed.v1", forged, to="sharing.events"))
        heads = signal("probe", "org", {"heads": {"org_1": 7}})
        await identity.publish([Message("probe.identity", heads, lasting=False, to="sharing.events")])
        others = signal("replay", "sharing", {"queue": "audit.events", "after": {}})
        await identity.publish([Message("replay.identity", others, lasting=False, to="sharing.events")])
        disguised = orjson.dumps({**orjson.loads(forged), "tenantry": "replay", "queue": "identity.events"})
        await identity.publish([Message("replay.identity", disguised, lasting=False, to="sharing.events")])
        await published(identity, Message("identity.user.closed.v1", honest, to="sharing.events"))
        await sharing.has(honest.decode())
    assert set(sharing.bodies) == {honest.decode()}


async def test_identity_can_not_read_bind_or_delete_what_is_not_its_own(house: House) -> None:
    async def nothing(_: object) -> None:
        raise AssertionError

    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.basic_consume("org.events", nothing)
    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_bind("identity.events", EVENTS, "sharing.#")
    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_bind("identity.events", TO, "*.org.events")
    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_delete("org.events")
    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.exchange_delete(EVENTS)
    async with house.channel("identity") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.queue_declare("mine.events", durable=True)


async def test_the_gateway_hears_and_says_nothing(house: House) -> None:
    async with house.channel("gateway") as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.basic_publish(b"{}", exchange=EVENTS, routing_key="gateway.x.y.v1")
    async with house.bus("gateway") as bus:
        await healthy(bus)
        with pytest.raises(NotPublished):
            await bus.publish([Message("org.member.joined.v1", b"{}")])


async def test_a_queue_of_ones_own_that_was_deleted_comes_back_with_its_bindings(house: House) -> None:
    sharing = Receiver()
    said = event("org", "org.member.joined.v1")
    async with house.bus("org") as org, house.bus("sharing") as hears:
        await hears.subscribe(sharing, queue="sharing.events")
        await healthy(hears)
        await healthy(org)
        async with house.channel("sharing") as channel:
            await channel.queue_delete("sharing.events")

        async def has_heard() -> bool:
            await published(org, Message("org.member.joined.v1", said))
            return said.decode() in sharing.bodies

        async with asyncio.timeout(40):
            while not await has_heard():
                await asyncio.sleep(0.2)


def told(environ: Mapping[str, str], **changed: str) -> dict[str, str]:
    return {**environ, **{f"TENANTRY_{name.upper()}_AMQP_URL": url for name, url in changed.items()}}


async def test_a_plan_that_would_not_separate_the_services_is_refused() -> None:
    environ = {f"TENANTRY_{name.upper()}_AMQP_URL": f"amqp://{name}:x@rabbit/" for name in SERVICES}
    for wrong, because in (
        ({**environ, "TENANTRY_ORG_AMQP_URL": ""}, "Set TENANTRY_ORG_AMQP_URL first"),
        (told(environ, org="amqp://org@rabbit/"), "no password in the URL of org"),
        (told(environ, org="amqp://sharing:x@rabbit/"), "the same user"),
        (told(environ, org="amqp://org:x@rabbit/other"), "different virtual hosts"),
    ):
        said = await tenantry(PRODUCT, "broker", "plan", environ=wrong)
        assert (said.code, because in said.output) == (1, True), said.output
    for name, because in (("org", "has a user already"), ("org.courier", "is made of a-z")):
        said = await tenantry(PRODUCT, "broker", "plan", "--subscriber", name, environ=environ)
        assert (said.code, because in said.output) == (1, True)


async def test_a_subscriber_of_the_plan_hears_and_says_no_event(house: House, tmp_path: Path) -> None:
    environ = {f"TENANTRY_{name.upper()}_AMQP_URL": url for name, url in house.urls.items()}
    name = f"reports-{secrets.token_hex(3)}"
    planned = await tenantry(PRODUCT, "broker", "plan", "--subscriber", name, environ=environ)
    assert f"rabbitmqctl change_password {name}" in planned.output
    file = tmp_path / "with-subscriber.json"
    file.write_text(planned.output.partition(f"\n{name} can't sign in yet")[0])
    await house.broker.ctl("import_definitions", str(file))
    where = house.urls["org"].partition("@")[2]
    url = f"amqp://{name}:secret@{where}"
    with pytest.raises((AMQPError, OSError)):
        await aiormq.connect(url)
    await house.broker.ctl("change_password", name, "secret")
    sub = Subscriber(url, service=name, database="postgresql:///unused")
    sub.on("org.member.*.v1")(_hear)
    heard, said = Receiver(), event("org", "org.member.joined.v1")
    bus = RabbitBus(url, [sub.queue], publish_timeout=CONFIRMED_WITHIN)
    await bus.start()
    await bus.subscribe(heard, queue=sub.queue.name)
    await healthy(bus)
    async with house.bus("org") as org:
        await healthy(org)
        await published(org, Message("org.member.joined.v1", said))
        await heard.has(said.decode())
    with pytest.raises(NotPublished):
        await bus.publish([Message("org.member.joined.v1", said)])
    await bus.close()
    await house.broker.ctl("delete_user", name)


async def _hear(ctx: object, told: object) -> None:
    """Hears, and does nothing."""


async def test_the_doctor_tries_each_user(house: House, tmp_path: Path) -> None:
    def installed(**urls: str) -> Installation:
        somewhere = ({}, "memory://", "tcp://gateway:1", "file:///nowhere", tmp_path)
        return Installation(PRODUCT, tmp_path, *somewhere, bus_urls={**house.urls, **urls})

    well = await broker(installed())
    assert [(one.sign, one.about) for one in well] == [("✓", "RabbitMQ"), ("✓", "broker users")]
    vhost = house.urls["org"].rpartition("/")[2]
    await house.broker.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    anybody = house.broker.url.rstrip("/") + f"/{vhost}"
    locked_out = house.urls["audit"].replace(":", ":not-", 2).replace("amqp:not-", "amqp:")
    found = {one.about: one for one in await broker(installed(sharing=anybody, audit=locked_out))}
    assert "under any service's name" in found["sharing: broker user"].says
    assert "tenantry broker plan" in found["sharing: broker user"].fix
    assert (found["audit: broker user"].sign, "TENANTRY_AUDIT_AMQP_URL" in found["audit: broker user"].fix) == (
        "✗",
        True,
    )


async def test_the_whole_product_works_with_a_user_for_each_service(
    house: House, databases: Databases, tmp_path: Path
) -> None:
    async with whole_product(databases, tmp_path, bus_urls=dict(house.urls)) as product:
        cast = await a_cast(product.gateway)
        made = await cast.admin.write("POST", "/v1/groups", {"name": "Finance"}, after=cast.trial)
        made.ok()

        async def is_applied_everywhere() -> bool:
            change = (await cast.admin.ask("GET", f"/v1/changes/{made.headers['tenantry-change']}")).ok()
            return bool(change["subscribers"]) and all(one["state"] == "applied" for one in change["subscribers"])

        await whenever(is_applied_everywhere, "the change in every service")
