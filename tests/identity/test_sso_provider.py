"""Single sign-on at a provider that we did not write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import CookieJar, web

from shared.auth import Actor
from shared.events.identity import UserRegistered
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.identity.people import PASSWORD, introspect
from tests.identity.provider import Provider
from tests.identity.serving import serving
from tests.identity.sso_house import Browser, SsoHouse, shows, sso_house
from tests.world import Reply, World


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


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
        asked = (await boss.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()["account_proof"]
        session = (await shows(world, asked, password=PASSWORD)).ok()
        actor = await house.boss.actor(session["session_id"])
        begun = (await boss.ask("POST", "/v1/auth/sso/proofs", {}, actor=actor)).ok()
        back = await comes_back(boss, await provider.sign_in(begun["url"], "boss"))
        assert "failed" not in back.headers["location"], back.headers["location"]
        proven = await boss.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=actor)
        assert proven.ok()["access_token"]
        steps = [one["step"] for one in await house.attempts()]
        assert steps == ["done", "done", "done", "browser", "done"]


@asynccontextmanager
async def listening(house: SsoHouse) -> AsyncIterator[tuple[str, list[int]]]:
    """An address at which identity hears of who signed out, as the gateway would pass it on; and what it answered."""
    answered: list[int] = []

    async def pass_on(request: web.Request) -> web.Response:
        body, headers = await request.read(), {"Content-Type": request.headers["Content-Type"]}
        path = f"/v1/auth/sso/{house.connection}/backchannel-logout"
        reply = await house.world.ask("identity", "POST", path, raw=body, headers=headers)
        answered.append(reply.status)
        return web.Response(status=reply.status, body=reply.body)

    app = web.Application()
    app.router.add_post("/told", pass_on)
    async with serving(app) as there:
        yield f"{there}/told", answered


async def test_who_signs_out_there_is_signed_out_here_and_the_other_way_round(world: World) -> None:
    house = await sso_house(world, Provider())
    us = (await house.begins())["service_provider"]
    async with listening(house) as (told_at, answered):
        back_to = us["post_logout_redirect_uri"]
        with real_provider(us["redirect_uri"], house.domain, told_at=told_at, signed_out_uri=back_to) as provider:
            await set_up(house, provider)

            async def comes(jar: CookieJar) -> str:
                browser = Browser(world)
                address = await provider.sign_in(await house.leaves(browser), "ivy", jar)
                assert "failed" not in (await comes_back(browser, address)).headers["location"]
                return str((await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()["session_id"])

            desk, phone = CookieJar(unsafe=True), CookieJar(unsafe=True)
            first, second = await comes(desk), await comes(phone)
            assert await provider.sign_out(f"{provider.url}/session/end", desk) == f"{provider.url}/session/end/success"
            assert answered == [200]
            assert [(await introspect(world, one))["live"] for one in (first, second)] == [False, True]

            actor = Actor("person", (await introspect(world, second))["user_id"], None, None, second, ("sso",))
            left = (await world.ask("identity", "POST", "/v1/me/sign-out", actor=actor)).ok()["at_provider"]
            assert left["url"].startswith(f"{provider.url}/session/end?")
            assert await provider.sign_out(left["url"], phone) == back_to
            assert answered == [200, 200]
