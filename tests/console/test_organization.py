"""Domains and their proof, the legal record, and the overview that tells of both, in a real browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Route

from tests.console.browser import Window
from tests.org.dns_server import DnsServer
from tests.system.whole import Cast


async def test_a_domain_is_claimed_looked_for_proven_and_removed(admin: Window, cast: Cast, dns: DnsServer) -> None:
    name = "northwind-stores.example"
    await admin.go("/domains", "Domains")
    await admin.button("Add domain").click()
    await admin.field("Domain").fill("gmail.com")
    await admin.page.locator("dialog").get_by_role("button", name="Add domain", exact=True).click()
    await admin.page.locator(".wrong").wait_for()
    await admin.field("Domain").fill(name)
    await admin.page.locator("dialog").get_by_role("button", name="Add domain", exact=True).click()
    await admin.page.get_by_role("heading", level=1, name=name).wait_for()
    await admin.page.get_by_text("Waits for its proof").wait_for()

    _, record, value = await admin.page.locator(".record code").all_inner_texts()
    await admin.button("Check now").click()
    await admin.page.get_by_text("We saw no TXT record under that name.").wait_for()
    dns.records[record] = ["something else"]
    await admin.button("Check now").click()
    await admin.page.get_by_text("something else").wait_for()
    assert await admin.flaws() == []
    dns.failing.add(record)
    await admin.button("Check now").click()
    await admin.page.get_by_text("DNS didn't answer").wait_for()
    dns.failing.clear()
    dns.records[record] = [value]
    await admin.button("Check now").click()
    await admin.said(f"{name} is proven.").wait_for()
    await admin.page.get_by_text(f"Addresses at {name} can be invited.").wait_for()
    await admin.button("Remove the domain…").click()
    await admin.button(f"Remove {name}").click()
    await admin.page.get_by_role("heading", level=1, name="Domains").wait_for()


async def test_a_domain_says_when_it_is_at_risk_lapsed_or_suspended_and_so_does_the_overview(admin: Window) -> None:
    now = datetime.now(UTC)
    shown: list[dict[str, Any]] = []

    async def in_danger(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        one = body["data"][0]
        shown[:] = [
            {**one, "id": "dom_" + "0" * 26, "display_name": "risky.example", "status": "at_risk", "lapses_at": (now + timedelta(days=5)).isoformat()},
            {**one, "id": "dom_" + "1" * 26, "display_name": "gone.example", "status": "lapsed", "registered": False},
            {**one, "id": "dom_" + "2" * 26, "display_name": "resting.example", "registered": False, "suspended": {"cause": "plan", "plan": "free", "since": None}},
        ]  # fmt: skip
        await route.fulfill(response=answer, body=json.dumps({**body, "data": shown}))

    await admin.page.route("**/v1/domains*", in_danger)
    await admin.go("/domains", "Domains")
    for word in ("At risk", "Lapsed", "Suspended by the plan"):
        await admin.page.get_by_text(word, exact=True).wait_for()
    assert await admin.flaws() == []
    await admin.go("/", "Overview")
    await admin.page.get_by_text("The record of risky.example is missing in DNS").wait_for()
    first = await admin.page.locator("section", has_text="the most urgent first").locator("li").first.inner_text()
    assert "risky.example" in first
    await admin.page.get_by_text("gone.example has lapsed").wait_for()


async def test_the_overview_says_what_it_couldnt_look_at_and_shows_the_rest(admin: Window) -> None:
    async def away(route: Route) -> None:
        await route.abort()

    await admin.page.route("**/v1/legal/dpa", away)
    await admin.go("/", "Overview")
    await admin.page.get_by_text("A part of it couldn't be looked at").wait_for()
    await admin.page.get_by_text("Author slots (admins and analysts)").wait_for()
    await admin.page.unroute("**/v1/legal/dpa")
    await admin.button("Try again").click()
    await admin.page.get_by_text("A part of it couldn't be looked at").wait_for(state="detached")
    await admin.button("Show as a table").last.click()
    await admin.page.get_by_role("columnheader", name="Entries").wait_for()
    assert await admin.flaws() == []
    admin.complaints.clear()


async def test_the_amendment_is_declined_then_accepted_and_leaves_receipts(admin: Window, cast: Cast) -> None:
    await admin.go("/legal", "Legal & compliance")
    await admin.button("It doesn't apply…").click()
    await admin.field("Reason").fill("Nobody in the EU is among our users.")
    await admin.button("Record it").click()
    await admin.page.get_by_text("Nobody in the EU is among our users.").wait_for()
    await admin.button("Accept electronically…").click()
    await admin.field("Their position").fill("Managing director")
    await admin.page.get_by_label("I have read it, and may accept it for Cast").check()
    assert await admin.flaws() == []
    await admin.button("Accept electronically").click()
    await admin.said("The amendment is accepted.").wait_for()
    await admin.page.get_by_text("Ada Admin, Managing director").wait_for()
    async with admin.page.expect_download() as receipt:
        await admin.page.get_by_role("link", name="Receipt (PDF)").click()
    assert (await receipt.value).suggested_filename.endswith(".pdf")
    await admin.button("Check Data Processing Amendment").first.click()
    await admin.page.get_by_text("It stands").wait_for()
    assert await admin.flaws() == []
    await admin.page.keyboard.press("Escape")
    await admin.button("Read Privacy Policy").click()
    await admin.page.locator("dialog .text li").first.wait_for()


async def test_a_new_version_wants_an_answer_and_who_was_slower_is_told(admin: Window) -> None:
    async def renewed(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        for one in body["data"]:
            one["awaits_answer"] = one["kind"] == "terms"
        await route.fulfill(response=answer, body=json.dumps(body))

    await admin.page.route("**/v1/legal/documents?*", renewed)
    await admin.go("/legal", "Legal & compliance")
    await admin.button("Accept…").click()
    await admin.page.get_by_label("I have read it, and accept it for the organization").check()
    assert await admin.flaws() == []
    await admin.button("Accept").click()
    await admin.page.locator("dialog").get_by_role("alert").wait_for()
