"""What tests share: one private PostgreSQL and one private RabbitMQ per test process, started when a test asks for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from shared.cli.demo import api
from shared.log import set_up_logging
from shared.postgres import PrivatePostgres
from tests.broker import Broker, given_url, private_broker
from tests.world import Databases

ENOUGH = 6 << 30

set_up_logging(level="warning", readable=True)
# What a property says holds on a machine of any speed; how long an example takes is no part of it.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
api.MAIL_SECONDS = api.SETTLE_SECONDS = 60.0


def quickest_place() -> Path:
    """Where PostgreSQL makes its thousands of files: in memory where there is plenty (a tenth of the system's time that a disk takes)."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        return Path(tempfile.gettempdir())
    for left in memory.glob("tenantry-tests-*"):
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return memory if shutil.disk_usage(memory).free > ENOUGH else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
async def databases() -> AsyncIterator[Databases]:
    place = Path(tempfile.mkdtemp(prefix=f"tenantry-tests-{os.getpid()}-", dir=quickest_place()))
    place.chmod(0o755)
    postgres = PrivatePostgres(place / "postgres", place / "postgres.log", durable=False)
    try:
        await postgres.start()
        yield Databases(postgres)
    finally:
        await postgres.stop()
        # Hundreds of databases are as many files as take a minute to remove; nobody has to wait for that.
        subprocess.Popen(["rm", "-rf", str(place)], start_new_session=True)


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
