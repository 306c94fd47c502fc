"""The life of a subscription, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.billing import store
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events import Envelope
from shared.events.billing import (
    PUBLISHED,
    ChangeCancelled,
    ChangeScheduled,
    EntitlementsChanged,
    InvoiceIssued,
    PlanChanged,
    SubscriptionRenewed,
    SubscriptionStarted,
    TrialEnded,
    TrialEnding,
    TrialStarted,
)
from shared.events.courier import MailRequested
from shared.events.org import MemberJoined, OrganizationChanged
from shared.ids import new_id
from shared.testkit import sample
from tests.billing.conftest import Stage, organization_created
from tests.world import an_admin

GATEWAY = Actor("service", service="gateway")


async def said(stage: Stage) -> list[Envelope]:
    return [e for e in await stage.world.said("billing") if e.subject == stage.ada.org_id]


async def types_since(stage: Stage, count: int) -> list[str]:
    return [e.type for e in (await said(stage))[count:]]


async def refused(stage: Stage, method: str, path: str, body: Any = None) -> str | None:
    return (await stage.ask(method, path, body, Idempotency_Key="k")).code


async def test_a_new_organization_is_on_the_free_plan_with_version_one_of_its_entitlements(stage: Stage) -> None:
    events = await said(stage)
    assert [e.type for e in events] == [SubscriptionStarted.TYPE, EntitlementsChanged.TYPE]
    granted = EntitlementsChanged.read(events[1]).entitlements
    assert (granted.version, granted.plan, granted.author_slots, granted.viewer_slots) == (1, "free", 2, 5)
    subscription = await stage.subscription()
    assert (subscription["plan"], subscription["status"], subscription["period_end"]) == ("free", "active", None)
    assert subscription["price"] == {"amount_minor": 0, "currency": "EUR"}
    assert subscription["trial_available"] is True
    assert subscription["entitlements"] == granted.model_dump(mode="json")
    path = f"/internal/entitlements/{stage.ada.org_id}"
    assert (await stage.ask("GET", path, actor=GATEWAY)).ok() == granted.model_dump(mode="json")


async def test_an_organization_that_is_created_twice_has_one_subscription(stage: Stage) -> None:
    before = await stage.subscription()
    await stage.world.hear("org", organization_created(stage.ada, "Again"))
    assert await stage.subscription() == before
    assert len(await said(stage)) == 2


async def test_the_database_refuses_a_second_active_subscription(stage: Stage) -> None:
    database = stage.world.started["billing"].env.database
    async with database.tx(EVERY_ORG, lambda e: e) as tx:
        current = await store.lock_subscription(tx, stage.ada.org())
        assert current is not None
        assert await store.add_subscription(tx, replace(current, id=new_id("sub"))) is False


async def test_anyone_reads_the_plans(stage: Stage) -> None:
    plans = (await stage.ask("GET", "/v1/plans", actor=Actor("anonymous"))).ok()
    assert [plan["plan"] for plan in plans["data"]] == ["free", "pro", "business", "enterprise"]
    pro, enterprise = plans["data"][1], plans["data"][3]
    assert pro["prices"] == {
        "month": {"amount_minor": 24900, "currency": "EUR"},
        "year": {"amount_minor": 249000, "currency": "EUR"},
    }
    assert enterprise["by_contract"] is True
    assert enterprise["prices"] == {"month": None, "year": None}
    assert pro["entitlements"]["viewer_slots"] is None
    assert plans["trial"] == {"plan": "business", "days": 14}


# The trial


async def test_the_trial_gives_business_and_says_so_in_one_transaction(stage: Stage) -> None:
    reply = await stage.ask("POST", "/v1/subscription/trial")
    trial = reply.ok()
    assert reply.status == 201
    assert reply.headers["etag"] == '"2"'
    assert (trial["plan"], trial["status"], trial["trial_available"]) == ("business", "trialing", False)
    length = datetime.fromisoformat(trial["trial_ends_at"]) - datetime.fromisoformat(trial["period_start"])
    assert length.days == 14
    assert trial["next_invoice"] is None
    events = (await said(stage))[2:]
    assert [e.type for e in events] == [TrialStarted.TYPE, PlanChanged.TYPE, EntitlementsChanged.TYPE]
    assert reply.change == events[-1].id
    granted = EntitlementsChanged.read(events[-1])
    assert (granted.entitlements.version, granted.entitlements.custom_groups, granted.previous_plan) == (
        2,
        True,
        "free",
    )
    assert PlanChanged.read(events[1]).entitlements == granted.entitlements


async def test_of_fifty_trials_at_once_exactly_one_starts(stage: Stage) -> None:
    replies = await asyncio.gather(*(stage.ask("POST", "/v1/subscription/trial") for _ in range(50)))
    assert sorted({r.status for r in replies} - {503}) == [201, 409]
    assert [r.status for r in replies].count(201) == 1
    assert {r.code for r in replies if r.status == 409} == {"trial_used"}
    assert len(await stage.world.said("billing", TrialStarted)) == 1


async def test_a_second_trial_is_refused_even_after_the_first_has_ended(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    assert await refused(stage, "POST", "/v1/subscription/trial") == "trial_used"
    await stage.pass_time(days=15)
    assert (await stage.subscription())["plan"] == "free"
    assert await refused(stage, "POST", "/v1/subscription/trial") == "trial_used"


async def test_who_pays_already_gets_no_trial(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    assert await refused(stage, "POST", "/v1/subscription/trial") == "conflict"
    assert (await stage.subscription())["trial_available"] is False


async def test_three_days_before_its_end_the_organization_is_told_by_mail_once(stage: Stage) -> None:
    changed = organization_created(stage.ada, "Northwind").organization.model_copy(
        update={"contact_email": "office@northwind.example", "name": "Northwind GmbH"}
    )
    await stage.world.hear("org", OrganizationChanged(org_id=stage.ada.org(), organization=changed, previous={}))
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    before = len(await said(stage))
    await stage.pass_time(days=10, hours=23)
    assert await types_since(stage, before) == []
    await stage.pass_time(hours=2)
    await stage.pass_time(hours=2)
    assert await types_since(stage, before) == [TrialEnding.TYPE, MailRequested.TYPE]
    mail = MailRequested.read((await said(stage))[-1])
    assert (mail.to, mail.template, mail.values["organization"]) == (
        "office@northwind.example",
        "trial_ending",
        "Northwind GmbH",
    )
    assert (mail.values["plan"], mail.values["next_plan"], mail.link) == ("Business", "Free", None)


async def test_the_trial_ends_by_itself_and_the_entitlements_go_back_under_a_higher_version(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    before = len(await said(stage))
    await stage.pass_time(days=14, minutes=1)
    assert await types_since(stage, before) == [TrialEnded.TYPE, PlanChanged.TYPE, EntitlementsChanged.TYPE]
    events = (await said(stage))[before:]
    assert TrialEnded.read(events[0]).converted is False
    granted = EntitlementsChanged.read(events[2]).entitlements
    assert (granted.version, granted.plan, granted.custom_groups) == (3, "free", False)
    await stage.pass_time(days=300)
    assert len(await said(stage)) == before + 3


async def test_a_change_while_trialing_is_at_once_and_converts_the_trial(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    preview = await stage.preview("business")
    assert (preview["direction"], preview["effective"]) == ("conversion", "now")
    assert preview["money"]["due_now"] == {"amount_minor": 74900, "currency": "EUR"}
    before = len(await said(stage))
    changed = (await stage.change("business")).ok()
    assert (changed["plan"], changed["status"], changed["trial_ends_at"]) == ("business", "active", None)
    assert await types_since(stage, before) == [
        InvoiceIssued.TYPE,
        MailRequested.TYPE,
        TrialEnded.TYPE,
        PlanChanged.TYPE,
        EntitlementsChanged.TYPE,
    ]
    assert TrialEnded.read((await said(stage))[before + 2]).converted is True
    await stage.pass_time(days=20)
    assert (await stage.subscription())["plan"] == "business"


async def test_a_plan_chosen_for_the_end_of_the_trial_begins_then_without_a_mail(stage: Stage) -> None:
    trial = (await stage.ask("POST", "/v1/subscription/trial")).ok()
    changed = (await stage.change("pro", when="period_end")).ok()
    assert changed["scheduled_change"]["effective_at"] == trial["trial_ends_at"]
    assert changed["next_invoice"]["amount"]["amount_minor"] == 24900
    await stage.pass_time(days=12)
    assert await stage.world.said("billing", MailRequested) == []
    await stage.pass_time(days=3)
    now = await stage.subscription()
    assert (now["plan"], now["status"], now["period_start"]) == ("pro", "active", trial["trial_ends_at"])
    assert TrialEnded.read((await stage.world.said("billing", TrialEnded))[0]).converted is True


# Changes


async def test_a_preview_names_what_is_lost_and_the_change_needs_its_fingerprint(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    stage.neighbours.lose_a_group()
    preview = await stage.preview("pro")
    assert preview["target"] == {
        "plan": "pro",
        "plan_name": "Pro",
        "interval": "month",
        "price": {"amount_minor": 24900, "currency": "EUR"},
    }
    assert (preview["direction"], preview["effective"]) == ("downgrade", "now")
    resources = preview["resources"]
    assert [group["name"] for group in resources["groups_suspended"]] == ["Finance"]
    assert (resources["groups_suspended_count"], resources["groups_resumed_count"]) == (1, 0)
    lost = resources["dashboards_losing"][0]
    assert (lost["title"], [p["name"] for p in lost["losing"]], lost["through"]) == (
        "Cash flow",
        ["Vera Holm"],
        ["Finance"],
    )
    assert set(resources) == {
        "groups_suspended",
        "groups_suspended_count",
        "groups_resumed",
        "groups_resumed_count",
        "dashboards_losing",
        "dashboards_losing_count",
        "dashboards_gaining",
        "dashboards_gaining_count",
        "links_suspended",
        "links_suspended_count",
        "links_resumed",
        "links_resumed_count",
        "author_slots",
        "viewer_slots",
        "losing_author_slot",
        "domains_suspended",
        "domains_resumed",
    }
    assert {name for name, _ in stage.neighbours.asked} == {"org", "sharing"}
    assert all(question["entitlements"]["plan"] == "pro" for _, question in stage.neighbours.asked)
    reply = await stage.change("pro", fingerprint=preview["fingerprint"])
    assert (reply.status, reply.ok()["plan"]) == (201, "pro")
    assert reply.change == (await said(stage))[-1].id


@pytest.mark.parametrize("what", ["org state", "sharing state", "what is shown", "subscription", "target", "interval"])
async def test_a_preview_of_another_state_is_refused(stage: Stage, what: str) -> None:
    fingerprint = (await stage.preview("pro"))["fingerprint"]
    plan, interval = "pro", "month"
    if what == "org state":
        stage.neighbours.states["org"] += 1
    elif what == "sharing state":
        stage.neighbours.states["sharing"] += 1
    elif what == "what is shown":
        stage.neighbours.lose_a_group()
    elif what == "subscription":
        (await stage.ask("POST", "/v1/subscription/trial")).ok()
    elif what == "target":
        plan = "business"
    else:
        interval = "year"
    before = len(await said(stage))
    reply = await stage.change(plan, interval, fingerprint=fingerprint)
    assert (reply.status, reply.code) == (409, "fingerprint_mismatch")
    assert len(await said(stage)) == before
    assert (await stage.change(plan, interval)).status == 201


async def test_a_preview_that_a_new_day_made_dearer_or_cheaper_is_refused(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    fingerprint = (await stage.preview("business"))["fingerprint"]
    await stage.pass_time(hours=30)
    assert (await stage.change("business", fingerprint=fingerprint)).code == "fingerprint_mismatch"


async def test_of_fifty_changes_with_one_fingerprint_exactly_one_happens(stage: Stage) -> None:
    fingerprint = (await stage.preview("pro"))["fingerprint"]
    replies = await asyncio.gather(*(stage.change("pro", fingerprint=fingerprint) for _ in range(50)))
    assert [r.status for r in replies].count(201) == 1
    assert {r.code for r in replies if r.status != 201} <= {"fingerprint_mismatch", "conflict", "overloaded"}
    assert len(await stage.world.said("billing", PlanChanged)) == 1
    assert (await stage.subscription())["entitlements"]["version"] == 2


async def test_the_same_key_changes_the_plan_once_and_answers_the_same(stage: Stage) -> None:
    body = {"plan": "pro", "interval": "month", "fingerprint": (await stage.preview("pro"))["fingerprint"]}
    first = await stage.ask("POST", "/v1/subscription/changes", body, Idempotency_Key="once")
    again = await stage.ask("POST", "/v1/subscription/changes", body, Idempotency_Key="once")
    assert first.body == again.body
    assert again.headers["idempotency-replayed"] == "true"
    assert (await stage.ask("POST", "/v1/subscription/changes", body)).code == "idempotency_key_required"


async def test_a_plan_that_flaps_a_hundred_times_converges_and_its_versions_only_grow(stage: Stage) -> None:
    for turn in range(100):
        (await stage.change("business" if turn % 2 == 0 else "pro", when="now")).ok()
    versions = [
        EntitlementsChanged.read(e).entitlements.version
        for e in await said(stage)
        if e.type == EntitlementsChanged.TYPE
    ]
    assert versions == list(range(1, 102))
    subscriptions = [PlanChanged.read(e).subscription.version for e in await said(stage) if e.type == PlanChanged.TYPE]
    assert subscriptions == sorted(set(subscriptions))
    now = await stage.subscription()
    assert (now["plan"], now["entitlements"]["plan"], now["entitlements"]["version"]) == ("pro", "pro", 101)
    assert now["credit"]["amount_minor"] < 74900


async def test_an_upgrade_in_the_middle_of_a_period_costs_the_difference_for_the_days_left(stage: Stage) -> None:
    before = (await stage.change("pro")).ok()
    await stage.pass_time(days=10, hours=1)
    preview = await stage.preview("business")
    assert (preview["direction"], preview["effective"]) == ("upgrade", "now")
    credit, charge = preview["money"]["lines"]
    days = (datetime.fromisoformat(before["period_end"]) - datetime.fromisoformat(before["period_start"])).days
    assert (credit["kind"], credit["days"], credit["of_days"]) == ("unused", days - 11, days)
    assert (
        preview["money"]["due_now"]["amount_minor"]
        == charge["amount"]["amount_minor"] + credit["amount"]["amount_minor"]
    )
    after = (await stage.change("business")).ok()
    assert (after["period_start"], after["period_end"]) == (before["period_start"], before["period_end"])
    assert after["price"]["amount_minor"] == 74900


async def test_a_downgrade_of_a_paid_period_waits_for_its_end(stage: Stage) -> None:
    business = (await stage.change("business")).ok()
    preview = await stage.preview("pro")
    assert (preview["effective"], preview["effective_at"]) == ("period_end", business["period_end"])
    assert preview["money"]["due_now"]["amount_minor"] == 0
    before = len(await said(stage))
    scheduled = (await stage.change("pro")).ok()
    assert scheduled["plan"] == "business"
    assert scheduled["scheduled_change"] == {
        "plan": "pro",
        "plan_name": "Pro",
        "interval": "month",
        "effective_at": business["period_end"],
    }
    assert await types_since(stage, before) == [ChangeScheduled.TYPE]
    await stage.pay()
    before += 1
    await stage.pass_time(days=27)
    assert (await stage.subscription())["plan"] == "business"
    await stage.pass_time(days=5)
    now = await stage.subscription()
    assert (now["plan"], now["scheduled_change"], now["period_start"]) == ("pro", None, business["period_end"])
    assert await types_since(stage, before + 1) == [
        InvoiceIssued.TYPE,
        MailRequested.TYPE,
        PlanChanged.TYPE,
        EntitlementsChanged.TYPE,
    ]


async def test_a_scheduled_change_can_be_cancelled(stage: Stage) -> None:
    (await stage.change("business")).ok()
    await stage.pay()
    (await stage.change("free")).ok()
    before = len(await said(stage))
    assert (await stage.ask("DELETE", "/v1/subscription/changes/scheduled")).status == 204
    assert await types_since(stage, before) == [ChangeCancelled.TYPE]
    again = await stage.ask("DELETE", "/v1/subscription/changes/scheduled")
    assert (again.status, again.code) == (404, "not_found")
    await stage.pass_time(days=32)
    assert (await stage.subscription())["plan"] == "business"
    assert await types_since(stage, before + 1) == [InvoiceIssued.TYPE, MailRequested.TYPE, SubscriptionRenewed.TYPE]


async def test_what_is_due_already_can_not_be_cancelled_any_more(stage: Stage) -> None:
    (await stage.change("business")).ok()
    (await stage.change("free")).ok()
    stage.world.clock.advance(timedelta(days=32))
    assert (await stage.ask("DELETE", "/v1/subscription/changes/scheduled")).code == "not_found"
    await stage.pass_time()
    assert (await stage.subscription())["plan"] == "free"


async def test_an_organization_whose_time_can_not_be_kept_holds_up_no_other(stage: Stage) -> None:
    other = await stage.found()
    for actor in (stage.ada, other):
        (await stage.ask("POST", "/v1/subscription/trial", actor=actor)).ok()
    async with stage.world.started["billing"].env.database.tx(EVERY_ORG, lambda e: e) as tx:
        await tx.run(
            "update subscriptions set next_plan = 'gone', next_interval = 'month' where org_id = $1", stage.ada.org_id
        )
    await stage.pass_time(days=15)
    assert (await stage.subscription(other))["plan"] == "free"


async def test_an_upgrade_drops_what_was_scheduled_and_says_so(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    (await stage.change("free")).ok()
    before = len(await said(stage))
    assert (await stage.change("business")).ok()["scheduled_change"] is None
    assert await types_since(stage, before) == [
        ChangeCancelled.TYPE,
        InvoiceIssued.TYPE,
        MailRequested.TYPE,
        PlanChanged.TYPE,
        EntitlementsChanged.TYPE,
    ]


async def test_a_downgrade_now_keeps_the_unused_time_as_credit_that_pays_the_next_invoices(stage: Stage) -> None:
    (await stage.change("business", "year")).ok()
    preview = await stage.preview("pro", "month", when="now")
    money = preview["money"]
    assert money["due_now"]["amount_minor"] == 0
    total = sum(line["amount"]["amount_minor"] for line in money["lines"])
    assert money["credit"]["amount_minor"] == -total
    assert money["next_invoice"]["amount"]["amount_minor"] == 0
    credit = (await stage.change("pro", "month", when="now")).ok()["credit"]["amount_minor"]
    await stage.pass_time(days=32)
    renewed = await stage.subscription()
    assert renewed["credit"]["amount_minor"] == credit - 24900


async def test_after_a_long_sleep_every_period_that_passed_is_made_up_for(stage: Stage) -> None:
    first = (await stage.change("pro")).ok()
    await stage.pass_time(days=190)
    renewals = await stage.world.said("billing", SubscriptionRenewed)
    assert len(renewals) == 6
    starts = [SubscriptionRenewed.read(e).subscription.period_start for e in renewals]
    ends = [SubscriptionRenewed.read(e).subscription.period_end for e in renewals]
    assert starts == [datetime.fromisoformat(first["period_end"]), *ends[:-1]]


# Refusals


async def test_what_cannot_be_chosen_is_refused_and_changes_nothing(stage: Stage) -> None:
    path = "/v1/subscription/change-previews"
    before = len(await said(stage))
    assert await refused(stage, "POST", path, {"plan": "free"}) == "conflict"
    assert await refused(stage, "POST", path, {"plan": "enterprise"}) == "by_contract"
    assert await refused(stage, "POST", path, {"plan": "pro", "when": "period_end"}) == "conflict"
    for body, pointer in (
        ({"plan": "platinum"}, "/plan"),
        ({"plan": "pro", "interval": "week"}, "/interval"),
        ({}, "/plan"),
        ({"plan": "pro", "price": 1}, "/price"),
        ({"plan": 7}, "/plan"),
    ):
        reply = await stage.ask("POST", path, body)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)
    assert len(await said(stage)) == before


@pytest.mark.parametrize("who", ["org", "sharing"])
@pytest.mark.parametrize("trouble", ["unavailable", "internal", "not_found", "hangs"])
async def test_while_a_neighbour_is_away_there_is_no_preview_and_no_change(
    stage: Stage, who: str, trouble: str
) -> None:
    fingerprint = (await stage.preview("pro"))["fingerprint"]
    stage.neighbours.trouble[who] = trouble
    preview = await stage.ask("POST", "/v1/subscription/change-previews", {"plan": "pro"})
    assert (preview.status, preview.code) == (503, "unavailable")
    assert "retry-after" in preview.headers
    if trouble != "hangs":
        assert (await stage.change("pro", fingerprint=fingerprint)).status == 503
    stage.neighbours.hung.set()
    stage.neighbours.trouble.clear()
    assert (await stage.subscription())["plan"] == "free"
    assert (await stage.change("pro", fingerprint=fingerprint)).status == 201


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_only_admins_see_and_change_the_subscription(stage: Stage, role: Any) -> None:
    other = replace(stage.ada, role=role)
    for method, path in (
        ("GET", "/v1/subscription"),
        ("POST", "/v1/subscription/trial"),
        ("POST", "/v1/subscription/change-previews"),
        ("POST", "/v1/subscription/changes"),
        ("DELETE", "/v1/subscription/changes/scheduled"),
    ):
        assert (await stage.ask(method, path, actor=other)).code == "forbidden"
        assert (await stage.ask(method, path, actor=Actor("anonymous"))).code == "unauthenticated"
    assert (await stage.ask("GET", f"/internal/entitlements/{stage.ada.org_id}")).code == "not_found"


async def test_organizations_know_nothing_of_each_other(stage: Stage) -> None:
    eve = await stage.found("Evil Inc")
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    assert (await stage.subscription(eve))["plan"] == "free"
    assert (await stage.ask("POST", "/v1/subscription/trial", actor=eve)).status == 201


async def test_what_billing_has_not_heard_of_yet_is_not_there_yet(stage: Stage) -> None:
    newcomer = an_admin()
    reply = await stage.ask("GET", "/v1/subscription", actor=newcomer)
    assert (reply.status, reply.code) == (503, "not_yet_consistent")
    assert (await stage.ask("GET", f"/internal/entitlements/{newcomer.org_id}", actor=GATEWAY)).code == "not_found"


async def test_a_stale_etag_is_refused(stage: Stage) -> None:
    reply = await stage.ask("GET", "/v1/subscription")
    (await stage.change("pro")).ok()
    late = await stage.ask("POST", "/v1/subscription/trial", If_Match=reply.headers["etag"])
    assert (late.status, late.code, late.json["meta"]["current_version"]) == (412, "precondition_failed", 2)


async def test_capabilities_give_the_reason(stage: Stage) -> None:
    async def capabilities(actor: Actor | None = None) -> dict[str, Any]:
        answer = (await stage.ask("GET", "/internal/capabilities", actor=actor)).ok()
        return {one["action"]: one["because"] for one in answer["capabilities"]}

    free = await capabilities()
    assert "bank transfer" in free.pop("payment_method.manage")["detail"]
    assert free == {"billing.manage": None, "trial.start": None, "plan.change": None}
    viewer = await capabilities(replace(stage.ada, role="viewer"))
    assert {because["kind"] for because in viewer.values()} == {"role"}
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    assert (await capabilities())["trial.start"]["kind"] == "state"


async def test_everything_that_billing_says_is_in_its_table_of_contents(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    known = {event.TYPE for event in PUBLISHED} | {MailRequested.TYPE}
    assert {e.type for e in await said(stage)} <= known


async def test_the_database_itself_hides_other_organizations(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    until = (stage.world.clock.now() + timedelta(days=1)).isoformat()
    agreed = {"entitlement": "scim", "value": True, "until": until, "reason": "Pilot", "by": "olga"}
    (await stage.ask("PUT", f"/internal/overrides/{stage.ada.org_id}", agreed, actor=GATEWAY)).ok()
    database = stage.world.started["billing"].env.database
    (await stage.change("pro")).ok()
    details = {"company": "N", "address": ["1 Road"], "country": "DE", "email": "a@northwind.example"}
    (await stage.ask("PUT", "/v1/billing-details", details, If_Match="*")).ok()
    number = (await stage.ask("GET", "/v1/invoices")).ok()["data"][0]["number"]
    payment = {"number": number, "reference": "bank", "by": "olga"}
    (await stage.ask("POST", "/internal/payments", payment, actor=GATEWAY)).ok()
    await stage.world.hear("org", sample(MemberJoined, org_id=stage.ada.org(), member={"status": "active"}))
    tables = ("organizations", "subscriptions", "entitlements", "trials", "overrides")
    for table in (*tables, "invoices", "payments", "billing_details", "slot_spans"):
        for scope, visible in ((stage.ada.org(), True), (new_id("org"), False), ("", False)):
            async with database.read(scope) as read:
                assert bool(await read.value(f"select count(*) from {table}")) is visible, (table, scope)
