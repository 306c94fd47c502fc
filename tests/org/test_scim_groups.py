"""Groups that an identity provider manages, and that nobody changes by hand."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ids import new_id
from tests.org.provider import Provider, provided
from tests.org.test_scim_users import is_refused
from tests.world import World


@pytest.fixture(scope="module")
async def idp(world: World) -> Provider:
    return await provided(world)


def members(group: dict[str, Any]) -> set[str]:
    return {one["value"] for one in group.get("members", ())}


async def test_a_provided_group_is_a_group_with_these_people(idp: Provider) -> None:
    one = await idp.creates()
    group = await idp.group("Provided", one["id"])
    assert members(group) == {one["id"]}
    seen = (await idp.house.ask("GET", f"/v1/groups/{group['id']}")).ok()
    assert (seen["name"], seen["origin"], seen["members"]) == ("Provided", "scim", 1)
    (user,) = await idp.finds("Users", f'id eq "{one["id"]}"')
    assert [(held["value"], held["display"]) for held in user["groups"]] == [(group["id"], "Provided")]
    assert [found["id"] for found in await idp.finds("Groups", 'displayName eq "PROVIDED"')] == [group["id"]]
    assert [found["id"] for found in await idp.finds("Groups", f'members[value eq "{one["id"]}"]')] == [group["id"]]
    bare = (await idp.ask("GET", f"/Groups/{group['id']}", excludedAttributes="members")).ok()
    assert "members" not in bare


async def test_groups_made_by_hand_are_none_of_the_providers_business(idp: Provider) -> None:
    by_hand = await idp.house.group("By hand")
    assert is_refused(await idp.ask("GET", f"/Groups/{by_hand}"), 404)
    assert is_refused(await idp.ask("DELETE", f"/Groups/{by_hand}"), 404)
    assert await idp.finds("Groups", 'displayName eq "By hand"') == []
    assert is_refused(await idp.ask("POST", "/Groups", {"displayName": "by HAND"}), 409, "uniqueness")


async def test_members_come_and_go_in_every_dialect(idp: Provider) -> None:
    a, b, c = [(await idp.creates())["id"] for _ in range(3)]
    path = f"/Groups/{(await idp.group('Dialects', a))['id']}"

    async def after(*operations: dict[str, Any]) -> set[str]:
        return members((await idp.patches(path, *operations)).ok())

    assert await after({"op": "Add", "path": "members", "value": [{"value": b}]}) == {a, b}
    assert await after({"op": "add", "value": {"members": [{"value": c}]}}) == {a, b, c}
    assert await after({"op": "Remove", "path": f'members[value eq "{a}"]'}) == {b, c}
    assert await after({"op": "Remove", "path": "members", "value": [{"value": b}]}) == {c}
    assert await after({"op": "replace", "path": "members", "value": [{"value": a}, {"value": b}]}) == {a, b}
    assert await after({"op": "add", "path": "members", "value": [{"value": a}, {"value": a}]}) == {a, b}
    okta = {"op": "replace", "value": {"id": path.rpartition("/")[2], "displayName": "Dialects of Okta"}}
    assert (await idp.patches(path, okta)).ok()["displayName"] == "Dialects of Okta"
    assert await after({"op": "remove", "path": "members"}) == set()
    changed = (await idp.ask("PUT", path, {"displayName": "Put", "externalId": "g-1", "members": [{"value": c}]})).ok()
    assert (changed["displayName"], changed["externalId"], members(changed)) == ("Put", "g-1", {c})
    assert (
        await idp.house.since(
            idp.ask("PUT", path, {"displayName": "Put", "externalId": "g-1", "members": [{"value": c}]})
        )
        == []
    )
    assert is_refused(
        await idp.patches(path, {"op": "add", "path": "members", "value": [{"value": new_id("usr")}]}),
        400,
        "invalidValue",
    )
    nested = {"op": "add", "path": "members", "value": [{"value": a, "type": "Group"}]}
    assert is_refused(await idp.patches(path, nested), 400, "invalidValue")
    assert await idp.house.since(idp.ask("DELETE", path)) == ["group.deleted"]


async def test_nobody_changes_a_provided_group_by_hand_until_it_is_let_go_of(idp: Provider) -> None:
    house = idp.house
    inside, outside = (await idp.creates())["id"], (await idp.creates())["id"]
    group = (await idp.group("Managed", inside))["id"]
    refusals = [
        ("PATCH", f"/v1/groups/{group}", {"name": "Mine"}),
        ("DELETE", f"/v1/groups/{group}", None),
        ("PUT", f"/v1/groups/{group}/members/{outside}", None),
        ("DELETE", f"/v1/groups/{group}/members/{inside}", None),
        ("PUT", f"/v1/users/{inside}/role-and-groups", {"role": "viewer", "group_ids": []}),
        ("PUT", f"/v1/users/{outside}/role-and-groups", {"role": "viewer", "group_ids": [group]}),
        ("POST", "/v1/invitations", {"email": f"hand@{house.domain}", "role": "viewer", "group_ids": [group]}),
    ]
    for method, path, body in refusals:
        reply = await house.ask(method, path, body, headers={"If-Match": "*"})
        assert (reply.status, reply.code) == (409, "managed_by_provider"), (method, path, reply.json)
    keeps = {"role": "analyst", "group_ids": [group]}
    assert (
        await house.ask("PUT", f"/v1/users/{inside}/role-and-groups", keeps, headers={"If-Match": "*"})
    ).status == 200
    let_go = await house.ask("POST", f"/v1/groups/{group}/detachment")
    assert (let_go.ok()["origin"], (await house.said())[-1]) == ("hand", "group.handed_over")
    assert (await house.ask("PATCH", f"/v1/groups/{group}", {"name": "Mine"})).status == 200
    assert is_refused(await idp.ask("GET", f"/Groups/{group}"), 404)
    assert (await house.ask("POST", f"/v1/groups/{group}/detachment")).code == "conflict"


async def test_a_lapsed_plan_stops_widening_and_nothing_that_takes_access_away(world: World) -> None:
    idp = await provided(world)
    a, b = [(await idp.creates())["id"] for _ in range(2)]
    group = (await idp.group("Lapsing", a))["id"]
    await idp.house.on("free")
    assert is_refused(await idp.ask("POST", "/Groups", {"displayName": "More"}), 403)
    assert is_refused(
        await idp.patches(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": b}]}), 403
    )
    assert members((await idp.patches(f"/Groups/{group}", {"op": "remove", "path": "members"})).ok()) == set()
    assert (await idp.patches(f"/Users/{a}", {"op": "replace", "path": "active", "value": False})).ok()[
        "active"
    ] is False
    assert (await idp.ask("DELETE", f"/Users/{b}")).status == 204
    assert (await idp.ask("DELETE", f"/Groups/{group}")).status == 204
