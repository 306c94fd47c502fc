"""Sharing links: who makes them, who closes them, and that a plan that lapses never opens one further."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.auth import Actor
from shared.events.sharing import (
    LinkChanged,
    LinkCreated,
    LinkRemoved,
    LinksResumed,
    LinksSuspended,
    LinkTokenRotated,
)
from shared.ids import new_id
from shared.links import link_address, link_page, read_link_token
from tests.sharing.company import Company, entitlements
from tests.world import Reply, World

CANARY = "a password that nobody else has"


async def make(company: Company, maker: str = "ben", /, **options: Any) -> Reply:
    body = {"name": "For the wall"} | options
    return await company.ask(maker, "POST", "/v1/dashboards/board-1/links", body)


async def change(company: Company, who: str, link_id: str, /, **fields: Any) -> Reply:
    return await company.ask(who, "PATCH", f"/v1/links/{link_id}", fields)


@pytest.fixture
async def board(company: Company) -> Company:
    """Ben's dashboard, with two parameters."""
    body = {"id": "board-1", "title": "Revenue", "parameters": ["region", "product"]}
    (await company.ask("ben", "POST", "/v1/dashboards", body)).ok()
    return company


async def test_a_link_has_every_option_and_a_token_for_its_owner(board: Company) -> None:
    wanted: dict[str, Any] = {
        "name": "Partners", "description": "For the quarterly call", "report_id": "report-7", "expires_at": "2099-01-01T00:00:00Z",
        "networks": ["203.0.113.0/24", "2001:db8::/32", "::ffff:198.51.100.7", "203.0.113.0/24"], "origins": ["https://App.example.com"],
        "requires_secret": True, "allow_parameters": True, "tv_mode": True, "dark_mode": True, "toolbar": False, "csv": True, "excel": True,
        "frozen_filters": {"region": ["EU", "US"], "timerange": "last 7 days"},
    }  # fmt: skip
    made = (await make(board, **wanted, password=CANARY)).ok()
    expected = wanted | {
        "networks": ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32"], "origins": ["https://app.example.com"],
        "state": "open", "suspended": None, "has_password": True, "paused": False, "opens": 0, "last_opened_at": None,
        "dashboard_id": "board-1", "dashboard_title": "Revenue",
        "creator": {"user_id": board.id_of("ben"), "name": "Ben", "active": True},
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected
    key = board.world.settings.secrets.bytes("links")
    assert read_link_token(key, "sharing_link", made["token"]) == (made["id"], 1)
    (told,) = await board.world.said("sharing", LinkCreated)
    assert told.data["link"]["has_password"] is True
    assert (await board.ask("ben", "GET", f"/v1/links/{made['id']}")).ok() == made


async def test_a_plain_link_follows_defaults_and_lets_nothing_be_taken_away(board: Company) -> None:
    made = (await make(board)).ok()
    assert (made["frozen_filters"], made["csv"], made["excel"], made["allow_parameters"]) == (None, False, False, False)
    assert (made["networks"], made["origins"], made["expires_at"]) == ([], [], None)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"allow_parameters": True}, "/allow_parameters"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "/expires_at"),
        ({"expires_at": 4102444800}, "/expires_at"),
        ({"password": "short"}, "/password"),
        ({"networks": ["203.0.113.9/24"]}, "/networks/0"),
        ({"networks": ["::ffff:0:0/64"]}, "/networks/0"),
        ({"networks": ["example.com"]}, "/networks/0"),
        ({"networks": ["fe80::1%eth0"]}, "/networks/0"),
        ({"origins": ["http://example.com"]}, "/origins/0"),
        ({"origins": ["https://example.com/path"]}, "/origins/0"),
        ({"origins": ["https://a.example; script-src *"]}, "/origins/0"),
        ({"origins": ["https://*"]}, "/origins/0"),
        ({"origins": ["null"]}, "/origins/0"),
        ({"frozen_filters": {"salary": ["1"]}}, "/frozen_filters/salary"),
        ({"frozen_filters": {"region": []}}, "/frozen_filters/region"),
        ({"frozen_filters": {"region": "EU"}}, "/frozen_filters/region"),
        ({"frozen_filters": {"timerange": ["x"]}}, "/frozen_filters/timerange"),
        ({"frozen_filters": {}}, "/frozen_filters"),
        ({"paused": True}, "/paused"),
        ({"name": " "}, "/name"),
    ],
)
async def test_bad_terms_are_named(board: Company, fields: dict[str, Any], pointer: str) -> None:
    refused = await make(board, **fields)
    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"].startswith(pointer), refused.json
    assert await board.world.said("sharing", LinkCreated) == []


