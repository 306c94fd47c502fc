"""Groups: set up on a plan that has them, always shrinkable, suspended and restored without being touched."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from shared.events.billing import EntitlementsChanged
from shared.events.org import GroupsSuspended
from shared.ids import new_id
from tests.org.house import House, at_once, founded, plan
from tests.world import World


async def picture(house: House) -> object:
    """Groups with their people, and what everybody is."""
    groups = (await house.ask("GET", "/v1/groups")).ok()["data"]
    people = {}
    for group in groups:
        people[group["id"]] = [
            u["id"] for u in (await house.ask("GET", f"/v1/groups/{group['id']}/members")).ok()["data"]
        ]
    users = (await house.ask("GET", "/v1/users")).ok()["data"]
    return groups, people, users


async def test_a_group_is_created_empty_filled_renamed_and_deleted(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    made = await house.ask("POST", "/v1/groups", {"name": "Finance", "description": "Money\npeople"})
    group = made.ok()
    assert (made.status, group["members"], group["suspended"], group["kind"]) == (201, 0, None, "custom")
    path = f"/v1/groups/{group['id']}"
    assert await house.since(house.ask("PUT", f"{path}/members/{ben.user_id}")) == ["group.member_added"]
    assert await house.since(house.ask("PUT", f"{path}/members/{ben.user_id}")) == []
    assert (await house.ask("GET", path)).ok()["members"] == 1
    assert [u["name"] for u in (await house.ask("GET", f"{path}/members")).ok()["data"]] == ["Ben"]
    assert await house.since(house.ask("PATCH", path, {"name": "Treasury"})) == ["group.changed"]
    assert await house.since(house.ask("PATCH", path, {"name": "Treasury"})) == []
    changed = (await house.ask("GET", path)).ok()
    assert (changed["name"], changed["description"]) == ("Treasury", "Money\npeople")
    assert await house.since(house.ask("DELETE", f"{path}/members/{ben.user_id}")) == ["group.member_removed"]
    assert await house.since(house.ask("DELETE", f"{path}/members/{ben.user_id}")) == []
    await house.ask("PUT", f"{path}/members/{ben.user_id}")
    assert await house.since(house.ask("DELETE", path)) == ["group.deleted"]
    assert (await house.ask("GET", path)).status == 404
    assert [g["name"] for g in (await house.user(ben))["groups"]] == ["All Users"]


@pytest.mark.parametrize("taken", ["finance", "FINANCE", " Finance ", "ＦＩＮＡＮＣＥ", "all users", "ALL ANALYSTS"])
async def test_names_are_unique_regardless_of_case(world: World, taken: str) -> None:
    house = await founded(world)
    await house.group("Finance")
    board = await house.group("Board")
    assert (await house.ask("POST", "/v1/groups", {"name": taken})).code == "name_taken"
    assert (await house.ask("PATCH", f"/v1/groups/{board}", {"name": taken})).code == "name_taken"
    assert (await (await founded(world)).ask("POST", "/v1/groups", {"name": "Finance"})).status == 201


async def test_a_sharp_s_and_two_s_are_the_same_letter(world: World) -> None:
    house = await founded(world)
    await house.group("Straße")
    assert (await house.ask("POST", "/v1/groups", {"name": "STRASSE"})).code == "name_taken"


async def test_of_many_who_create_the_same_name_one_succeeds(world: World) -> None:
    house = await founded(world)
    replies = await at_once(*([lambda: house.ask("POST", "/v1/groups", {"name": "Finance"})] * 10))
    assert sorted(r.status for r in replies) == [201] + [409] * 9


@pytest.mark.parametrize(
    "taken", ["All  Users", "Café\u3000Crew", "Café  crew", "Cafe\u0301 Crew\ufe0f", "CAFÉ\U000e0100 CREW"]
)
async def test_names_that_look_alike_are_one(world: World, taken: str) -> None:
    house = await founded(world)
    group = await house.group("Café Crew")
    assert (await house.ask("POST", "/v1/groups", {"name": taken})).code == "name_taken"
    assert (await house.ask("DELETE", f"/v1/groups/{group}")).status == 204
    board = await house.group("Board")
    assert (await house.ask("PATCH", f"/v1/groups/{board}", {"name": "Café  Crew"})).ok()["name"] == "Café  Crew"
    assert (await house.ask("POST", f"/v1/groups/{group}/restoration")).code == "name_taken"


async def test_a_heart_is_a_name_with_and_without_its_colour(world: World) -> None:
    house = await founded(world)
    assert (await house.ask("POST", "/v1/groups", {"name": "\u2764\ufe0f"})).ok()["name"] == "\u2764\ufe0f"
    assert (await house.ask("POST", "/v1/groups", {"name": "\u2764"})).code == "name_taken"


@pytest.mark.parametrize("name", ["\u3164", "\u2800", "a\u034fb", "a\uffa0", "a\u115fb", "a\u17b4", "a\U000e0041"])
async def test_names_with_letters_that_nobody_sees_are_refused(world: World, name: str) -> None:
    house = await founded(world)
    refused = await house.ask("POST", "/v1/groups", {"name": name})
    assert [error["code"] for error in refused.json["errors"]] == ["hidden_characters"]


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\u200bb", "a\x00b", "a\u202eb", None])
async def test_names_that_hide_something_are_refused(world: World, name: object) -> None:
    house = await founded(world)
    assert (await house.ask("POST", "/v1/groups", {"name": name})).status == 422


async def test_markup_and_formulas_are_kept_as_they_were_written(world: World) -> None:
    house = await founded(world)
    name = "=cmd|' /C calc'!A0 <script>'; drop table groups--"
    assert (await house.ask("POST", "/v1/groups", {"name": name})).ok()["name"] == name


async def test_a_rename_can_insist_on_the_version_that_was_read(world: World) -> None:
    house = await founded(world)
    group = await house.group("Finance")
    etag = (await house.ask("GET", f"/v1/groups/{group}")).headers["etag"]
    replies = await asyncio.gather(
        *(house.ask("PATCH", f"/v1/groups/{group}", {"name": f"G{n}"}, headers={"If-Match": etag}) for n in range(4))
    )
    assert sorted(r.status for r in replies) == [200, 412, 412, 412]


async def test_built_in_groups_maintain_themselves(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    for group in (await house.ask("GET", "/v1/groups")).ok()["data"]:
        path = f"/v1/groups/{group['id']}"
        for method, where, body in (
            ("PATCH", path, {"name": "Mine"}),
            ("DELETE", path, None),
            ("PUT", f"{path}/members/{ben.user_id}", None),
            ("DELETE", f"{path}/members/{ben.user_id}", None),
        ):
            assert (await house.ask(method, where, body)).code == "built_in"

    async def sizes() -> list[int]:
        return [g["members"] for g in (await house.ask("GET", "/v1/groups")).ok()["data"]]

    assert await sizes() == [2, 1]
    (await house.give(ben, "analyst")).ok()
    assert await sizes() == [2, 2]
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    assert await sizes() == [1, 1]


@pytest.mark.parametrize("name", ["free", "pro"])
async def test_creating_a_group_names_the_smallest_plan_that_has_them(world: World, name: str) -> None:
    house = await founded(world, name)
    refused = await house.ask("POST", "/v1/groups", {"name": "Finance"})
    assert (refused.status, refused.code) == (403, "plan_required")
    assert refused.json["meta"] == {"plan": "business", "current": name, "for": "custom_groups"}


async def test_while_the_plan_is_unknown_everything_that_it_gates_is_denied_and_nothing_else(world: World) -> None:
    house = await founded(world, None)
    assert (await house.ask("POST", "/v1/groups", {"name": "Finance"})).code == "plan_required"
    assert (await house.invite(f"ben@{house.domain}")).code == "slots_exhausted"
    assert (await house.user(house.admin))["effective_role"] == "admin"
    await house.on("business")
    ben = await house.member("admin", "Ben")
    group = await house.group("Finance", ben)
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run("delete from entitlements where org_id = $1", house.org_id)
    assert (await house.ask("GET", f"/v1/groups/{group}")).ok()["suspended"] is not None
    assert (await house.ask("PUT", f"/v1/groups/{group}/members/{house.admin.user_id}")).code == "suspended"
    assert (await house.ask("DELETE", f"/v1/groups/{group}/members/{ben.user_id}")).status == 204
    assert (await house.ask("DELETE", f"/v1/groups/{group}")).status == 204
    assert (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).status == 204


async def test_a_suspended_group_is_labelled_can_be_renamed_and_shrunk_but_not_filled(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("viewer", "Ben"), await house.member("viewer", "Cleo")
    group, doomed = await house.group("Finance", ben, cleo), await house.group("Doomed", ben)
    path = f"/v1/groups/{group}"
    assert await house.since(house.on("pro")) == ["group.suspended"]
    (told,) = [e for e in await world.said("org", GroupsSuspended) if e.org_id == house.org_id]
    assert sorted(told.data["group_ids"]) == sorted([group, doomed])
    shown = (await house.ask("GET", path)).ok()
    assert (shown["suspended"]["cause"], shown["suspended"]["plan"], shown["members"]) == ("plan", "pro", 2)
    assert datetime.fromisoformat(shown["suspended"]["since"]) == datetime.fromisoformat(told.data["suspended_at"])
    refused = await house.ask("PUT", f"{path}/members/{house.admin.user_id}")
    assert (refused.status, refused.code, refused.json["meta"]["plan_required"]) == (409, "suspended", "business")
    assert (await house.give(house.admin, "admin", [group])).code == "suspended"
    assert (await house.invite(f"x@{house.domain}", "viewer", [group])).code == "suspended"
    assert (await house.give(cleo, "analyst")).status == 200  # keeps what she holds
    assert (await house.give(cleo, "analyst", [])).status == 200
    renamed = (await house.ask("PATCH", path, {"name": "Treasury", "description": "new"})).ok()
    assert renamed["suspended"] == shown["suspended"]
    assert (await house.ask("DELETE", f"/v1/groups/{doomed}")).status == 204
    assert await house.since(house.on("business")) == ["group.resumed"]
    back = (await house.ask("GET", path)).ok()
    assert (back["name"], back["suspended"]) == ("Treasury", None)
    assert [u["name"] for u in (await house.ask("GET", f"{path}/members")).ok()["data"]] == ["Ben"]


async def test_an_upgrade_restores_exactly_what_a_downgrade_suspended(world: World) -> None:
    house = await founded(world)
    people = [
        await house.member("analyst", "Ben"),
        await house.member("analyst", "Cleo"),
        await house.member("viewer", "Dan"),
    ]
    for n in range(4):
        await house.group(f"G{n}", *people[: n % 3 + 1])
    before = await picture(house)
    await house.on("free")
    suspended = await picture(house)
    assert suspended != before
    await house.on("business")
    assert await picture(house) == before


async def test_since_stays_the_day_of_the_lapse_through_further_plans_without_groups(world: World) -> None:
    house = await founded(world)
    group = await house.group("Finance")
    await house.on("pro")
    since = (await house.ask("GET", f"/v1/groups/{group}")).ok()["suspended"]["since"]
    said = await house.since(house.on("free"))
    assert said == []
    suspended = (await house.ask("GET", f"/v1/groups/{group}")).ok()["suspended"]
    assert suspended == {"cause": "plan", "plan": "free", "since": since}


async def test_the_highest_version_wins_whatever_the_order(world: World) -> None:
    house = await founded(world, None)
    told = [
        plan(n, name, a, v, g)
        for n, name, a, v, g in ((3, "business", 20, None, True), (1, "free", 2, 5, False), (2, "pro", 5, None, False))
    ]
    for entitlements in told:
        await world.hear("billing", EntitlementsChanged(org_id=house.org_id, entitlements=entitlements))
    assert (await house.ask("GET", "/v1/organization")).ok()["plan"] == "business"


async def test_a_plan_that_is_heard_before_its_organization_is_kept(world: World) -> None:
    org_id = new_id("org")
    await world.hear("billing", EntitlementsChanged(org_id=org_id, entitlements=plan(1, "free", 2, 5, False)))
    async with world.started["org"].env.database.read(org_id) as read:
        assert await read.value("select version from entitlements where org_id = $1", org_id) == 1


async def test_a_deleted_group_is_no_longer_promised_to_the_invited(world: World) -> None:
    house = await founded(world)
    gone, stays = await house.group("Gone"), await house.group("Stays")
    invitation = (await house.invite(f"ben@{house.domain}", "viewer", [gone, stays])).ok()
    await house.ask("DELETE", f"/v1/groups/{gone}")
    assert (await house.ask("GET", "/v1/invitations")).ok()["data"][0]["group_ids"] == [stays]
    from tests.org.house import a_person

    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    (await house.accept(house.token(invitation), ben)).ok()
    assert [g["name"] for g in (await house.user(ben))["groups"]] == ["All Users", "Stays"]


async def test_groups_are_paged_built_in_ones_first(world: World) -> None:
    house = await founded(world)
    for name in ("delta", "Alpha", "charlie", "Bravo"):
        await house.group(name)
    walked, cursor = [], ""
    while True:
        page = (await house.ask("GET", f"/v1/groups?limit=2{cursor}")).ok()
        walked += [g["name"] for g in page["data"]]
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['page']['next_cursor']}"
    assert walked == ["All Users", "All Analysts", "Alpha", "Bravo", "charlie", "delta"]
    assert [g["name"] for g in (await house.ask("GET", "/v1/groups?q=AL")).ok()["data"]] == [
        "All Users",
        "All Analysts",
        "Alpha",
    ]
