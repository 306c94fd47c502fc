"""A link's door: what opens it, what never does, that everybody who is refused hears the same, and that the organization learns why."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.sharing.usecases.embedding import forget_refusals
from shared.auth import ANONYMOUS
from shared.events.sharing import EmbedTokenRefused
from shared.ids import new_id
from shared.links import link_token
from tests.sharing.company import Company
from tests.sharing.embedding import Embedder, shut
from tests.world import World

PASSWORD = "a password for the partners"


@pytest.fixture
async def embedder(company: Company) -> Embedder:
    return await Embedder.of(company)


async def test_a_plain_link_shows_what_its_owner_chose(embedder: Embedder) -> None:
    link = await embedder.link(tv_mode=True, csv=True, toolbar=False, report_id="r-1", origins=["https://a.example"])
    shown = (await embedder.open(link)).ok()
    assert shown == {
        "verdict": "open", "dashboard_id": "board-1", "report_id": "r-1", "filters": {}, "locked": [], "interactive": False,
        "display": {"tv_mode": True, "dark_mode": False, "toolbar": False, "csv": True, "excel": False},
        "frame_ancestors": "https://a.example", "expires_at": None,
    }  # fmt: skip
    assert (await embedder.open(await embedder.link())).ok()["frame_ancestors"] == "'none'"


async def test_openings_are_counted(embedder: Embedder) -> None:
    link = await embedder.link()
    await asyncio.gather(*(embedder.open(link) for _ in range(5)))
    seen = (await embedder.company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()
    assert (seen["opens"], seen["last_opened_at"] is not None) == (5, True)


async def test_a_viewer_sees_only_what_the_token_fixes(embedder: Embedder) -> None:
    link = await embedder.link(requires_secret=True, allow_parameters=True)
    token = embedder.token(link, fixed_parameters={"region": ["EU", "US"], "timerange": "last 7 days"})
    shown = (
        await embedder.open(link, token, region="APAC", product=["a", "b"], timerange="ever", utm_source="mail")
    ).ok()
    assert shown["filters"] == {"region": ["EU", "US"], "timerange": "last 7 days", "product": ["a", "b"]}
    assert (shown["locked"], shown["interactive"]) == (["region", "timerange"], True)
    assert shown["expires_at"] is not None
    secret = (await embedder.company.ask("ana", "GET", f"/v1/embed-secrets/{embedder.secret_id}")).ok()
    assert [(one["link_id"], one["uses"], one["recent"]) for one in secret["used_by"]] == [(link["id"], 1, True)]


async def test_frozen_filters_hold_against_address_and_token(embedder: Embedder) -> None:
    frozen = {"region": ["EU", "US"]}
    link = await embedder.link(requires_secret=True, allow_parameters=True, frozen_filters=frozen)
    shown = (await embedder.open(link, embedder.token(link), region="APAC")).ok()
    assert (shown["filters"], shown["locked"]) == (frozen, ["region"])
    narrower = embedder.token(link, fixed_parameters={"region": ["EU"]})
    assert (await embedder.open(link, narrower)).ok()["filters"] == {"region": ["EU"]}
    assert shut(await embedder.open(link, embedder.token(link, fixed_parameters={"region": ["EU", "APAC"]})))
    assert "outside_frozen" in await embedder.refusals()


async def test_without_allowed_parameters_the_address_changes_nothing(embedder: Embedder) -> None:
    link = await embedder.link()
    assert (await embedder.open(link, region="EU", timerange="ever")).ok()["filters"] == {}


async def test_a_filter_that_the_dashboard_lost_shuts_the_link_that_is_frozen_at_it(embedder: Embedder) -> None:
    link = await embedder.link(frozen_filters={"region": ["EU"]})
    (await embedder.company.ask("ben", "PATCH", "/v1/dashboards/board-1", {"parameters": ["product"]})).ok()
    assert shut(await embedder.open(link))
    assert "filter_gone" in await embedder.refusals()


async def test_a_link_whose_filter_is_gone_can_still_be_closed_and_renamed(embedder: Embedder) -> None:
    company, link = embedder.company, await embedder.link(frozen_filters={"region": ["EU"]})
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-1", {"parameters": ["product"]})).ok()
    await embedder.change(link, paused=True)
    await embedder.change(link, name="For nobody")
    path = f"/v1/links/{link['id']}"
    assert (await company.ask("ana", "PATCH", path, {"password": PASSWORD})).status == 200, "an Admin closes it too"
    for filters in ({"region": ["US"]}, {"region": ["EU"], "country": ["DE"]}):
        refused = await company.ask("ben", "PATCH", path, {"frozen_filters": filters})
        assert (refused.status, refused.json["errors"][0]["code"]) == (422, "undeclared"), filters
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-1", {"parameters": ["product", "region"]})).ok()
    assert shut(await embedder.open(link)), "it was paused"


async def test_every_way_in_that_is_shut_looks_the_same_from_outside(embedder: Embedder) -> None:
    company, clock = embedder.company, embedder.company.world.clock
    link = await embedder.link()
    key = company.world.settings.secrets.bytes("links")
    other_key = {"token": link_token(b"another key", "sharing_link", link["id"], 1)}
    unknown = {"token": link_token(key, "sharing_link", new_id("lnk"), 1)}
    another_purpose = {"token": link_token(key, "invitation", link["id"], 1)}
    later = {"token": link_token(key, "sharing_link", link["id"], 2)}
    for wrong in (
        other_key,
        unknown,
        another_purpose,
        later,
        {"token": ""},
        {"token": "x" * 3000},
        {"token": ["a", "b"]},
    ):
        assert shut(await embedder.open(wrong)), wrong
    nothing = await company.world.ask("sharing", "GET", "/v1/shared/board-1?region=EU", actor=ANONYMOUS)
    assert shut(nothing)
    assert shut(await embedder.open(link, dashboard_id="board-2"))
    (await company.ask("ben", "POST", f"/v1/links/{link['id']}/token-rotations")).ok()
    assert shut(await embedder.open(link))
    paused = await embedder.link()
    await embedder.change(paused, paused=True)
    assert shut(await embedder.open(paused))
    listed = await embedder.link(networks=["198.51.100.0/24", "2001:db8::/32"])
    for source, opens in (
        ("198.51.100.9", True),
        ("2001:db8::9", True),
        ("198.51.101.1", False),
        ("", False),
        ("2001:db9::1", False),
    ):
        reply = await embedder.open(listed, source=source)
        assert (reply.status == 200, shut(reply)) == (opens, not opens), source
    expiring = await embedder.link(expires_at=(clock.now() + timedelta(hours=1)).isoformat())
    assert (await embedder.open(expiring)).status == 200
    clock.advance(timedelta(hours=1))
    assert shut(await embedder.open(expiring))
    removed = await embedder.link()
    assert (await company.ask("ben", "DELETE", f"/v1/links/{removed['id']}")).status == 204
    assert shut(await embedder.open(removed))
    reasons = set(await embedder.refusals())
    assert reasons == {"old_token", "other_dashboard", "link_paused", "network", "link_expired"}


async def test_a_plan_that_lapses_shuts_links_and_never_opens_one_further(embedder: Embedder) -> None:
    interactive = await embedder.link(requires_secret=True, allow_parameters=True)
    signed = await embedder.link(requires_secret=True)
    guarded = await embedder.link(networks=["198.51.100.0/24"])
    tokens = {
        interactive["id"]: embedder.token(interactive, fixed_parameters={"region": ["EU"]}),
        signed["id"]: embedder.token(signed),
    }
    sources = {guarded["id"]: "198.51.100.1"}

    async def opens() -> list[int]:
        return [
            (await embedder.open(one, tokens.get(one["id"]), source=sources.get(one["id"], "203.0.113.7"))).status
            for one in (interactive, signed, guarded)
        ]

    assert await opens() == [200, 200, 200]
    await embedder.company.plan("pro")
    assert await opens() == [401, 200, 200]
    await embedder.company.plan("free")
    assert await opens() == [401, 401, 401]
    assert shut(await embedder.open(guarded)), "no restriction falls away with the plan"
    await embedder.company.plan("business")
    assert await opens() == [200, 200, 200]
    assert (await embedder.open(guarded)).status == 401


async def test_the_switch_for_all_is_felt_by_the_next_viewer(embedder: Embedder) -> None:
    link = await embedder.link()
    assert (await embedder.open(link)).status == 200
    (await embedder.company.ask("ana", "POST", "/v1/links/suspension")).ok()
    assert shut(await embedder.open(link))
    assert (await embedder.company.ask("ana", "DELETE", "/v1/links/suspension")).status == 204
    assert shut(await embedder.open(link))
    revived = (await embedder.company.ask("ben", "POST", f"/v1/links/{link['id']}/token-rotations")).ok()
    assert shut(await embedder.open(link))
    assert (await embedder.open(revived)).status == 200


async def test_a_password_is_asked_for_once_and_a_new_one_again(embedder: Embedder) -> None:
    link = await embedder.link(password=PASSWORD)
    asked = await embedder.open(link)
    assert (asked.status, asked.code) == (401, "password_required")
    assert shut(await embedder.unlock(link, "not the password"))
    unlocked = (await embedder.unlock(link, PASSWORD)).ok()
    assert (await embedder.open(link, unlock=unlocked["unlock"])).status == 200
    other = await embedder.link(password=PASSWORD)
    assert (await embedder.open(other, unlock=unlocked["unlock"])).code == "password_required"
    await embedder.change(link, password="another password")
    assert (await embedder.open(link, unlock=unlocked["unlock"])).code == "password_required"
    again = (await embedder.unlock(link, "another password")).ok()
    embedder.company.world.clock.advance(timedelta(hours=12))
    assert (await embedder.open(link, unlock=again["unlock"])).code == "password_required"
    assert "wrong_password" in await embedder.refusals()


async def test_a_password_is_guessed_ten_times_from_one_place(embedder: Embedder) -> None:
    link = await embedder.link(password=PASSWORD)
    replies = await asyncio.gather(*(embedder.unlock(link, f"guess {n}", source=f"2001:db8::{n}") for n in range(13)))
    assert sorted(reply.status for reply in replies) == [401] * 10 + [429] * 3
    limited = await embedder.unlock(link, PASSWORD, source="2001:db8::ffff")
    assert (limited.code, "retry-after" in limited.headers) == ("rate_limited", True)
    assert (await embedder.unlock(link, PASSWORD, source="2001:db8:1::1")).status == 200
    embedder.company.world.clock.advance(timedelta(minutes=15))
    assert (await embedder.unlock(link, PASSWORD, source="2001:db8::1")).status == 200


async def test_who_knows_the_password_gives_nothing_back_to_who_guesses(embedder: Embedder) -> None:
    company, link = embedder.company, await embedder.link(password=PASSWORD)
    assert shut(await embedder.unlock(link, "a guess", source="198.51.100.1"))
    async with company.world.started["sharing"].env.database.tx(company.org_id, lambda event: event) as tx:
        await tx.run("update link_guesses set guesses = 298 where link_id = $1 and source = '*'", link["id"])
    for n in range(3):
        assert (await embedder.unlock(link, PASSWORD, source=f"203.0.113.{n}")).status == 200
    guesses = [(await embedder.unlock(link, "a guess", source=f"192.0.2.{n}")).status for n in range(3)]
    assert guesses == [401, 401, 429], "300 within the hour, from wherever they come"


async def test_refusals_are_counted_by_the_hour_told_once_and_forgotten(embedder: Embedder, world: World) -> None:
    link = await embedder.link()
    await embedder.change(link, paused=True)
    await asyncio.gather(*(embedder.open(link) for _ in range(4)))
    refusal = (await embedder.refusals())["link_paused"]
    assert (refusal["link_id"], refusal["link_name"], refusal["source_ip"]) == (
        link["id"],
        "For partners",
        "203.0.113.7",
    )
    told = await world.said("sharing", EmbedTokenRefused)
    assert sum(1 for one in told if one.data["reason"] == "link_paused") <= 2, "once, or twice around a full hour"
    other = await Company(world).found()
    assert (await other.ask("ana", "GET", "/v1/embed-refusals")).ok()["data"] == []
    assert (await embedder.company.ask("ben", "GET", "/v1/embed-refusals")).code == "forbidden"
    world.clock.advance(timedelta(days=31))
    await world.run("sharing", forget_refusals)
    assert await embedder.refusals() == {}


async def test_no_log_holds_what_comes_in_an_address(
    embedder: Embedder, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    link = await embedder.link(requires_secret=True, allow_parameters=True, password=PASSWORD)
    token = embedder.token(link, fixed_parameters={"region": ["EU"]})
    forged = embedder.token(link, secret="canary-" * 6)
    with capture_logs() as logs:
        unlocked = (await embedder.unlock(link, PASSWORD)).ok()["unlock"]
        for sent in (token, forged, "x.y.z", token[:-3]):
            await embedder.open(link, sent, unlock=unlocked, canary="canary-in-the-query")
    async with world.started["sharing"].env.database.read("*") as read:
        tables = ("embed_refusals", "link_guesses", "outbox", "idempotent_requests", "links", "embed_secret_uses")
        dump = "".join([str(dict(row)) for table in tables for row in await read.rows(f"select * from {table}")])
    printed = "".join(capfd.readouterr()) + repr(logs)
    secrets: dict[str, Any] = {
        "token": token, "signature": token.rpartition(".")[2], "forged": forged.rpartition(".")[2], "link": link["token"].partition("-")[2],
        "unlock": unlocked, "secret": embedder.secret, "password": PASSWORD, "canary": "canary-in-the-query",
    }  # fmt: skip
    for name, secret in secrets.items():
        assert secret not in printed, f"{name} is in a log"
        assert secret not in dump, f"{name} is in a row"