async def test_only_the_owner_makes_links_and_only_with_a_plan_that_has_them(board: Company) -> None:
    await board.share("ben", "board-1", "all_users")
    for name in ("ana", "cyd", "dan"):
        assert (await make(board, name)).code == "forbidden"
    await board.plan("free")
    refused = await make(board)
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "pro")
    await board.plan("pro")
    refused = await make(board, requires_secret=True, allow_parameters=True)
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "business")
    assert (await make(board, requires_secret=True)).status == 201
    await board.suspend_slot("ben")
    assert (await make(board)).code == "forbidden"


async def test_a_dashboard_that_one_may_not_know_has_no_links(board: Company) -> None:
    made = (await make(board)).ok()
    for name, status in (("ana", 200), ("cyd", 404), ("dan", 404)):
        assert (await board.ask(name, "GET", f"/v1/links/{made['id']}")).status == status, name
    assert (await make(board, "cyd")).code == "not_found"
    assert (await board.ask("ana", "GET", "/v1/dashboards/board-1/links")).code == "not_found"
    other = await Company(board.world).found()
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/token-rotations")):
        foreign = await other.ask("ana", method, f"/v1/links/{made['id']}{path}")
        missing = await other.ask("ana", method, f"/v1/links/{new_id('lnk')}{path}")
        assert foreign.json | {"instance": ""} == missing.json | {"instance": ""}
        assert foreign.status == 404


async def test_the_inventory_is_an_admins_and_the_token_is_not(board: Company) -> None:
    await board.register("cyd", "board-2")
    for number in range(5):
        (await board.ask("ben", "POST", "/v1/dashboards/board-1/links", {"name": f"Wall {number}"})).ok()
    (await board.ask("cyd", "POST", "/v1/dashboards/board-2/links", {"name": "Other"})).ok()
    listed = (await board.ask("ana", "GET", "/v1/links?limit=200")).ok()["data"]
    assert [row["name"] for row in listed] == ["Other", *(f"Wall {number}" for number in reversed(range(5)))]
    assert not any("token" in row for row in listed)
    assert (await board.ask("ana", "GET", f"/v1/links/{listed[0]['id']}")).ok()["token"] is None
    for name, query, count in (
        ("ben", "", 5), ("cyd", "", 1), ("dan", "", 0), ("ana", "?q=WALL", 5), ("ana", "?dashboard_id=board-2", 1),
        ("ana", "?creator_left=true", 0), ("ben", "?dashboard_id=board-2", 0),
    ):  # fmt: skip
        assert len((await board.ask(name, "GET", f"/v1/links{query}")).ok()["data"]) == count, (name, query)
    mine = (await board.ask("ben", "GET", "/v1/dashboards/board-1/links")).ok()["data"]
    assert [row["name"] for row in mine] == [f"Wall {number}" for number in reversed(range(5))]


async def test_a_link_whose_maker_left_is_flagged_and_an_admin_can_close_it(board: Company) -> None:
    made = (await make(board)).ok()
    await board.deactivate("ben")
    (row,) = (await board.ask("ana", "GET", "/v1/links?creator_left=true")).ok()["data"]
    assert (row["id"], row["creator"]["active"], row["state"]) == (made["id"], False, "open")
    assert (await change(board, "ana", made["id"], paused=True)).ok()["state"] == "paused"
    assert (await change(board, "ana", made["id"], paused=False)).code == "forbidden"
    assert (await board.ask("ana", "DELETE", f"/v1/links/{made['id']}")).status == 204
    assert (await board.ask("ana", "GET", "/v1/links")).ok()["data"] == []


