"""The access API: AuthZEN shapes, who may ask, and that nothing tells unknown ids apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.auth import Actor
from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import World

GATEWAY = Actor("service", service="gateway")


@pytest.fixture
async def shared(company: Company) -> Company:
    await company.register("ben", "board-1", "Revenue")
    await company.register("ben", "board-2", "Costs")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    return company


async def test_one_question_gets_a_decision_and_its_paths(shared: Company) -> None:
    for name, decision, paths in (("ben", True, ["ownership"]), ("dan", True, ["group"]), ("eve", False, [])):
        reply = await shared.ask(name, "POST", "/access/v1/evaluation", shared.question(name, "board-1"))
        assert reply.ok() == {"decision": decision, "context": {"paths": paths}}


async def test_many_who_ask_at_the_same_moment_get_their_own_answers(shared: Company) -> None:
    """Of two organizations at once, where the same ids mean something else."""
    other = await Company(shared.world).found()
    await other.join(ben="analyst")
    await other.register("ben", "board-1", "Another")
    asked = [(shared, who, board) for who in ("ben", "dan", "eve") for board in ("board-1", "board-2")] * 4
    asked += [(other, who, board) for who in ("ana", "ben") for board in ("board-1", "board-2")] * 4
    told = await asyncio.gather(
        *(one.ask("ana", "POST", "/access/v1/evaluation", one.question(who, board)) for one, who, board in asked)
    )
    may = {(shared.org_id, "ben", "board-1"), (shared.org_id, "ben", "board-2"), (shared.org_id, "dan", "board-1")}
    may.add((other.org_id, "ben", "board-1"))
    for (one, who, board), reply in zip(asked, told, strict=True):
        assert reply.ok()["decision"] is ((one.org_id, who, board) in may), (who, board)


async def test_questions_about_the_organization_follow_the_effective_role(shared: Company) -> None:
    await shared.suspend_slot("cyd")
    allowed = {"ana": True, "ben": True, "cyd": False, "dan": False}
    for action in ("dashboard.create", "organization_settings.manage", "admin_settings.manage"):
        for name, decision in allowed.items():
            question = shared.question(name, "-", action) | {"resource": {"type": "organization", "id": shared.org_id}}
            assert (await shared.ask(name, "POST", "/access/v1/evaluation", question)).ok()["decision"] == decision
            question["resource"]["id"] = new_id("org")
            assert (await shared.ask(name, "POST", "/access/v1/evaluation", question)).ok()["decision"] is False


async def test_what_is_not_known_is_a_no_and_not_an_error(shared: Company) -> None:
    base = shared.question("dan", "board-1")
    for change in (
        {"resource": {"type": "dashboard", "id": "missing"}},
        {"resource": {"type": "dashboard", "id": "böse ' or 1=1 --"}},
        {"resource": {"type": "folder", "id": "board-1"}},
        {"resource": {"type": "organization", "id": shared.org_id}},
        {"subject": {"type": "user", "id": new_id("usr")}},
        {"subject": {"type": "group", "id": shared.id_of("dan")}},
        {"action": {"name": "dashboard.fly"}},
        {"action": {"name": "dashboard.create"}},
    ):
        reply = await shared.ask("ana", "POST", "/access/v1/evaluation", base | change)
        assert reply.ok() == {"decision": False, "context": {"paths": []}}, change


async def test_authzen_extras_are_accepted_and_unknown_fields_refused(shared: Company) -> None:
    question = shared.question("dan", "board-1")
    question["subject"]["properties"] = {"department": "Sales"}
    assert (await shared.ask("dan", "POST", "/access/v1/evaluation", question | {"context": {"time": "now"}})).ok()[
        "decision"
    ]
    assert (await shared.ask("dan", "POST", "/access/v1/evaluation", question | {"sudo": True})).status == 422
    assert (await shared.ask("dan", "POST", "/access/v1/evaluation", {"subject": question["subject"]})).status == 422


async def test_people_ask_about_themselves_and_admins_about_anybody(shared: Company) -> None:
    about_dan = shared.question("dan", "board-1")
    for name, status in (("ana", 200), ("dan", 200), ("ben", 403), ("eve", 403)):
        assert (await shared.ask(name, "POST", "/access/v1/evaluation", about_dan)).status == status
        many = {"evaluations": [shared.question(name, "board-1"), about_dan]}
        assert (await shared.ask(name, "POST", "/access/v1/evaluations", many)).status == status
        search = {"subject": about_dan["subject"], "action": about_dan["action"], "resource": {"type": "dashboard"}}
        assert (await shared.ask(name, "POST", "/access/v1/search/resource", search)).status == status
        body = {"dashboard_id": "board-1", "subject_id": shared.id_of("dan")}
        assert (await shared.ask(name, "POST", "/v1/access-explanations", body)).status == status
    for unknown in (new_id("usr"), shared.id_of("dan")):
        question = about_dan | {"subject": {"type": "user", "id": unknown}}
        assert (await shared.ask("eve", "POST", "/access/v1/evaluation", question)).status == 403


async def test_many_questions_share_what_stands_around_them(shared: Company) -> None:
    around = {"subject": {"type": "user", "id": shared.id_of("dan")}, "action": {"name": "dashboard.view"}}
    items: list[dict[str, Any]] = [
        {"resource": {"type": "dashboard", "id": one}} for one in ("board-1", "board-2", "nope")
    ]
    items.append(
        {"resource": {"type": "dashboard", "id": "board-2"}, "subject": {"type": "user", "id": shared.id_of("ben")}}
    )
    reply = (await shared.ask("ana", "POST", "/access/v1/evaluations", around | {"evaluations": items})).ok()
    assert [one["decision"] for one in reply["evaluations"]] == [True, False, False, True]
    for semantic, length in (("deny_on_first_deny", 2), ("permit_on_first_permit", 1), ("execute_all", 4)):
        body = around | {"evaluations": items, "options": {"evaluations_semantic": semantic}}
        assert len((await shared.ask("ana", "POST", "/access/v1/evaluations", body)).ok()["evaluations"]) == length
    single = around | items[0]
    assert (await shared.ask("dan", "POST", "/access/v1/evaluations", single)).ok()["decision"] is True
    refused = await shared.ask("dan", "POST", "/access/v1/evaluations", around | {"evaluations": [{}]})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/evaluations/0/resource")
    assert (
        await shared.ask("dan", "POST", "/access/v1/evaluations", around | {"evaluations": [items[0]] * 1001})
    ).status == 422
    assert (
        len(
            (
                await shared.ask("dan", "POST", "/access/v1/evaluations", around | {"evaluations": [items[0]] * 1000})
            ).ok()["evaluations"]
        )
        == 1000
    )


async def test_searching_what_somebody_sees_pages_through_all_of_it(shared: Company) -> None:
    for number in range(7):
        await shared.register("cyd", f"c{number}")
        await shared.share("cyd", f"c{number}", "all_users" if number % 2 else "nobody")
    search: dict[str, Any] = {
        "subject": {"type": "user", "id": shared.id_of("dan")},
        "action": {"name": "dashboard.view"},
        "resource": {"type": "dashboard"},
        "page": {"limit": 2},
    }
    found: list[str] = []
    while True:
        reply = (await shared.ask("dan", "POST", "/access/v1/search/resource", search)).ok()
        found += [one["id"] for one in reply["results"]]
        if not reply["page"]["next_token"]:
            break
        search["page"] = {"limit": 2, "token": reply["page"]["next_token"]}
    assert found == ["c1", "c3", "c5", "board-1"] == await shared.sees("dan")
    other = search | {"subject": {"type": "user", "id": shared.id_of("ana")}}
    assert (
        await shared.ask("ana", "POST", "/access/v1/search/resource", other)
    ).status == 422  # a token of another search
    owned = search | {
        "subject": {"type": "user", "id": shared.id_of("ben")},
        "action": {"name": "dashboard.edit"},
        "page": {},
    }
    assert [
        one["id"] for one in (await shared.ask("ben", "POST", "/access/v1/search/resource", owned)).ok()["results"]
    ] == ["board-2", "board-1"]


async def test_searching_who_sees_a_dashboard_is_for_its_owner_and_admins(shared: Company) -> None:
    search: dict[str, Any] = {
        "subject": {"type": "user"},
        "action": {"name": "dashboard.view"},
        "resource": {"type": "dashboard", "id": "board-1"},
    }
    for name in ("ana", "ben"):
        reply = (await shared.ask(name, "POST", "/access/v1/search/subject", search)).ok()
        assert [one["id"] for one in reply["results"]] == sorted([shared.id_of("ben"), shared.id_of("dan")])
    for name in ("cyd", "dan", "eve"):
        for dashboard_id in ("board-1", "board-2", "missing"):
            body = search | {"resource": {"type": "dashboard", "id": dashboard_id}}
            assert (await shared.ask(name, "POST", "/access/v1/search/subject", body)).code == "forbidden"
    await shared.share("ben", "board-1", "all_users")
    found: list[str] = []
    token = ""
    while True:
        reply = (
            await shared.ask(
                "ana", "POST", "/access/v1/search/subject", search | {"page": {"limit": 2, "token": token}}
            )
        ).ok()
        found += [one["id"] for one in reply["results"]]
        token = reply["page"]["next_token"]
        if not token:
            break
    assert found == sorted(shared.id_of(name) for name in ("ana", "ben", "cyd", "dan", "eve"))


async def test_services_ask_about_any_organization_and_persons_never_reach_those_endpoints(
    shared: Company, world: World
) -> None:
    other = await Company(world).found()
    assert await shared.decisions(
        [{"user_id": shared.id_of(name), "dashboard_id": "board-1"} for name in ("dan", "eve")]
    ) == [True, False]
    assert await other.decisions([{"user_id": shared.id_of("dan"), "dashboard_id": "board-1"}]) == [False]
    question = shared.question("dan", "board-1")
    many = {"org_id": shared.org_id, "evaluations": [question]}
    resource = {"org_id": shared.org_id, **question, "resource": {"type": "dashboard"}}
    subject = {"org_id": shared.org_id, **question, "subject": {"type": "user"}}
    for path, body, answer in (
        ("evaluations", many, {"evaluations": [{"decision": True, "context": {"paths": ["group"]}}]}),
        (
            "search/resource",
            resource,
            {"page": {"next_token": "", "count": 1}, "results": [{"type": "dashboard", "id": "board-1"}]},
        ),
        ("search/subject", subject, None),
    ):
        reply = await world.ask("sharing", "POST", f"/internal/access/v1/{path}", body, actor=GATEWAY)
        assert answer is None or reply.ok() == answer
        assert (await shared.ask("ana", "POST", f"/internal/access/v1/{path}", body)).status == 404


async def test_a_deactivated_or_removed_member_sees_nothing_not_even_their_own(shared: Company) -> None:
    for departure in (shared.deactivate, shared.remove):
        await departure("ben")
        assert not await shared.may("ben", "board-2")
    await shared.deactivate("dan")
    assert not await shared.may("dan", "board-1")
    await shared.reactivate("dan")
    assert await shared.may("dan", "board-1")
    await shared.remove("dan")
    await shared.rejoin("dan")
    assert not await shared.may("dan", "board-1"), "who comes back comes without groups"


async def test_a_search_for_actions_agrees_with_every_single_question(shared: Company) -> None:
    await shared.suspend_slot("cyd")
    everything = (
        "dashboard.view", "dashboard.edit", "dashboard.share",
        "admin_settings.manage", "dashboard.create", "organization_settings.manage",
    )  # fmt: skip
    resources = [
        {"type": "dashboard", "id": "board-1"},
        {"type": "dashboard", "id": "missing"},
        {"type": "organization", "id": shared.org_id},
        {"type": "organization", "id": new_id("org")},
        {"type": "folder", "id": "board-1"},
    ]
    for name in shared.people:
        for resource in resources:
            search = {"subject": {"type": "user", "id": shared.id_of(name)}, "resource": resource}
            found = (await shared.ask(name, "POST", "/access/v1/search/action", search)).ok()
            body = {**search, "evaluations": [{"action": {"name": action}} for action in everything]}
            asked = (await shared.ask(name, "POST", "/access/v1/evaluations", body)).ok()["evaluations"]
            allowed = [action for action, one in zip(everything, asked, strict=True) if one["decision"]]
            assert [one["name"] for one in found["results"]] == allowed, (name, resource)
            assert found["page"] == {"next_token": "", "count": len(allowed)}
            inner = await shared.world.ask(
                "sharing",
                "POST",
                "/internal/access/v1/search/action",
                {**search, "org_id": shared.org_id},
                actor=GATEWAY,
            )
            assert inner.ok() == found
    ben = {"subject": {"type": "user", "id": shared.id_of("ben")}, "resource": resources[0]}
    assert (await shared.ask("dan", "POST", "/access/v1/search/action", ben)).status == 403
