"""Who sees what, page by page: the same as what decisions say, and for Admins alone."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ids import new_id
from tests.sharing.company import Company
from tests.sharing.test_histories import History
from tests.world import World


async def walked(company: Company, path: str) -> list[Any]:
    rows, cursor = [], ""
    while True:
        page = (await company.ask("ana", "GET", f"{path}{'&' if '?' in path else '?'}limit=2{cursor}")).ok()
        rows += page["data"]
        if page["page"]["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['page']['next_cursor']}"


@pytest.mark.parametrize("seed", range(2))
async def test_both_lists_are_what_the_model_sees(world: World, seed: int) -> None:
    history = History(Company(world), 900 + seed)
    await history.begin()
    company, model = history.company, history.model
    for _ in range(3):
        for _ in range(8):
            await history.random.choice(history.steps)()
        by_id = {company.id_of(name): name for name in model.people}
        everything = model.everything()
        for name in model.people:
            seen = await walked(company, f"/v1/users/{company.id_of(name)}/dashboards")
            assert {(name, one["id"]) for one in seen} == {pair for pair in everything if pair[0] == name}
            assert all(one["paths"] for one in seen)
        for one in await walked(company, "/v1/dashboards?scope=organization"):
            viewers = await walked(company, f"/v1/dashboards/{one['id']}/viewers")
            assert {(by_id[who["user_id"]], one["id"]) for who in viewers} == {
                pair for pair in everything if pair[1] == one["id"]
            }
            assert len({who["user_id"] for who in viewers}) == len(viewers), "nobody is there twice"


async def test_a_viewer_is_named_with_every_path_and_group(company: Company) -> None:
    await company.register("ben", "board-1", "Revenue")
    (await company.share("ben", "board-1", "groups", "Sales", "All Analysts")).ok()
    await company.add("Sales", "cyd")
    viewers = await walked(company, "/v1/dashboards/board-1/viewers")
    assert [(one["name"], one["paths"], one["group_names"]) for one in viewers] == [
        ("Ana", ["all_analysts"], []),
        ("Ben", ["all_analysts", "ownership"], []),
        ("Cyd", ["all_analysts", "group"], ["Sales"]),
        ("Dan", ["group"], ["Sales"]),
    ]
    (seen,) = await walked(company, f"/v1/users/{company.id_of('cyd')}/dashboards")
    assert (seen["title"], seen["owner"]["name"], seen["group_names"]) == ("Revenue", "Ben", ["Sales"])
    assert sorted(seen["paths"]) == ["all_analysts", "group"]
    await company.plan("pro")
    (seen,) = await walked(company, f"/v1/users/{company.id_of('cyd')}/dashboards")
    assert (seen["paths"], seen["group_names"]) == (["all_analysts"], []), "what the plan suspends opens nothing"


async def test_an_admin_lists_what_is_registered_without_seeing_it(company: Company) -> None:
    await company.register("ben", "board-1", "Revenue")
    assert (await company.ask("ana", "GET", "/v1/dashboards")).ok()["data"] == []
    (one,) = await walked(company, "/v1/dashboards?scope=organization&q=reven")
    assert (one["id"], one["my_access"], one["shared_with"]) == ("board-1", [], "nobody")
    picture = {"thumbnail_url": "https://pictures.example/signed"}
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-1", picture)).ok()
    (one,) = await walked(company, "/v1/dashboards?scope=organization")
    assert one["thumbnail_url"] is None, "a picture is data, which nobody shared with her"
    for path, found in (
        ("?scope=organization&id=board-1", 1),
        ("?scope=organization&id=board-2", 0),
        ("?id=board-1", 0),
    ):
        assert len((await company.ask("ana", "GET", f"/v1/dashboards{path}")).ok()["data"]) == found, path
    assert len((await company.ask("ben", "GET", "/v1/dashboards?id=board-1")).ok()["data"]) == 1
    for name in ("ben", "dan"):
        assert (await company.ask(name, "GET", "/v1/dashboards?scope=organization")).status == 403


async def test_nobody_but_an_admin_of_the_organization_asks_who_sees_what(world: World, company: Company) -> None:
    await company.register("ben", "board-1")
    other = await Company(world).found()
    paths = [f"/v1/users/{company.id_of('dan')}/dashboards", "/v1/dashboards/board-1/viewers"]
    for path in paths:
        assert (await company.ask("ben", "GET", path)).status == 403
        assert (await other.ask("ana", "GET", path)).status == 404
    for path in (f"/v1/users/{new_id('usr')}/dashboards", "/v1/dashboards/nothing/viewers"):
        assert (await company.ask("ana", "GET", path)).status == 404


async def test_who_may_not_know_a_dashboard_is_not_told_by_a_refusal_that_it_exists(company: Company) -> None:
    await company.register("ben", "board-1")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    statuses = {
        (name, dashboard_id): (await company.ask(name, "GET", f"/v1/dashboards/{dashboard_id}/viewers")).status
        for name in ("dan", "eve")
        for dashboard_id in ("board-1", "nothing")
    }
    assert statuses == {
        ("dan", "board-1"): 403,
        ("dan", "nothing"): 404,
        ("eve", "board-1"): 404,
        ("eve", "nothing"): 404,
    }
