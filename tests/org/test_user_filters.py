"""Users by second factor and by when they were last here: as filters, as numbers above the list, and in its file."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.auth import Actor
from shared.events.identity import TwoFactorEnabled, TwoFactorRemoved
from tests.org.house import House, a_person, founded
from tests.org.test_activity import signs_in
from tests.org.test_arrivals import arrives
from tests.world import World


async def names(house: House, query: str) -> list[str]:
    return [user["name"] for user in (await house.ask("GET", f"/v1/users?{query}")).ok()["data"]]


async def facets(house: House, query: str = "") -> Any:
    return (await house.ask("GET", f"/v1/users/facets{query}")).ok()


async def sets_up(world: World, person: Actor) -> None:
    await world.hear("identity", TwoFactorEnabled(user_id=person.user_id or "", factor="totp", factors=["totp"]))


async def requires(house: House) -> None:
    admin = replace(house.admin, amr=("pwd", "otp", "mfa"))
    body = {"two_factor_required": True}
    (await house.ask("PATCH", "/v1/security-policy", body, by=admin, headers={"If-Match": "*"})).ok()


async def test_who_has_a_second_factor_follows_what_identity_says_in_every_organization(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben, cleo = await house.member("viewer", "Ben"), await house.member("viewer", "Cleo")
    await sets_up(world, ben)
    assert await names(house, "two_factor=on") == ["Ben"]
    assert await names(house, "two_factor=off") == ["Ana Ruiz", "Cleo"]
    assert (await house.user(ben))["two_factor"] is True
    assert await names(other, "two_factor=on") == []
    both = TwoFactorEnabled(user_id=ben.user_id or "", factor="passkey", factors=["passkey", "totp"])
    one = TwoFactorRemoved(user_id=ben.user_id or "", removed=["totp"], factors=["passkey"])
    await world.hear("identity", both, one)
    assert await names(house, "two_factor=on") == ["Ben"]
    await world.hear("identity", TwoFactorRemoved(user_id=ben.user_id or "", removed=["passkey"], factors=[]))
    assert await names(house, "two_factor=on") == []
    assert (await house.user(cleo))["two_factor"] is False


async def test_who_had_one_before_they_came_has_it_here(world: World) -> None:
    house = await founded(world)
    email = f"dan@{house.domain}"
    dan = await a_person(world, email, "Dan")
    await sets_up(world, dan)
    invitation = (await house.invite(email)).ok()
    (await house.accept(house.token(invitation), dan)).ok()
    assert await names(house, "two_factor=on") == ["Dan"]


async def test_a_second_factor_is_missing_only_where_it_is_required(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    await house.member("viewer", "Cleo")
    await sets_up(world, ben)
    assert await names(house, "two_factor=missing") == []
    assert await names(house, "two_factor=missing&q=cleo") == []
    assert (await facets(house))["two_factor"] == {"on": 1, "off": 2, "required": False}
    await requires(house)
    assert await names(house, "two_factor=missing") == ["Ana Ruiz", "Cleo"]
    assert await names(house, "two_factor=missing&q=cleo") == ["Cleo"]
    assert (await facets(house))["two_factor"]["required"] is True


async def test_when_people_were_last_here_is_counted_in_spans_that_are_filters(world: World) -> None:
    house = await founded(world)
    people = {name: await house.member("viewer", name) for name in ("Ben", "Cleo", "Dora", "Emil")}
    await signs_in(house, people["Ben"], house.org_id)
    for name, days in (("Cleo", 50), ("Dora", 36), ("Emil", 5)):
        world.clock.advance(timedelta(days=days))
        await signs_in(house, people[name], house.org_id)
    world.clock.advance(timedelta(hours=1))
    spans = {"day": ["Emil"], "week": ["Dora"], "month": [], "quarter": ["Cleo"], "longer": ["Ana Ruiz", "Ben"]}
    for span, expected in spans.items():
        assert await names(house, f"last_active={span}") == expected, span
    counted = {one["last_active"]: one["users"] for one in (await facets(house))["last_active"]}
    assert counted == {span: len(expected) for span, expected in spans.items()} | {"never": 0}
    assert await names(house, "last_active=longer&sort=-name&role=viewer") == ["Ben"]


async def test_whom_a_provider_made_a_member_was_never_here_until_they_sign_in(world: World) -> None:
    house = await founded(world)
    ivy = await arrives(house)
    (found,) = (await house.ask("GET", "/v1/users?last_active=never")).ok()["data"]
    assert (found["id"], found["last_active_at"]) == (ivy, None)
    assert (await facets(house))["last_active"][-1] == {"last_active": "never", "users": 1}
    await signs_in(house, replace(house.admin, user_id=ivy), house.org_id)
    assert await names(house, "last_active=never") == []
    assert (await house.ask("GET", f"/v1/users/{ivy}")).ok()["last_active_at"] is not None


async def test_filtered_pages_hang_together_and_count(world: World) -> None:
    house = await founded(world)
    for number in range(5):
        await house.member("viewer", f"P{number}")
    walked, cursor = [], ""
    while True:
        page = (await house.ask("GET", f"/v1/users?two_factor=off&limit=2{cursor}")).ok()
        walked += [user["name"] for user in page["data"]]
        assert page["page"]["total"] == 6
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['page']['next_cursor']}"
    assert walked == ["Ana Ruiz", "P0", "P1", "P2", "P3", "P4"]


@pytest.mark.parametrize("query", ["two_factor=maybe", "last_active=yesterday", "two_factor="])
async def test_filters_refuse_what_they_do_not_know(world: World, query: str) -> None:
    house = await founded(world)
    assert (await house.ask("GET", f"/v1/users?{query}")).status == 422
    assert (await house.ask("POST", "/v1/users/exports", dict([query.split("=")]))).status == 422


async def test_the_numbers_are_for_admins_and_of_one_status(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    assert (await house.ask("GET", "/v1/users/facets", by=ben)).code == "forbidden"
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    assert (await facets(house))["users"] == 1
    assert (await facets(house, "?status=inactive"))["users"] == 1
