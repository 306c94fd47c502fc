"""Test organizations: their time goes ahead when an operator says so, everybody else's doesn't, and each thing happens on its day."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.launcher import PRODUCT
from shared.events import billing as told
from shared.events.courier import MailRequested
from tests.billing.conftest import OPERATOR, Stage
from tests.system.commands import Said, announce, tenantry


async def a_test_organization(stage: Stage) -> Any:
    body = {"org_id": stage.ada.org_id, "by": "olga"}
    return (await stage.ask("POST", "/internal/test-clocks", body, actor=OPERATOR)).ok()


async def advance(stage: Stage, **how_much: float) -> Any:
    seconds = int(timedelta(**how_much).total_seconds())
    body = {"org_id": stage.ada.org_id, "seconds": seconds, "by": "olga"}
    return (await stage.ask("POST", "/internal/test-clocks/advances", body, actor=OPERATOR)).ok()


async def to_the_20th_of_june(stage: Stage) -> datetime:
    """From there months of 31 days follow: whether an invoice is overdue before the next one is issued depends on their length."""
    now = stage.world.clock.now()
    start = now.replace(month=6, day=20)
    if start <= now:
        start = start.replace(year=now.year + 1)
    await advance(stage, seconds=(start - now).total_seconds())
    return start


async def types(stage: Stage, since: int = 0) -> list[str]:
    mine = [one for one in await stage.world.said("billing") if one.org_id == stage.ada.org_id]
    names = []
    for one in mine[since:]:
        mail = MailRequested.read(one).template if one.type == MailRequested.TYPE else ""
        names.append(mail or one.type.removeprefix("billing.").removesuffix(".v1"))
    return names


async def test_a_life_from_trial_to_lapse_takes_a_moment_and_leaves_everybody_else_alone(stage: Stage) -> None:
    other = await stage.found("Contoso")
    (await stage.ask("POST", "/v1/subscription/trial", actor=other)).ok()
    real = stage.world.clock.now()
    await a_test_organization(stage)
    start = await to_the_20th_of_june(stage)
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    began = len(await types(stage))
    await advance(stage, days=12)
    assert await types(stage, began) == ["trial.ending", "trial_ending", "test_clock.advanced"]
    (await stage.change("pro")).ok()
    assert (await stage.ask("GET", "/v1/invoices")).ok()["data"][0]["number"] == "TEST-TN-000001"
    began = len(await types(stage))
    now = await advance(stage, days=80)
    assert (now["plan"], now["status"]) == ("free", "active")
    assert await types(stage, began) == [
        "subscription.past_due",
        "invoice_overdue",
        "invoice.issued",
        "invoice_issued",
        "subscription.renewed",
        "invoice_overdue",
        "subscription.lapsed",
        "subscription.plan_changed",
        "entitlements.changed",
        "plan_lapsed",
        "test_clock.advanced",
    ]
    said = [one for one in await stage.world.said("billing") if one.type == told.SubscriptionPastDue.TYPE]
    past_due = told.SubscriptionPastDue.read(said[0])
    assert abs((past_due.grace_ends_at - start) - timedelta(days=12 + 30 + 14)) <= timedelta(days=1)
    assert abs(said[0].time - real) < timedelta(hours=1)  # an event says when it was said
    view = await stage.subscription()
    assert abs(datetime.fromisoformat(view["test_clock"]) - start - timedelta(days=92)) < timedelta(hours=1)
    assert (await stage.subscription(other))["status"] == "trialing"
    assert (await stage.subscription(other))["test_clock"] is None
    stage.ada = other
    (await stage.change("pro")).ok()
    assert (await stage.ask("GET", "/v1/invoices")).ok()["data"][0]["number"] == "TN-000001"


async def test_time_goes_on_from_where_it_was_moved_to(stage: Stage) -> None:
    await a_test_organization(stage)
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    await advance(stage, days=10)
    await stage.pass_time(days=3)
    assert (await stage.subscription())["status"] == "trialing"
    await stage.pass_time(days=1, minutes=1)
    assert (await stage.subscription())["plan"] == "free"


async def test_periods_end_on_the_same_day_or_on_the_months_last(stage: Stage) -> None:
    """Into a leap year: the 31st of January, the 29th of February, the 31st of March."""
    start, months = "2027-12-31", 3
    await a_test_organization(stage)
    ahead = datetime.fromisoformat(f"{start}T12:00:00+00:00") - stage.world.clock.now()
    while ahead > timedelta(seconds=1):
        step = min(ahead, timedelta(days=400))
        await advance(stage, seconds=step.total_seconds())
        ahead -= step
    (await stage.change("pro")).ok()
    await stage.pay()
    anchor = datetime.fromisoformat((await stage.subscription())["period_start"])
    ends = []
    for _ in range(months):
        end = datetime.fromisoformat((await stage.subscription())["period_end"])
        ends.append(end)
        now = datetime.fromisoformat((await stage.subscription())["test_clock"])
        await advance(stage, seconds=int((end - now).total_seconds()) + 60)
        await stage.pay()
    for end in ends:
        assert end.day == anchor.day or (end.day < anchor.day and (end + timedelta(days=1)).day == 1)
    assert len({(end.year, end.month) for end in ends}) == months


async def test_only_who_has_no_invoice_becomes_a_test_organization_and_only_those_are_moved(stage: Stage) -> None:
    body = {"org_id": stage.ada.org_id, "seconds": 60, "by": "olga"}
    assert (await stage.ask("POST", "/internal/test-clocks/advances", body, actor=OPERATOR)).status == 404
    (await stage.change("pro")).ok()
    refused = await stage.ask(
        "POST", "/internal/test-clocks", {"org_id": stage.ada.org_id, "by": "olga"}, actor=OPERATOR
    )
    assert (refused.status, refused.code) == (409, "conflict")
    assert (await stage.ask("POST", "/internal/test-clocks", {"org_id": stage.ada.org_id, "by": "ada"})).status == 404


async def test_an_operator_moves_them_from_the_command_line(stage: Stage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    announce(data, urls=dict(stage.world.settings.urls))
    stage.world.settings.secrets.save(data / "secrets.json")

    async def clock(*arguments: str) -> Said:
        return await tenantry(PRODUCT, "clock", *arguments, "--data", str(data))

    said = await clock("advance", "30d")
    assert (said.code, "no test organization" in said.output) == (1, True)
    assert (await clock("start", stage.ada.org())).code == 0
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    assert " trialing" in (await clock("list")).output
    assert " free " in (await clock("advance", "30d")).output
    assert "isn't a time" in (await clock("advance", "soon")).output
