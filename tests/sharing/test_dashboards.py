"""Registering, listing, changing, removing and handing over dashboards."""

from __future__ import annotations

import asyncio

import pytest

from shared.events.sharing import DashboardChanged, DashboardRegistered, DashboardRemoved, DashboardTransferred
from shared.ids import new_id
from tests.sharing.company import Company
from tests.world import World


async def test_a_registered_dashboard_is_seen_by_its_owner_alone(company: Company) -> None:
    registered = await company.register("ben", "board-1", "Revenue")
    assert registered["owner"] == {"user_id": company.id_of("ben"), "name": "Ben"}
    assert (registered["my_access"], registered["shared_with"]) == (["ownership"], "nobody")
    for name in company.people:
        expected = ["board-1"] if name == "ben" else []
        assert await company.sees(name) == expected
        assert (await company.ask(name, "GET", "/v1/dashboards/board-1")).status == (200 if expected else 404)
    (told,) = await company.world.said("sharing", DashboardRegistered)
    assert told.data["dashboard"] == {
        "dashboard_id": "board-1", "title": "Revenue", "owner_id": company.id_of("ben"), "parameters": [],
    }  # fmt: skip


async def test_viewers_register_nothing_and_an_id_is_taken_once(company: Company) -> None:
    body = {"id": "board-1", "title": "Revenue"}
    assert (await company.ask("dan", "POST", "/v1/dashboards", body)).code == "forbidden"
    replies = await asyncio.gather(*(company.ask("ben", "POST", "/v1/dashboards", body) for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7
    assert {reply.code for reply in replies} == {None, "already_exists"}
    assert len(await company.world.said("sharing", DashboardRegistered)) == 1


async def test_an_admin_registers_for_an_author_and_does_not_see_it(company: Company) -> None:
    body = {"id": "board-1", "title": "Revenue", "owner_id": company.id_of("ben")}
    assert (await company.ask("cyd", "POST", "/v1/dashboards", body)).code == "forbidden"
    registered = (await company.ask("ana", "POST", "/v1/dashboards", body)).ok()
    assert registered["my_access"] == []
    assert (await company.sees("ana"), await company.sees("ben")) == ([], ["board-1"])
    for unfit in (company.id_of("dan"), new_id("usr")):
        refused = await company.ask("ana", "POST", "/v1/dashboards", body | {"id": "board-2", "owner_id": unfit})
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/owner_id")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "a b"}, "/id"),
        ({"id": "x" * 201}, "/id"),
        ({"title": " "}, "/title"),
        ({"title": "a\u202eb"}, "/title"),
        ({"parameters": ["x"] * 101}, "/parameters"),
        ({"thumbnail_url": "http://example.com/x.png"}, "/thumbnail_url"),
        ({"thumbnail_url": "javascript:alert(1)"}, "/thumbnail_url"),
        ({"version": 7}, "/version"),
    ],
)
async def test_bad_fields_are_named(company: Company, change: dict[str, object], pointer: str) -> None:
    refused = await company.ask("ben", "POST", "/v1/dashboards", {"id": "ok", "title": "Fine"} | change)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
    assert await company.world.said("sharing", DashboardRegistered) == []


async def test_the_list_is_complete_ordered_and_searchable(company: Company) -> None:
    titles = ["beta", "Alpha", "delta 100%", "Gamma", "epsilon", "alpha", "Zeta_1", "Zeta-1"]
    for place, title in enumerate(titles):
        owner = "ben" if place % 2 else "cyd"
        await company.register(owner, f"d{place}", title)
        await company.share(owner, f"d{place}", "groups", "Sales", "All Analysts")
        if place % 3 == 0:
            await company.share(owner, f"d{place}", "all_users")
    expected = [f"d{place}" for place, _ in sorted(enumerate(titles), key=lambda one: (one[1].lower(), f"d{one[0]}"))]
    assert await company.sees("ben") == await company.sees("dan") == expected
    assert await company.sees("eve") == [one for one in expected if one in ("d0", "d3", "d6")]
    for text, found in (
        ("ALPHA", {"d1", "d5"}),
        ("100%25", {"d2"}),
        ("zeta_", {"d6"}),
        ("%25", {"d2"}),
        ("nope", set()),
    ):
        page = (await company.ask("dan", "GET", f"/v1/dashboards?q={text}")).ok()
        assert {row["id"] for row in page["data"]} == found, text
    row = (await company.ask("dan", "GET", "/v1/dashboards/d1")).ok()
    assert (row["my_access"], row["group_names"], row["shared_with"]) == (["group"], ["Sales"], None)


