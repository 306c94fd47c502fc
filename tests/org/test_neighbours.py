"""What other services ask of org."""

from __future__ import annotations

from dataclasses import replace

from shared.events.org import ActionRefused
from shared.ids import new_id
from tests.org.house import SERVICE, House, founded, plan
from tests.world import World


async def test_a_standing_says_what_somebody_is_where(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    await house.on("business", author_slots=1)

    async def standing(user_id: str | None, org_id: str = "") -> object:
        return (await world.ask("org", "GET", f"/internal/standings/{user_id}?org_id={org_id}", actor=SERVICE)).ok()

    here = [{"org_id": house.org_id, "name": "Acme", "role": "analyst", "status": "active", "closed": False}]
    told = {
        "user_id": ben.user_id,
        "org_id": house.org_id,
        "role": "analyst",
        "effective_role": "viewer",
        "status": "active",
        "closed": False,
        "organizations": here,
    }
    assert await standing(ben.user_id) == told
    assert await standing(ben.user_id, house.org_id) == told
    other = new_id("org")
    assert await standing(ben.user_id, other) == told | {
        "org_id": other,
        "role": None,
        "effective_role": None,
        "status": "none",
    }
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    inactive = [here[0] | {"status": "inactive"}]
    assert await standing(ben.user_id, house.org_id) == told | {
        "effective_role": "analyst",
        "status": "inactive",
        "organizations": inactive,
    }
    nowhere = {
        "closed": False,
        "user_id": ben.user_id,
        "org_id": None,
        "role": None,
        "effective_role": None,
        "status": "none",
        "organizations": inactive,
    }
    assert await standing(ben.user_id) == nowhere
    (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).ok()
    assert await standing(ben.user_id, house.org_id) == nowhere | {
        "org_id": house.org_id,
        "status": "removed",
        "organizations": [],
    }
    stranger = new_id("usr")
    assert await standing(stranger) == nowhere | {"user_id": stranger, "organizations": []}


async def test_a_plans_effects_are_named_and_what_comes_is_what_was_named(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("analyst", "Ben"), await house.member("analyst", "Cleo")
    finance = await house.group("Finance", ben, cleo)

    async def effects(name: str, author: int | None, groups: bool) -> dict[str, object]:
        asked = plan(0, name, author, 5, groups)  # as billing asks: what is not granted has no version
        body = {"org_id": house.org_id, "entitlements": asked.model_dump()}
        return dict((await world.ask("org", "POST", "/internal/plan-effects", body, actor=SERVICE)).ok())

    going = await effects("free", 2, False)
    state = going.pop("state")
    assert going == {
        "groups_suspended": [{"group_id": finance, "name": "Finance", "members": 2}],
        "groups_suspended_count": 1,
        "groups_resumed": [],
        "groups_resumed_count": 0,
        "author_slots": {"used": 3, "limit": 2},
        "viewer_slots": {"used": 0, "limit": 5},
        "losing_author_slot": [
            {"user_id": cleo.user_id, "name": "Cleo", "email": f"cleo@{house.domain}", "role": "analyst"}
        ],
        "domains_suspended": [],
        "domains_resumed": [],
    }
    assert (await effects("free", 2, False))["state"] == state
    assert (await effects("business", 20, True))["groups_suspended"] == []
    await house.on("free")
    users = (await house.ask("GET", "/v1/users")).ok()["data"]
    assert [u["id"] for u in users if u["role"] != u["effective_role"]] == [cleo.user_id]
    coming = await effects("business", 20, True)
    assert (coming["groups_resumed"], coming["losing_author_slot"]) == (
        [{"group_id": finance, "name": "Finance", "members": 2}],
        [],
    )
    assert isinstance(coming["state"], int)
    assert coming["state"] > state  # type: ignore[operator]
    assert (await house.ask("PATCH", f"/v1/groups/{finance}", {"name": "F"}, by=ben)).code == "forbidden"
    assert await world.said("org", ActionRefused)
    assert (await effects("business", 20, True))["state"] == coming["state"]
    renamed = await house.ask("PATCH", f"/v1/groups/{finance}", {"name": "F"})
    assert renamed.status == 200
    assert (await effects("business", 20, True))["state"] > coming["state"]  # type: ignore[operator]
    body = {"org_id": new_id("org"), "entitlements": plan(1, "free", 2, 5, False).model_dump()}
    assert (await world.ask("org", "POST", "/internal/plan-effects", body, actor=SERVICE)).status == 404


async def test_a_plan_that_concerns_many_groups_counts_them_and_names_the_first(world: World) -> None:
    house = await founded(world)
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(
            "insert into groups (org_id, group_id, kind, name, name_key, created_at, changed_at)"
            " select $1, 'grp_' || n, 'custom', 'G' || n, 'g' || lpad(n::text, 3, '0'), now(), now() from generate_series(1, 250) n",
            house.org_id,
        )
    body = {"org_id": house.org_id, "entitlements": plan(9, "free", 2, 5, False).model_dump()}
    told = (await world.ask("org", "POST", "/internal/plan-effects", body, actor=SERVICE)).ok()
    assert told["groups_suspended_count"] == 250
    assert [group["name"] for group in told["groups_suspended"]] == [f"G{n}" for n in range(1, 201)]


async def test_internal_questions_are_for_services_only(world: World) -> None:
    house = await founded(world)
    for method, path in (("GET", f"/internal/standings/{house.admin.user_id}"), ("POST", "/internal/plan-effects")):
        assert (await house.ask(method, path)).status == 404


async def capabilities(house: House, actor: object) -> dict[str, tuple[bool, object]]:
    found = (await house.ask("GET", "/internal/capabilities", by=actor)).ok()["capabilities"]  # type: ignore[arg-type]
    return {c["action"]: (c["allowed"], (c["because"] or {}).get("kind")) for c in found}


async def test_capabilities_say_what_is_possible_and_why_not(world: World) -> None:
    house = await founded(world, "free")
    admin = await capabilities(house, house.admin)
    assert admin["organization.manage"] == admin["users.manage"] == admin["groups.edit"] == (True, None)
    assert admin["invitations.manage"] == admin["invitations.invite_author"] == (True, None)
    assert admin["groups.manage"] == admin["users.filter_by_group"] == (False, "plan")
    ben = await house.member("analyst", "Ben")
    admin = await capabilities(house, house.admin)
    assert (admin["invitations.manage"], admin["invitations.invite_author"]) == ((True, None), (False, "limit"))
    found = (await house.ask("GET", "/internal/capabilities")).ok()["capabilities"]
    because = next(c["because"] for c in found if c["action"] == "invitations.invite_author")
    facts = {"kind": "limit", "code": "no_author_slot", "roles": None, "plan": "free", "limit": 2, "used": 2}
    assert because == {**facts, "detail": "All author slots are taken."}
    for n in range(5):
        (await house.invite(f"v{n}@{house.domain}")).ok()
    assert (await capabilities(house, house.admin))["invitations.manage"] == (False, "limit")
    analyst = await capabilities(house, ben)
    assert analyst["groups.read"] == (True, None)
    assert analyst["users.read"] == analyst["groups.manage"] == (False, "role")
    await house.on("free", author_slots=1)
    assert (await capabilities(house, ben))["groups.read"] == (False, "role")  # whatever the token says
    stranger = replace(ben, user_id=new_id("usr"))
    assert set((await capabilities(house, stranger)).values()) == {(False, "state")}
    assert set((await capabilities(house, replace(ben, org_id=None, role=None))).values()) == {(False, "state")}


async def test_every_route_of_an_organization_is_a_capability(world: World) -> None:
    from services.org.app import service
    from services.org.rules import ACTIONS

    of_routes = {route.may.action for route in service.routes if route.may.roles}
    assert of_routes <= set(ACTIONS)
    assert set(ACTIONS) - of_routes == {
        "users.filter_by_group",
        "invitations.invite_author",
        "invitations.invite_viewer",
    }
