"""Sharing: who may, what the plan gates, what is suspended, and what a preview says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from shared.events.sharing import ActionRefused, DashboardShared
from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import World


@pytest.fixture
async def shared(company: Company) -> Company:
    """Ben's board-1 is shared with Sales."""
    await company.register("ben", "board-1", "Revenue")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    return company


async def sharing_of(company: Company, name: str = "ben", dashboard_id: str = "board-1") -> Any:
    return (await company.ask(name, "GET", f"/v1/dashboards/{dashboard_id}/sharing")).ok()


async def test_each_mode_reaches_exactly_whom_it_names(company: Company) -> None:
    await company.register("ben", "board-1")
    for mode, groups, seen_by in (
        ("nobody", (), {"ben"}),
        ("all_users", (), {"ana", "ben", "cyd", "dan", "eve"}),
        ("all_analysts", (), {"ana", "ben", "cyd"}),
        ("groups", ("Sales",), {"ben", "dan"}),
        ("groups", ("All Analysts", "Sales"), {"ana", "ben", "cyd", "dan"}),
        ("groups", ("All Users",), {"ana", "ben", "cyd", "dan", "eve"}),
    ):
        answer = (await company.share("ben", "board-1", mode, *groups)).ok()
        assert {name for name in company.people if await company.may(name, "board-1")} == seen_by
        assert {name for name in company.people if await company.sees(name)} == seen_by
        assert answer["people"] == len(seen_by)
        assert {group["name"] for group in answer["groups"]} == set(groups)
        assert answer == await sharing_of(company)


async def test_every_change_is_told_with_what_was_before(shared: Company) -> None:
    await shared.share("ben", "board-1", "groups", "Sales")
    (await shared.share("ben", "board-1", "all_users")).ok()
    first, second = await shared.world.said("sharing", DashboardShared)
    sales = shared.groups["Sales"].group_id
    assert first.data["previous"] == {"mode": "nobody", "group_ids": []}
    assert first.data["shared_with"] == second.data["previous"] == {"mode": "groups", "group_ids": [sales]}
    assert second.data["shared_with"] == {"mode": "all_users", "group_ids": []}


async def test_rights_on_one_dashboard_are_no_rights_on_another(company: Company) -> None:
    """Every author has a dashboard shared with everybody; each may manage their own and no other."""
    authors = ["ana", "ben", "cyd"]
    for name in authors:
        await company.register(name, f"of-{name}")
        (await company.share(name, f"of-{name}", "all_users")).ok()
    before = await company.world.said("sharing")
    attempts: list[tuple[str, str, Any]] = [
        ("GET", "/sharing", None),
        ("POST", "/sharing-preview", {"mode": "nobody"}),
        ("PUT", "/sharing", {"mode": "nobody"}),
        ("DELETE", "/sharing", None),
        ("PATCH", "", {"title": "Mine"}),
        ("DELETE", "", None),
        ("POST", "/transfer", {"owner_id": company.id_of("cyd")}),
    ]
    for asking in company.people:
        for owner in authors:
            for method, tail, body in attempts:
                if asking == owner:
                    continue
                reply = await company.ask(
                    asking, method, f"/v1/dashboards/of-{owner}{tail}", body, headers={"If-Match": "*"}
                )
                assert (reply.status, reply.code) == (403, "forbidden"), (asking, owner, method, tail)
            for action in ("dashboard.edit", "dashboard.share"):
                assert await company.may(asking, f"of-{owner}", action) == (asking == owner)
    said = await company.world.said("sharing")
    assert [one for one in said if one.type != ActionRefused.TYPE] == before, "nothing but refusals happened"


async def test_sharing_says_which_version_it_changes(shared: Company) -> None:
    path = "/v1/dashboards/board-1/sharing"
    assert (await shared.ask("ben", "PUT", path, {"mode": "nobody"})).code == "precondition_required"
    etag = (await shared.ask("ben", "GET", path)).headers["etag"]
    replies = await asyncio.gather(
        *(shared.share("ben", "board-1", mode, if_match=etag) for mode in ("nobody", "all_users", "all_analysts"))
    )
    assert sorted(reply.status for reply in replies) == [200, 412, 412]
    late = next(reply for reply in replies if reply.status == 412)
    assert late.json["meta"]["changed_by"] == shared.id_of("ben")


async def test_a_count_or_a_suspension_changes_the_etag(shared: Company) -> None:
    path = "/v1/dashboards/board-1/sharing"
    etag = (await shared.ask("ben", "GET", path)).headers["etag"]
    assert (await shared.ask("ben", "GET", path, headers={"If-None-Match": etag})).status == 304
    await shared.add("Sales", "eve")
    after = await shared.ask("ben", "GET", path, headers={"If-None-Match": etag})
    assert (after.status, after.json["groups"][0]["people"]) == (200, 2)
    assert (await shared.share("ben", "board-1", "nobody", if_match=etag)).status == 200


