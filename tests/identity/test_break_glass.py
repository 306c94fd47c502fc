"""Break-glass: the way in for an Admin when the provider is broken, and how little it opens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.identity.routes import ROUTES
from services.identity.usecases import break_glass
from shared.auth import Actor
from shared.events.identity_sso import BreakGlassAsked, BreakGlassUsed
from shared.ids import new_id
from tests.identity.factors import answers, sets_up_totp
from tests.identity.people import Someone, introspect, link_of, mails, sign_in, somebody
from tests.identity.provider import Provider
from tests.identity.sso_house import SsoHouse, joins, sso_house
from tests.world import Reply, World, standing_still


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


async def asks(world: World, email: str, source: str = "203.0.113.7") -> Reply:
    headers = {"Tenantry-Source-Ip": source}
    return await world.ask("identity", "POST", "/v1/auth/break-glass", {"email": email}, headers=headers)


async def mailed(world: World, email: str) -> list[str]:
    return [link_of(world, m) for m in await mails(world) if m.to == email and m.template == "break_glass"]


async def uses(world: World, token: str) -> Reply:
    return await world.ask("identity", "POST", "/v1/auth/break-glass-sessions", {"token": token})


async def acting(world: World, someone: Someone, session_id: str) -> Actor:
    """The actor that the gateway makes of the session."""
    facts = await introspect(world, session_id)
    return Actor(
        "person", someone.user_id, facts["org_id"], "admin", session_id, tuple(facts["amr"]), facts["auth_time"]
    )


async def test_an_admin_gets_in_once_and_repairs_single_sign_on(world: World, house: SsoHouse) -> None:
    second = await somebody(world)
    await joins(world, house.org_id, second)
    assert (await sign_in(world, house.boss.email)).status == 401
    assert (await asks(world, house.boss.email)).ok() == {"minutes": 15}
    (token,) = await mailed(world, house.boss.email)
    session = (await uses(world, token)).ok()
    facts = await introspect(world, session["session_id"])
    assert (facts["amr"], facts["org_id"]) == (["break_glass"], house.org_id)
    assert (await uses(world, token)).code == "gone", "it works once"
    asked = BreakGlassAsked.read((await world.said("identity", BreakGlassAsked))[-1])
    used = BreakGlassUsed.read((await world.said("identity", BreakGlassUsed))[-1])
    assert asked.org_id == used.org_id == house.org_id
    told = {mail.to for mail in await mails(world) if mail.template == "break_glass_used"}
    assert {house.boss.email, second.email} <= told
    boss = await acting(world, house.boss, session["session_id"])
    off = await house.ask("POST", house.path("/deactivation"), actor=boss)
    assert off.ok()["status"] == "off"
    assert (await sign_in(world, house.boss.email)).status == 201
    world.clock.advance(timedelta(hours=1))
    assert not (await introspect(world, session["session_id"]))["live"]


async def test_strangers_who_ask_for_it_keep_no_admin_from_a_link_that_works(world: World, house: SsoHouse) -> None:
    with standing_still(world.clock):
        asked = [await asks(world, house.boss.email, f"198.51.100.{n}") for n in range(4)]
        assert [reply.status for reply in asked] == [202] * 3 + [429]
        world.clock.advance(timedelta(seconds=int(asked[-1].headers["retry-after"]) - 1))
        assert (await asks(world, house.boss.email)).status == 429
        token = (await mailed(world, house.boss.email))[-1]
        assert (await uses(world, token)).status == 201, "for as long as nobody can ask again"
        world.clock.advance(timedelta(seconds=1))
        assert (await asks(world, house.boss.email)).status == 202


async def test_it_opens_sign_in_configuration_and_nothing_else(world: World, house: SsoHouse) -> None:
    await asks(world, house.boss.email)
    session = (await uses(world, (await mailed(world, house.boss.email))[-1])).ok()
    boss = await acting(world, house.boss, session["session_id"])
    open_to = set()
    for route in ROUTES:
        if (
            route.may.anyone
            or route.path.startswith("/internal/")
            or "{key_id}" in route.path
            or "{token_id}" in route.path
        ):
            continue  # of what isn't there it is only said that it isn't there
        path = route.path.replace("{connection_id}", house.connection).replace("{session_id}", "ses_" + "0" * 26)
        path = path.replace("{user_id}", house.boss.user_id).replace("{passkey_id}", "psk_x")
        reply = await world.ask("identity", route.method, path, {"no": 1} if route.writes else None, actor=boss)
        if reply.code != "emergency_only":
            open_to.add(route.may.action)
    assert open_to == {"sso.read", "sso.manage", "sso.switch_off", "sessions.end"}


async def test_the_second_factor_is_still_asked_for(world: World, provider: Provider) -> None:
    house = await sso_house(world, provider)
    phone = await sets_up_totp(world, await house.boss.comes())
    await house.set_up()
    await asks(world, house.boss.email)
    challenge = (await uses(world, (await mailed(world, house.boss.email))[-1])).ok()["challenge"]
    answered = await answers(world, challenge, totp=phone.code())
    facts = await introspect(world, answered.ok()["session_id"])
    assert facts["amr"] == ["break_glass", "otp", "mfa"]


async def test_who_is_an_admin_elsewhere_too_lands_where_single_sign_on_is_broken(
    world: World, provider: Provider
) -> None:
    house = await sso_house(world, provider)
    elsewhere = new_id("org")
    await joins(world, elsewhere, house.boss)
    boss = await house.boss.comes()
    phone = await sets_up_totp(world, boss)
    chosen = await world.ask("identity", "POST", "/v1/me/active-organization", {"org_id": elsewhere}, actor=boss)
    assert chosen.ok()["org_id"] == elsewhere
    await house.set_up()
    await asks(world, house.boss.email)
    challenge = (await uses(world, (await mailed(world, house.boss.email))[-1])).ok()["challenge"]
    answered = await answers(world, challenge, totp=phone.code())
    assert (await introspect(world, answered.ok()["session_id"]))["org_id"] == house.org_id


async def test_only_an_admin_of_an_organization_that_signs_in_at_a_provider_gets_mail(
    world: World, house: SsoHouse, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await somebody(world, f"viewer@{house.domain}")
    await joins(world, house.org_id, viewer, "viewer")
    elsewhere = await sso_house(world, provider)
    monkeypatch.setattr(break_glass, "ANSWER_SECONDS", 0.0)
    for email in (viewer.email, f"nobody@{house.domain}", elsewhere.boss.email, "x@nowhere.example"):
        reply = await asks(world, email, source="198.51.100.1")
        assert (reply.status, reply.ok()) == (202, {"minutes": 15})
        assert await mailed(world, email) == []


async def test_a_link_dies_after_fifteen_minutes_when_another_is_sent_and_when_its_admin_is_none(
    world: World, house: SsoHouse
) -> None:
    await asks(world, house.boss.email)
    await asks(world, house.boss.email)
    first, second = await mailed(world, house.boss.email)
    assert (await uses(world, first)).code == "gone"
    world.clock.advance(timedelta(minutes=15))
    assert (await uses(world, second)).code == "gone"
    await asks(world, house.boss.email)
    await joins(world, house.org_id, house.boss, "viewer")
    assert (await uses(world, (await mailed(world, house.boss.email))[-1])).code == "gone"
    for odd in ("", "tms_brg", second[:-1], second.replace("brg", "rst")):
        assert (await uses(world, odd)).code == "gone"


async def test_asking_is_limited(world: World, house: SsoHouse) -> None:
    codes = [(await asks(world, house.boss.email, source="192.0.2.77")).code for _ in range(6)]
    assert codes == [None] * 3 + ["rate_limited"] * 3
