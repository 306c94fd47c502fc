"""What organizations' own servers are told: signed, in order, once per cause, whatever those servers and we do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from services.courier.usecases import delivering
from services.courier.usecases.delivering import Deliverer, forget_deliveries
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.courier import (
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookRedelivered,
    WebhookSecretRotated,
)
from shared.events.identity import SessionStarted
from shared.events.org import MemberDeactivated, MemberJoined
from shared.ids import new_id
from shared.mailbox import FileMailbox
from shared.outbound import Outbound, Policy
from tests.courier.house import House, group, house_of, member
from tests.world import Databases, an_admin


@pytest.fixture
async def house(databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(databases, tmp_path) as house:
        yield house


# Telling


async def test_what_happens_is_told_with_a_signature_that_the_standard_library_verifies(house: House) -> None:
    hook = await house.webhook(types=["org.group.*"])
    assert hook["secret"].startswith("whsec_")
    await house.happens("Finance")
    (delivery,) = await house.until(hook, "delivered")
    told = house.receiver.verified(hook["secret"])
    headers, _ = house.receiver.got[0]
    assert (told["type"], told["data"]["group"]["name"]) == ("org.group.created.v1", "Finance")
    assert told["id"] == headers["webhook-id"] == delivery["event_id"]
    assert told["org_id"] == house.admin.org_id
    assert (delivery["attempts"], delivery["status"], delivery["error"]) == (1, 204, None)
    with pytest.raises(WebhookVerificationError):
        house.receiver.verified("whsec_" + "A" * 43 + "=")


async def test_only_selected_types_are_told_and_never_another_organizations_or_a_mail(house: House) -> None:
    every, some = await house.webhook(), await house.webhook(types=["identity.session.started.v1", "org.group.*"])
    eve = an_admin()
    await house.world.hear("org", group(eve, "Foreign"))
    await house.happens("Ours")
    ben = replace(an_admin(), org_id=house.admin.org_id)
    await house.world.hear("org", MemberJoined(org_id=house.admin.org(), member=member(ben, "Ben")))
    session = SessionStarted(user_id=ben.person(), session_id=new_id("ses"), org_id=house.admin.org(), amr=["pwd"])
    await house.world.hear("identity", session)
    await house.on_plan("team")
    log = await house.until(every, *["delivered"] * 4)
    assert [one["type"] for one in log] == [
        "org.group.created.v1",
        "org.member.joined.v1",
        "identity.session.started.v1",
        "billing.entitlements.changed.v1",
    ]
    told = await house.until(some, *["delivered"] * 2)
    assert [one["type"] for one in told] == ["org.group.created.v1", "identity.session.started.v1"]
    assert all(eve.org() not in body.decode() for _, body in house.receiver.got)


async def test_order_is_kept_while_the_first_of_them_fails(house: House) -> None:
    house.receiver.script = [500, 503]
    hook = await house.webhook(types=["org.group.*"])
    names = [f"G{n}" for n in range(20)]
    await house.happens(*names)
    await house.until_tried(hook, 1)
    assert house.receiver.names == []
    house.world.clock.advance(timedelta(seconds=6))
    await house.until_tried(hook, 2)
    house.world.clock.advance(timedelta(seconds=31))
    await house.until(hook, *["delivered"] * 20)
    assert house.receiver.names == names
    assert len(house.receiver.got) == 22


@pytest.mark.parametrize("trouble", [500, 302, 404, 429, "hang"])
async def test_a_receiver_in_trouble_gets_it_later_under_the_same_id_and_the_log_says_why(
    house: House, trouble: Any
) -> None:
    house.receiver.script = [trouble]
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("Finance")
    delivery = await house.until_tried(hook, 1)
    assert delivery["status"] == (None if trouble == "hang" else trouble)
    assert (delivery["error"] is None) is (trouble != "hang")
    assert delivery["error_code"] == ("too_slow" if trouble == "hang" else None)
    state = (await house.ask("GET", f"/v1/webhooks/{hook['id']}")).ok()
    assert (state["enabled"], state["waiting"], state["failing_since"] is None) == (True, 1, False)
    house.world.clock.advance(timedelta(seconds=6))
    await house.until(hook, "delivered")
    assert house.receiver.names == ["Finance"]
    assert len({headers["webhook-id"] for headers, _ in house.receiver.got}) == 1
    one = (await house.ask("GET", f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}")).ok()
    assert [attempt["number"] for attempt in one["log"]] == [1, 2]
    assert one["body"]["data"]["group"]["name"] == "Finance"
    assert (await house.ask("GET", f"/v1/webhooks/{hook['id']}")).ok()["failing_since"] is None


async def test_a_receiver_that_answers_too_late_gets_the_same_id_again_so_that_it_can_tell(house: House) -> None:
    house.receiver.script = ["late"]
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("Finance")
    await house.until_tried(hook, 1)
    house.receiver.release.set()
    house.world.clock.advance(timedelta(seconds=6))
    await house.until(hook, "delivered")
    assert house.receiver.names == ["Finance", "Finance"]
    assert len({headers["webhook-id"] for headers, _ in house.receiver.got}) == 1


async def test_a_receiver_that_hangs_delays_no_other(house: House) -> None:
    house.receiver.script = ["hang"]
    stuck = await house.webhook(types=["org.group.*"])
    await house.happens("First")
    await house.until_tried(stuck, 1)
    other = await house.webhook(types=["org.group.*"])
    await house.happens("Second")
    await house.until(other, "delivered")
    assert house.receiver.names == ["Second"]


async def test_four_couriers_tell_each_thing_once_in_order(house: House) -> None:
    env, own = house.world.started["courier"].env, house.world.started["courier"].env.own
    others = [Deliverer(env, own.outbound, own.sealer, own.mails.wake) for _ in range(3)]
    for other in others:
        other.start()
    hooks = [await house.webhook(types=["org.group.*"]) for _ in range(3)]
    names = [f"G{n}" for n in range(40)]
    await house.happens(*names)
    for hook in hooks:
        await house.until(hook, *["delivered"] * 40)
    for other in others:
        await other.stop()
    assert len(house.receiver.got) == 120
    assert sorted(house.receiver.names) == sorted(names * 3)


async def test_a_deliverer_that_dies_before_noting_it_sends_it_again_recognisably(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = asyncio.Event()

    async def dies(*_: object) -> None:
        died.set()
        raise RuntimeError("the process is gone")

    hook = await house.webhook(types=["org.group.*"])
    with monkeypatch.context() as broken:
        broken.setattr(delivering.store, "give_back", dies)
        await house.happens("Finance")
        async with asyncio.timeout(60):
            await died.wait()
    async with house.world.started["courier"].env.database.tx(EVERY_ORG, lambda e: e) as tx:
        await tx.run("update webhooks set leased_until = clock_timestamp()")
    await house.until(hook, "delivered")
    assert len({headers["webhook-id"] for headers, _ in house.receiver.got}) == 1


# Giving up, and going on


async def test_after_three_days_of_failing_it_is_switched_off_every_admin_gets_one_mail_and_nothing_is_lost(
    house: House, tmp_path: Path
) -> None:
    ben, eve = (replace(an_admin(), org_id=house.admin.org_id) for _ in range(2))
    joined = [
        MemberJoined(org_id=house.admin.org(), member=member(one, name)) for one, name in ((ben, "Ben"), (eve, "Eve"))
    ]
    left = MemberDeactivated(org_id=house.admin.org(), member=member(eve, "Eve", status="inactive"))
    await house.world.hear("org", *joined, left)
    house.receiver.script = [500] * 60
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("First", "Second")
    attempts = 0
    while (await house.log(hook))[0]["state"] == "waiting":
        attempts += 1
        await house.until_tried(hook, attempts)
        house.world.clock.advance(timedelta(hours=8))
    assert attempts == 10
    one = (await house.ask("GET", f"/v1/webhooks/{hook['id']}")).ok()
    assert (one["enabled"], one["disabled_because"], one["waiting"]) == (False, "failing", 1)
    (said,) = await house.world.said("courier", WebhookDisabled)
    assert said.data["reason"] == "failing"
    mailbox = FileMailbox(tmp_path / "mail")
    async with asyncio.timeout(60):
        while len(list(mailbox.list())) < 2:
            await asyncio.sleep(0.01)
    mails = list(mailbox.list())
    assert sorted(mail.to for mail in mails) == ["ada@northwind.example", "ben@northwind.example"]
    assert {mail.subject for mail in mails} == {"The webhook to 127.0.0.1 was switched off"}
    assert "status 500" in mails[0].text

    await house.happens("Third")
    house.receiver.script = []
    (await house.ask("PATCH", f"/v1/webhooks/{hook['id']}", {"enabled": True})).ok()
    log = await house.until(hook, "failed", "delivered", "delivered")
    assert house.receiver.names == ["Second", "Third"]
    again = await house.ask("POST", f"/v1/webhooks/{hook['id']}/deliveries/{log[0]['id']}/retries")
    assert (again.status, again.json) == (202, {"deliveries": 1})
    await house.until(hook, *["delivered"] * 3)
    assert house.receiver.names == ["Second", "Third", "First"]


async def test_a_receiver_that_says_that_it_is_gone_is_asked_no_more(house: House) -> None:
    house.receiver.script = [410]
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("First", "Second")
    await house.until(hook, "failed", "waiting")
    one = (await house.ask("GET", f"/v1/webhooks/{hook['id']}")).ok()
    assert (one["enabled"], one["disabled_because"]) == (False, "gone")
    assert len(house.receiver.got) == 1


async def test_a_range_is_sent_again_in_order_and_only_it(house: House) -> None:
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("Before")
    await house.until(hook, "delivered")
    house.world.clock.advance(timedelta(hours=1))
    since = house.world.clock.now()
    await house.happens("One", "Two")
    await house.until(hook, *["delivered"] * 3)
    body = {"since": since.isoformat()}
    again = await house.ask("POST", f"/v1/webhooks/{hook['id']}/retries", body)
    assert (again.status, again.json) == (202, {"deliveries": 2})
    async with asyncio.timeout(60):
        while len(house.receiver.got) < 5:
            await asyncio.sleep(0.01)
    await house.until(hook, *["delivered"] * 3)
    assert house.receiver.names == ["Before", "One", "Two", "One", "Two"]
    (said,) = await house.world.said("courier", WebhookRedelivered)
    assert said.data["deliveries"] == 2
    empty = {"since": since.isoformat(), "until": since.isoformat()}
    assert (await house.ask("POST", f"/v1/webhooks/{hook['id']}/retries", empty)).code == "invalid"


async def test_a_test_event_arrives_signed_whatever_is_selected_and_is_in_log_and_audit(house: House) -> None:
    hook = await house.webhook(types=["org.group.*"])
    path = f"/v1/webhooks/{hook['id']}"
    sent = await house.ask("POST", f"{path}/tests")
    assert sent.status == 202
    await house.until(hook, "delivered")
    told = house.receiver.verified(hook["secret"])
    assert (told["type"], told["id"], told["sequence"]) == ("courier.webhook.tested.v1", sent.json["event_id"], 0)
    assert told["data"]["webhook"]["webhook_id"] == hook["id"]
    (one,) = await house.log(hook)
    assert (one["id"], one["event_id"], one["status"]) == (sent.json["delivery_id"], sent.json["event_id"], 204)
    (await house.ask("PATCH", path, {"enabled": False}, headers={"If-Match": "*"})).ok()
    assert (await house.ask("POST", f"{path}/tests")).code == "conflict"
    await house.on_plan("free")
    assert (await house.ask("POST", f"{path}/tests")).code == "plan_required"
    await house.world.settle()
    entries = await house.world.ask(
        "audit", "GET", "/v1/audit-entries?action=courier.webhook.tested.v1", actor=house.admin
    )
    assert [entry["event_id"] for entry in entries.ok()["data"]] == [sent.json["event_id"]]


async def test_what_waits_already_is_not_sent_twice(house: House) -> None:
    house.receiver.script = [500]
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("Finance")
    delivery = await house.until_tried(hook, 1)
    path = f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}/retries"
    assert (await house.ask("POST", path)).code == "conflict"


# Secrets


async def test_both_secrets_sign_for_a_day_and_then_the_new_one_alone(house: House) -> None:
    hook = await house.webhook(types=["org.group.*"])
    rotated = (await house.ask("POST", f"/v1/webhooks/{hook['id']}/secret-rotations")).ok()
    await house.happens("Finance")
    await house.until(hook, "delivered")
    for secret in (hook["secret"], rotated["secret"]):
        assert house.receiver.verified(secret)["data"]["group"]["name"] == "Finance"
    (said,) = await house.world.said("courier", WebhookSecretRotated)
    assert "whsec_" not in str(said.data)
    third = (await house.ask("POST", f"/v1/webhooks/{hook['id']}/secret-rotations")).ok()
    await house.happens("Sales")
    await house.until(hook, *["delivered"] * 2)
    assert len(house.receiver.got[-1][0]["webhook-signature"].split(" ")) == 2
    with pytest.raises(WebhookVerificationError):
        house.receiver.verified(hook["secret"])
    house.world.clock.advance(timedelta(hours=24))
    await house.happens("Later")
    await house.until(hook, *["delivered"] * 3)
    assert len(house.receiver.got[-1][0]["webhook-signature"].split(" ")) == 1
    assert third["secret"] not in (rotated["secret"], hook["secret"])


async def test_a_secret_is_shown_once_and_kept_nowhere_in_the_clear(house: House) -> None:
    headers = {"Idempotency-Key": "once"}
    reply = await house.ask("POST", "/v1/webhooks", {"url": house.receiver.url}, headers=headers)
    hook = reply.ok()
    assert "secret" not in (await house.ask("GET", f"/v1/webhooks/{hook['id']}")).ok()
    assert "secret" not in (await house.ask("GET", "/v1/webhooks")).ok()["data"][0]
    await house.happens("Finance")
    await house.until(hook, "delivered")
    async with house.world.started["courier"].env.database.read(EVERY_ORG) as read:
        tables = await read.rows(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        for table in tables:
            found = await read.value(
                f"select count(*) from {table['relname']} as t where t::text like $1",
                f"%{hook['secret'].removeprefix('whsec_')[:20]}%",
            )
            assert found == 0, table["relname"]


# Addresses


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://127.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "https://10.0.0.1/",
     "https://2130706433/", "https://u:p@example.com/", "ftp://example.com", "x"],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_refused(databases: Databases, tmp_path: Path, url: str) -> None:
    async with house_of(databases, tmp_path, Outbound()) as house:
        reply = await house.ask("POST", "/v1/webhooks", {"url": url})
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/url")
        hook = (await house.ask("POST", "/v1/webhooks", {"url": "https://hooks.invalid/"})).ok()
        changed = await house.ask("PATCH", f"/v1/webhooks/{hook['id']}", {"url": url})
        assert (changed.status, changed.json["errors"][0]["pointer"]) == (422, "/url")


async def test_a_name_that_leads_inside_later_is_never_connected_to(databases: Databases, tmp_path: Path) -> None:
    async def inside(host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    outbound = Outbound(policy=Policy(schemes=frozenset({"http"})), resolve=inside)
    async with house_of(databases, tmp_path, outbound) as house:
        url = f"http://rebinding.example:{house.receiver.port}/"
        hook = (await house.ask("POST", "/v1/webhooks", {"url": url, "types": ["org.group.*"]})).ok()
        await house.happens("Finance")
        delivery = await house.until_tried(hook, 1)
        assert "isn't public" in delivery["error"]
        assert delivery["error_code"] == "not_public"
        assert house.receiver.got == []


# Setting up


async def test_webhooks_are_set_up_changed_and_deleted_and_each_says_so(house: House) -> None:
    hook = await house.webhook(description="ours", types=["org.member.*", "org.member.*"])
    assert hook["types"] == ["org.member.*"]
    path = f"/v1/webhooks/{hook['id']}"
    read = await house.ask("GET", path)
    assert read.ok()["description"] == "ours"
    changed = await house.ask(
        "PATCH", path, {"types": [], "enabled": False}, headers={"If-Match": read.headers["etag"]}
    )
    assert (changed.ok()["types"], changed.json["disabled_because"]) == ([], "admin")
    stale = await house.ask("PATCH", path, {"types": []}, headers={"If-Match": read.headers["etag"]})
    assert stale.code == "precondition_failed"
    (same,) = await house.world.said("courier", WebhookChanged)
    (await house.ask("PATCH", path, {"types": []})).ok()
    assert same.data["previous"] == {"types": ["org.member.*"], "enabled": True}
    (created,) = await house.world.said("courier", WebhookCreated)
    assert created.data["webhook"]["host"] == "127.0.0.1"
    assert "/in" not in str(created.data)
    assert (await house.ask("DELETE", path)).status == 204
    assert (await house.ask("GET", path)).code == "not_found"
    assert len(await house.world.said("courier", WebhookDeleted)) == 1
    assert len(await house.world.said("courier", WebhookChanged)) == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"url": ""}, {"url": "http://127.0.0.1/", "types": ["org.nothing.*"]}, {"url": "http://127.0.0.1/", "types": ["courier.#"]},
     {"url": "http://127.0.0.1/", "types": ["courier.mail.requested.v1"]}, {"url": "http://127.0.0.1/", "secret": "mine"}],
)  # fmt: skip
async def test_what_is_no_webhook_is_refused(house: House, body: Any) -> None:
    assert (await house.ask("POST", "/v1/webhooks", body)).code == "invalid"
    assert (await house.ask("GET", "/v1/webhooks")).ok()["data"] == []


async def test_a_lapse_stops_what_is_there_and_what_happens_meanwhile_is_told_when_the_plan_is_back(
    house: House,
) -> None:
    hook = await house.webhook(types=["org.group.*"])
    path = f"/v1/webhooks/{hook['id']}"
    await house.on_plan("free")
    await house.happens("Meanwhile")
    one = (await house.ask("GET", path)).ok()
    assert (one["enabled"], one["suspended"]["plan"], one["waiting"]) == (True, "free", 1)
    assert (await house.ask("POST", "/v1/webhooks", {"url": house.receiver.url})).code == "plan_required"
    refused = await house.ask("PATCH", path, {"types": []})
    assert (refused.status, refused.json["meta"]["plan"]) == (403, "pro")
    assert (await house.ask("POST", f"{path}/secret-rotations")).status == 200
    assert (await house.ask("PATCH", path, {"enabled": False})).status == 200
    assert (await house.ask("PATCH", path, {"enabled": True})).code == "plan_required"
    actions = (await house.ask("GET", "/internal/capabilities")).ok()["capabilities"]
    assert {one["action"]: one["allowed"] for one in actions} == {
        "audit_heads.read": True,
        "mail.undeliverable": True,
        "webhooks.read": True,
        "webhooks.edit": True,
        "webhooks.create": False,
    }
    assert house.receiver.got == []
    await house.on_plan("pro")
    (await house.ask("PATCH", path, {"enabled": True})).ok()
    await house.until(hook, "delivered")
    assert house.receiver.names == ["Meanwhile"]


async def test_there_are_never_more_than_twenty_even_at_once(house: House) -> None:
    replies = await asyncio.gather(*(house.ask("POST", "/v1/webhooks", {"url": house.receiver.url}) for _ in range(24)))
    assert sorted(reply.status for reply in replies) == [201] * 20 + [409] * 4


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_only_admins_have_to_do_with_webhooks(house: House, role: Any) -> None:
    hook = await house.webhook()
    other = replace(house.admin, role=role)
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{hook['id']}"), ("GET", f"/{hook['id']}/deliveries")):
        assert (await house.ask(method, f"/v1/webhooks{path}", actor=other)).code == "forbidden"


async def test_setting_up_wants_a_fresh_proof_and_switching_off_by_deleting_does_not(house: House) -> None:
    hook = await house.webhook()
    stale = replace(house.admin, auth_time=1)
    for method, path in (("POST", ""), ("PATCH", f"/{hook['id']}"), ("POST", f"/{hook['id']}/secret-rotations")):
        reply = await house.ask(method, f"/v1/webhooks{path}", {"url": house.receiver.url}, actor=stale)
        assert reply.code == "insufficient_user_authentication"
    assert (await house.ask("DELETE", f"/v1/webhooks/{hook['id']}", actor=stale)).status == 204


async def test_webhooks_of_another_organization_are_not_there(house: House) -> None:
    hook, other = await house.webhook(types=["org.group.*"]), await house.webhook()
    await house.happens("Finance")
    (delivery,) = await house.until(hook, "delivered")
    eve: Actor = an_admin()
    for method, path in (
        ("GET", f"/{hook['id']}"),
        ("PATCH", f"/{hook['id']}"),
        ("DELETE", f"/{hook['id']}"),
        ("POST", f"/{hook['id']}/secret-rotations"),
        ("GET", f"/{hook['id']}/deliveries"),
        ("GET", f"/{hook['id']}/deliveries/{delivery['id']}"),
        ("POST", f"/{hook['id']}/deliveries/{delivery['id']}/retries"),
        ("POST", f"/{hook['id']}/retries"),
        ("POST", f"/{hook['id']}/tests"),
    ):
        assert (await house.ask(method, f"/v1/webhooks{path}", actor=eve)).code == "not_found"
    crossed = await house.ask("GET", f"/v1/webhooks/{other['id']}/deliveries/{delivery['id']}")
    assert crossed.code == "not_found"
    async with house.world.started["courier"].env.database.read(eve.org()) as read:
        for table in ("webhooks", "webhook_deliveries", "webhook_attempts", "members", "entitlements"):
            assert await read.value(f"select count(*) from {table}") == 0


async def test_the_log_goes_back_thirty_days(house: House) -> None:
    hook = await house.webhook(types=["org.group.*"])
    await house.happens("Old")
    await house.until(hook, "delivered")
    house.world.clock.advance(timedelta(days=31))
    await house.happens("New")
    await house.until(hook, *["delivered"] * 2)
    await house.world.run("courier", forget_deliveries)
    assert len(await house.log(hook)) == 1
    assert await house.log(hook, "&state=failed") == []
