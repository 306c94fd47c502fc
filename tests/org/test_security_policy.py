"""The security policy: who decides it, when, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.auth import Actor
from shared.events.org import SecurityPolicyChanged
from tests.org.house import House, founded
from tests.world import Reply, World

PATH = "/v1/security-policy"


@pytest.fixture
async def house(world: World) -> House:
    house = await founded(world)
    house.admin = replace(house.admin, amr=("pwd", "otp", "mfa"))
    return house


async def change(house: House, *, by: Actor | None = None, etag: str | None = None, **wanted: Any) -> Reply:
    etag = etag or (await house.ask("GET", PATH)).headers["etag"]
    return await house.ask("PATCH", PATH, wanted, by=by, headers={"If-Match": etag})


async def told(house: House) -> list[dict[str, Any]]:
    said = await house.world.said("org", SecurityPolicyChanged)
    return [envelope.data for envelope in said if envelope.org_id == house.org_id]


def days(house: House, number: float) -> str:
    return (house.world.clock.now() + timedelta(days=number)).isoformat()


async def test_at_first_nothing_is_asked(house: House) -> None:
    assert (await house.ask("GET", PATH)).ok() == {
        "two_factor_required": False, "two_factor_deadline": None, "changed_by": None, "changed_at": None,
    }  # fmt: skip


async def test_a_second_factor_is_required_from_a_day_on_and_no_longer(house: House) -> None:
    deadline = days(house, 14)
    required = (await change(house, two_factor_required=True, two_factor_deadline=deadline)).ok()
    assert required["changed_by"] == house.admin.user_id
    assert datetime.fromisoformat(required["two_factor_deadline"]) == datetime.fromisoformat(deadline)
    assert (await change(house, two_factor_required=True)).status == 200
    assert (await change(house, two_factor_required=False)).ok()["two_factor_deadline"] is None
    first, second = await told(house)
    assert (first["policy"]["two_factor_required"], first["previous"]["two_factor_required"]) == (True, False)
    assert second["policy"] == {"two_factor_required": False, "two_factor_deadline": None}
    assert second["previous"] == first["policy"]


async def test_without_a_deadline_it_is_required_at_once(house: House) -> None:
    required = (await change(house, two_factor_required=True)).ok()
    assert datetime.fromisoformat(required["two_factor_deadline"]) <= house.world.clock.now()


@pytest.mark.parametrize(
    ("required", "day", "code"),
    [(True, -1, "not_soon"), (True, 181, "not_soon"), (False, 1, "not_required")],
)
async def test_a_deadline_lies_ahead_but_not_far_and_goes_with_a_requirement(
    house: House, required: bool, day: float, code: str
) -> None:
    reply = await change(house, two_factor_required=required, two_factor_deadline=days(house, day))
    assert (reply.status, reply.json["errors"][0]["code"]) == (422, code)
    assert await told(house) == []


async def test_whoever_requires_it_has_signed_in_with_one(house: House) -> None:
    refused = await change(house, by=replace(house.admin, amr=("pwd",)), two_factor_required=True)
    assert (refused.status, refused.code) == (409, "conflict")
    assert await told(house) == []


async def test_only_admins_with_a_fresh_proof_change_it(house: House) -> None:
    viewer = await house.member("viewer")
    assert (await house.ask("GET", PATH, by=viewer)).code == "forbidden"
    assert (await change(house, by=viewer, two_factor_required=True)).code == "forbidden"
    old = await change(house, by=replace(house.admin, auth_time=0), two_factor_required=True)
    assert old.code == "insufficient_user_authentication"


async def test_of_two_who_change_it_at_once_the_later_learns_of_it(house: House) -> None:
    assert (await house.ask("PATCH", PATH, {"two_factor_required": True})).code == "precondition_required"
    etag = (await house.ask("GET", PATH)).headers["etag"]
    assert (await change(house, etag=etag, two_factor_required=True)).status == 200
    late = await change(house, etag=etag, two_factor_required=False)
    assert (late.code, late.json["meta"]["changed_by"]) == ("precondition_failed", house.admin.user_id)
