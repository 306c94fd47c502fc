"""One running org for all its tests: each founds organizations of its own, and its jobs run when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.org.app import service
from tests.org.house import identity_with
from tests.world import Databases, World, world_of

SESSIONS: dict[str, dict[str, Any]] = {}


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("org")
    services = [replace(service, jobs=()), identity_with(folder / "identity", SESSIONS)]
    async with world_of(services, databases, folder) as world:
        yield world


@pytest.fixture
def sessions() -> dict[str, dict[str, Any]]:
    """What the stand-in for identity knows."""
    return SESSIONS
