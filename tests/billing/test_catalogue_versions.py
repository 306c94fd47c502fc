"""Another catalogue: checked, applied and followed only when an operator says so; and what is agreed with one organization alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from services.billing.app import apply_first_catalogue
from services.billing.catalogue import DEFAULT
from services.launcher import PRODUCT
from shared.auth import Actor
from shared.config import Misconfigured
from shared.db import EVERY_ORG
from shared.events.billing import (
    CatalogueApplied,
    EntitlementsChanged,
    OverrideEnded,
    OverrideGranted,
    SubscriptionMoved,
)
from shared.ids import new_id
from tests.billing.conftest import Stage
from tests.system.commands import Said, announce, tenantry
from tests.world import Reply

OPERATOR = Actor("service", service="billing")


def edited(change: Callable[[dict[str, Any]], None], version: int = 2) -> dict[str, Any]:
    """The catalogue that comes along, with an edit, under a version."""
    content: dict[str, Any] = yaml.safe_load(DEFAULT.read_text())
    content["version"] = version
    change(content)
    return content


def dearer_pro(content: dict[str, Any]) -> None:
    pro = content["plans"][1]
    pro["prices"] = {"month": {"EUR": 29900, "USD": 32900}, "year": {"EUR": 299000, "USD": 329000}}
    pro["entitlements"] |= {"author_slots": 4, "scim": True}


async def propose(stage: Stage, content: dict[str, Any], *, apply: bool = True) -> Reply:
    body = {"content": content, "apply": apply, "by": "olga"}
    return await stage.ask("POST", "/internal/catalogue-proposals", body, actor=OPERATOR)


async def move(stage: Stage, **more: Any) -> Any:
    body = {"by": "olga", "move": True, **more}
    return (await stage.ask("POST", "/internal/catalogue-moves", body, actor=OPERATOR)).ok()


async def override(stage: Stage, entitlement: str, value: Any, **time: float) -> Reply:
    until = (stage.world.clock.now() + timedelta(**time)).isoformat()
    body = {"entitlement": entitlement, "value": value, "until": until, "reason": "Pilot", "by": "olga"}
    return await stage.ask("PUT", f"/internal/overrides/{stage.ada.org_id}", body, actor=OPERATOR)


async def test_who_has_bought_keeps_price_and_entitlements_until_moved(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    bought = await stage.subscription()
    (await propose(stage, edited(dearer_pro))).ok()
    assert await stage.subscription() == bought
    await stage.pass_time(days=40)
    renewed = await stage.subscription()
    assert (renewed["price"]["amount_minor"], renewed["catalogue_version"]) == (24900, 1)
    assert renewed["entitlements"] == bought["entitlements"]
    assert (await stage.ask("GET", "/v1/plans")).ok()["data"][1]["prices"]["month"]["amount_minor"] == 29900


async def test_who_buys_now_buys_what_is_on_offer_now(stage: Stage) -> None:
    (await propose(stage, edited(dearer_pro))).ok()
    late = await stage.found("Latecomers")
    assert (await stage.subscription(late))["catalogue_version"] == 2
    bought = (await stage.change("pro")).ok()
    assert (bought["price"]["amount_minor"], bought["catalogue_version"]) == (29900, 2)
    assert (bought["entitlements"]["author_slots"], bought["entitlements"]["scim"]) == (4, True)


async def test_what_was_scheduled_begins_at_the_price_that_was_shown(stage: Stage) -> None:
    (await stage.change("business")).ok()
    scheduled = (await stage.change("pro")).ok()
    assert scheduled["next_invoice"]["amount"]["amount_minor"] == 24900
    (await propose(stage, edited(dearer_pro))).ok()
    assert await stage.subscription() == scheduled
    await stage.pass_time(days=32)
    begun = await stage.subscription()
    assert (begun["plan"], begun["price"]["amount_minor"], begun["entitlements"]["author_slots"]) == ("pro", 24900, 5)


async def test_a_preview_of_the_catalogue_before_is_refused(stage: Stage) -> None:
    fingerprint = (await stage.preview("pro"))["fingerprint"]
    (await propose(stage, edited(dearer_pro))).ok()
    assert (await stage.change("pro", fingerprint=fingerprint)).code == "fingerprint_mismatch"


async def test_a_move_changes_what_is_included_now_and_the_price_with_the_next_period(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    (await propose(stage, edited(dearer_pro))).ok()
    shown = await move(stage, move=False)
    assert [one["changes"] for one in shown["moves"]] == [["author_slots: 5 → 4", "scim: False → True"]]
    assert (await stage.subscription())["catalogue_version"] == 1
    moved = await move(stage)
    assert [(one["org_id"], one["because"]) for one in moved["moves"]] == [(stage.ada.org_id, None)]
    now = await stage.subscription()
    assert (now["price"]["amount_minor"], now["next_invoice"]["amount"]["amount_minor"]) == (24900, 29900)
    assert (now["entitlements"]["author_slots"], now["entitlements"]["scim"]) == (4, True)
    told = SubscriptionMoved.read((await stage.world.said("billing", SubscriptionMoved))[0])
    assert (told.previous_catalogue_version, told.catalogue_version, told.moved_by) == (1, 2, "olga")
    assert told.next_price is not None
    assert told.next_price.amount_minor == 29900
    await stage.pass_time(days=32)
    assert (await stage.subscription())["price"]["amount_minor"] == 29900
    assert (await move(stage))["moves"] == []


async def test_a_move_reaches_only_whom_it_names_and_says_nothing_where_nothing_changes(stage: Stage) -> None:
    (await stage.found("Others")).org()
    (await propose(stage, edited(dearer_pro))).ok()
    before = len(await stage.world.said("billing", EntitlementsChanged))
    moved = await move(stage, org_id=stage.ada.org_id)
    assert [one["org_id"] for one in moved["moves"]] == [stage.ada.org_id]
    assert len(await stage.world.said("billing", EntitlementsChanged)) == before
    assert len((await move(stage))["moves"]) == 1


async def test_a_plan_that_is_gone_keeps_whom_it_has_and_takes_nobody_else(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    (await propose(stage, edited(lambda content: content["plans"].pop(1)))).ok()
    moved = await move(stage)
    assert [one["because"] for one in moved["moves"]] == ["its plan isn't on offer any more"]
    await stage.pay()
    await stage.pass_time(days=32)
    assert (await stage.subscription())["plan_name"] == "Pro"
    reply = await stage.ask("POST", "/v1/subscription/change-previews", {"plan": "pro", "interval": "year"})
    assert (reply.status, reply.json["errors"][0]["code"]) == (422, "unknown_plan")
    assert (await stage.preview("business"))["direction"] == "upgrade"


@pytest.mark.parametrize("version", [1, 3])
async def test_a_version_that_is_not_the_next_is_refused(stage: Stage, version: int) -> None:
    reply = await propose(stage, edited(dearer_pro, version))
    assert (reply.status, reply.json["errors"][0]["detail"]) == (422, "1 is on offer: write version 2.")


async def test_every_fault_of_a_proposal_is_named_and_a_look_applies_nothing(stage: Stage) -> None:
    def break_it(content: dict[str, Any]) -> None:
        content["plans"][1]["prices"]["month"]["EUR"] = -1
        content["plans"][2]["entitlements"]["seats"] = 3

    reply = await propose(stage, edited(break_it))
    pointers = {fault["pointer"] for fault in reply.json["errors"]}
    assert pointers == {"/content/plans/1/prices/month/EUR", "/content/plans/2/entitlements/seats"}
    looked = (await propose(stage, edited(dearer_pro), apply=False)).ok()
    assert (looked["applied"], "plans.pro.entitlements.scim: False → True" in looked["differences"]) == (False, True)
    assert await stage.world.said("billing", CatalogueApplied) == []
    assert (await stage.ask("GET", "/internal/catalogue", actor=OPERATOR)).ok()["version"] == 1


async def test_of_two_at_once_one_is_applied_and_the_log_says_by_whom(stage: Stage) -> None:
    replies = await asyncio.gather(*(propose(stage, edited(dearer_pro)) for _ in range(5)))
    assert [reply.ok()["applied"] for reply in replies if reply.status == 200].count(True) == 1
    said = await stage.world.said("billing", CatalogueApplied)
    told = CatalogueApplied.read(said[0])
    assert (len(said), said[0].org_id, told.applied_by, told.version) == (1, None, "olga", 2)
    assert "plans.pro.prices.month.EUR: 24900 → 29900" in told.differences


async def test_the_first_paid_period_chooses_the_currency(stage: Stage) -> None:
    (await propose(stage, edited(dearer_pro))).ok()
    pro = (await stage.ask("GET", "/v1/plans")).ok()["data"][1]
    assert {"interval": "year", "price": {"amount_minor": 329000, "currency": "USD"}} in pro["offers"]
    assert (await stage.preview("pro", currency="USD"))["money"]["due_now"] == {
        "amount_minor": 32900,
        "currency": "USD",
    }
    bought = (await stage.change("pro", currency="USD")).ok()
    assert bought["price"] == {"amount_minor": 32900, "currency": "USD"}
    for wanted, status, code in (
        ({"plan": "pro", "interval": "year", "currency": "EUR"}, 409, "conflict"),
        ({"plan": "business", "currency": "USD"}, 422, "invalid"),
        ({"plan": "pro", "interval": "year", "currency": "usd"}, 422, "invalid"),
    ):
        reply = await stage.ask("POST", "/v1/subscription/change-previews", wanted)
        assert (reply.status, reply.code) == (status, code), wanted


async def test_an_override_counts_until_its_day_through_every_plan(stage: Stage) -> None:
    (await override(stage, "author_slots", 9, days=20)).ok()
    (await override(stage, "viewer_slots", "unlimited", days=50)).ok()
    granted = (await stage.subscription())["entitlements"]
    assert (granted["author_slots"], granted["viewer_slots"], granted["plan"]) == (9, None, "free")
    assert (await stage.preview("pro"))["fingerprint"]
    assert stage.neighbours.asked[-1][1]["entitlements"]["author_slots"] == 9
    assert (await stage.change("pro")).ok()["entitlements"]["author_slots"] == 9
    await stage.pass_time(days=20, seconds=1)
    assert (await stage.subscription())["entitlements"]["author_slots"] == 5
    assert OverrideEnded.read((await stage.world.said("billing", OverrideEnded))[0]).entitlements_ended == [
        "author_slots"
    ]
    (await stage.change("free", when="now")).ok()
    assert (await stage.subscription())["entitlements"]["viewer_slots"] is None
    granted_to = OverrideGranted.read((await stage.world.said("billing", OverrideGranted))[0])
    assert (granted_to.value, granted_to.reason, granted_to.granted_by) == (9, "Pilot", "olga")


@pytest.mark.parametrize(
    ("entitlement", "value", "days", "pointer"),
    [
        ("seats", 3, 1, "/entitlement"),
        ("author_slots", -1, 1, "/value"),
        ("author_slots", "many", 1, "/value"),
        ("scim", 7, 1, "/value"),
        ("scim", True, -1, "/until"),
    ],
)
async def test_an_override_that_makes_no_sense_is_refused(
    stage: Stage, entitlement: str, value: Any, days: int, pointer: str
) -> None:
    reply = await override(stage, entitlement, value, days=days)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)


async def test_nobody_but_a_service_reaches_what_is_the_operators(stage: Stage) -> None:
    for method, path in (
        ("GET", "/internal/catalogue"),
        ("POST", "/internal/catalogue-proposals"),
        ("POST", "/internal/catalogue-moves"),
        ("PUT", f"/internal/overrides/{stage.ada.org_id}"),
    ):
        assert (await stage.ask(method, path, {} if method != "GET" else None)).code == "not_found"
    body = {"entitlement": "scim", "value": True, "until": "2999-01-01T00:00:00Z", "reason": "x", "by": "olga"}
    reply = await stage.ask("PUT", f"/internal/overrides/{new_id('org')}", body, actor=OPERATOR)
    assert (reply.status, reply.code) == (404, "not_found")


async def test_a_start_keeps_what_was_applied_and_refuses_a_file_that_is_not_what_was_sold(stage: Stage) -> None:
    env = stage.world.started["billing"].env
    (await propose(stage, edited(dearer_pro))).ok()
    await apply_first_catalogue(env)
    assert (await stage.ask("GET", "/v1/plans")).ok()["catalogue_version"] == 2
    async with env.database.tx(EVERY_ORG, lambda e: e) as tx:
        await tx.run("delete from catalogues where version = 2")
        await tx.run("update catalogues set content = null, digest = 'another'")
    with pytest.raises(Misconfigured, match="isn't the one that version 1 was sold by"):
        await apply_first_catalogue(env)


# The command line


@pytest.fixture
async def operate(stage: Stage, tmp_path: Path) -> Any:
    data = tmp_path / "data"
    announce(data, urls=dict(stage.world.settings.urls))
    stage.world.settings.secrets.save(data / "secrets.json")

    async def command(*arguments: str) -> Said:
        return await tenantry(PRODUCT, "plans", *arguments, "--data", str(data))

    return command


async def test_an_operator_edits_what_is_shown_checks_applies_moves_and_makes_an_exception(
    stage: Stage, operate: Any, tmp_path: Path
) -> None:
    (await stage.change("pro")).ok()
    shown = await operate("show")
    assert "# 1 on pro of version 1" in shown.output
    content = yaml.safe_load(shown.output)
    content["plans"][1]["prices"]["month"]["EUR"] = 30000
    file = tmp_path / "plans.yaml"
    file.write_text(yaml.safe_dump(content))
    refused = await operate("check", str(file))
    assert (refused.code, "write version 2" in refused.output) == (1, True)
    file.write_bytes(orjson.dumps({**content, "version": 2}))
    assert "plans.pro.prices.month.EUR: 24900 → 30000" in (await operate("check", str(file))).output
    assert "Version 2 is on offer now" in (await operate("apply", str(file))).output
    assert "what version 2 says already" in (await operate("apply", str(file))).output
    assert "1 would move" in (await operate("move")).output
    assert "1 moved to version 2, 0 stay" in (await operate("move", "--yes")).output
    org = stage.ada.org()
    day = ["--until", "2999-01-01", "--reason", "Pilot"]
    assert "has author_slots = 7" in (await operate("override", org, "author_slots=7", *day)).output
    assert (await stage.subscription())["entitlements"]["author_slots"] == 7
    wrong = await operate("override", org, "seats=7", *day)
    assert (wrong.code, "The entitlements are author_slots" in wrong.output) == (1, True)


async def test_a_file_that_is_missing_or_no_catalogue_is_no_traceback(operate: Any, tmp_path: Path) -> None:
    for content, words in ((None, "can't be read"), ("a: [", "isn't YAML"), ("[]", "must be a mapping")):
        file = tmp_path / "plans.yaml"
        if content is not None:
            file.write_text(content)
        said = await operate("check", str(file))
        assert (said.code, words in said.output) == (1, True)
