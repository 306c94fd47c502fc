"""What system tests share: the whole product in this process, and a RabbitMQ of our own that may be killed and wiped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.broker import Broker, private_broker
from tests.system.distribution import installed
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    async with whole_product(databases, tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the subscriber's distribution, and nothing else of ours."""
    return installed(tmp_path_factory.mktemp("subscriber"))


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    broker = await private_broker(tmp_path_factory.mktemp("faults-rabbit"))
    await broker.start()
    try:
        yield broker
    finally:
        await broker.kill()


@pytest.fixture
async def vhost(broker: Broker, request: pytest.FixtureRequest) -> str:
    """A part of the broker that nothing was said in before."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    await broker.start()
    await broker.ctl("add_vhost", name)
    await broker.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
    return name
