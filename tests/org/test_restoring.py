"""Deleted groups: remembered for thirty days, and back with their people and everything that is shared with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.org.app import service as org
from services.org.usecases.restoring import KEPT, forget_deleted_groups
from services.sharing.app import service as sharing
from shared.auth import Actor
from shared.clock import MovableClock
from shared.events.org import GroupRestored
from shared.ids import new_id
from shared.service import Ctx, Service
from tests.org.house import a_person, founded, identity_with
from tests.org.test_previews import board, sees
from tests.world import Databases, World, standing_still, world_of


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    # The bus takes only what somebody hears.
    listener = Service(name="audit", migrations=tmp_path / "identity", sources=["sharing"])
    quiet = [replace(one, jobs=()) for one in (org, sharing)]
    services = [*quiet, identity_with(tmp_path / "identity", {}), listener]
    async with world_of(services, databases, tmp_path, clock=MovableClock()) as world:
        yield world


async def test_a_restored_group_has_its_people_its_dashboards_and_its_old_id(world: World) -> None:
    house = await founded(world)
    ben, cleo, dan = [await house.member("viewer", name) for name in ("Ben", "Cleo", "Dan")]
    finance = await house.group("Finance", ben, cleo, dan)
    (await house.ask("PATCH", f"/v1/groups/{finance}", {"description": "Money"})).ok()
    await board(house, "budget", finance)
    was = (await house.ask("GET", f"/v1/groups/{finance}")).ok()
    (await house.ask("DELETE", f"/v1/groups/{finance}")).ok()
    assert await sees(house, ben) == set()
    (await house.ask("DELETE", f"/v1/users/{cleo.user_id}")).ok()
    (await house.ask("POST", f"/v1/users/{dan.user_id}/deactivation")).ok()
    (listed,) = (await house.ask("GET", "/v1/deleted-groups")).ok()["data"]
    assert (listed["id"], listed["name"], listed["members"]) == (finance, "Finance", 3)
    assert listed["deleted_by"] == house.admin.user_id
    back = await house.ask("POST", f"/v1/groups/{finance}/restoration", {})
    assert back.ok() == was | {"members": 1}
    assert (await house.ask("GET", "/v1/deleted-groups")).ok()["data"] == []
    assert await sees(house, ben) == {"budget"}
    (await house.ask("POST", f"/v1/users/{dan.user_id}/reactivation")).ok()
    assert await sees(house, dan) == {"budget"}
    (told,) = [e for e in await world.said("org", GroupRestored) if e.org_id == house.org_id]
    assert set(told.data["user_ids"]) == {ben.user_id, dan.user_id}
    again = await house.since(house.ask("POST", f"/v1/groups/{finance}/restoration", {}))
    assert again == []


async def test_who_was_removed_and_came_back_is_somebody_new(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    finance = await house.group("Finance", ben)
    await board(house, "budget", finance)
    (await house.ask("DELETE", f"/v1/groups/{finance}")).ok()
    (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).ok()
    world.clock.advance(timedelta(minutes=1))
    invited = (await house.invite(f"ben@{house.domain}")).ok()
    (await house.accept(house.token(invited), Actor("person", ben.user_id, None, None, ben.session_id))).ok()
    assert (await house.ask("POST", f"/v1/groups/{finance}/restoration", {})).ok()["members"] == 0
    assert await sees(house, ben) == set()


async def test_a_name_that_was_taken_meanwhile_needs_another(world: World) -> None:
    house = await founded(world)
    old = await house.group("Finance")
    (await house.ask("DELETE", f"/v1/groups/{old}")).ok()
    new = await house.group("FINANCE")
    assert new != old
    assert (await house.ask("POST", f"/v1/groups/{old}/restoration", {})).code == "name_taken"
    assert (await house.ask("POST", f"/v1/groups/{old}/restoration", {"name": "Treasury"})).ok()["name"] == "Treasury"


async def test_restoring_widens_so_the_plan_must_include_groups(world: World) -> None:
    house = await founded(world)
    old = await house.group("Finance")
    (await house.ask("DELETE", f"/v1/groups/{old}")).ok()
    await house.on("pro")
    assert (await house.ask("POST", f"/v1/groups/{old}/restoration", {})).code == "plan_required"
    await house.on("business")
    assert (await house.ask("POST", f"/v1/groups/{old}/restoration", {})).status == 200


async def test_after_thirty_days_a_group_is_gone(world: World) -> None:
    house = await founded(world)
    old = await house.group("Finance")
    with standing_still(world.clock):
        (await house.ask("DELETE", f"/v1/groups/{old}")).ok()
        world.clock.advance(KEPT - timedelta(seconds=1))
        assert len((await house.ask("GET", "/v1/deleted-groups")).ok()["data"]) == 1
    world.clock.advance(timedelta(seconds=1))
    assert (await house.ask("GET", "/v1/deleted-groups")).ok()["data"] == []
    assert (await house.ask("POST", f"/v1/groups/{old}/restoration", {})).code == "not_found"
    env = world.started["org"].env
    ctx = Ctx(env, Actor("system", service="org"))
    async with ctx.finishing():
        await forget_deleted_groups(ctx)
    async with env.database.read(house.org_id) as read:
        assert await read.value("select count(*) from deleted_groups") == 0


async def test_groups_of_others_are_restored_by_nobody(world: World) -> None:
    house, other = await founded(world), await founded(world)
    old, live = await house.group("Finance"), await house.group("Live")
    (await house.ask("DELETE", f"/v1/groups/{old}")).ok()
    for group_id in (old, live, new_id("grp")):
        reply = await other.ask("POST", f"/v1/groups/{group_id}/restoration", {})
        assert (reply.status, reply.code) == (404, "not_found")
    assert (await other.ask("GET", "/v1/deleted-groups")).ok()["data"] == []
    stranger = await a_person(world, f"x@{house.domain}", "X")
    assert (await house.ask("GET", "/v1/deleted-groups", by=stranger)).status == 403
