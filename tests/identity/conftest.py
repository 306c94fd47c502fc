"""Worlds in which identity runs with somebody who hears everything; org and billing are heard through `world.hear`.

A module whose tests don't mind each other's people overrides `world` with `one_world`, for a start costs a second, and takes `own_world`
where a test does mind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.identity.provider import Provider, providing
from tests.identity.saml_documents import Signer, signer_at
from tests.identity.sso_house import BYSTANDER, IDENTITY, SsoHouse, sso_house
from tests.world import Databases, World, world_of


@pytest.fixture
async def own_world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    """A test's own."""
    async with world_of([IDENTITY, BYSTANDER], databases, tmp_path) as world:
        yield world


@pytest.fixture
def world(own_world: World) -> World:
    return own_world


@pytest.fixture(scope="module")
async def one_world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The same for all tests of a module."""
    async with world_of([IDENTITY, BYSTANDER], databases, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
async def provider(world: World) -> AsyncIterator[Provider]:
    """An OpenID Connect provider whose clock is the world's."""
    async with providing(lambda: world.clock.now().timestamp()) as provider:
        yield provider


@pytest.fixture
async def house(world: World, provider: Provider) -> SsoHouse:
    """Its people come in by the provider."""
    return await (await sso_house(world, provider)).set_up()


@pytest.fixture
def signer(world: World) -> Signer:
    """A SAML provider's."""
    return signer_at(world.clock.now())
