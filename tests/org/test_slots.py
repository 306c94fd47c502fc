"""Slots: never exceeded by what is granted, and who keeps one when a lapse leaves too few."""

from __future__ import annotations

import asyncio

import pytest

from tests.org.house import House, a_person, at_once, founded
from tests.world import World


async def roles(house: House) -> dict[str, str]:
    return {u["name"]: u["effective_role"] for u in (await house.ask("GET", "/v1/users?sort=joined_at")).ok()["data"]}


async def test_a_lapse_leaves_admins_their_slots_then_analysts_as_they_joined(world: World) -> None:
    house = await founded(world)
    for role, name in (("analyst", "Ben"), ("analyst", "Cleo"), ("admin", "Dan"), ("viewer", "Eve")):
        await house.member(role, name)  # type: ignore[arg-type]
    said = await house.since(house.on("business", author_slots=3))
    assert said == ["member.slot_suspended"]
    assert await roles(house) == {
        "Ana Ruiz": "admin",
        "Ben": "analyst",
        "Cleo": "viewer",
        "Dan": "admin",
        "Eve": "viewer",
    }
    assert await house.since(house.on("business", author_slots=1)) == ["member.slot_suspended", "member.slot_suspended"]
    assert await roles(house) == {
        "Ana Ruiz": "admin",
        "Ben": "viewer",
        "Cleo": "viewer",
        "Dan": "viewer",
        "Eve": "viewer",
    }
    assert await house.since(house.on("business", author_slots=0)) == []  # one Admin always acts as one
    assert (await house.slots())["author"] == {"used": 4, "limit": 0}
    assert await house.since(house.on("business")) == ["member.slot_resumed"] * 3
    assert await roles(house) == {
        "Ana Ruiz": "admin",
        "Ben": "analyst",
        "Cleo": "analyst",
        "Dan": "admin",
        "Eve": "viewer",
    }


async def test_who_leaves_passes_their_slot_on(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    await house.member("analyst", "Cleo")
    await house.on("free")
    assert (await roles(house))["Cleo"] == "viewer"
    assert await house.since(house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")) == [
        "member.deactivated",
        "member.slot_resumed",
    ]
    assert (await roles(house))["Cleo"] == "analyst"
    assert (await house.ask("POST", f"/v1/users/{ben.user_id}/reactivation")).code == "slots_exhausted"
    assert await house.since(house.ask("DELETE", f"/v1/users/{ben.user_id}")) == ["member.removed"]


async def test_a_promotion_can_decide_who_keeps_the_slot(world: World) -> None:
    house = await founded(world)
    await house.member("analyst", "Ben")
    cleo = await house.member("analyst", "Cleo")
    await house.on("free")
    assert await house.since(house.give(cleo, "admin")) == [
        "member.role_changed",
        "member.slot_suspended",
        "member.slot_resumed",
    ]
    assert await roles(house) == {"Ana Ruiz": "admin", "Ben": "viewer", "Cleo": "admin"}


async def test_who_acts_as_viewer_for_want_of_a_slot_has_no_admins_rights_and_is_no_analyst(world: World) -> None:
    house = await founded(world)
    dan = await house.member("admin", "Dan")
    await house.on("business", author_slots=1)
    refused = await house.ask("POST", "/v1/groups", {"name": "G"}, by=dan)  # the token still says admin
    assert (refused.code, refused.json["meta"]["role"]) == ("forbidden", "viewer")
    groups = (await house.ask("GET", "/v1/groups")).ok()["data"]
    assert [g["members"] for g in groups[:2]] == [2, 1]
    assert [g["name"] for g in (await house.user(dan))["groups"]] == ["All Users"]


async def test_a_role_that_takes_another_kind_of_slot_needs_one(world: World) -> None:
    house = await founded(world, "free")
    viewers = [await house.member("viewer") for _ in range(5)]
    ben = await house.member("analyst", "Ben")
    assert (await house.give(viewers[0], "analyst")).code == "slots_exhausted"
    demoted = await house.give(ben, "viewer")
    assert (demoted.code, demoted.json["meta"]["kind"]) == ("slots_exhausted", "viewer")
    (await house.ask("DELETE", f"/v1/users/{viewers[1].user_id}")).ok()
    assert (await house.give(ben, "viewer")).status == 200
    assert (await house.give(viewers[0], "analyst")).status == 200
    assert (await house.give(viewers[0], "admin")).status == 200  # the same slot


async def test_the_role_of_somebody_inactive_takes_no_slot_until_they_return(world: World) -> None:
    house = await founded(world, "free")
    ben, cleo = await house.member("viewer", "Ben"), await house.member("analyst", "Cleo")
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    assert (await house.give(ben, "analyst")).status == 200
    assert (await house.ask("POST", f"/v1/users/{ben.user_id}/reactivation")).code == "slots_exhausted"
    (await house.ask("POST", f"/v1/users/{cleo.user_id}/deactivation")).ok()
    assert (await house.ask("POST", f"/v1/users/{ben.user_id}/reactivation")).status == 200


@pytest.mark.parametrize("_round", range(4))
async def test_promotions_reactivations_and_invitations_that_race_share_the_last_slot(
    world: World, _round: int
) -> None:
    house = await founded(world, "free")
    viewers = [await house.member("viewer") for _ in range(3)]
    sleeper = await house.member("analyst")
    (await house.ask("POST", f"/v1/users/{sleeper.user_id}/deactivation")).ok()
    replies = await at_once(
        *((lambda v=v: house.give(v, "analyst")) for v in viewers),
        *((lambda n=n: house.invite(f"x{n}@{house.domain}", "analyst")) for n in range(3)),
        lambda: house.ask("POST", f"/v1/users/{sleeper.user_id}/reactivation"),
    )
    assert sum(r.status < 300 for r in replies) == 1
    assert {r.code for r in replies if r.status >= 300} == {"slots_exhausted"}
    assert (await house.slots())["author"] == {"used": 2, "limit": 2}


async def test_an_invitation_from_before_a_lapse_can_be_accepted_while_a_slot_is_there(world: World) -> None:
    house = await founded(world)
    tokens = {}
    for name in ("ben", "cleo"):
        invitation = (await house.invite(f"{name}@{house.domain}", "analyst")).ok()
        tokens[name] = house.token(invitation)
    people = {name: await a_person(world, f"{name}@{house.domain}", name) for name in tokens}
    await house.on("free")
    assert (await house.accept(tokens["cleo"], people["cleo"])).status == 201
    refused = await house.accept(tokens["ben"], people["ben"])
    assert (refused.code, refused.json["meta"]["used"]) == ("slots_exhausted", 2)
    await house.on("business")
    assert (await house.accept(tokens["ben"], people["ben"])).status == 201


async def test_once_a_downgrade_is_applied_no_racing_invitation_gets_past_the_new_limit(world: World) -> None:
    house = await founded(world)
    inviting = asyncio.create_task(
        at_once(*((lambda n=n: house.invite(f"p{n}@{house.domain}", "analyst")) for n in range(15)))
    )
    await house.on("business", author_slots=3)
    after = (await house.slots())["author"]["used"]
    replies = await inviting
    assert {r.code for r in replies} <= {None, "slots_exhausted"}
    used = (await house.slots())["author"]["used"]
    assert used == 1 + sum(r.status == 201 for r in replies)
    assert used == max(after or 0, 3)
