"""Each trap of aio-pika and RabbitMQ that was measured has a test here that falls into it when the rule is broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest

from shared.bus import NotPublished
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_subscription import ReceivingChannel
from tests.broker import Broker

from .conftest import TOPOLOGY
from .world import AUDIT, PATIENCE, SHARING, Admin, Receiver, first_of_each, healthy, published, said, until

NUMBERS = [str(number) for number in range(40)]


@pytest.fixture
async def audit(rabbit: RabbitBus) -> Receiver:
    audit = Receiver()
    await rabbit.subscribe(audit, queue=AUDIT)
    await healthy(rabbit)
    return audit


@pytest.fixture
async def up(broker: Broker) -> AsyncIterator[Broker]:
    """A broker that the test may break, and that is whole again afterwards."""
    yield broker
    await broker.start()


@pytest.fixture
def hasty(rabbit: RabbitBus, audit: Receiver) -> RabbitBus:
    """Gives up on a broker that doesn't confirm for a moment."""
    rabbit._publisher._timeout = 3.0
    return rabbit


async def publish_all_along(bus: RabbitBus, until_done: asyncio.Event) -> list[str]:
    sent: list[str] = []
    while not until_done.is_set() or len(sent) < 20:
        await published(bus, *said(len(sent)))
        sent.append(str(len(sent)))
        await asyncio.sleep(0.005)
    return sent


async def publish_until_refused(bus: RabbitBus, name: str) -> None:
    """The first ones may slip through before the broker closes its ears."""
    while True:
        await bus.publish(said(name, key="identity.user.closed"))


async def test_a_shutdown_during_receive_loses_nothing(rabbit: RabbitBus, admin: Admin) -> None:
    """`message.process()` would reject on cancellation."""
    going, audit = RabbitBus(admin.url, TOPOLOGY), Receiver()
    audit.gate.clear()
    await going.subscribe(audit, queue=AUDIT)
    await going.start()
    await rabbit.publish(said(*NUMBERS))
    await until(lambda: audit.begun, "a call under way")
    await going.close()
    assert audit.bodies == []
    successor = Receiver()
    await rabbit.subscribe(successor, queue=AUDIT)
    await successor.has(*NUMBERS)
    assert successor.bodies == NUMBERS


async def test_publishing_what_is_unroutable_raises_and_heals(rabbit: RabbitBus, audit: Receiver, admin: Admin) -> None:
    await admin.unbind(AUDIT, "org.#")
    await admin.unbind(SHARING, "org.member.*")
    with pytest.raises(NotPublished, match=r"no queue takes org\.member"):
        await rabbit.publish(said("unbound"))
    await published(rabbit, *said("bound again"))
    await audit.has("bound again")
    assert "unbound" not in audit.bodies


async def test_two_publishes_in_flight_of_one_message_are_told_apart(rabbit: RabbitBus) -> None:
    """With one message id for both, one of the two would be confirmed though nobody got it."""
    lost, kept = said("same", key="nobody.cares"), said("same")
    outcomes = await asyncio.gather(
        *(rabbit.publish(messages) for messages in (lost, lost, kept, lost)), return_exceptions=True
    )
    assert [outcome is None for outcome in outcomes] == [False, False, True, False]
    assert all(outcome is None or isinstance(outcome, NotPublished) for outcome in outcomes)


