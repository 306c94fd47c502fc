"""What a preview says is what then happens, to people and to money: on organizations that were made at random.

`TENANTRY_TEST_ORGANIZATIONS=1000` makes more of them than a usual run has time for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.billing import rules
from services.billing.app import service as billing
from services.billing.rules.invoices import lines_of_change, lines_of_period, net_of
from services.sharing.app import service as sharing
from shared.service import Service
from tests.billing.conftest import OPERATOR, Stage, without_jobs
from tests.billing.neighbours import NO_TABLES, Neighbours
from tests.billing.test_money import free, moments, paid_plans, subscribed
from tests.sharing.company import Company
from tests.world import Databases, world_of

AT_A_TIME = 25
BATCHES = max(1, int(os.environ.get("TENANTRY_TEST_ORGANIZATIONS", "25")) // AT_A_TIME)
AT_ONCE = 4
SLOTS = {"free": 2, "pro": 5, "business": 20}


@settings(max_examples=1000, deadline=None)
@given(moments, paid_plans, paid_plans, st.integers(0, 10**7), st.floats(0, 0.999), st.sampled_from(["now", "period_end", None]))  # fmt: skip
def test_the_money_of_a_preview_is_the_money_of_the_invoices(
    now: Any, old: rules.Terms, new: rules.Terms, credit: int, passed: float, when: rules.Effective | None
) -> None:
    """This invoice and the next one, at whatever point of whatever period, in months of 28 to 31 days and leap years."""
    subscription = subscribed(old, now, credit)
    assert subscription.period_end is not None
    later = now + (subscription.period_end - now) * passed
    assume((old.order, old.interval) != (new.order, new.interval))
    change = rules.plan_change(later, subscription, old, new, when)
    if change.effective == "now":
        assert net_of(lines_of_change(change.lines, change.credit)) == change.due_now
    next_terms = replace(new, price=new.price)
    renewed = rules.step_to(change.after, next_terms)
    assert renewed.plan == new.plan
    assert renewed.interval == new.interval
    assert change.after.period_end == change.next_invoice_at
    assert net_of(lines_of_period(change.after, renewed, next_terms)) == change.next_invoice
    to_free = rules.plan_change(later, subscription, old, replace(free, order=-1), when)
    gone = rules.step_to(to_free.after, free) if to_free.after.period_end else to_free.after
    assert (gone.plan, gone.price, to_free.next_invoice) == ("free", 0, None)


@dataclass
class Generated:
    """An organization, what it is on and what it will change to."""

    company: Company
    stage: Stage
    chance: Random
    plan: str
    wanted: dict[str, Any]
    boards: list[str]
    preview: Any = None
    before: tuple[set[Any], set[str]] = (set(), set())

    async def seen(self) -> tuple[set[tuple[str, str]], set[str]]:
        """Who sees which dashboard, and which links are suspended."""
        pairs = [(name, board) for name in self.company.people for board in self.boards]
        asked = [{"user_id": self.company.id_of(name), "dashboard_id": board} for name, board in pairs]
        decided = await self.company.decisions(asked)
        links = (await self.company.ask("ana", "GET", "/v1/links?limit=200")).ok()["data"]
        suspended = {one["id"] for one in links if one["state"] == "suspended"}
        return {pair for pair, yes in zip(pairs, decided, strict=True) if yes}, suspended

    async def follow_slots(self, plan: str) -> None:
        """What org does then: Admins keep their slots, then Analysts in the order they joined."""
        authors = [n for n in self.company.people if self.company.people[n].role in ("admin", "analyst")]
        authors.sort(key=lambda name: self.company.people[name].role != "admin")
        for place, name in enumerate(authors):
            has = self.company.people[name].effective_role == self.company.people[name].role
            if has != (place < SLOTS[plan]):
                await (self.company.suspend_slot if has else self.company.resume_slot)(name)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return await self.stage.ask(method, path, body, self.company.actor("ana"), **headers)

    async def confirm(self, fingerprint: str) -> Any:
        body = {**self.wanted, "fingerprint": fingerprint}
        return await self.ask("POST", "/v1/subscription/changes", body, Idempotency_Key=os.urandom(8).hex())

    async def buy(self, plan: str, interval: str) -> None:
        self.wanted, meant = {"plan": plan, "interval": interval}, self.wanted
        seen = (await self.ask("POST", "/v1/subscription/change-previews", self.wanted)).ok()
        (await self.confirm(seen["fingerprint"])).ok()
        self.wanted = meant


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[Stage]:
    neighbours = Neighbours()
    (org,) = [one for one in neighbours.services() if one.name == "org"]
    audit = Service(name="audit", migrations=NO_TABLES, sources=("sharing",))
    async with world_of([without_jobs(billing), sharing, org, audit], databases, tmp_path) as world:
        yield Stage(world, neighbours, OPERATOR)


async def generate(stage: Stage, seed: int) -> Generated:
    chance = Random(seed)
    company = await Company(stage.world).found(None)
    names = ["ben", "cyd", "dan", "eve", "fay"][: chance.randint(1, 5)]
    roles: dict[str, Any] = {name: chance.choice(["admin", "analyst", "analyst", "viewer"]) for name in names}
    await company.join(**roles)
    for name in ("Sales", "Board")[: chance.randint(0, 2)]:
        await company.group(name, *chance.sample(names, chance.randint(0, len(names))))
    start, target = chance.choice([("pro", "business"), ("business", "pro"), ("business", "free"), ("pro", "free"), ("free", "pro"), ("free", "business")])  # fmt: skip
    wanted: dict[str, Any] = {"plan": target, "interval": chance.choice(["month", "year"])}
    if chance.random() < 0.7:
        wanted["when"] = "now"
    return Generated(company, stage, chance, start, wanted, [f"b{n}" for n in range(chance.randint(1, 3))])


async def set_up(one: Generated) -> None:
    """Everything is set up on Business, so that there is something to lose or to get back; then the plan it begins with."""
    await one.buy("business", "month")


async def share(one: Generated) -> None:
    groups = ["All Users", "All Analysts", *[name for name in one.company.groups if name in ("Sales", "Board")]]
    for board in one.boards:
        await one.company.register("ana", board)
        if chosen := one.chance.sample(groups, one.chance.randint(0, len(groups))):
            (await one.company.share("ana", board, "groups", *chosen)).ok()
        for number in range(one.chance.randint(0, 2)):
            body = {"name": f"L{number}", "requires_secret": True, "allow_parameters": one.chance.random() < 0.5}
            (await one.company.ask("ana", "POST", f"/v1/dashboards/{board}/links", body)).ok()
    if one.plan != "business":
        one.wanted, meant = {"plan": one.plan, "when": "now"}, one.wanted
        seen = (await one.ask("POST", "/v1/subscription/change-previews", one.wanted)).ok()
        (await one.confirm(seen["fingerprint"])).ok()
        one.wanted = meant
    await one.follow_slots(one.plan)


async def look(one: Generated) -> None:
    one.before = await one.seen()
    one.preview = (await one.ask("POST", "/v1/subscription/change-previews", one.wanted)).ok()


async def change(one: Generated) -> None:
    """Now and then something else has changed since the preview: then nothing happens, and the next look is the one that counts."""
    if one.chance.random() < 0.2:
        await one.company.register("ana", "new-board")
        refused = await one.confirm(one.preview["fingerprint"])
        assert (refused.status, refused.code) == (409, "fingerprint_mismatch")
        one.preview = (await one.ask("POST", "/v1/subscription/change-previews", one.wanted)).ok()
    (await one.confirm(one.preview["fingerprint"])).ok()
    if one.preview["effective"] == "now":
        await one.follow_slots(one.wanted["plan"])


async def compare_money(one: Generated) -> None:
    money, now = one.preview["money"], (await one.ask("GET", "/v1/subscription")).ok()
    invoices = (await one.ask("GET", "/v1/invoices")).ok()["data"]
    if one.preview["effective"] == "now" and money["lines"]:
        newest = invoices[0]
        assert (newest["net"], newest["tax"], newest["total"]) == (money["due_now"], money["tax"], money["total_now"])
        assert now["credit"] == money["credit"]
    assert (now["next_invoice"] is None) == (money["next_invoice"] is None)
    if money["next_invoice"] is not None:
        assert now["next_invoice"]["amount"] == money["next_invoice"]["amount"]
        at, foreseen = (datetime.fromisoformat(one["next_invoice"]["at"]) for one in (now, money))
        assert timedelta() <= at - foreseen < timedelta(minutes=10)  # a new period begins when it is confirmed


async def compare_resources(one: Generated) -> None:
    (saw, rested), (sees, rests) = one.before, await one.seen()
    foreseen = one.preview["resources"]
    by_id = {member.user_id: name for name, member in one.company.people.items()}

    def pairs(kind: str, who: str) -> set[tuple[str, str]]:
        return {(by_id[person["user_id"]], board["dashboard_id"]) for board in foreseen[kind] for person in board[who]}

    assert pairs("dashboards_losing", "losing") == saw - sees
    assert pairs("dashboards_gaining", "gaining") == sees - saw
    assert {link["link_id"] for link in foreseen["links_suspended"]} == rests - rested
    assert {link["link_id"] for link in foreseen["links_resumed"]} == rested - rests


async def all_of(stage: Stage, works: Iterable[Awaitable[None]]) -> None:
    few = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[None]) -> None:
        async with few:
            await work

    await asyncio.gather(*(one(work) for work in works))
    await stage.world.settle()


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_what_a_preview_says_of_people_links_and_money_is_what_happens(stage: Stage, batch: int) -> None:
    made = [await generate(stage, batch * AT_A_TIME + number) for number in range(AT_A_TIME)]
    await stage.world.settle()
    await all_of(stage, map(set_up, made))
    await all_of(stage, map(share, made))
    stage.world.clock.advance(timedelta(days=9, hours=7))
    await all_of(stage, map(look, made))
    await all_of(stage, map(change, made))
    await all_of(stage, map(compare_money, made))
    waiting = [one for one in made if one.preview["effective"] == "period_end"]
    await all_of(stage, map(compare_resources, [one for one in made if one not in waiting]))
    assert waiting
    stage.ada = waiting[0].company.actor("ana")
    await stage.pass_time(days=23)
    await all_of(stage, (one.follow_slots(one.wanted["plan"]) for one in waiting))
    await all_of(stage, map(compare_resources, waiting))
    await all_of(stage, map(compare_next_invoice, waiting))


async def compare_next_invoice(one: Generated) -> None:
    due = one.preview["money"]["next_invoice"]
    newest = (await one.ask("GET", "/v1/invoices")).ok()["data"][0]
    assert (await one.ask("GET", "/v1/subscription")).ok()["plan"] == one.wanted["plan"]
    if due is not None:
        assert newest["net"] == due["amount"]