async def test_the_inventory_is_searched_by_state_by_dashboard_and_by_what_wants_a_look(board: Company) -> None:
    async def found(query: str) -> list[str]:
        return [row["name"] for row in (await board.ask("ana", "GET", f"/v1/links?{query}")).ok()["data"]]

    soon = (board.world.clock.now() + timedelta(days=1)).isoformat()
    await board.share("ben", "board-1", "all_users")
    (await make(board, name="Open")).ok()
    (await make(board, name="With a password", password=CANARY)).ok()
    (await make(board, name="From the office", networks=["203.0.113.0/24"])).ok()
    (await make(board, name="Signed", requires_secret=True, allow_parameters=True)).ok()
    paused = (await make(board, name="Paused", expires_at=soon)).ok()
    (await make(board, name="Expired", expires_at=soon)).ok()
    (await change(board, "ben", paused["id"], paused=True)).ok()
    assert await found("unrestricted=true") == ["Expired", "Paused", "Open"]
    assert await found("q=revenue&state=open&limit=2") == ["Expired", "Signed"]
    assert await found("unused_days=30") == []
    board.world.clock.advance(timedelta(days=31))
    assert await found("state=expired") == ["Expired"]
    assert await found("state=paused") == ["Paused"], "what is paused stays so, however late it is"
    assert len(await found("unused_days=30")) == 6
    await board.plan("pro")
    assert await found("state=suspended") == ["Signed"]
    await board.plan("free")
    assert len(await found("state=suspended")) == 6
    await board.ask("ana", "POST", "/v1/links/suspension")
    assert len(await found("state=switched_off")) == 6
    for state in ("open", "paused", "expired", "suspended", "switched_off"):
        listed = (await board.ask("ana", "GET", f"/v1/links?state={state}")).ok()["data"]
        assert {row["state"] for row in listed} <= {state}
    assert (await board.ask("ana", "GET", "/v1/links?state=ajar")).code == "invalid"


async def test_a_link_has_an_address_for_its_owner_where_the_page_is_known(board: Company) -> None:
    plain = (await make(board)).ok()
    assert (plain["url"], plain["owner_id"]) == (None, board.id_of("ben"))
    page = "https://app.example.com/shared/{dashboard_id}"
    assert link_address(page, "board~1", plain["token"]) == (
        f"https://app.example.com/shared/board~1?sharingToken={plain['token']}"
    )
    assert link_address(page, "board-1", None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "app.example.com/{dashboard_id}",
        "https://app.example.com/",
        "https://a.example/{dashboard_id}?x=1",
        "ftp://a/{dashboard_id}",
    ],
)
def test_a_page_for_links_without_a_place_for_the_dashboard_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="dashboard_id"):
        link_page(wrong)


async def test_a_change_says_what_changed_and_nothing_says_nothing(board: Company) -> None:
    made = (await make(board, csv=True)).ok()
    same = await change(board, "ben", made["id"], name=made["name"], csv=True)
    assert (same.status, "tenantry-change" in same.headers) == (200, False)
    changed = await change(board, "ben", made["id"], csv=False, password=CANARY, networks=["10.0.0.0/8"])
    assert (changed.ok()["has_password"], changed.ok()["networks"]) == (True, ["10.0.0.0/8"])
    (told,) = await board.world.said("sharing", LinkChanged)
    assert told.data["changed"] == ["csv", "networks", "password"]
    assert (told.data["previous"]["csv"], told.data["link"]["csv"]) == (True, False)
    assert (await change(board, "ben", made["id"], name=None)).status == 422
    stale = await board.ask("ben", "PATCH", f"/v1/links/{made['id']}", {"csv": True}, headers={"If-Match": '"1"'})
    assert (stale.code, stale.json["meta"]["changed_by"]) == ("precondition_failed", board.id_of("ben"))


async def test_a_lapsed_plan_suspends_links_as_they_are_and_stops_no_closing(board: Company) -> None:
    made = (await make(board, csv=True, networks=["10.0.0.0/8"], password=CANARY)).ok()
    at = await board.plan("free")
    suspended = (await board.ask("ben", "GET", f"/v1/links/{made['id']}")).ok()
    assert (suspended["state"], suspended["suspended"]["plan"]) == ("suspended", "free")
    for opening in (
        {"networks": []}, {"networks": ["10.0.0.0/7"]}, {"networks": ["10.0.0.0/8", "::/0"]}, {"password": None}, {"excel": True},
        {"origins": ["https://a.example"]},
    ):  # fmt: skip
        assert (await change(board, "ben", made["id"], **opening)).code == "plan_required", opening
    closing = {"name": "Renamed", "csv": False, "networks": ["10.1.0.0/16"], "paused": True}
    assert (await change(board, "ben", made["id"], **closing)).ok()["name"] == "Renamed"
    assert (await change(board, "ben", made["id"], paused=False)).code == "plan_required"
    assert (await board.ask("ben", "POST", f"/v1/links/{made['id']}/token-rotations")).status == 200
    await board.plan("business")
    back = (await board.ask("ben", "GET", f"/v1/links/{made['id']}")).ok()
    assert (back["state"], back["suspended"], back["has_password"]) == ("paused", None, True)
    told = await board.world.said("sharing")
    around = [e for e in told if e.type in (LinksSuspended.TYPE, LinksResumed.TYPE)]
    assert [(e.type, e.data["cause"]) for e in around] == [(LinksSuspended.TYPE, "plan"), (LinksResumed.TYPE, "plan")]
    assert around[0].causation_id == at


