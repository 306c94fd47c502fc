"""What tests share: one private PostgreSQL and one private RabbitMQ per test process, started when a test asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.log import set_up_logging
from shared.postgres import PrivatePostgres
from tests.broker import Broker, given_url, private_broker
from tests.world import Databases

set_up_logging(level="warning", readable=True)


@pytest.fixture(scope="session")
async def databases() -> AsyncIterator[Databases]:
    with tempfile.TemporaryDirectory(prefix="tenantry-tests-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        postgres = PrivatePostgres(place / "postgres", place / "postgres.log", durable=False)
        await postgres.start()
        try:
            yield Databases(postgres)
        finally:
            await postgres.stop()


@pytest.fixture(scope="session")
async def own_broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker | None]:
    """A node of our own, unless another was given; without a source for one this fails, and says how to get one."""
    if given_url():
        yield None
        return
    node = await private_broker(tmp_path_factory.mktemp("rabbit"))
    await node.start()
    yield node
    await node.wipe()


@pytest.fixture(scope="session")
def broker(own_broker: Broker | None) -> Broker:
    """A broker to break."""
    if own_broker is None:
        pytest.skip("this test breaks its broker, and TENANTRY_TEST_AMQP_URL names one that belongs to somebody")
    return own_broker


@pytest.fixture(scope="session")
def amqp_url(own_broker: Broker | None) -> str:
    return own_broker.url if own_broker else given_url() or ""
