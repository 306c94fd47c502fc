"""Leaving every organization at once: all of them or none, and never without an Admin."""

from __future__ import annotations

from shared.events.org import MemberRemoved
from shared.ids import new_id
from tests.org.house import SERVICE, at_once, founded
from tests.world import World


async def test_a_person_leaves_all_their_organizations_at_once(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("analyst", "Ben")
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    path = f"/internal/departures/{ben.user_id}"
    preview = (await world.ask("org", "GET", path, actor=SERVICE)).ok()
    assert preview == {
        "organizations": [{"org_id": house.org_id, "name": "Acme", "role": "analyst", "last_admin": False}]
    }
    assert (await world.ask("org", "POST", path, actor=SERVICE)).status == 204
    removed = await world.said("org", MemberRemoved)
    assert [(e.subject, e.data["member"]["user_id"]) for e in removed] == [(house.org_id, ben.user_id)]
    assert (await house.ask("GET", f"/v1/users/{ben.user_id}")).status == 404
    assert (await world.ask("org", "GET", path, actor=SERVICE)).ok() == {"organizations": []}
    assert (await world.ask("org", "POST", path, actor=SERVICE)).status == 204
    assert (await other.ask("GET", f"/v1/users/{other.admin.user_id}")).status == 200


async def test_a_last_admin_leaves_none_and_is_told_which_needs_another(world: World) -> None:
    house = await founded(world)
    path = f"/internal/departures/{house.admin.user_id}"
    assert (await world.ask("org", "GET", path, actor=SERVICE)).ok()["organizations"][0]["last_admin"]
    refused = await world.ask("org", "POST", path, actor=SERVICE)
    assert (refused.status, refused.code) == (409, "last_admin")
    assert refused.json["meta"] == {
        "because": "oneself",
        "names": ["Acme"],
        "organizations": [{"org_id": house.org_id, "name": "Acme"}],
    }
    assert refused.json["remedy"] == ["Make somebody else an Admin of Acme, then try again."]
    await house.member("admin", "Ben")
    assert (await world.ask("org", "POST", path, actor=SERVICE)).status == 204


async def test_of_two_last_admins_who_leave_at_once_one_stays(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    paths = [f"/internal/departures/{person.user_id}" for person in (house.admin, ben)]
    replies = await at_once(*(lambda path=path: world.ask("org", "POST", path, actor=SERVICE) for path in paths))  # type: ignore[misc]
    assert sorted(reply.status for reply in replies) == [204, 409]


async def test_nobody_but_services_may_ask(world: World) -> None:
    house = await founded(world)
    for method in ("GET", "POST"):
        assert (await house.ask(method, f"/internal/departures/{house.admin.user_id}")).status == 404
    stranger = await world.ask("org", "POST", f"/internal/departures/{new_id('usr')}", actor=SERVICE)
    assert stranger.status == 204