async def test_an_admin_gives_a_link_a_password_and_another_one_is_up_to_its_owner(board: Company) -> None:
    made = (await make(board)).ok()
    given = await change(board, "ana", made["id"], password="of the admin's choice")
    assert given.ok()["has_password"], "where there was none, a password only keeps others out"
    replaced = await change(board, "ana", made["id"], password="another of the admin's")
    assert (replaced.code, replaced.json["meta"]["because"]) == ("forbidden", "ownership")
    assert (await change(board, "ben", made["id"], password="of the owner's choice")).status == 200
    assert (await change(board, "ana", made["id"], name="Renamed")).status == 200
    await board.plan("free")
    assert (await change(board, "ben", made["id"], password="after the lapse")).code == "plan_required"


async def test_a_link_that_takes_parameters_is_suspended_whole_when_only_that_lapses(board: Company) -> None:
    interactive = (await make(board, requires_secret=True, allow_parameters=True)).ok()
    plain = (await make(board)).ok()
    await board.plan("pro")
    states = {row["id"]: row["state"] for row in (await board.ask("ben", "GET", "/v1/links")).ok()["data"]}
    assert states == {interactive["id"]: "suspended", plain["id"]: "open"}
    assert (await change(board, "ben", interactive["id"], allow_parameters=False)).ok()["state"] == "open"


async def test_an_owner_who_lost_the_slot_can_only_close(board: Company) -> None:
    made = (await make(board, csv=True)).ok()
    await board.suspend_slot("ben")
    assert (await change(board, "ben", made["id"], excel=True)).code == "forbidden"
    assert (await change(board, "ben", made["id"], csv=False)).status == 200
    assert (await board.ask("ben", "DELETE", f"/v1/links/{made['id']}")).status == 204


async def test_rotation_makes_another_token(board: Company) -> None:
    made = (await make(board)).ok()
    rotated = (await board.ask("ben", "POST", f"/v1/links/{made['id']}/token-rotations")).ok()
    key = board.world.settings.secrets.bytes("links")
    assert read_link_token(key, "sharing_link", rotated["token"]) == (made["id"], 2)
    (told,) = await board.world.said("sharing", LinkTokenRotated)
    assert (told.data["revived"], told.data["link"]["token_version"]) == (False, 2)


async def test_the_switch_for_all_kills_and_each_comes_back_with_a_new_token_alone(board: Company) -> None:
    first, second = (await make(board)).ok(), (await make(board)).ok()
    for name in ("ben", "dan"):
        assert (await board.ask(name, "POST", "/v1/links/suspension")).code == "forbidden"
    await board.plan("free")  # protection needs no plan
    switched = await board.ask("ana", "POST", "/v1/links/suspension")
    assert (switched.ok()["suspended"], switched.ok()["by"]) == (True, board.id_of("ana"))
    assert "tenantry-change" not in (await board.ask("ana", "POST", "/v1/links/suspension")).headers
    await board.plan("business")
    states = [row["state"] for row in (await board.ask("ben", "GET", "/v1/links")).ok()["data"]]
    assert states == ["switched_off"] * 2
    for refused in (await make(board), await board.ask("ben", "POST", f"/v1/links/{first['id']}/token-rotations")):
        assert (refused.code, refused.json["meta"]["because"]) == ("conflict", "switched_off")
    assert (await board.ask("ana", "DELETE", "/v1/links/suspension")).status == 204
    states = [row["state"] for row in (await board.ask("ben", "GET", "/v1/links")).ok()["data"]]
    assert states == ["switched_off"] * 2, "lifting the switch revives nothing"
    assert (await board.ask("ana", "POST", f"/v1/links/{first['id']}/token-rotations")).code == "forbidden"
    revived = (await board.ask("ben", "POST", f"/v1/links/{first['id']}/token-rotations")).ok()
    assert (revived["state"], revived["token"] != first["token"]) == ("open", True)
    assert (await board.ask("ben", "GET", f"/v1/links/{second['id']}")).ok()["state"] == "switched_off"
    (told,) = await board.world.said("sharing", LinkTokenRotated)
    assert told.data["revived"] is True


