"""The organization's link policy: felt at once by every link, set on any plan, and no link is rewritten by it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.events.sharing import LinkPolicyChanged
from tests.sharing.company import Company
from tests.sharing.embedding import Embedder, shut
from tests.world import Reply

PATH = "/v1/links/policy"
ANYTHING = {"links_allowed": True, "password_required": False, "longest_days": None}
PASSWORD = "a password for the partners"


@pytest.fixture
async def embedder(company: Company) -> Embedder:
    return await Embedder.of(company)


async def sets(company: Company, who: str = "ana", /, *, etag: str = "*", **wanted: Any) -> Reply:
    return await company.ask(who, "PATCH", PATH, wanted, headers={"If-Match": etag})


async def make(company: Company, **options: Any) -> Reply:
    return await company.ask("ben", "POST", "/v1/dashboards/board-1/links", {"name": "For the wall"} | options)


async def state_of(company: Company, link: dict[str, Any]) -> str:
    return str((await company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()["state"])


def pointers(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status == 422, reply.body
    return [(error["pointer"], error["code"]) for error in reply.json["errors"]]


async def test_at_first_everything_is_allowed_and_an_admin_changes_that_on_any_plan(company: Company) -> None:
    read = await company.ask("ben", "GET", PATH)
    assert read.ok() == ANYTHING | {"changed_by": None, "changed_at": None}
    await company.plan("free")
    changed = (await sets(company, etag=read.headers["etag"], password_required=True, longest_days=30)).ok()
    assert changed["changed_by"] == company.id_of("ana")
    assert (await sets(company, etag=read.headers["etag"], links_allowed=False)).status == 412
    assert "tenantry-change" not in (await sets(company, longest_days=30)).headers
    (told,) = await company.world.said("sharing", LinkPolicyChanged)
    assert told.data["previous"] == ANYTHING
    assert told.data["policy"] == {"links_allowed": True, "password_required": True, "longest_days": 30}


async def test_only_admins_change_it_and_nobody_without_the_version_or_with_nonsense(company: Company) -> None:
    for who in ("ben", "dan"):
        assert (await sets(company, who, links_allowed=False)).code == "forbidden"
    assert (await company.ask("ana", "PATCH", PATH, {"links_allowed": False})).status == 428
    for wrong in ({"longest_days": 0}, {"longest_days": 3651}, {"links_allowed": None}, {"other": True}):
        assert (await sets(company, **wrong)).status == 422
    assert (await company.ask("ana", "GET", PATH)).ok() == ANYTHING | {"changed_by": None, "changed_at": None}


async def test_where_no_links_are_allowed_none_opens_and_none_is_made_and_all_come_back_untouched(
    embedder: Embedder,
) -> None:
    company, link = embedder.company, await embedder.link()
    before = (await company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()
    (await sets(company, links_allowed=False)).ok()
    assert shut(await embedder.open(link))
    assert "link_not_allowed" in await embedder.refusals()
    assert await state_of(company, link) == "not_allowed"
    refused = await make(company)
    assert (refused.code, refused.json["meta"]["because"]) == ("conflict", "link_policy")
    (await company.ask("ben", "PATCH", f"/v1/links/{link['id']}", {"name": "Renamed"})).ok()
    (await sets(company, links_allowed=True)).ok()
    assert (await embedder.open(link)).status == 200
    after = (await company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()
    assert after["token"] == before["token"]
    assert (after["name"], after["expires_at"], after["has_password"]) == ("Renamed", None, False)


async def test_where_a_password_is_required_links_without_one_stay_shut_until_they_have_one(embedder: Embedder) -> None:
    company, link = embedder.company, await embedder.link()
    (await sets(company, password_required=True)).ok()
    assert shut(await embedder.open(link))
    assert pointers(await make(company)) == [("/password", "required_by_policy")]
    (await make(company, password=PASSWORD)).ok()
    (await company.ask("ben", "PATCH", f"/v1/links/{link['id']}", {"password": PASSWORD})).ok()
    assert await state_of(company, link) == "open"
    taken_away = await company.ask("ben", "PATCH", f"/v1/links/{link['id']}", {"password": None})
    assert pointers(taken_away) == [("/password", "required_by_policy")]


async def test_no_link_opens_for_longer_than_allowed_since_it_got_its_token(embedder: Embedder) -> None:
    company, clock, link = embedder.company, embedder.company.world.clock, await embedder.link()
    (await sets(company, longest_days=7)).ok()
    shown = (await company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()
    ends = datetime.fromisoformat(shown["token_at"]) + timedelta(days=7)
    assert (shown["expires_at"], datetime.fromisoformat(shown["ends_at"])) == (None, ends)
    assert datetime.fromisoformat((await embedder.open(link)).ok()["expires_at"]) == ends
    far, near = [(clock.now() + timedelta(days=days)).isoformat() for days in (8, 6)]
    assert pointers(await make(company, expires_at=far)) == [("/expires_at", "beyond_policy")]
    (await make(company, expires_at=near)).ok()
    changed = await company.ask("ben", "PATCH", f"/v1/links/{link['id']}", {"expires_at": far})
    assert pointers(changed) == [("/expires_at", "beyond_policy")]
    clock.advance(timedelta(days=7))
    assert await state_of(company, link) == "expired"
    assert shut(await embedder.open(link))
    assert (await company.ask("ana", "POST", f"/v1/links/{link['id']}/token-rotations")).code == "forbidden"
    again = (await company.ask("ben", "POST", f"/v1/links/{link['id']}/token-rotations")).ok()
    assert again["state"] == "open"


async def test_a_plan_that_lapses_keeps_the_policy_in_force_and_its_return_opens_no_more(embedder: Embedder) -> None:
    company, link = embedder.company, await embedder.link()
    (await sets(company, password_required=True)).ok()
    await company.plan("free")
    assert await state_of(company, link) == "suspended"
    assert (await company.ask("ana", "GET", PATH)).ok()["password_required"] is True
    await company.plan("business")
    assert await state_of(company, link) == "not_allowed"
    assert shut(await embedder.open(link))


async def test_no_link_slips_past_a_policy_whatever_comes_first(embedder: Embedder) -> None:
    company = embedder.company
    replies = await asyncio.gather(
        *(make(company) for _ in range(6)), sets(company, links_allowed=False), *(make(company) for _ in range(6))
    )
    assert {reply.status for reply in replies} <= {200, 201, 409, 503}
    if replies[6].status == 200:
        states = {row["state"] for row in (await company.ask("ana", "GET", "/v1/links")).ok()["data"]}
        assert states <= {"not_allowed"}
        assert (await make(company)).code == "conflict"


async def foreseen(company: Company, who: str = "ana", /, **wanted: Any) -> Reply:
    return await company.ask(who, "POST", f"{PATH}-preview", wanted)


async def test_what_a_change_would_do_to_the_links_there_are_is_known_by_name_before(embedder: Embedder) -> None:
    company = embedder.company
    with_password = await embedder.link(name="Partners", password=PASSWORD)
    plain = await embedder.link(name="Wall")
    paused = await embedder.link(name="Rests")
    await embedder.change(paused, paused=True)
    asked = (await foreseen(company, password_required=True)).ok()
    assert (asked["closing"], asked["opening"], asked["ending_sooner"]) == (1, 0, 0)
    assert [(one["id"], one["effect"]) for one in asked["links"]] == [(plain["id"], "closes")]
    assert (await foreseen(company, links_allowed=False)).ok()["closing"] == 2
    soon = (await foreseen(company, longest_days=5)).ok()
    assert (soon["closing"], soon["ending_sooner"]) == (0, 2)
    assert {one["id"] for one in soon["links"]} == {plain["id"], with_password["id"]}
    company.world.clock.advance(timedelta(days=6))
    assert (await foreseen(company, longest_days=5)).ok()["closing"] == 2
    assert await state_of(company, plain) == "open", "nothing is changed by asking"
    (await sets(company, links_allowed=False)).ok()
    back = (await foreseen(company, links_allowed=True, password_required=True)).ok()
    assert [(one["id"], one["effect"]) for one in back["links"]] == [(with_password["id"], "opens")]
    assert (await foreseen(company)).ok() == {"closing": 0, "opening": 0, "ending_sooner": 0, "links": []}


async def test_what_it_foresees_is_what_happens(embedder: Embedder) -> None:
    company = embedder.company
    made = [
        await embedder.link(name=f"L{number}", **options)
        for number, options in enumerate(
            ({}, {"password": PASSWORD}, {"expires_at": "2099-01-01T00:00:00Z"}, {"requires_secret": True})
        )
    ]
    for wanted in ({"password_required": True}, {"longest_days": 3}, {"links_allowed": False}, ANYTHING):
        before = {link["id"]: await state_of(company, link) for link in made}
        told = (await foreseen(company, **wanted)).ok()
        (await sets(company, **wanted)).ok()
        after = {link["id"]: await state_of(company, link) for link in made}
        closed = {one for one in before if before[one] == "open" != after[one]}
        opened = {one for one in before if after[one] == "open" != before[one]}
        assert {one["id"] for one in told["links"] if one["effect"] == "closes"} == closed, wanted
        assert {one["id"] for one in told["links"] if one["effect"] == "opens"} == opened, wanted


async def test_only_admins_look_ahead(company: Company) -> None:
    for who in ("ben", "dan"):
        assert (await foreseen(company, who, links_allowed=False)).code == "forbidden"
    assert (await foreseen(company, longest_days=0)).status == 422