async def test_a_cursor_of_another_filter_is_refused(company: Company) -> None:
    for number in range(3):
        await company.register("ben", f"d{number}")
    page = (await company.ask("ben", "GET", "/v1/dashboards?limit=1")).ok()
    refused = await company.ask("ben", "GET", f"/v1/dashboards?q=x&cursor={page['page']['next_cursor']}")
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "cursor_of_another_list")


async def test_only_the_owner_edits_and_what_is_the_same_says_nothing(company: Company) -> None:
    await company.register("ben", "board-1", "Revenue")
    await company.share("ben", "board-1", "all_users")
    path = "/v1/dashboards/board-1"
    for name, code in (("ana", "forbidden"), ("cyd", "forbidden"), ("dan", "forbidden")):
        assert (await company.ask(name, "PATCH", path, {"title": "Mine"})).code == code
    same = await company.ask("ben", "PATCH", path, {"title": "Revenue"})
    assert (same.status, "tenantry-change" in same.headers) == (200, False)
    changed = await company.ask("ben", "PATCH", path, {"title": "Profit", "parameters": ["region"]})
    assert (changed.ok()["title"], changed.ok()["parameters"]) == ("Profit", ["region"])
    (told,) = await company.world.said("sharing", DashboardChanged)
    assert told.data["previous"] == {"title": "Revenue", "parameters": []}
    assert (await company.ask("ben", "PATCH", path, {"title": None})).status == 422
    stale = await company.ask("ben", "PATCH", path, {"title": "Late"}, headers={"If-Match": '"1"'})
    assert (stale.code, stale.json["meta"]["current_version"]) == ("precondition_failed", 2)


async def test_removing_frees_the_id_and_forgets_who_it_was_shared_with(company: Company) -> None:
    await company.register("ben", "board-1")
    await company.share("ben", "board-1", "groups", "Sales")
    assert (await company.ask("dan", "DELETE", "/v1/dashboards/board-1")).code == "forbidden"
    assert (await company.ask("ana", "DELETE", "/v1/dashboards/board-1")).code == "not_found"
    assert (await company.ask("ben", "DELETE", "/v1/dashboards/board-1")).status == 204
    assert len(await company.world.said("sharing", DashboardRemoved)) == 1
    await company.register("cyd", "board-1")
    assert (await company.sees("dan"), await company.sees("cyd")) == ([], ["board-1"])


async def test_the_owner_hands_over_and_loses_it(company: Company) -> None:
    await company.register("ben", "board-1")
    path = "/v1/dashboards/board-1/transfer"
    assert (await company.ask("ben", "POST", path, {"owner_id": company.id_of("dan")})).status == 422
    assert (await company.ask("cyd", "POST", path, {"owner_id": company.id_of("cyd")})).code == "not_found"
    assert (await company.ask("ana", "POST", path, {"owner_id": company.id_of("ana")})).code == "not_found"
    handed = (await company.ask("ben", "POST", path, {"owner_id": company.id_of("cyd")})).ok()
    assert handed["owner"]["name"] == "Cyd"
    assert (await company.sees("ben"), await company.sees("cyd")) == ([], ["board-1"])
    (told,) = await company.world.said("sharing", DashboardTransferred)
    assert told.data["previous_owner_id"] == company.id_of("ben")


