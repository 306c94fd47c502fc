"""What tests share: one private PostgreSQL per test process, and worlds on it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.log import set_up_logging
from shared.postgres import PrivatePostgres
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
