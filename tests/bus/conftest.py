"""The buses under test: in memory, and on a RabbitMQ of our own (or the one that TENANTRY_TEST_AMQP_URL names)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.bus import Bus, Queue
from shared.bus.memory import MemoryBus
from shared.bus.rabbit import RabbitBus

from .private_broker import PrivateBroker
from .world import AUDIT, SHARING, Admin, healthy

TOPOLOGY = (
    Queue(AUDIT, ("org.#", "identity.#", "probe.org")),
    Queue(SHARING, ("org.member.*",)),
)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    if os.environ.get("TENANTRY_TEST_AMQP_URL") or not PrivateBroker.is_installed():
        pytest.skip("needs a RabbitMQ node of its own")
    broker = PrivateBroker(tmp_path_factory.mktemp("rabbit"))
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


@pytest.fixture(scope="session")
def amqp_url(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("TENANTRY_TEST_AMQP_URL")
    if given:
        return given
    private: PrivateBroker = request.getfixturevalue("broker")
    return private.url


@pytest.fixture
async def admin(amqp_url: str) -> AsyncIterator[Admin]:
    """Leaves the broker as it was found."""
    admin = Admin(amqp_url)
    await admin.delete(AUDIT, SHARING)
    yield admin
    await admin.delete(AUDIT, SHARING)


@pytest.fixture
async def rabbit(admin: Admin) -> AsyncIterator[RabbitBus]:
    bus = RabbitBus(admin.url, TOPOLOGY, publish_timeout=3.0)
    await bus.start()
    await healthy(bus)
    yield bus
    await bus.close()


@pytest.fixture(params=["memory", "rabbit"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        bus = MemoryBus(TOPOLOGY)
        await bus.start()
        yield bus
        await bus.close()
        return
    admin = Admin(request.getfixturevalue("amqp_url"))
    await admin.delete(AUDIT, SHARING)
    rabbit = RabbitBus(admin.url, TOPOLOGY, publish_timeout=3.0)
    await rabbit.start()
    await healthy(rabbit)
    yield rabbit
    await rabbit.close()
    await admin.delete(AUDIT, SHARING)