@pytest.mark.parametrize("departure", ["deactivate", "remove", "demote"])
async def test_an_admin_steps_in_when_nobody_is_in_charge(company: Company, departure: str) -> None:
    await company.register("ben", "board-1")
    path = "/v1/dashboards/board-1"
    if departure == "demote":
        await company.change_role("ben", "viewer")
    else:
        await getattr(company, departure)("ben")
    assert await company.sees("ana") == []
    assert (
        await company.ask("ana", "PUT", f"{path}/sharing", {"mode": "all_users"}, headers={"If-Match": "*"})
    ).code == "forbidden"
    assert (
        await company.ask("cyd", "POST", f"{path}/transfer", {"owner_id": company.id_of("cyd")})
    ).code == "not_found"
    assert (await company.ask("ana", "POST", f"{path}/transfer", {"owner_id": company.id_of("cyd")})).status == 200
    assert await company.sees("cyd") == ["board-1"]


async def test_the_same_id_in_two_organizations_is_two_dashboards(company: Company, world: World) -> None:
    other = await Company(world).found()
    await company.register("ben", "board-1", "Ours")
    await other.register("ana", "board-1", "Theirs")
    await company.register("ben", "only-ours")
    await company.share("ben", "board-1", "all_users")
    assert (await company.ask("dan", "GET", "/v1/dashboards/board-1")).ok()["title"] == "Ours"
    assert (await other.ask("ana", "GET", "/v1/dashboards/board-1")).ok()["title"] == "Theirs"
    assert await other.sees("ana") == ["board-1"]


async def test_a_foreign_dashboard_answers_like_one_that_does_not_exist(company: Company, world: World) -> None:
    other = await Company(world).found()
    await other.join(bob="analyst", vic="viewer")
    await company.register("ben", "theirs")
    await company.share("ben", "theirs", "all_users")
    attempts = [
        ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("GET", "/sharing", None),
        ("POST", "/transfer", {"owner_id": other.id_of("ana")}), ("PUT", "/sharing", {"mode": "nobody"}),
        ("DELETE", "/sharing", None), ("POST", "/sharing-preview", {"mode": "nobody"}),
    ]  # fmt: skip
    for name in ("ana", "bob", "vic"):
        for method, tail, body in attempts:
            answers = []
            for dashboard_id in ("theirs", "missing"):
                reply = await other.ask(
                    name, method, f"/v1/dashboards/{dashboard_id}{tail}", body, headers={"If-Match": "*"}
                )
                answers.append((reply.status, reply.code, reply.json["detail"]))
            assert answers[0] == answers[1]
            assert answers[0][:2] == (404, "not_found")
        for dashboard_id in ("theirs", "missing"):
            assert not await other.may(name, dashboard_id)
            why = await other.why(name, dashboard_id)
            assert {**why, "dashboard_id": ""} == {**(await other.why(name, "nowhere")), "dashboard_id": ""}


async def test_a_token_from_before_a_demotion_writes_nothing(company: Company, world: World) -> None:
    await company.register("ben", "board-1")
    await company.change_role("ben", "viewer")
    stale = company.stale_actor("ben", "analyst")
    body = {"id": "board-2", "title": "Two"}
    assert (await world.ask("sharing", "POST", "/v1/dashboards", body, actor=stale)).code == "forbidden"
    for method, tail, change in (
        ("PATCH", "", {"title": "x"}),
        ("PUT", "/sharing", {"mode": "all_users"}),
        ("DELETE", "", None),
    ):
        reply = await world.ask(
            "sharing", method, f"/v1/dashboards/board-1{tail}", change, actor=stale, headers={"If-Match": "*"}
        )
        assert reply.code == "forbidden", (method, tail)


async def test_who_joined_a_moment_ago_is_asked_to_wait(company: Company, world: World) -> None:
    company.joining("new", "analyst")
    reply = await company.ask("new", "POST", "/v1/dashboards", {"id": "a", "title": "A"})
    assert (reply.status, reply.code) == (503, "not_yet_consistent")
    assert await company.sees("new") == []


async def test_the_same_key_registers_once(company: Company) -> None:
    body = {"id": "board-1", "title": "Revenue"}
    first, again = [
        await company.ask("ben", "POST", "/v1/dashboards", body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert (first.status, again.status, first.body) == (201, 201, again.body)
    assert again.headers["idempotency-replayed"] == "true"
