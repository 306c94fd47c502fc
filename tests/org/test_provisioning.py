"""Provisioning as an Admin sees it: too many removals wait for a decision, and a dry run tells what would happen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.events.courier import MailRequested
from tests.org.provider import GROUP, Provider, provided
from tests.org.test_scim_users import is_refused
from tests.world import World

OFF = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
async def idp(world: World) -> Provider:
    return await provided(world)


async def limited(idp: Provider, removals: int) -> None:
    (await idp.house.ask("PATCH", "/v1/provisioning", {"removals_per_hour": removals}, headers={"If-Match": "*"})).ok()


async def held(idp: Provider) -> list[Any]:
    return list((await idp.house.ask("GET", "/v1/provisioning/removals")).ok()["data"])


async def statuses(idp: Provider, users: list[str]) -> list[str]:
    return [(await idp.house.ask("GET", f"/v1/users/{user}")).ok()["status"] for user in users]


async def decides(idp: Provider, users: list[str], approve: bool) -> Any:
    body = {"user_ids": users, "approve": approve}
    return (await idp.house.ask("POST", "/v1/provisioning/removals/decisions", body)).ok()


async def test_beyond_the_threshold_removals_are_accepted_and_held(world: World, idp: Provider) -> None:
    users = [(await idp.creates())["id"] for _ in range(4)]
    await limited(idp, 2)
    for user in users[:3]:
        assert (await idp.patches(f"/Users/{user}", OFF)).ok()["active"] is False, "the provider's write is accepted"
    assert (await idp.ask("DELETE", f"/Users/{users[3]}")).status == 204
    assert is_refused(await idp.ask("GET", f"/Users/{users[3]}"), 404)
    assert await statuses(idp, users) == ["inactive", "inactive", "active", "active"]
    assert [(one["user_id"], one["kind"]) for one in await held(idp)] == [
        (users[2], "deactivation"),
        (users[3], "deletion"),
    ]
    assert (await idp.house.ask("GET", "/v1/provisioning")).ok()["removals_held"] == 2
    mails = [MailRequested.read(e) for e in await world.said("org", MailRequested) if e.org_id == idp.house.org_id]
    assert [(m.template, m.values["limit"]) for m in mails if m.template == "removals_held"] == [("removals_held", "2")]
    assert await idp.house.since(idp.patches(f"/Users/{users[2]}", OFF)) == []


async def test_an_admin_approves_what_is_held(idp: Provider) -> None:
    a, b = [(await idp.creates())["id"] for _ in range(2)]
    await limited(idp, 0)
    await idp.patches(f"/Users/{a}", OFF)
    await idp.ask("DELETE", f"/Users/{b}")
    assert await idp.house.since(decides(idp, [a, b], True)) == [
        "member.deactivated",
        "member.removed",
        "provisioning.removals_decided",
    ]
    assert await held(idp) == []
    assert await statuses(idp, [a]) == ["inactive"]
    assert (await idp.house.ask("GET", f"/v1/users/{b}")).status == 404
    assert await decides(idp, [a, b], True) == {"done": [], "refused": []}


async def test_an_admin_rejects_what_is_held_and_the_provider_sees_them_active_again(idp: Provider) -> None:
    a = (await idp.creates())["id"]
    await limited(idp, 0)
    await idp.ask("DELETE", f"/Users/{a}")
    assert await decides(idp, [a], False) == {"done": [a], "refused": []}
    assert (await idp.ask("GET", f"/Users/{a}")).ok()["active"] is True
    assert await statuses(idp, [a]) == ["active"]


async def test_the_provider_takes_a_removal_back(idp: Provider) -> None:
    a = (await idp.creates())["id"]
    await limited(idp, 0)
    await idp.patches(f"/Users/{a}", OFF)
    on = {"op": "replace", "path": "active", "value": True}
    assert await idp.house.since(idp.patches(f"/Users/{a}", on)) == ["provisioning.removals_decided"]
    assert await held(idp) == []


async def test_who_is_created_again_before_an_admin_looked_was_never_away(idp: Provider) -> None:
    a = (await idp.creates("back"))["id"]
    await limited(idp, 0)
    await idp.ask("DELETE", f"/Users/{a}")
    assert await idp.finds("Users", 'externalId eq "ext-back"') == []
    again = await idp.ask("POST", "/Users", idp.user("back", title="Back"))
    assert (again.status, again.json["id"], again.json["title"]) == (201, a, "Back")
    assert await held(idp) == []
    assert await statuses(idp, [a]) == ["active"]


async def test_whom_an_admin_deactivates_meanwhile_waits_for_no_decision_any_more(idp: Provider) -> None:
    a, b = [(await idp.creates())["id"] for _ in range(2)]
    await limited(idp, 0)
    await idp.patches(f"/Users/{a}", OFF)
    await idp.ask("DELETE", f"/Users/{b}")
    for user in (a, b):
        (await idp.house.ask("POST", f"/v1/users/{user}/deactivation")).ok()
    assert [(one["user_id"], one["kind"]) for one in await held(idp)] == [(b, "deletion")]
    (await idp.house.ask("POST", f"/v1/users/{a}/reactivation")).ok()
    assert (await idp.ask("GET", f"/Users/{a}")).ok()["active"] is True


async def test_whose_deletion_is_held_keeps_their_groups_whatever_the_provider_no_longer_lists(idp: Provider) -> None:
    a, b = [(await idp.creates())["id"] for _ in range(2)]
    group = await idp.group("Sales", a, b)
    await limited(idp, 0)
    await idp.ask("DELETE", f"/Users/{a}")
    seen = (await idp.ask("GET", f"/Groups/{group['id']}")).ok()
    assert [one["value"] for one in seen["members"]] == [b], "to the provider there is no such user"
    body = {"schemas": [GROUP], "displayName": "Sales", "members": [{"value": b}]}
    (await idp.ask("PUT", f"/Groups/{group['id']}", body)).ok()
    await decides(idp, [a], False)
    restored = (await idp.house.ask("GET", f"/v1/users/{a}")).ok()
    assert group["id"] in [one["id"] for one in restored["groups"]]


async def test_after_an_hour_the_provider_may_remove_as_many_again(world: World, idp: Provider) -> None:
    users = [(await idp.creates())["id"] for _ in range(2)]
    await limited(idp, 1)
    await idp.patches(f"/Users/{users[0]}", OFF)
    world.clock.advance(timedelta(minutes=61))
    await idp.patches(f"/Users/{users[1]}", OFF)
    assert await statuses(idp, users) == ["inactive", "inactive"]


async def test_who_has_become_the_last_admin_meanwhile_is_not_removed(idp: Provider) -> None:
    other = await idp.house.member("admin")
    await limited(idp, 0)
    await idp.patches(f"/Users/{other.user_id}", OFF)
    (await idp.house.ask("POST", f"/v1/users/{idp.house.admin.user_id}/deactivation")).ok()
    body = {"user_ids": [other.user_id], "approve": True}
    reply = await idp.house.ask("POST", "/v1/provisioning/removals/decisions", body, by=other)
    assert reply.ok() == {"done": [], "refused": [other.user_id]}


async def test_a_dry_run_tells_who_would_be_created_matched_and_refused_and_keeps_nothing(idp: Provider) -> None:
    house = idp.house
    ben, dan = await house.member("viewer", "Ben Sync"), await house.member("viewer", "Dan Stays")
    known = await idp.creates("known")
    users = [
        idp.user("fresh"),
        idp.user("ben", active=False),
        idp.user("known"),
        idp.user("fresh"),
        {"userName": "x@elsewhere.example"},
        {"emails": 7},
    ]
    before = await house.said()
    told = (await house.ask("POST", "/v1/provisioning/previews", {"users": users})).ok()
    assert [row["outcome"] for row in told["rows"]] == [
        "created",
        "matched",
        "unchanged",
        "refused",
        "refused",
        "refused",
    ]
    assert (told["rows"][1]["user_id"], told["rows"][1]["changes"]) == (ben.user_id, ["name", "active", "link"])
    assert told["rows"][2]["user_id"] == known["id"]
    assert (told["created"], told["matched"], told["unchanged"], told["refused"]) == (1, 1, 1, 3)
    assert told["unmentioned_count"] == 2
    assert {one["user_id"] for one in told["unmentioned"]} == {house.admin.user_id, dan.user_id}
    assert await house.said() == before
    assert await idp.finds("Users", 'userName sw "fresh"') == []
    await house.on("business", viewer_slots=4)
    full = (await house.ask("POST", "/v1/provisioning/previews", {"users": [idp.user(), idp.user()]})).ok()
    assert [row["outcome"] for row in full["rows"]] == ["created", "refused"]
