"""One RabbitMQ of our own per test module: it may be killed and wiped; where it can't be had, those tests are skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.broker import Broker, private_broker
from tests.broker_programs import BrokerMissing


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    try:
        broker = await private_broker(tmp_path_factory.mktemp("faults-rabbit"))
    except BrokerMissing as missing:
        pytest.skip(str(missing))
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
