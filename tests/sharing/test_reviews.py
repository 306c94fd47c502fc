"""The access review: exactly who sees what by which path, and the same as what decisions say."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import orjson
import pytest

from services.sharing.usecases import reviews
from shared.auth import Actor
from shared.ids import new_id
from tests.sharing.company import Company
from tests.sharing.test_histories import History
from tests.world import World

GATEWAY = Actor("service", service="gateway")


async def finished(company: Company, **asked: Any) -> tuple[Any, bytes, str]:
    """The finished operation, its file and the file's media type."""
    begun = await company.ask("ana", "POST", "/v1/access-reviews", asked)
    assert begun.status == 202, begun.body
    path, scope = f"/internal/operations/{begun.json['id']}", f"?org_id={company.org_id}"
    async with asyncio.timeout(60):
        while True:
            found = (await company.world.ask("sharing", "GET", path + scope, actor=GATEWAY)).ok()
            if found["state"] not in ("waiting", "running"):
                break
            await asyncio.sleep(0.01)
    file = await company.world.ask("sharing", "GET", f"{path}/result{scope}", actor=GATEWAY)
    return found, file.body, file.headers["content-type"]


async def review(company: Company, **asked: Any) -> list[dict[str, Any]]:
    _, content, _ = await finished(company, format="ndjson", **asked)
    return [orjson.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize("seed", range(2))
async def test_a_review_is_what_the_model_sees_in_whatever_pieces(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(Company(world), 700 + seed)
    await history.begin()
    company, model = history.company, history.model
    for lines, boards in ((1, 1), (3, 2), (2000, 100)):
        monkeypatch.setattr(reviews, "LINES", lines)
        monkeypatch.setattr(reviews, "DASHBOARDS", boards)
        for _ in range(8):
            await history.random.choice(history.steps)()
        by_id = {company.id_of(name): name for name in model.people}
        found = await review(company)
        assert {(by_id[one["user_id"]], one["dashboard_id"]) for one in found} == model.everything()
        places = [(one["dashboard_id"], one["user_id"], one["path"], one["group_id"]) for one in found]
        assert len(places) == len(set(places)), "no path is there twice"
        name = history.random.choice(list(model.people))
        of_one = await review(company, user_id=company.id_of(name))
        assert [one for one in found if one["user_id"] == company.id_of(name)] == sorted(
            of_one, key=lambda one: (one["dashboard_id"], one["path"], one["group_id"] or "")
        )


async def test_a_line_says_by_which_path_and_event_and_since_when(company: Company) -> None:
    await company.register("ben", "board-1", "=Revenue")
    (await company.share("ben", "board-1", "groups", "Sales", "All Analysts")).ok()
    joined = await company.add("Sales", "eve")
    told, content, media = await finished(company)
    lines = list(csv.DictReader(io.StringIO(content.decode())))
    assert media == "text/csv; charset=utf-8"
    assert told["result"] == {"lines": len(lines), "dashboards": 1}
    assert sorted((line["name"], line["path"], line["group_name"]) for line in lines) == [
        ("Ana", "all_analysts", ""),
        ("Ben", "all_analysts", ""),
        ("Ben", "ownership", ""),
        ("Cyd", "all_analysts", ""),
        ("Dan", "group", "Sales"),
        ("Eve", "group", "Sales"),
    ]
    (eve,) = [line for line in lines if line["name"] == "Eve"]
    assert (eve["event_id"], eve["email"], eve["role"]) == (joined, "eve@example.com", "viewer")
    assert eve["group_id"] == company.groups["Sales"].group_id
    assert {line["dashboard_title"] for line in lines} == {"'=Revenue"}, "no formula for a spreadsheet"
    await company.plan("pro")
    await company.deactivate("cyd")
    assert [(one["name"], one["path"]) for one in await review(company, dashboard_id="board-1")] == [
        (name, path)
        for _, name, path in sorted(
            [(company.id_of("ana"), "Ana", "all_analysts"), (company.id_of("ben"), "Ben", "all_analysts"), (company.id_of("ben"), "Ben", "ownership")]
        )
    ]  # fmt: skip


async def test_only_an_admin_reviews_and_only_their_own_organization(company: Company, world: World) -> None:
    await company.register("ben", "board-1")
    other = await Company(world).found()
    await other.register("ana", "board-2")
    for name in ("ben", "dan"):
        assert (await company.ask(name, "POST", "/v1/access-reviews", {})).status == 403
    stale = company.stale_actor("ben", "admin")
    assert (await world.ask("sharing", "POST", "/v1/access-reviews", {}, actor=stale)).status == 403
    for fields, pointer in (
        ({"dashboard_id": "board-2"}, "/dashboard_id"),
        ({"dashboard_id": "missing"}, "/dashboard_id"),
        ({"user_id": other.id_of("ana")}, "/user_id"),
        ({"user_id": new_id("usr")}, "/user_id"),
        ({"format": "xml"}, "/format"),
    ):
        reply = await company.ask("ana", "POST", "/v1/access-reviews", fields)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)
    assert {one["dashboard_id"] for one in await review(company)} == {"board-1"}


async def test_a_file_that_would_be_too_long_ends_with_the_reason(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.register("ben", "board-1")
    (await company.share("ben", "board-1", "all_users")).ok()
    monkeypatch.setattr(reviews, "MOST_LINES", 5)
    told, _, _ = await finished(company)
    assert (told["state"], told["problem"]["code"]) == ("failed", "conflict")
    assert len(await review(company, user_id=company.id_of("dan"))) == 1
