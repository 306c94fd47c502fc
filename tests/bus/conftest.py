"""The buses under test: in memory, and on RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus import Bus, Queue
from shared.bus.memory import MemoryBus
from shared.bus.rabbit import RabbitBus

from .world import AUDIT, CONFIRMED_WITHIN, SHARING, Admin, healthy

TOPOLOGY = (
    Queue(AUDIT, ("org.#", "identity.#", "probe.org")),
    Queue(SHARING, ("org.member.*",)),
)


@pytest.fixture
async def admin(amqp_url: str) -> AsyncIterator[Admin]:
    """Leaves the broker as it was found."""
    admin = Admin(amqp_url)
    await admin.delete(AUDIT, SHARING)
    yield admin
    await admin.delete(AUDIT, SHARING)


@pytest.fixture
async def rabbit(admin: Admin) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(admin.url, TOPOLOGY, publish_timeout=CONFIRMED_WITHIN)
    await bus.start()
    await healthy(bus)
    yield bus
    await bus.close()


@pytest.fixture(params=["memory", "rabbit"])
async def bus(request: pytest.FixtureRequest, amqp_url: str) -> AsyncIterator[Bus]:
    if request.param == "memory":
        bus = MemoryBus(TOPOLOGY)
        await bus.start()
        yield bus
        await bus.close()
        return
    admin = Admin(amqp_url)
    await admin.delete(AUDIT, SHARING)
    rabbit = RabbitBus(admin.url, TOPOLOGY, publish_timeout=CONFIRMED_WITHIN)
    await rabbit.start()
    await healthy(rabbit)
    yield rabbit
    await rabbit.close()
    await admin.delete(AUDIT, SHARING)
