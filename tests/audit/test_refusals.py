"""Refusals that matter are in the log, each counted once, and nobody can fill the log with them; and every entry says how its actor had signed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.audit.app import service as audit
from services.org.app import service as org
from shared.auth import Actor
from shared.ids import new_id
from shared.refusals import tell_refusals
from tests.org.house import House, founded, identity_with
from tests.world import Databases, World, world_of

REFUSED = "org.action.refused.v1"


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("refusals")
    services = [org, audit, identity_with(folder / "identity", {})]
    async with world_of(services, databases, folder) as world:
        yield world


async def entries(house: House, query: str) -> list[dict[str, Any]]:
    await house.world.settle()
    reply = await house.world.ask("audit", "GET", f"/v1/audit-entries?limit=200{query}", actor=house.admin)
    return list(reply.ok()["data"])


async def tries(house: House, who: Actor, times: int) -> None:
    asked = [house.ask("POST", "/v1/groups", {"name": "Mine"}, by=who) for _ in range(times)]
    assert {reply.code for reply in await asyncio.gather(*asked)} == {"forbidden"}


async def the_hour_is_over(world: World) -> None:
    world.clock.advance(timedelta(hours=1, seconds=1))
    await world.run("org", tell_refusals)


async def test_the_first_refusal_is_told_at_once_and_those_that_follow_within_an_hour_as_one(world: World) -> None:
    house = await founded(world)
    ben = replace(await house.member("viewer", "Ben"), amr=("pwd", "otp", "mfa"))
    await tries(house, ben, 20)
    (first,) = await entries(house, f"&action={REFUSED}")
    assert (first["actor_id"], first["actor"]["name"]) == (ben.user_id, "Ben")
    assert (first["data"]["action"], first["data"]["role"], first["data"]["times"]) == ("groups.manage", "viewer", 1)
    assert (first["data"]["because"], first["data"]["user_id"]) == ("role", ben.user_id)
    assert (first["actor_amr"], first["source_ip"]) == (["pwd", "otp", "mfa"], "203.0.113.7")
    assert first["correlation_id"]
    await the_hour_is_over(world)
    await the_hour_is_over(world)
    later, again = await entries(house, f"&action={REFUSED}")
    assert again == first
    assert (later["data"]["times"], later["actor_id"], later["actor_amr"]) == (19, ben.user_id, first["actor_amr"])
    await tries(house, ben, 1)
    await the_hour_is_over(world)
    found = await entries(house, f"&action={REFUSED}")
    assert sum(entry["data"]["times"] for entry in found) == 21, "every refusal is counted once"


async def test_an_api_key_that_lacks_the_scope_is_told_of_as_a_person_is(world: World) -> None:
    house = await founded(world)
    key = Actor(
        "key", org_id=house.admin.org(), key_id=new_id("key"), scopes=("groups:view",), api_version="2026-11-01"
    )
    provider = Actor("key", org_id=house.admin.org(), key_id=new_id("sct"), scopes=("provisioning",))
    await tries(house, key, 5)
    await tries(house, provider, 1)
    told = {entry["actor_id"]: entry for entry in await entries(house, f"&action={REFUSED}")}
    assert set(told) == {key.key_id, provider.key_id}
    first = told[key.key_id]["data"]
    assert (first["key_id"], first["action"], first["because"], first["times"]) == (
        key.key_id,
        "groups.manage",
        "scope",
        1,
    )
    assert (first["role"], first["user_id"]) == (None, None)
    await the_hour_is_over(world)
    (later,) = [entry for entry in await entries(house, f"&action={REFUSED}") if entry["data"]["times"] > 1]
    assert (later["actor_id"], later["data"]["key_id"], later["data"]["times"]) == (key.key_id, key.key_id, 4)


async def test_what_was_only_looked_at_or_is_not_known_is_no_refusal_that_matters(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("viewer")
    assert (await house.ask("GET", "/v1/invitations", by=ben)).status == 403
    assert (await house.ask("DELETE", f"/v1/groups/{await other.group('Theirs')}", by=ben)).status == 404
    assert await entries(house, f"&action={REFUSED}") == []
    assert await entries(other, f"&action={REFUSED}") == []


async def test_each_entry_says_how_its_actor_had_signed_in_and_from_where(world: World) -> None:
    house = await founded(world)
    by_key = replace(house.admin, amr=("hwk", "mfa"))
    (await house.ask("POST", "/v1/groups", {"name": "Keys"}, by=by_key)).ok()
    (made,) = await entries(house, "&q=action:org.group.created.v1%20auth:hwk")
    assert (made["actor_amr"], made["source_ip"], made["actor_id"]) == (["hwk", "mfa"], "203.0.113.7", by_key.user_id)
    assert await entries(house, "&q=action:org.group.created.v1%20-auth:hwk%20Keys") == []
    (founding,) = await entries(house, "&action=org.organization.created.v1")
    assert founding["actor_amr"] is None, "nobody had signed in when the address was confirmed"
