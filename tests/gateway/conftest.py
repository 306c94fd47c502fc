"""A house for all tests of a module that leave it as it was, and one for those that don't."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.standins import House, a_house
from tests.world import Databases


@pytest.fixture(scope="module")
async def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(databases, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
async def own_house(databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(databases, tmp_path) as house:
        yield house