async def test_unknown_and_foreign_groups_are_the_same_fault(company: Company, world: World) -> None:
    other = await Company(world).found()
    foreign = await other.group("Theirs")
    await company.register("ben", "board-1")
    answers = []
    for group_id in (foreign, new_id("grp")):
        reply = await company.ask(
            "ben", "PUT", "/v1/dashboards/board-1/sharing",
            {"mode": "groups", "group_ids": [company.groups["Sales"].group_id, group_id]}, headers={"If-Match": "*"},
        )  # fmt: skip
        answers.append((reply.status, reply.json["errors"]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 422
    assert answers[0][1][0]["pointer"] == "/group_ids/1"
    for body in ({"mode": "groups"}, {"mode": "nobody", "group_ids": [foreign]}, {"mode": "everybody"}):
        assert (
            await company.ask("ben", "PUT", "/v1/dashboards/board-1/sharing", body, headers={"If-Match": "*"})
        ).status == 422


@pytest.mark.parametrize(
    ("plan", "mode", "groups", "code"),
    [
        ("free", "all_users", (), None),
        ("free", "all_analysts", (), "plan_required"),
        ("free", "groups", ("All Users",), None),
        ("free", "groups", ("All Analysts",), "plan_required"),
        ("free", "groups", ("Finance",), "suspended"),
        ("pro", "all_analysts", (), None),
        ("pro", "groups", ("All Users", "All Analysts"), None),
        ("pro", "groups", ("All Users", "Finance"), "suspended"),
        ("business", "groups", ("Finance", "All Analysts"), None),
        (None, "all_users", (), None),
        (None, "all_analysts", (), "plan_required"),
        (None, "groups", ("Finance",), "suspended"),
    ],
)
async def test_the_plan_gates_what_is_added(
    world: World, plan: str | None, mode: str, groups: tuple[str, ...], code: str | None
) -> None:
    company = await Company(world).found(plan)
    await company.group("Finance")
    await company.register("ana", "board-1")
    reply = await company.share("ana", "board-1", mode, *groups)
    assert reply.code == code
    preview = {"mode": mode, "group_ids": [company.groups[group].group_id for group in groups]}
    assert (await company.ask("ana", "POST", "/v1/dashboards/board-1/sharing-preview", preview)).code == code
    if code == "plan_required":
        assert reply.json["meta"]["plan"] == "pro"
    unknown = {"mode": "groups", "group_ids": [new_id("grp")]}
    refused = await company.ask("ana", "PUT", "/v1/dashboards/board-1/sharing", unknown, headers={"If-Match": "*"})
    assert refused.code == ("invalid" if plan == "business" else "plan_required")


async def test_a_suspended_group_grants_nothing_keeps_everything_and_takes_no_new_dashboard(shared: Company) -> None:
    await shared.group("Board", "eve")
    await shared.register("ben", "board-2")
    (await shared.share("ben", "board-1", "groups", "Sales", "Board", "All Analysts")).ok()
    before = await sharing_of(shared)
    await shared.plan("pro")
    assert [await shared.may(name, "board-1") for name in ("dan", "eve", "cyd")] == [False, False, True]
    suspended = await sharing_of(shared)
    assert {group["name"]: group["suspended"] for group in suspended["groups"] if group["suspended"]} == {
        name: {
            "cause": "plan",
            "plan": "pro",
            "since": suspended["groups"][-1]["suspended"]["since"],
        }
        for name in ("Sales", "Board")
    }
    assert suspended["people"] == 3
    assert (await shared.share("ben", "board-2", "groups", "Sales")).code == "suspended"
    assert (
        await shared.share("ben", "board-1", "groups", "Sales", "Board", "All Users")
    ).status == 200  # kept, widened by what is free
    assert (await shared.share("ben", "board-1", "groups", "Board")).status == 200  # shrinking
    assert (
        await shared.share("ben", "board-1", "groups", "Board", "Sales")
    ).code == "suspended"  # what was given up is new again
    await shared.plan("business")
    after = await sharing_of(shared)
    assert [group["name"] for group in after["groups"]] == ["Board"]
    assert [await shared.may(name, "board-1") for name in ("dan", "eve", "cyd")] == [False, True, False]
    assert before["mode"] == after["mode"]


async def test_edits_made_while_suspended_count_when_it_is_restored(shared: Company) -> None:
    await shared.plan("free")
    await shared.take_out("Sales", "dan")
    await shared.add("Sales", "eve")
    assert await shared.sees("dan") == await shared.sees("eve") == []
    await shared.plan("business")
    assert (await shared.sees("dan"), await shared.sees("eve")) == ([], ["board-1"])


async def test_deleting_a_group_takes_only_what_was_held_through_it(shared: Company) -> None:
    await shared.group("Board", "dan", "eve")
    (await shared.share("ben", "board-1", "groups", "Sales", "Board")).ok()
    await shared.delete_group("Board")
    assert [await shared.may(name, "board-1") for name in ("dan", "eve")] == [True, False]
    assert [group["name"] for group in (await sharing_of(shared))["groups"]] == ["Sales"]


async def test_an_analyst_without_a_slot_sees_shares_nothing_and_may_still_unshare(shared: Company) -> None:
    await shared.register("cyd", "of-cyd")
    (await shared.share("cyd", "of-cyd", "all_analysts")).ok()
    await shared.suspend_slot("ben")
    assert await shared.sees("ben") == ["board-1"]
    for action, allowed in (
        ("dashboard.view", True),
        ("dashboard.edit", False),
        ("dashboard.share", False),
        ("dashboard.create", False),
    ):
        assert await shared.may("ben", "board-1", action) == allowed
    for method, tail, body in (
        ("PATCH", "", {"title": "x"}), ("PUT", "/sharing", {"mode": "all_users"}),
        ("POST", "/transfer", {"owner_id": shared.id_of("cyd")}), ("DELETE", "", None),
    ):  # fmt: skip
        reply = await shared.ask("ben", method, f"/v1/dashboards/board-1{tail}", body, headers={"If-Match": "*"})
        assert reply.code == "forbidden", (method, tail)
    assert (await shared.ask("ana", "DELETE", "/v1/dashboards/board-1/sharing")).code == "not_found"
    assert (await shared.ask("ben", "DELETE", "/v1/dashboards/board-1/sharing")).status == 204
    assert await shared.sees("dan") == []
    await shared.resume_slot("ben")
    assert await shared.sees("ben") == ["of-cyd", "board-1"]


async def test_unsharing_is_never_a_matter_of_plan(shared: Company) -> None:
    await shared.plan("free")
    assert (await shared.ask("ben", "DELETE", "/v1/dashboards/board-1/sharing")).status == 204
    again = await shared.ask("ben", "DELETE", "/v1/dashboards/board-1/sharing")
    assert (again.status, "tenantry-change" in again.headers) == (204, False)
    await shared.plan("business")
    assert await shared.sees("dan") == []


async def test_a_preview_names_who_gains_and_who_loses_and_changes_nothing(shared: Company) -> None:
    before = await shared.world.said("sharing")
    path = "/v1/dashboards/board-1/sharing-preview"
    wanted = {"mode": "groups", "group_ids": [shared.groups["All Analysts"].group_id]}
    preview = (await shared.ask("ben", "POST", path, wanted)).ok()
    assert preview == {
        "people_before": 2,
        "people_after": 3,
        "gaining_count": 2,
        "gaining": [{"user_id": shared.id_of(name), "name": name.capitalize()} for name in ("ana", "cyd")],
        "losing_count": 1,
        "losing": [{"user_id": shared.id_of("dan"), "name": "Dan"}],
        "mails": 2,
    }
    assert (await shared.ask("cyd", "POST", path, wanted)).code == "not_found"
    assert await shared.world.said("sharing") == before
    assert await shared.sees("dan") == ["board-1"]


async def test_a_read_after_a_plan_change_never_sees_the_old_state(shared: Company) -> None:
    for plan, visible in (("pro", []), ("business", ["board-1"])) * 5:
        event = await shared.plan(plan)
        reply = await shared.ask("dan", "GET", "/v1/dashboards", headers={"Tenantry-After": event})
        assert [row["id"] for row in reply.ok()["data"]] == visible


async def test_concurrent_shares_never_mix(company: Company) -> None:
    """Whatever wins wins whole: mode, flags and groups belong together."""
    await company.group("Board", "eve")
    await company.register("ben", "board-1")
    wishes = [("groups", "Sales"), ("groups", "Board"), ("all_users",), ("nobody",), ("all_analysts",)] * 4
    replies = await asyncio.gather(*(company.share("ben", "board-1", *wish) for wish in wishes))
    assert {reply.status for reply in replies} == {200}
    last = (await company.world.said("sharing", DashboardShared))[-1].data["shared_with"]
    now = await sharing_of(company)
    assert (now["mode"], [group["group_id"] for group in now["groups"]]) == (last["mode"], last["group_ids"])


async def test_the_owner_is_asked_as_they_are_now_not_as_the_token_says(shared: Company, world: World) -> None:
    stranger = replace(shared.actor("cyd"), role="admin")
    reply = await world.ask(
        "sharing",
        "PUT",
        "/v1/dashboards/board-1/sharing",
        {"mode": "all_users"},
        actor=stranger,
        headers={"If-Match": "*"},
    )
    assert reply.code == "not_found"
