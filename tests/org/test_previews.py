"""Previews: what a departure, another role or the end of a group would do is told before, and is what then happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.org.app import service as org
from services.sharing.app import service as sharing
from shared.auth import Actor
from shared.ids import new_id
from shared.service import Service
from tests.org.house import House, at_once, founded, identity_with
from tests.world import Databases, Reply, World, world_of

KEYS: dict[str, list[dict[str, Any]]] = {}


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Org and sharing, who ask each other."""
    folder: Path = tmp_path_factory.mktemp("previews")
    # The bus takes only what somebody hears.
    listener = Service(name="audit", migrations=folder / "identity", sources=["sharing"])
    quiet = [replace(one, jobs=()) for one in (org, sharing)]
    services = [*quiet, identity_with(folder / "identity", {}, KEYS), listener]
    async with world_of(services, databases, folder) as world:
        yield world


async def ask_sharing(house: House, method: str, path: str, body: Any = None, *, by: Actor | None = None) -> Reply:
    await house.world.settle()
    return await house.world.ask(
        "sharing", method, path, body, actor=by or house.admin, headers={"If-Match": "*"} if method == "PUT" else None
    )


async def board(house: House, dashboard_id: str, *groups: str, by: Actor | None = None, mode: str = "groups") -> None:
    made = await ask_sharing(
        house, "POST", "/v1/dashboards", {"id": dashboard_id, "title": dashboard_id.title()}, by=by
    )
    made.ok()
    if groups or mode != "groups":
        body = {"mode": mode, "group_ids": list(groups)}
        (await ask_sharing(house, "PUT", f"/v1/dashboards/{dashboard_id}/sharing", body, by=by)).ok()


async def sees(house: House, person: Actor) -> set[str]:
    found = (await ask_sharing(house, "GET", "/v1/dashboards?limit=200", by=person)).ok()["data"]
    return {one["id"] for one in found}


def named(counted: Any) -> set[str]:
    assert counted["count"] == len(counted["dashboards"])
    return {one["id"] for one in counted["dashboards"]}


