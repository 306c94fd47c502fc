"""What the bus in memory decides by itself, and which bus a URL names."""

from __future__ import annotations

import pytest

from shared.bus import NotPublished, Queue, connect
from shared.bus.arrivals import Arrivals, Overrun
from shared.bus.memory import MemoryBus
from shared.bus.rabbit import RabbitBus

from .conftest import TOPOLOGY
from .world import AUDIT, SHARING, Receiver, said


async def test_nobody_gets_a_message_while_one_who_wants_it_does_not_listen_yet() -> None:
    bus, audit, sharing = MemoryBus(TOPOLOGY), Receiver(), Receiver()
    await bus.subscribe(audit, queue=AUDIT)
    with pytest.raises(NotPublished, match=r"org\.member\.joined"):
        await bus.publish(said("joined"))
    assert not audit.bodies
    await bus.subscribe(sharing, queue=SHARING)
    await bus.publish(said("joined"))
    assert audit.bodies == sharing.bodies == ["joined"]
    await bus.close()


async def test_published_means_received_by_every_queue() -> None:
    bus, audit, sharing = MemoryBus(TOPOLOGY), Receiver(), Receiver(broken=1)
    await bus.subscribe(audit, queue=AUDIT)
    await bus.subscribe(sharing, queue=SHARING)
    with pytest.raises(NotPublished, match="the database is away"):
        await bus.publish(said("joined"))
    await bus.publish(said("joined"))
    assert sharing.bodies == ["joined"]
    await bus.close()


async def test_a_queue_that_hangs_is_waited_for_no_longer_than_agreed() -> None:
    bus, audit = MemoryBus([Queue(AUDIT, ("org.#",))], publish_timeout=0.05), Receiver()
    audit.gate.clear()
    await bus.subscribe(audit, queue=AUDIT)
    with pytest.raises(NotPublished, match="within"):
        await bus.publish(said("joined"))
    await bus.close()


async def test_two_listeners_of_one_queue_are_a_mistake() -> None:
    bus = MemoryBus(TOPOLOGY)
    await bus.subscribe(Receiver(), queue=AUDIT)
    with pytest.raises(ValueError, match="already"):
        await bus.subscribe(Receiver(), queue=AUDIT)
    await bus.close()


async def test_a_feed_that_is_too_slow_begins_anew_instead_of_growing() -> None:
    arrivals: Arrivals[int] = Arrivals(most=2)
    for number in range(3):
        arrivals.put(number)
    with pytest.raises(Overrun):
        await arrivals.take()


async def test_the_url_names_the_bus() -> None:
    assert isinstance(connect("memory://", TOPOLOGY), MemoryBus)
    assert isinstance(connect("amqp://localhost/", TOPOLOGY), RabbitBus)
    assert isinstance(connect("amqps://localhost/", TOPOLOGY), RabbitBus)
    with pytest.raises(ValueError, match="kafka"):
        connect("kafka://localhost/", TOPOLOGY)
