"""What a preview says is what then happens, when every service is the real one: organizations made at random, by what anybody can ask for.

`TENANTRY_TEST_REAL_ORGANIZATIONS=50` makes more of them than a usual run has time for; a thousand with stand-ins are in tests/billing/test_previews.py.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg

from shared.cli.demo.api import Person, sign_up, until
from tests.system.days.acting import Acting
from tests.system.whole import WholeProduct

ORGANIZATIONS = int(os.environ.get("TENANTRY_TEST_REAL_ORGANIZATIONS", "4"))
AT_ONCE = 1
OPEN = "select (select count(*) from outbox where published_at is null) + (select count(*) from inbox where state = 'waiting')"


@dataclass
class Seen:
    """Who sees which dashboard, who acts as an author, which groups and links rest."""

    pairs: set[tuple[str, str]]
    authors: set[str]
    groups: set[str]
    links: set[str]


@dataclass
class Company:
    """An organization with people, groups, dashboards and links, on Business."""

    me: Acting
    chance: Random
    people: list[Person] = field(default_factory=list)
    boards: list[str] = field(default_factory=list)

    async def seen(self) -> Seen:
        pairs = [(person.user_id, board) for person in self.people for board in self.boards]
        asked = [
            {
                "subject": {"type": "user", "id": user_id},
                "action": {"name": "dashboard.view"},
                "resource": {"type": "dashboard", "id": board},
            }
            for user_id, board in pairs
        ]
        answers = (await self.me.do("POST", "/access/v1/evaluations", {"evaluations": asked}))["evaluations"]
        users = (await self.me.sees("/v1/users"))["data"]
        groups = (await self.me.sees("/v1/groups"))["data"]
        links = (await self.me.sees("/v1/links"))["data"]
        return Seen(
            {pair for pair, answer in zip(pairs, answers, strict=True) if answer["decision"]},
            {one["id"] for one in users if one["effective_role"] in ("admin", "analyst")},
            {one["id"] for one in groups if one["suspended"] is not None},
            {one["id"] for one in links if one["state"] == "suspended"},
        )


async def made(product: WholeProduct, number: int) -> Company:
    chance, domain = Random(number), f"preview-{secrets.token_hex(4)}.example"
    boss = await sign_up(product.gateway, f"boss@{domain}", "Bo Boss", "Northwind")
    company = Company(Acting(product, boss), chance, [boss])
    await company.me.do("POST", "/v1/subscription/trial")
    await bought(company.me, "business")
    for name in ("ben", "cyd", "dan", "eve")[: chance.randint(2, 4)]:
        role = chance.choice(["analyst", "analyst", "viewer", "admin"])
        invited = {"email": f"{name}@{domain}", "role": role, "group_ids": []}
        await company.me.do("POST", "/v1/invitations", invited)
        person = Person(product.gateway, f"{name}@{domain}", name.title())
        await person.accept(await product.gateway.mailed_token(person.email))
        boss.last_change.append(person.last_change[-1])
        company.people.append(person)
    groups = [one["id"] for one in (await company.me.sees("/v1/groups"))["data"]]
    for name in ("Sales", "Board")[: chance.randint(0, 2)]:
        group = (await company.me.do("POST", "/v1/groups", {"name": name}))["id"]
        for person in chance.sample(company.people, chance.randint(0, len(company.people))):
            await company.me.do("PUT", f"/v1/groups/{group}/members/{person.user_id}")
        groups.append(group)
    for number_of_board in range(chance.randint(1, 2)):
        board = f"{domain}-{number_of_board}"
        await company.me.do("POST", "/v1/dashboards", {"id": board, "title": f"Board {number_of_board}"})
        company.boards.append(board)
        if chosen := chance.sample(groups, chance.randint(0, len(groups))):
            wanted = {"mode": "groups", "group_ids": chosen, "notify": False}
            await company.me.do("PUT", f"/v1/dashboards/{board}/sharing", wanted)
        for place in range(chance.randint(0, 2)):
            link = {"name": f"L{place}", "requires_secret": True, "allow_parameters": chance.random() < 0.5}
            await company.me.do("POST", f"/v1/dashboards/{board}/links", link)
    return company


async def bought(me: Acting, plan: str, **how: str) -> Any:
    """Confirms a preview that still holds, and returns it."""
    seen: list[Any] = []

    async def confirm() -> Any:
        seen.append(await me.do("POST", "/v1/subscription/change-previews", {"plan": plan, **how}))
        wanted = {"plan": plan, **how, "fingerprint": seen[-1]["fingerprint"]}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        return await me.person.write("POST", "/v1/subscription/changes", wanted, headers=key)

    await until(confirm, lambda reply: reply.status == 201)
    return seen[-1]


async def settled(product: WholeProduct) -> None:
    """Nothing is unsaid and nothing waits, anywhere, twice in a row."""
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        databases = []
        for dsn in product.settings.database_urls.values():
            databases.append(await asyncpg.connect(dsn))
            stack.push_async_callback(databases[-1].close)
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if not sum([await one.fetchval(OPEN) for one in databases]) else 0
            await asyncio.sleep(0.02)


def named(preview: Any, kind: str, who: str) -> set[tuple[str, str]]:
    found = preview["resources"][kind]
    return {(person["user_id"], board["dashboard_id"]) for board in found for person in board[who]}


def ids(preview: Any, kind: str, name: str) -> set[str]:
    return {one[name] for one in preview["resources"][kind]}


def compare(company: Company, before: Seen, preview: Any, after: Seen) -> None:
    what = f"organization {company.me.person.email}"
    assert named(preview, "dashboards_losing", "losing") == before.pairs - after.pairs, what
    assert named(preview, "dashboards_gaining", "gaining") == after.pairs - before.pairs, what
    assert ids(preview, "losing_author_slot", "user_id") == before.authors - after.authors, what
    assert ids(preview, "groups_suspended", "group_id") == after.groups - before.groups, what
    assert ids(preview, "groups_resumed", "group_id") == before.groups - after.groups, what
    assert ids(preview, "links_suspended", "link_id") == after.links - before.links, what
    assert ids(preview, "links_resumed", "link_id") == before.links - after.links, what


async def test_what_a_preview_names_is_what_happens_with_every_service_real(product: WholeProduct) -> None:
    few, companies = asyncio.Semaphore(AT_ONCE), []

    async def make(number: int) -> None:
        async with few:
            companies.append(await made(product, number))

    await asyncio.gather(*map(make, range(ORGANIZATIONS)))
    await settled(product)
    lost = 0
    for plan in ("pro", "free", "business"):
        before = [await company.seen() for company in companies]
        how = {} if plan == "business" else {"when": "now"}
        previews = [await bought(company.me, plan, **how) for company in companies]
        await settled(product)
        for company, was, preview in zip(companies, before, previews, strict=True):
            after = await company.seen()
            compare(company, was, preview, after)
            lost += len(was.pairs - after.pairs) + len(was.authors - after.authors) + len(after.links - was.links)
    assert lost, "somebody lost something, or nothing was looked at"