async def test_a_departure_names_what_is_owned_what_is_lost_and_what_becomes_free(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    finance = await house.group("Finance", ben)
    await board(house, "bens", by=ben)
    await board(house, "shared", finance)
    await board(house, "open", mode="all_users")
    made = (await ask_sharing(house, "POST", "/v1/dashboards/bens/links", {"name": "For the board"}, by=ben)).ok()
    (await ask_sharing(house, "POST", "/v1/dashboards/shared/links", {"name": "Another's"})).ok()
    (await house.ask("POST", "/v1/invitations", {"email": f"eve@{house.domain}", "role": "viewer"}, by=ben)).ok()
    read = await house.ask("GET", f"/v1/users/{ben.user_id}/departure-preview")
    told = read.ok()
    assert (told["last_admin"], told["slot"], told["open_invitations"]) == (False, "author", 1)
    assert [group["name"] for group in told["groups"]] == ["Finance"]
    assert told["owns"] == {"count": 1, "dashboards": [{"id": "bens", "title": "Bens"}]}
    assert told["links"] == {
        "count": 1,
        "links": [{"id": made["id"], "name": "For the board", "dashboard_id": "bens"}],
    }
    assert named(told["loses"]) == {"bens", "shared", "open"} == await sees(house, ben)
    gone = await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation", headers={"If-Match": read.headers["etag"]})
    gone.ok()
    away = (await house.ask("GET", f"/v1/users/{ben.user_id}/departure-preview")).ok()
    assert (away["slot"], away["owns"]["count"], away["loses"]["count"]) == (None, 1, 0)


async def test_a_departure_names_the_keys_that_somebody_made_for_they_go_on(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    used = "2026-11-20T10:02:00Z"
    KEYS[ben.person()] = [
        {"key_id": "key_1", "kind": "api_key", "name": "Nightly sync", "last_used_at": used},
        {"key_id": "sct_1", "kind": "scim_token", "name": "Okta", "last_used_at": None},
    ]
    told = (await house.ask("GET", f"/v1/users/{ben.user_id}/departure-preview")).ok()
    assert told["keys"] == [
        {"id": "key_1", "kind": "api_key", "name": "Nightly sync", "last_used_at": used},
        {"id": "sct_1", "kind": "scim_token", "name": "Okta", "last_used_at": None},
    ]
    assert (await house.ask("GET", f"/v1/users/{house.admin.user_id}/departure-preview")).ok()["keys"] == []


async def test_without_identity_there_is_no_preview_of_a_departure(databases: Databases, tmp_path: Path) -> None:
    listener = Service(name="audit", migrations=tmp_path / "audit", sources=["org", "sharing"])
    listener.migrations.mkdir()
    async with world_of([org, sharing, listener], databases, tmp_path) as alone:
        house = await founded(alone)
        ben = await house.member("viewer", "Ben")
        reply = await house.ask("GET", f"/v1/users/{ben.user_id}/departure-preview")
        assert (reply.status, reply.code) == (503, "unavailable")
        assert (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).status == 204


async def test_the_last_admin_is_told_that_they_cannot_leave(world: World) -> None:
    house = await founded(world)
    path = f"/v1/users/{house.admin.user_id}/departure-preview"
    assert (await house.ask("GET", path)).ok()["last_admin"] is True
    ben = await house.member("admin", "Ben")
    assert (await house.ask("GET", path)).ok()["last_admin"] is False
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    assert (await house.ask("GET", path)).ok()["last_admin"] is True


@pytest.mark.parametrize("plan", ["business", "pro", "free"])
@pytest.mark.parametrize("before", ["viewer", "analyst"])
@pytest.mark.parametrize("after", ["viewer", "analyst"])
async def test_what_another_role_and_other_groups_would_give_and_take_is_what_they_then_do(
    world: World, plan: str, before: str, after: str
) -> None:
    house = await founded(world)
    red, blue = await house.group("Red"), await house.group("Blue")
    ben = await house.member(before, "Ben", [red])  # type: ignore[arg-type]
    await board(house, "in-red", red)
    await board(house, "in-blue", blue)
    await board(house, "in-both", red, blue)
    await board(house, "for-analysts", mode="all_analysts")
    await board(house, "for-all", mode="all_users")
    await house.on(plan)
    joins = blue if plan == "business" else red
    seen = await sees(house, ben)
    change = {"role": after, "group_ids": [joins]}
    path = f"/v1/users/{ben.user_id}/role-and-groups"
    told = await house.ask("POST", f"{path}-preview", change)
    foreseen = told.ok()
    (await house.ask("PUT", path, change, headers={"If-Match": told.headers["etag"]})).ok()
    await world.settle()
    now = await sees(house, house.acting(ben, after))  # type: ignore[arg-type]
    assert (named(foreseen["gains"]), named(foreseen["loses"])) == (now - seen, seen - now)
    assert (foreseen["role"], foreseen["effective_role"]) == (after, after)
    assert [g["name"] for g in foreseen["joins"]] == (["Blue"] if plan == "business" else [])
    assert [g["name"] for g in foreseen["leaves"]] == (["Red"] if plan == "business" else [])


async def test_a_preview_is_refused_where_the_change_would_be(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    finance = await house.group("Finance")
    built_in = (await house.ask("GET", "/v1/groups?limit=1")).ok()["data"][0]["id"]

    async def refused(person: Actor, role: str, *groups: str) -> str | None:
        body = {"role": role, "group_ids": list(groups)}
        before = await house.said()
        reply = await house.ask("POST", f"/v1/users/{person.user_id}/role-and-groups-preview", body)
        assert await house.said() == before
        change = await house.ask("PUT", f"/v1/users/{person.user_id}/role-and-groups", body, headers={"If-Match": "*"})
        assert reply.code == change.code
        return reply.code

    assert await refused(house.admin, "viewer") == "last_admin"
    assert await refused(ben, "viewer", new_id("grp")) == "invalid"
    assert await refused(ben, "viewer", built_in) == "built_in"
    await house.on("free", author_slots=1)
    assert await refused(ben, "analyst") == "slots_exhausted"
    assert await refused(ben, "viewer", finance) == "suspended"


async def test_a_promotion_names_who_would_lose_their_slot_by_it(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("analyst", "Ben"), await house.member("analyst", "Cleo")
    await house.on("free")  # two author slots: Ana's and Ben's
    told = (
        await house.ask("POST", f"/v1/users/{cleo.user_id}/role-and-groups-preview", {"role": "admin", "group_ids": []})
    ).ok()
    assert told["effective_role"] == "admin"
    assert (told["slot_suspended"], told["slot_resumed"]) == ([{"id": ben.user_id, "name": "Ben"}], [])
    (await house.give(cleo, "admin")).ok()
    assert (await house.user(ben))["effective_role"] == "viewer"


async def test_a_groups_end_counts_those_who_see_something_through_it_alone(world: World) -> None:
    house = await founded(world)
    ben, cleo, dan = [await house.member("viewer", name) for name in ("Ben", "Cleo", "Dan")]
    author = await house.member("analyst", "Abe")
    finance = await house.group("Finance", ben, cleo, dan, author)
    board_room = await house.group("Board", cleo)
    await board(house, "budget", finance)
    await board(house, "forecast", finance, board_room)
    await board(house, "abes", finance, by=author)
    await board(house, "everybodys", mode="all_users")
    (await house.ask("POST", f"/v1/users/{dan.user_id}/deactivation")).ok()
    await world.settle()
    (await house.invite(f"eve@{house.domain}", "viewer", [finance])).ok()
    people = (ben, cleo, author)
    before = [await sees(house, person) for person in people]
    read = await house.ask("GET", f"/v1/groups/{finance}/deletion-preview")
    told = read.ok()
    counted = (told["name"], told["members"], told["invitations"], told["suspended"], told["people"])
    assert counted == ("Finance", 3, 1, False, 3)
    losing = {(one["id"], tuple(p["name"] for p in one["losing"]), one["people"]) for one in told["dashboards"]}
    assert losing == {
        ("abes", ("Ben", "Cleo"), 2),
        ("budget", ("Abe", "Ben", "Cleo"), 3),
        ("forecast", ("Abe", "Ben"), 2),
    }
    assert told["dashboards_count"] == 3
    await house.on("pro")
    lapsed = (await house.ask("GET", f"/v1/groups/{finance}/deletion-preview")).ok()
    assert lapsed == told | {"suspended": True}
    await house.on("business")
    (await house.ask("DELETE", f"/v1/groups/{finance}", headers={"If-Match": read.headers["etag"]})).ok()
    await world.settle()
    after = [await sees(house, person) for person in people]
    assert [sorted(was - now) for was, now in zip(before, after, strict=True)] == [
        ["abes", "budget", "forecast"],
        ["abes", "budget"],
        ["budget", "forecast"],
    ]
    all_users = (await house.ask("GET", "/v1/groups?limit=1")).ok()["data"][0]["id"]
    assert (await house.ask("GET", f"/v1/groups/{all_users}/deletion-preview")).code == "built_in"


async def transfer(house: House, person: Actor, to: Actor, *only: str, by: Actor | None = None) -> Reply:
    body: dict[str, Any] = {"owner_id": to.user_id} | ({"dashboard_ids": list(only)} if only else {})
    return await ask_sharing(house, "POST", f"/v1/users/{person.user_id}/dashboard-transfer", body, by=by)


async def test_all_that_somebody_owns_is_handed_over_and_stays_shared_as_it_was(world: World) -> None:
    house = await founded(world)
    ben, cleo, dan = (
        await house.member("analyst", "Ben"),
        await house.member("analyst", "Cleo"),
        await house.member("viewer", "Dan"),
    )
    finance = await house.group("Finance", dan)
    await board(house, "x1", finance, by=ben)
    await board(house, "x2", by=ben)
    await board(house, "x3", by=ben)
    assert (await transfer(house, ben, cleo, "x2")).ok() == {"transferred": ["x2"], "left": 2}
    assert (await transfer(house, ben, cleo)).ok() == {"transferred": ["x1", "x3"], "left": 0}
    assert (await transfer(house, ben, cleo)).ok() == {"transferred": [], "left": 0}
    told = [e.data for e in await world.said("sharing") if e.org_id == house.org_id and "transferred" in e.type]
    assert [(t["dashboard"]["dashboard_id"], t["dashboard"]["owner_id"], t["previous_owner_id"]) for t in told] == [
        (name, cleo.user_id, ben.user_id) for name in ("x2", "x1", "x3")
    ]
    assert [await sees(house, one) for one in (ben, cleo, dan)] == [set(), {"x1", "x2", "x3"}, {"x1"}]


async def test_what_a_removed_user_owned_can_still_be_handed_over(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    await board(house, "left-behind", by=ben)
    (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).ok()
    assert (await transfer(house, ben, house.admin)).ok() == {"transferred": ["left-behind"], "left": 0}


async def test_a_handover_is_refused_to_who_could_not_own_and_by_who_is_no_admin(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben, vera = await house.member("analyst", "Ben"), await house.member("viewer", "Vera")
    await board(house, "bens-own", by=ben)
    await board(house, "anas")
    assert (await transfer(house, ben, vera)).json["errors"][0]["code"] == "not_an_author"
    assert (await transfer(house, ben, other.admin)).json["errors"][0]["code"] == "not_an_author"
    assert (await transfer(house, ben, ben)).json["errors"][0]["code"] == "same_owner"
    mixed = await transfer(house, ben, house.admin, "bens-own", "anas", "nobodys")
    assert [fault["pointer"] for fault in mixed.json["errors"]] == ["/dashboard_ids/1", "/dashboard_ids/2"]
    assert (await transfer(house, ben, house.admin, by=ben)).status == 403
    assert (await transfer(house, ben, house.admin, by=house.acting(ben, "admin"))).json["meta"]["because"] == "role"
    foreign = await transfer(house, other.admin, house.admin)
    assert (foreign.status, foreign.code) == (404, "not_found")
    assert await sees(house, ben) == {"bens-own"}


async def test_two_handovers_at_once_move_each_dashboard_once(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("analyst", "Ben"), await house.member("analyst", "Cleo")
    for number in range(5):
        await board(house, f"race-{number}", by=ben)
    replies = await at_once(lambda: transfer(house, ben, cleo), lambda: transfer(house, ben, house.admin))
    moved = [dashboard_id for reply in replies for dashboard_id in reply.ok()["transferred"]]
    assert sorted(moved) == [f"race-{number}" for number in range(5)]


async def test_without_sharing_there_is_no_preview_and_the_change_is_possible_all_the_same(
    databases: Databases, tmp_path: Path
) -> None:
    async with world_of([org, identity_with(tmp_path / "identity", {})], databases, tmp_path) as alone:
        house = await founded(alone)
        ben, finance = await house.member("viewer", "Ben"), await house.group("Finance")
        for method, path, body in (
            ("GET", f"/v1/users/{ben.user_id}/departure-preview", None),
            ("POST", f"/v1/users/{ben.user_id}/role-and-groups-preview", {"role": "analyst", "group_ids": []}),
            ("GET", f"/v1/groups/{finance}/deletion-preview", None),
        ):
            reply = await house.ask(method, path, body)
            assert (reply.status, reply.code) == (503, "unavailable")
        assert (await house.ask("DELETE", f"/v1/groups/{finance}")).status == 204
        assert (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).status == 204
