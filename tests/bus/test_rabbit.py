"""What only a broker can show: several processes, and what is on it when nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiormq
import pytest
from structlog.testing import capture_logs

from shared.bus import Message, NotPublished
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_topology import QUORUM
from tests.ports import free_port

from .conftest import TOPOLOGY
from .world import AUDIT, CONFIRMED_WITHIN, SHARING, Admin, Receiver, first_of_each, healthy, published, said, until

Another = Callable[[], RabbitBus]


@pytest.fixture
async def another(admin: Admin) -> AsyncIterator[Another]:
    """Makes further processes' buses."""
    made: list[RabbitBus] = []

    def make() -> RabbitBus:
        made.append(RabbitBus(admin.url, TOPOLOGY, publish_timeout=CONFIRMED_WITHIN, prefetch=10))
        return made[-1]

    yield make
    for bus in made:
        await bus.close()


async def test_a_producer_that_starts_first_loses_nothing(rabbit: RabbitBus, another: Another) -> None:
    await rabbit.publish(said(*range(50)))
    late, audit = another(), Receiver()
    await late.subscribe(audit, queue=AUDIT)
    await late.start()
    await audit.has(*range(50))
    assert audit.bodies == [str(number) for number in range(50)]


async def test_what_a_receive_refused_comes_again_without_being_published_again(rabbit: RabbitBus) -> None:
    audit = Receiver(broken=3)
    await rabbit.subscribe(audit, queue=AUDIT)
    await healthy(rabbit)
    await rabbit.publish(said(*range(450)))
    await audit.has(*range(450))
    assert audit.bodies == [str(number) for number in range(450)]


async def test_nothing_is_acknowledged_before_receive_returned(
    rabbit: RabbitBus, another: Another, admin: Admin
) -> None:
    other, audit = another(), Receiver()
    audit.gate.clear()
    await other.subscribe(audit, queue=AUDIT)
    await other.start()
    await rabbit.publish(said("kept"))
    await until(lambda: audit.begun, "a call under way")
    await other.close()
    await admin.has_waiting(AUDIT, 1)


async def test_one_replica_receives_at_a_time_and_the_next_takes_over_in_order(
    rabbit: RabbitBus, another: Another
) -> None:
    first, second = another(), another()
    one, two = Receiver(), Receiver()
    await first.subscribe(one, queue=AUDIT)
    await first.start()
    await healthy(first)
    await second.subscribe(two, queue=AUDIT)
    await second.start()
    await healthy(second)
    await rabbit.publish(said(*range(50)))
    await one.has(*range(50))
    assert not two.bodies
    one.gate.clear()
    await rabbit.publish(said(*range(50, 150)))
    await until(lambda: one.at_once, "a call under way")
    await first.close()
    await two.has(*range(50, 150))
    assert two.bodies == [str(number) for number in range(50, 150)]


async def test_stopping_and_closing_under_load_loses_nothing(rabbit: RabbitBus, another: Another) -> None:
    first, one, two = another(), Receiver(), Receiver()
    await first.subscribe(one, queue=AUDIT)
    await first.start()
    await healthy(first)
    await rabbit.publish(said(*range(500)))
    await until(lambda: len(one.bodies) > 20, "some of it")
    await first.stop_receiving()
    taken = list(one.bodies)
    await first.close()
    second = another()
    await second.subscribe(two, queue=AUDIT)
    await second.start()
    await two.has(499)
    assert one.bodies == taken
    assert first_of_each(taken + two.bodies) == [str(number) for number in range(500)]
    assert not set(taken) & set(two.bodies), "what was received was acknowledged before stopping ended"


async def test_lasting_messages_are_persistent_and_others_expire(rabbit: RabbitBus, admin: Admin) -> None:
    await rabbit.publish(
        [Message("org.a", b"kept"), Message("org.a", b"kept"), Message("probe.org", b"x", lasting=False)]
    )
    kept, again, passing = [message.header.properties for message in await admin.take(AUDIT, 3)]
    assert (kept.delivery_mode, kept.expiration) == (2, None)
    assert kept.content_type == "application/cloudevents+json"
    assert kept.message_id != again.message_id
    assert (passing.delivery_mode, passing.expiration) == (1, "60000")


async def test_the_arguments_of_a_queue_are_what_every_version_accepts(rabbit: RabbitBus, admin: Admin) -> None:
    """3.x refuses a negative delivery limit, 4.x drops after 20 deliveries without one."""
    limit = QUORUM["x-delivery-limit"]
    assert isinstance(limit, int)
    assert limit > 1_000_000
    async with admin.channel() as channel:
        await channel.queue_declare(AUDIT, durable=True, arguments=QUORUM)


async def test_a_queue_that_exists_with_other_arguments_is_named_as_the_problem(admin: Admin) -> None:
    async with admin.channel() as channel:
        await channel.queue_declare(SHARING, durable=True)
    bus = RabbitBus(admin.url, TOPOLOGY)
    await bus.start()
    await until(lambda: "inequivalent" in (bus.healthy() or ""), "the problem by its name")
    with pytest.raises(NotPublished, match="inequivalent"):
        await bus.publish(said("early"))
    await admin.delete(SHARING)
    await healthy(bus)
    await bus.close()


async def test_while_the_broker_is_away_start_returns_and_publish_says_so_at_once() -> None:
    bus = RabbitBus(f"amqp://ana:hunter2@127.0.0.1:{free_port()}/", TOPOLOGY, publish_timeout=3)
    with capture_logs() as logs:
        await bus.start()
        await bus.subscribe(Receiver(), queue=AUDIT)
        await bus.subscribe(Receiver(), keys=["org.#"])
        async with asyncio.timeout(2.5):
            with pytest.raises(NotPublished) as refused:
                await bus.publish(said("early"))
            await bus.publish([Message("heartbeat.org", b"", lasting=False)])
        await until(lambda: "refuses" in (bus.healthy() or ""), "the reason")
        problem = bus.healthy()
        await bus.stop_receiving()
        await bus.close()
    assert logs
    assert "hunter2" not in f"{logs}{refused.value}{problem}"


async def test_a_wrong_password_is_told_without_the_password(admin: Admin) -> None:
    url = admin.url.replace("guest:guest", "guest:hunter2")
    bus = RabbitBus(url, TOPOLOGY)
    with capture_logs() as logs:
        await bus.start()
        await until(lambda: "ACCESS_REFUSED" in (bus.healthy() or ""), "the reason")
        assert "hunter2" not in f"{logs}{bus.healthy()}"
        await bus.close()


async def test_an_old_broker_is_complained_about(rabbit: RabbitBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.bus.rabbit_link.OLDEST_VERSION", (99, 0))
    with capture_logs() as logs:
        rabbit._out._found(await rabbit._out.connection())
    assert [entry for entry in logs if entry["log_level"] == "error" and "older than 3.10" in entry["event"]]


async def test_a_publisher_that_was_cancelled_leaves_a_bus_that_works(rabbit: RabbitBus) -> None:
    audit = Receiver()
    await rabbit.subscribe(audit, queue=AUDIT)
    for _ in range(5):
        publishing = asyncio.create_task(rabbit.publish(said(*range(300))))
        await asyncio.sleep(0)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    await published(rabbit, *said("afterwards"))
    await audit.has("afterwards")


async def test_aiormq_still_has_what_our_channels_rest_on() -> None:
    for name in ("_on_deliver_frame", "_on_return_frame", "_on_confirm_frame", "_get_frame", "_read_content"):
        assert callable(getattr(aiormq.Channel, name))
