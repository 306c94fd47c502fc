"""Single sign-on at a provider that we did not write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.events.identity import UserRegistered
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.identity.people import introspect
from tests.identity.provider import Provider
from tests.identity.sso_house import Browser, SsoHouse, sso_house, sso_world
from tests.world import Databases, Reply, World


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("real")
    async with sso_world(databases, folder) as world:
        yield world


async def comes_back(browser: Browser, address: str) -> Reply:
    parts = urlsplit(address)
    return await browser.ask("GET", f"{parts.path}?{parts.query}")


async def set_up(house: SsoHouse, provider: RealProvider) -> None:
    told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    (await house.ask("PUT", house.path("/metadata"), {"oidc": told})).ok()
    browser = Browser(house.world)
    begun = (await browser.ask("POST", house.path("/verification"), actor=house.admin)).ok()
    back = await comes_back(browser, await provider.sign_in(begun["url"], "boss"))
    assert "verified=true" in back.headers["location"], back.headers["location"]
    (await house.ask("POST", house.path("/activation"))).ok()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_person_signs_in_proves_themselves_anew_and_a_stolen_answer_is_useless(
    world: World, algorithm: str
) -> None:
    house = await sso_house(world, Provider())
    made = await house.begins()
    with real_provider(made["service_provider"]["redirect_uri"], house.domain, algorithm) as provider:
        await set_up(house, provider)
        browser = Browser(world)
        address = await provider.sign_in(await house.leaves(browser), "ivy")
        thief = Browser(world)
        await house.leaves(thief)
        assert "failed=browser" in (await comes_back(thief, address)).headers["location"]
        assert "failed" not in (await comes_back(browser, address)).headers["location"]
        signed_in = (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()
        person = (await world.said("identity", UserRegistered))[-1]
        assert person.data["person"] == {"email": f"ivy@{house.domain}", "name": "ivy Real"}
        assert (await introspect(world, signed_in["session_id"]))["user_id"] == person.subject

        boss = Browser(world)
        await comes_back(boss, await provider.sign_in(await house.leaves(boss), "boss"))
        session = (await boss.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()
        actor = await house.boss.actor(session["session_id"])
        begun = (await boss.ask("POST", "/v1/auth/sso/proofs", {}, actor=actor)).ok()
        back = await comes_back(boss, await provider.sign_in(begun["url"], "boss"))
        assert "failed" not in back.headers["location"], back.headers["location"]
        proven = await boss.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=actor)
        assert proven.ok()["access_token"]
        steps = [one["step"] for one in await house.attempts()]
        assert steps == ["done", "done", "done", "browser", "done"]
