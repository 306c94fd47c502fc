"""The sharing service alone; what org and billing would say is said for them, and its jobs run when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from services.sharing.app import service
from services.sharing.usecases.opened import Opened, opens
from shared.service import Ctx, Environment, Service
from tests.sharing.company import Company
from tests.world import Databases, World, world_of


class Believing:
    """What org and billing say is said for them, so there is nobody to ask."""

    async def check(self, ctx: Ctx, org_id: str) -> None:
        pass


@asynccontextmanager
async def opens_alone(env: Environment) -> AsyncIterator[Opened]:
    async with opens(env) as own:
        yield replace(own, freshness=Believing())


alone = replace(service, opens=opens_alone, jobs=())
listener = Service(
    name="audit", migrations=Path(__file__).parent, sources=["sharing"]
)  # what nobody hears isn't published


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([alone, listener], databases, tmp_path) as world:
        yield world


@pytest.fixture
async def company(world: World) -> Company:
    """On Business: Ana is Admin, Ben and Cyd are Analysts, Dan and Eve Viewers; Dan is in Sales."""
    company = await Company(world).found()
    await company.join(ben="analyst", cyd="analyst", dan="viewer", eve="viewer")
    await company.group("Sales", "dan")
    return company
