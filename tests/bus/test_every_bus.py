"""What every bus promises: one suite, passed by the one in memory and the one on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shared.bus import Bus, Message, NotPublished
from shared.bus.memory import MemoryBus

from .world import AUDIT, SHARING, Receiver, first_of_each, healthy, published, said, until

JOINED = "org.member.joined"


async def listen(bus: Bus, **others: Receiver) -> tuple[Receiver, Receiver]:
    audit, sharing = others.get("audit", Receiver()), others.get("sharing", Receiver())
    await bus.subscribe(audit, queue=AUDIT)
    await bus.subscribe(sharing, queue=SHARING)
    await healthy(bus)
    return audit, sharing


async def test_a_message_reaches_every_queue_that_is_bound_to_it(bus: Bus) -> None:
    audit, sharing = await listen(bus)
    await bus.publish(said("joined", key=JOINED))
    await bus.publish(said("created", key="org.organization.created"))
    await audit.has("joined", "created")
    await sharing.has("joined")
    assert "created" not in sharing.bodies


async def test_messages_of_one_call_and_of_calls_one_after_another_keep_their_order(bus: Bus) -> None:
    audit, _ = await listen(bus)
    for first in range(0, 300, 100):
        await bus.publish(said(*range(first, first + 100)))
    await audit.has(299)
    assert audit.bodies == [str(number) for number in range(300)]


async def test_each_of_several_publishers_keeps_its_own_order(bus: Bus) -> None:
    audit, _ = await listen(bus)

    async def publisher(name: str) -> None:
        for number in range(20):
            await bus.publish(said(f"{name}{number}"))

    await asyncio.gather(*(publisher(name) for name in "abcde"))
    await audit.has(*(f"{name}19" for name in "abcde"))
    for name in "abcde":
        assert [body for body in audit.bodies if body[0] == name] == [f"{name}{number}" for number in range(20)]


async def test_a_slow_receiver_gets_one_call_at_a_time_and_everything_in_order(bus: Bus) -> None:
    audit, _ = await listen(bus)
    audit.gate.clear()
    publishing = [asyncio.create_task(bus.publish(said(number))) for number in range(10)]
    await until(lambda: audit.begun, "a call under way")
    if not isinstance(bus, MemoryBus):  # there what is published has been received
        await asyncio.gather(*publishing)
    audit.gate.set()
    await asyncio.gather(*publishing)
    await audit.has(*range(10))
    assert audit.bodies == [str(number) for number in range(10)]
    assert audit.most_at_once == 1
    assert len(audit.calls) < 10, "what gathers during a call is received together"


async def test_what_a_receive_refused_comes_again_in_order(bus: Bus) -> None:
    audit, _ = await listen(bus, audit=Receiver(broken=2))
    for number in range(5):
        await published(bus, *said(number))
    await audit.has(*range(5))
    assert first_of_each(audit.bodies) == [str(number) for number in range(5)]
    assert not audit.broken


async def test_another_queue_is_not_held_up_for_ever_by_one_that_fails(bus: Bus) -> None:
    _, sharing = await listen(bus, audit=Receiver(broken=1))
    await published(bus, *said("joined", key=JOINED))
    await sharing.has("joined")


async def test_a_receive_that_was_cancelled_gets_its_messages_again(bus: Bus) -> None:
    """As when the transaction inside is cancelled by its own time-out."""
    given: list[list[bytes]] = []

    async def gives_up_once(batch: Sequence[bytes]) -> None:
        given.append(list(batch))
        if len(given) == 1:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    await bus.subscribe(gives_up_once, queue=AUDIT)
    await bus.subscribe(Receiver(), queue=SHARING)
    await healthy(bus)
    await published(bus, *said("joined", key=JOINED))
    await until(lambda: len(given) > 1, "the same message again")
    assert given[0] == given[1]


async def test_what_no_queue_takes_is_not_published(bus: Bus) -> None:
    await listen(bus)
    with pytest.raises(NotPublished):
        await bus.publish(said("lost", key="billing.plan_changed"))
    await healthy(bus)


async def test_one_unroutable_message_makes_its_whole_batch_unpublished(bus: Bus) -> None:
    await listen(bus)
    with pytest.raises(NotPublished):
        await bus.publish([*said(*range(20)), *said("lost", key="billing.plan_changed"), *said(*range(20))])


async def test_a_private_feed_does_not_make_a_message_published(bus: Bus) -> None:
    await listen(bus)
    await bus.subscribe(Receiver(), keys=["#"])
    with pytest.raises(NotPublished):
        await bus.publish(said("lost", key="billing.plan_changed"))


async def test_to_reaches_that_queue_alone_whatever_the_key_says(bus: Bus) -> None:
    audit, sharing = await listen(bus)
    feed = Receiver()
    await bus.subscribe(feed, keys=["#"])
    await bus.publish([Message(JOINED, b"replayed", to=SHARING)])
    await bus.publish(said("afterwards", key=JOINED))
    for receiver in (audit, sharing, feed):
        await receiver.has("afterwards")
    assert sharing.bodies == ["replayed", "afterwards"]
    assert audit.bodies == feed.bodies == ["afterwards"]


async def test_a_replay_to_a_queue_that_does_not_exist_is_not_published(bus: Bus) -> None:
    await listen(bus)
    with pytest.raises(NotPublished):
        await bus.publish([Message("replay.org", b"replayed", to="nobody.events")])


async def test_every_private_feed_gets_its_own_copy_of_what_it_asked_for(bus: Bus) -> None:
    await listen(bus)
    one, other = Receiver(), Receiver()
    await bus.subscribe(one, keys=["org.member.*", "heartbeat.org"])
    await bus.subscribe(other, keys=["heartbeat.org"])
    await healthy(bus)
    await bus.publish([*said("joined", key=JOINED), *said("created", key="org.organization.created")])
    await bus.publish([Message("heartbeat.org", b"beat", lasting=False)])
    await one.has("joined", "beat")
    await other.has("beat")
    assert one.bodies == ["joined", "beat"]
    assert other.bodies == ["beat"]


async def test_a_private_feed_begins_with_a_call_for_nothing(bus: Bus) -> None:
    feed = Receiver()
    await bus.subscribe(feed, keys=["org.#"])
    await until(lambda: feed.calls == [0], "the first call")


async def test_a_private_feed_that_fails_or_hangs_stops_nobody(bus: Bus) -> None:
    audit, _ = await listen(bus)
    hanging, failing = Receiver(), Receiver(broken=1_000_000)
    hanging.gate.clear()
    subscribing = [asyncio.create_task(bus.subscribe(feed, keys=["#"])) for feed in (failing, hanging)]
    await until(lambda: hanging.begun and failing.begun, "both feeds")
    await bus.publish(said("joined", key=JOINED))
    await audit.has("joined")
    hanging.gate.set()
    failing.broken = 0
    await asyncio.gather(*subscribing)


async def test_what_does_not_last_reaches_a_queue_and_needs_no_listener(bus: Bus) -> None:
    audit, _ = await listen(bus)
    await bus.publish(
        [Message("heartbeat.nobody", b"unheard", lasting=False), Message("probe.org", b"probe", lasting=False)]
    )
    await audit.has("probe")


async def test_stopping_waits_for_a_receive_under_way_and_begins_no_other(bus: Bus) -> None:
    audit, _ = await listen(bus)
    audit.gate.clear()
    publishing = asyncio.create_task(published(bus, *said("under way")))
    await until(lambda: audit.begun, "a call under way")
    stopping = asyncio.create_task(bus.stop_receiving())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    audit.gate.set()
    await stopping
    await publishing
    assert audit.bodies == ["under way"]
    begun = audit.begun
    with suppress(NotPublished):  # in memory there is nowhere else for it to go
        await bus.publish(said("later"))
    assert audit.begun == begun
    assert bus.healthy() is not None


async def test_closing_twice_and_stopping_twice_do_no_harm(bus: Bus) -> None:
    await listen(bus)
    await bus.stop_receiving()
    await bus.stop_receiving()
    await bus.close()
    await bus.close()


async def test_a_queue_outside_the_topology_is_a_mistake(bus: Bus) -> None:
    with pytest.raises(ValueError, match=r"nobody\.events"):
        await bus.subscribe(Receiver(), queue="nobody.events")


async def test_a_large_and_an_empty_body_arrive_as_they_were(bus: Bus) -> None:
    bodies: list[bytes] = []

    async def keep(batch: Sequence[bytes]) -> None:
        bodies.extend(batch)

    await bus.subscribe(keep, queue=AUDIT)
    await bus.subscribe(Receiver(), queue=SHARING)
    await healthy(bus)
    large = b"x" * 700_001
    await bus.publish([Message("org.a", large), Message("org.b", b""), Message("org.c", b"small")])
    await until(lambda: len(bodies) == 3, "all three")
    assert bodies == [large, b"", b"small"]


async def test_publishing_nothing_is_published(bus: Bus) -> None:
    await bus.publish([])