async def test_no_link_slips_past_the_switch_whatever_comes_first(board: Company) -> None:
    replies = await asyncio.gather(
        *(make(board) for _ in range(6)),
        board.ask("ana", "POST", "/v1/links/suspension"),
        *(make(board) for _ in range(6)),
    )
    assert {reply.status for reply in replies} <= {200, 201, 409}
    states = {row["state"] for row in (await board.ask("ana", "GET", "/v1/links")).ok()["data"]}
    assert states <= {"switched_off"}


async def test_a_link_expires(board: Company) -> None:
    at = board.world.clock.now() + timedelta(hours=1)
    made = (await make(board, expires_at=at.isoformat())).ok()
    assert made["state"] == "open"
    board.world.clock.advance(timedelta(hours=1))
    assert (await board.ask("ben", "GET", f"/v1/links/{made['id']}")).ok()["state"] == "expired"
    assert (await change(board, "ben", made["id"], name="Still editable")).status == 200


async def test_links_go_with_their_dashboard_and_stay_when_it_is_handed_over(board: Company) -> None:
    made = (await make(board)).ok()
    handed = await board.ask("ben", "POST", "/v1/dashboards/board-1/transfer", {"owner_id": board.id_of("cyd")})
    handed.ok()
    assert (await board.ask("ben", "GET", f"/v1/links/{made['id']}")).code == "not_found"
    theirs = (await board.ask("cyd", "GET", f"/v1/links/{made['id']}")).ok()
    assert (theirs["token"], theirs["creator"]["name"]) == (made["token"], "Ben")
    assert (await board.ask("cyd", "DELETE", "/v1/dashboards/board-1")).status == 204
    assert (await board.ask("ana", "GET", "/v1/links")).ok()["data"] == []
    assert await board.world.said("sharing", LinkRemoved) == []


async def test_no_row_and_no_event_holds_a_token_or_a_password(board: Company, world: World) -> None:
    made = (await make(board, password=CANARY)).ok()
    rotated = (await board.ask("ben", "POST", f"/v1/links/{made['id']}/token-rotations")).ok()
    async with world.started["sharing"].env.database.read("*") as read:
        tables = ("links", "outbox", "idempotent_requests")
        dump = "".join([str(dict(row)) for table in tables for row in await read.rows(f"select * from {table}")])
    for secret in (CANARY, made["token"].partition("-")[2], rotated["token"].partition("-")[2]):
        assert secret not in dump
    async with world.started["sharing"].env.database.read((await Company(world).found()).org_id) as read:
        assert await read.value("select count(*) from links") == 0


async def test_a_plan_is_foreseen_to_suspend_and_to_resume_links_by_name(board: Company) -> None:
    billing = Actor("service", service="billing")
    (await make(board, name="Partners", requires_secret=True, allow_parameters=True)).ok()
    plain = (await make(board, name="Wall")).ok()

    async def foreseen(plan: str) -> tuple[list[str], list[str]]:
        body = {"org_id": board.org_id, "entitlements": entitlements(plan, board.version + 1).model_dump()}
        said = (await board.world.ask("sharing", "POST", "/internal/plan-effects", body, actor=billing)).ok()
        assert said["links_suspended_count"] == len(said["links_suspended"])
        return [one["name"] for one in said["links_suspended"]], [one["name"] for one in said["links_resumed"]]

    assert await foreseen("pro") == (["Partners"], [])
    assert await foreseen("free") == (["Partners", "Wall"], [])
    await board.plan("free")
    assert await foreseen("pro") == ([], ["Wall"])
    assert await foreseen("business") == ([], ["Partners", "Wall"])
    assert (await board.ask("ben", "GET", f"/v1/links/{plain['id']}")).ok()["state"] == "suspended"
