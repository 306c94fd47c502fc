"""Past due: told at once, reminded once, back on the free plan after a time of grace; and everything as before once it is paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.events import Envelope
from shared.events.billing import (
    EntitlementsChanged,
    PlanChanged,
    SubscriptionLapsed,
    SubscriptionPastDue,
    SubscriptionRecovered,
)
from shared.events.courier import MailRequested
from tests.billing.conftest import OPERATOR, Stage


async def said_since(stage: Stage, count: int) -> list[Envelope]:
    return (await stage.world.said("billing"))[count:]


async def heard_so_far(stage: Stage) -> int:
    return len(await stage.world.said("billing"))


async def owing(stage: Stage) -> Any:
    """A year of Pro that wasn't paid by its day."""
    (await stage.change("pro", "year")).ok()
    await stage.pass_time(days=29)
    assert (await stage.subscription())["status"] == "active"
    await stage.pass_time(days=1, seconds=1)
    return await stage.subscription()


async def test_an_overdue_invoice_is_told_once_and_the_plan_stays(stage: Stage) -> None:
    before = await heard_so_far(stage)
    now = await owing(stage)
    assert (now["status"], now["plan"], now["entitlements"]["plan"]) == ("past_due", "pro", "pro")
    told, mail = (await said_since(stage, before))[-2:]
    assert SubscriptionPastDue.read(told).invoices == ["TN-000001"]
    assert SubscriptionPastDue.read(told).grace_ends_at.isoformat().replace("+00:00", "Z") == now["grace_ends_at"]
    asked = MailRequested.read(mail)
    assert (asked.template, asked.to) == ("invoice_overdue", "ada@northwind.example")
    assert (asked.values["amount"], asked.values["plan"], asked.values["next_plan"]) == ("2963.10 EUR", "Pro", "Free")
    count = await heard_so_far(stage)
    await stage.pass_time(days=1)
    assert await heard_so_far(stage) == count


async def test_in_the_middle_of_the_grace_there_is_one_reminder_and_at_its_end_the_free_plan(stage: Stage) -> None:
    await owing(stage)
    before = await heard_so_far(stage)
    await stage.pass_time(days=7)
    await stage.pass_time(days=6, hours=23)
    assert [one.type for one in await said_since(stage, before)] == [MailRequested.TYPE]
    assert (await stage.subscription())["plan"] == "pro"
    before = await heard_so_far(stage)
    await stage.pass_time(hours=2)
    lapsed, changed, granted, mail = await said_since(stage, before)
    assert SubscriptionLapsed.read(lapsed).invoices == ["TN-000001"]
    assert (PlanChanged.read(changed).previous_plan, EntitlementsChanged.read(granted).entitlements.plan) == (
        "pro",
        "free",
    )
    assert MailRequested.read(mail).template == "plan_lapsed"
    now = await stage.subscription()
    assert (now["plan"], now["status"], now["past_due_since"], now["period_end"]) == ("free", "active", None, None)
    assert (await stage.ask("GET", "/v1/invoices")).ok()["data"][0]["status"] == "overdue"
    before = await heard_so_far(stage)
    await stage.pass_time(days=90)
    assert await heard_so_far(stage) == before


@pytest.mark.parametrize("how", ["payments", "credit-notes"])
async def test_once_nothing_is_overdue_everything_goes_on(stage: Stage, how: str) -> None:
    held = (await stage.subscription())["entitlements"]
    await owing(stage)
    body = {"number": "TN-000001", "by": "olga"} | ({"reference": "bank"} if how == "payments" else {"reason": "Sorry"})
    (await stage.ask("POST", f"/internal/{how}", body, actor=OPERATOR)).ok()
    assert (await stage.world.said("billing"))[-1].type == SubscriptionRecovered.TYPE
    now = await stage.subscription()
    assert (now["status"], now["plan"], now["past_due_since"], now["grace_ends_at"]) == ("active", "pro", None, None)
    assert now["entitlements"] != held
    count = await heard_so_far(stage)
    await stage.pass_time(days=60)
    assert await heard_so_far(stage) == count


async def test_who_owes_may_go_down_but_not_up(stage: Stage) -> None:
    await owing(stage)
    reply = await stage.ask("POST", "/v1/subscription/change-previews", {"plan": "business", "interval": "year"})
    assert (reply.status, reply.code) == (409, "conflict")
    assert "TN-000001" in reply.json["detail"]
    scheduled = (await stage.change("free")).ok()
    assert scheduled["scheduled_change"]["plan"] == "free"
    assert (await stage.ask("DELETE", "/v1/subscription/changes/scheduled")).status == 204
    now = (await stage.change("pro", "month", when="now")).ok()
    assert now["status"] == "past_due"
    assert (await stage.change("free", when="now")).ok()["status"] == "active"


async def test_the_grace_begins_when_it_is_told_however_late_that_is(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    await stage.pass_time(days=190)
    now = await stage.subscription()
    assert (now["status"], now["plan"]) == ("past_due", "pro")
    told = SubscriptionPastDue.read((await stage.world.said("billing", SubscriptionPastDue))[0])
    assert told.grace_ends_at - datetime.fromisoformat(now["past_due_since"]) == timedelta(days=14)
    assert told.invoices == ["TN-000001"]
    await stage.pass_time(days=14, seconds=1)
    assert (await stage.subscription())["plan"] == "free"


async def test_a_second_look_at_the_same_moment_says_nothing_more(stage: Stage) -> None:
    await owing(stage)
    count = await heard_so_far(stage)
    for _ in range(3):
        await stage.pass_time()
    assert await heard_so_far(stage) == count
