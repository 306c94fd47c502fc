"""Strangers who guess at a password can't lock out its owner on a device that they have signed in from before."""

from __future__ import annotations

import pytest

from services.identity.rules import KNOWN_DEVICE_LIFE
from services.identity.usecases.housekeeping import forget_the_past
from tests.identity.people import PASSWORD, Someone, sign_in, somebody
from tests.world import Reply, World

HOME = "203.0.113.7"
NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def strangers_guess(world: World, email: str) -> None:
    """Until the account's budget is used up."""
    for n in range(10):
        await sign_in(world, email, "wrong wrong wrong", source=f"198.51.100.{n}")
    assert (await sign_in(world, email, source="198.51.100.77")).code == "rate_limited"


async def at_home(world: World, ana: Someone, password: str = PASSWORD) -> Reply:
    return await sign_in(world, ana.email, password, source=HOME)


async def test_a_device_of_the_owner_comes_in_while_everybody_else_waits(world: World) -> None:
    ana = await somebody(world)
    assert (await at_home(world, ana)).status == 201
    await strangers_guess(world, ana.email)
    actor = await ana.actor((await at_home(world, ana)).ok()["session_id"])
    headers = {"Tenantry-Source-Ip": HOME, "User-Agent": "Tester/1.0"}
    proof = await world.ask(
        "identity", "POST", "/v1/auth/reauthentications", {"password": PASSWORD}, actor=actor, headers=headers
    )
    assert proof.status == 200, "nor can they keep the owner from a fresh proof"
    assert (await sign_in(world, ana.email, source="198.51.100.78")).code == "rate_limited"


async def test_it_can_guess_no_more_often_than_anybody(world: World) -> None:
    ana = await somebody(world)
    assert (await at_home(world, ana)).status == 201
    codes = [(await at_home(world, ana, "wrong wrong wrong")).code for _ in range(11)]
    assert codes == ["invalid_credentials"] * 10 + ["rate_limited"]
    assert (await sign_in(world, ana.email, source="198.51.100.1")).status == 201, "and locks nobody else out"


@pytest.mark.parametrize("unlike", ["browser", "network", "person"])
async def test_another_browser_network_or_person_is_another_device(world: World, unlike: str) -> None:
    ana, ben = await somebody(world), await somebody(world)
    assert (await at_home(world, ben if unlike == "person" else ana)).status == 201
    await strangers_guess(world, ana.email)
    source = "192.0.2.1" if unlike == "network" else HOME
    headers = {"Tenantry-Source-Ip": source, "User-Agent": "Other/1.0" if unlike == "browser" else "Tester/1.0"}
    body = {"email": ana.email, "password": PASSWORD}
    assert (await world.ask("identity", "POST", "/v1/auth/sessions", body, headers=headers)).code == "rate_limited"


async def test_a_wrong_password_makes_no_device_known(world: World) -> None:
    ana = await somebody(world)
    await at_home(world, ana, "wrong wrong wrong")
    await strangers_guess(world, ana.email)
    assert (await at_home(world, ana)).code == "rate_limited"


async def test_a_new_password_makes_all_devices_strangers_but_the_one_that_set_it(world: World) -> None:
    ana = await somebody(world)
    assert (await sign_in(world, ana.email, source="192.0.2.9")).status == 201
    actor = await ana.actor((await at_home(world, ana)).ok()["session_id"])
    headers = {"Tenantry-Source-Ip": HOME, "User-Agent": "Tester/1.0"}
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await world.ask("identity", "PUT", "/v1/me/password", change, actor=actor, headers=headers)).status == 204
    await strangers_guess(world, ana.email)
    assert (await sign_in(world, ana.email, NEW_PASSWORD, source="192.0.2.9")).code == "rate_limited"
    assert (await at_home(world, ana, NEW_PASSWORD)).status == 201


async def test_a_device_that_was_not_seen_for_ninety_days_is_forgotten(world: World) -> None:
    ana = await somebody(world)
    assert (await at_home(world, ana)).status == 201
    world.clock.advance(KNOWN_DEVICE_LIFE)
    await strangers_guess(world, ana.email)
    assert (await at_home(world, ana)).code == "rate_limited"
    await world.run("identity", forget_the_past)
    async with world.started["identity"].env.database.read("") as read:
        assert await read.value("select count(*) from known_devices") == 0
