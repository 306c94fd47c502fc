"""A world in which identity runs with somebody who hears everything; org is heard through `world.hear`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.identity.app import service
from shared.events import Envelope
from shared.service import Ctx, Service, on_everything
from tests.world import Databases, World, world_of


async def listen(ctx: Ctx, told: Envelope) -> None:
    """Hears, for events that nobody hears stay in the outbox."""


bystander = Service("audit", Path(__file__).parent, consumers=[on_everything(listen)], sources=["identity", "org"])


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([service, bystander], databases, tmp_path) as world:
        yield world
