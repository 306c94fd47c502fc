"""Many links at once: closed together with an answer for each, looked at day by day, read by a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.sharing.usecases.link_usage import forget_link_days
from shared.events.sharing import LinkChanged, LinkRemoved
from shared.ids import new_id
from tests.sharing.company import Company
from tests.sharing.embedding import Embedder, shut
from tests.world import Reply


@pytest.fixture
async def embedder(company: Company) -> Embedder:
    return await Embedder.of(company)


async def acts(company: Company, who: str, action: str, *link_ids: str) -> Reply:
    body = {"action": action, "link_ids": list(link_ids)}
    return await company.ask(who, "POST", "/v1/links/bulk-actions", body, headers={"Idempotency-Key": new_id("req")})


async def uses(company: Company, who: str, *link_ids: str) -> Any:
    return (await company.ask(who, "GET", f"/v1/links/usage?link_ids={','.join(link_ids)}")).ok()


async def test_links_are_paused_together_and_each_is_answered_on_any_plan(embedder: Embedder) -> None:
    company = embedder.company
    first, second = await embedder.link(name="One"), await embedder.link(name="Two")
    await embedder.change(second, paused=True)
    await company.plan("free")
    unknown = new_id("lnk")
    result = (await acts(company, "ana", "pause", unknown, second["id"], first["id"])).ok()
    assert (result["changed"], result["refused"]) == (1, 1)
    assert [(one["link_id"], one["changed"]) for one in result["results"]] == [
        (unknown, False),
        (second["id"], False),
        (first["id"], True),
    ]
    assert result["results"][0]["problem"]["code"] == "not_found"
    told = (await company.world.said("sharing", LinkChanged))[-1].data
    assert (told["changed"], told["previous"]["paused"], told["link"]["paused"]) == (["paused"], False, True)
    await company.plan("business")
    assert shut(await embedder.open(first))


async def test_links_are_removed_together_by_who_may_close_them(embedder: Embedder) -> None:
    company, link = embedder.company, await embedder.link()
    other = await Company(company.world).found()
    await company.share("ben", "board-1", "all_users")
    for house, who in ((company, "cyd"), (company, "dan"), (other, "ana")):
        (refused,) = (await acts(house, who, "remove", link["id"])).ok()["results"]
        assert refused["problem"]["code"] == "not_found", "whose links they aren't never learns of them"
    (result,) = (await acts(company, "ben", "remove", link["id"], link["id"])).ok()["results"]
    assert result["changed"] is True
    assert len(await company.world.said("sharing", LinkRemoved)) == 1
    assert shut(await embedder.open(link))


async def test_many_is_at_least_one_and_at_most_500_and_wants_a_key(embedder: Embedder) -> None:
    company = embedder.company
    assert (await acts(company, "ana", "pause")).status == 422
    assert (await acts(company, "ana", "pause", *(new_id("lnk") for _ in range(501)))).status == 422
    assert (await acts(company, "ana", "resume", new_id("lnk"))).status == 422, "what opens is done link by link"
    body = {"action": "pause", "link_ids": [new_id("lnk")]}
    keyless = await company.ask("ana", "POST", "/v1/links/bulk-actions", body)
    assert keyless.code == "idempotency_key_required"


async def test_openings_are_counted_day_by_day_for_a_month(embedder: Embedder) -> None:
    company = embedder.company
    link, never = await embedder.link(), await embedder.link(name="Never")
    clock = company.world.clock
    for opened in (2, 0, 1):
        for _ in range(opened):
            assert (await embedder.open(link)).status == 200
        clock.advance(timedelta(days=1))
    used = await uses(company, "ben", link["id"], never["id"], new_id("lnk"))
    assert (used["last_day"], used["first_day"]) == (
        clock.now().date().isoformat(),
        (clock.now().date() - timedelta(days=29)).isoformat(),
    )
    mine, other = used["data"]
    assert (mine["link_id"], mine["days"][-4:], mine["last_7_days"], mine["last_30_days"]) == (
        link["id"],
        [2, 0, 1, 0],
        3,
        3,
    )
    assert (other["link_id"], other["days"]) == (never["id"], [0] * 30)
    assert (await uses(company, "ana", link["id"]))["data"] == [mine]
    assert (await uses(company, "cyd", link["id"]))["data"] == []
    clock.advance(timedelta(days=10))
    assert (await uses(company, "ben", link["id"]))["data"][0]["last_7_days"] == 0
    clock.advance(timedelta(days=90))
    await company.world.run("sharing", forget_link_days)
    async with company.world.started["sharing"].env.database.read(company.org_id) as read:
        assert await read.value("select count(*) from link_days where org_id = $1", company.org_id) == 0
    assert (await company.ask("ben", "GET", f"/v1/links/{link['id']}")).ok()["opens"] == 3


async def test_a_refused_opening_is_no_view(embedder: Embedder) -> None:
    link = await embedder.link()
    await embedder.change(link, paused=True)
    assert shut(await embedder.open(link))
    assert (await uses(embedder.company, "ben", link["id"]))["data"][0]["last_30_days"] == 0


async def test_the_address_is_drawn_for_the_owner_alone(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    company, link = embedder.company, await embedder.link()
    await company.share("ben", "board-1", "all_users")
    path = f"/v1/links/{link['id']}/qr-code"
    assert (await company.ask("ben", "GET", path)).code == "conflict", "the operator named no page"
    env = company.world.started["sharing"].env
    page = "https://app.example.com/shared/{dashboard_id}"
    monkeypatch.setattr(env, "settings", env.settings.model_copy(update={"link_url": page}))
    drawn = (await company.ask("ben", "GET", path)).ok()
    assert drawn["url"] == f"https://app.example.com/shared/board-1?sharingToken={link['token']}"
    assert drawn["svg"].startswith("<svg")
    assert link["token"] not in drawn["svg"]
    assert (await company.ask("ana", "GET", path)).code == "forbidden"
    assert (await company.ask("dan", "GET", path)).code == "not_found"