@pytest.mark.parametrize(
    ("raised", "over"),
    [
        (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4")),
        (("set_disk_free_limit", "100000GB"), ("set_disk_free_limit", "50MB")),
    ],
    ids=["memory", "disk"],
)
async def test_an_alarm_stops_publishing_only_and_only_while_it_lasts(
    hasty: RabbitBus, audit: Receiver, admin: Admin, up: Broker, raised: tuple[str, ...], over: tuple[str, ...]
) -> None:
    more_than_the_prefetch = [str(number) for number in range(500)]
    audit.gate.clear()
    await published(hasty, *said(*more_than_the_prefetch))
    await up.ctl(*raised)
    try:
        for attempt in range(2):
            with pytest.raises(NotPublished):
                await asyncio.wait_for(publish_until_refused(hasty, f"attempt {attempt}"), PATIENCE)
        await until(lambda: "short" in (hasty.healthy() or ""), "the alarm in words")
        audit.gate.set()
        await audit.has(*more_than_the_prefetch)
    finally:
        await up.ctl(*over)
    await published(hasty, *said("over"))
    await audit.has("over")
    await healthy(hasty)
    assert [body for body in first_of_each(audit.bodies) if body in more_than_the_prefetch] == more_than_the_prefetch


async def test_a_channel_that_timed_out_is_thrown_away(hasty: RabbitBus, audit: Receiver, up: Broker) -> None:
    poisoned = hasty._publisher._channel
    await up.freeze()
    try:
        with pytest.raises(NotPublished):
            await hasty.publish(said("unknown"))
        assert hasty._publisher._channel is not poisoned
        with pytest.raises(NotPublished):
            async with asyncio.timeout(2.5):
                await hasty.publish(said("refused at once"))
    finally:
        await up.thaw()
    await published(hasty, *said("afterwards"))
    await audit.has("afterwards")
    assert hasty._publisher._channel is not poisoned
    assert poisoned is not None
    await until(lambda: poisoned.is_closed, "the end of the old channel")


async def test_a_consumer_that_the_broker_cancels_is_back(rabbit: RabbitBus, audit: Receiver, admin: Admin) -> None:
    """Deleting the queue makes the broker send basic.cancel; nothing else tells the consumer."""
    await rabbit.publish(said("before"))
    await audit.has("before")
    await admin.delete(AUDIT)
    await until(lambda: rabbit.healthy() is not None, "the loss being noticed")
    await healthy(rabbit)
    assert await admin.consumers(AUDIT) == 1
    await published(rabbit, *said("after", key="identity.user.closed"))
    await audit.has("after")


async def test_a_consumer_that_the_broker_forgot_without_a_word_is_back(
    rabbit: RabbitBus, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is deleted and declared again at once can keep its messages and have no consumer, and nobody is told."""
    monkeypatch.setattr("shared.bus.rabbit_subscription.LONGEST_SILENCE", 5.0)
    consumed: list[tuple[ReceivingChannel, str]] = []
    original = ReceivingChannel.basic_consume

    async def consume(self: ReceivingChannel, queue: str, *args: Any, **options: Any) -> Any:
        begun = await original(self, queue, *args, **options)
        consumed.append((self, str(begun.consumer_tag)))
        return begun

    monkeypatch.setattr(ReceivingChannel, "basic_consume", consume)
    audit = Receiver()
    await rabbit.subscribe(audit, queue=AUDIT)
    await until(lambda: consumed, "a consumer")
    channel, tag = consumed[0]
    await channel.basic_cancel(tag)
    assert await admin.consumers(AUDIT) == 0
    assert not channel.is_closed
    await published(rabbit, *said("heard", key="identity.user.closed"))
    await audit.has("heard")
    assert rabbit.healthy() is None


async def test_a_binding_that_vanished_is_back_though_everything_seems_well(
    rabbit: RabbitBus, audit: Receiver, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.rabbit_publisher.DECLARE_AGAIN_EVERY", 0.2)
    rabbit._publisher._throw_away(rabbit._publisher._channel)  # type: ignore[arg-type]
    await until(lambda: rabbit.healthy() is None, "a session with the shorter interval")
    await admin.unbind(AUDIT, "org.#")
    async with asyncio.timeout(60):
        while "heard" not in audit.bodies:
            await published(rabbit, *said("heard"))  # sharing still takes it, so nothing is returned
            await asyncio.sleep(0.05)


async def test_no_more_than_the_prefetch_is_on_its_way(rabbit: RabbitBus, admin: Admin) -> None:
    bus, audit = RabbitBus(admin.url, TOPOLOGY, prefetch=7), Receiver()
    audit.gate.clear()
    await bus.subscribe(audit, queue=AUDIT)
    await bus.start()
    await healthy(bus)
    await rabbit.publish(said(*NUMBERS))
    await until(lambda: audit.begun, "a call under way")
    assert await admin.waiting(AUDIT) == len(NUMBERS) - 7
    audit.gate.set()
    await audit.has(*NUMBERS)
    assert max(audit.calls) <= 7
    await bus.close()


async def test_channels_that_the_broker_closes_are_replaced(rabbit: RabbitBus, audit: Receiver) -> None:
    """Acknowledging what was never delivered is a protocol error that costs the channel."""
    for link in (rabbit._in, rabbit._out):
        for channel in list((await link.connection()).channels.values()):
            assert channel is not None
            await channel.basic_ack(999_999)
            await until(lambda channel=channel: channel.is_closed, "the broker's answer")  # type: ignore[misc]
    await published(rabbit, *said("afterwards"))
    await audit.has("afterwards")
    await healthy(rabbit)


async def test_connections_that_the_broker_closes_are_replaced_and_nothing_is_lost_or_reordered(
    rabbit: RabbitBus, audit: Receiver, up: Broker
) -> None:
    done = asyncio.Event()
    publishing = asyncio.create_task(publish_all_along(rabbit, done))
    for _ in range(2):
        await up.ctl("close_all_connections", "by a test")
        await healthy(rabbit)
    done.set()
    sent = await publishing
    await audit.has(*sent)
    assert first_of_each(audit.bodies) == sent


async def test_a_broker_that_is_killed_and_started_again_has_kept_everything(
    rabbit: RabbitBus, audit: Receiver, up: Broker
) -> None:
    feed = Receiver()
    await rabbit.subscribe(feed, keys=["org.#"])
    await up.settle()
    done = asyncio.Event()
    publishing = asyncio.create_task(publish_all_along(rabbit, done))
    await up.kill()
    await until(lambda: rabbit.healthy() is not None, "the loss being noticed")
    await up.start()
    await healthy(rabbit)
    done.set()
    sent = await publishing
    await audit.has(*sent)
    assert first_of_each(audit.bodies) == sent
    assert feed.calls.count(0) == 2, "the feed says that it began anew"


async def test_a_broker_that_lost_everything_is_made_whole(
    rabbit: RabbitBus, audit: Receiver, admin: Admin, up: Broker
) -> None:
    await up.kill()
    await up.wipe()
    await until(lambda: rabbit.healthy() is not None, "the loss being noticed")
    await up.start()
    await published(rabbit, *said("afterwards"))
    await audit.has("afterwards")
    await healthy(rabbit)
    assert await admin.waiting(SHARING) == 1


@pytest.mark.parametrize("module", ["rabbit_subscription.declare_queue", "rabbit_publisher.declare"])
async def test_a_connection_that_is_given_up_while_something_is_declared_is_made_again(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """As after a silence of two heartbeats: aiormq cancels its reader, and tells whoever waits for an answer by a `CancelledError`."""
    declare = getattr(import_module(f"shared.bus.{module.partition('.')[0]}"), module.partition(".")[2])
    given_up: list[Any] = []

    async def declare_while_it_is_given_up(on: Any, *what: Any) -> None:
        if not given_up:
            connection = getattr(on, "connection", on)
            given_up.append(connection)
            asyncio.get_running_loop().call_soon(connection._reader_task.cancel)
        await declare(on, *what)

    monkeypatch.setattr(f"shared.bus.{module}", declare_while_it_is_given_up)
    bus, audit = RabbitBus(admin.url, TOPOLOGY), Receiver()
    await bus.start()
    try:
        await bus.subscribe(audit, queue=AUDIT)
        await published(bus, *said("heard"))
        await audit.has("heard")
        assert given_up[0].is_closed
    finally:
        await bus.close()
