"""When users were last active: identity tells who signed in where."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.auth import Actor
from shared.events.identity import SessionChanged, SessionStarted
from shared.ids import new_id
from tests.org.house import House, founded
from tests.world import World


async def signs_in(house: House, person: Actor, org_id: str | None) -> None:
    started = SessionStarted(user_id=person.user_id or "", session_id=new_id("ses"), org_id=org_id, amr=["pwd"])
    await house.world.hear("identity", started)


async def last_active(house: House, person: Actor) -> datetime:
    return datetime.fromisoformat((await house.user(person))["last_active_at"])


async def test_a_sign_in_counts_where_it_leads_and_changes_nothing_else(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("viewer", "Ben")
    read = await house.ask("GET", f"/v1/users/{ben.user_id}")
    joined = await last_active(house, ben)
    assert read.ok()["joined_at"] == read.ok()["last_active_at"]
    world.clock.advance(timedelta(hours=1))
    await signs_in(house, ben, other.org_id)
    await signs_in(house, ben, None)
    assert await last_active(house, ben) == joined
    said = await house.since(signs_in(house, ben, house.org_id))
    assert said == []
    assert await last_active(house, ben) - joined >= timedelta(hours=1)
    body = {"role": "analyst", "group_ids": []}
    path = f"/v1/users/{ben.user_id}/role-and-groups"
    version = read.headers["etag"].partition("-")[0] + '"'
    (await house.ask("PUT", path, body, headers={"If-Match": version})).ok()


async def test_who_comes_from_another_organization_is_active_here_and_the_last_are_listed_first(world: World) -> None:
    house = await founded(world)
    ben, cleo = await house.member("viewer", "Ben"), await house.member("viewer", "Cleo")
    world.clock.advance(timedelta(hours=1))
    await signs_in(house, house.admin, house.org_id)
    world.clock.advance(timedelta(hours=1))
    changed = SessionChanged(
        user_id=ben.user_id or "", session_id=new_id("ses"), org_id=house.org_id, authenticated_at=world.clock.now()
    )
    await world.hear("identity", changed)

    async def names(sort: str) -> list[str]:
        return [user["name"] for user in (await house.ask("GET", f"/v1/users?sort={sort}")).ok()["data"]]

    assert await names("-last_active_at") == ["Ben", "Ana Ruiz", "Cleo"]
    assert await names("last_active_at") == ["Cleo", "Ana Ruiz", "Ben"]
    first = (await house.ask("GET", "/v1/users?sort=-last_active_at&limit=1")).ok()
    rest = await house.ask("GET", f"/v1/users?sort=-last_active_at&cursor={first['page']['next_cursor']}")
    assert [user["name"] for user in rest.ok()["data"]] == ["Ana Ruiz", "Cleo"]
    assert (await house.user(cleo))["last_active_at"] is not None
