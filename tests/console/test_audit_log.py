"""The audit log in a real browser: sentences, filters in both directions, the histogram, one entry as a page, the export."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.system.whole import Cast


@pytest.fixture
async def log(admin: Window, cast: Cast) -> Window:
    """The log, after a group was created, filled and described."""
    office = cast.admin
    name = f"Night shift {cast.viewer.user_id[-5:]}"
    groups = (await office.ask("GET", "/v1/groups?limit=100")).ok()["data"]
    if name not in [one["name"] for one in groups]:
        made = (await office.write("POST", "/v1/groups", {"name": name})).ok()
        await office.write("PUT", f"/v1/groups/{made['id']}/members/{cast.viewer.user_id}")
        (await office.write("PATCH", f"/v1/groups/{made['id']}", {"name": name, "description": "Those who stay"})).ok()
        (await office.ask("GET", "/v1/audit-entries")).ok()  # which waits until the log has heard of it
    await admin.go("/audit", "Audit log")
    await admin.page.get_by_role("link", name="Ada Admin created the group").first.wait_for()
    return admin


async def test_each_entry_is_a_sentence_with_names(log: Window) -> None:
    await log.page.get_by_role("link", name="Ada Admin added Some Viewer to the group Night shift").first.wait_for()
    row = log.page.get_by_role("row").filter(has_text="Ada Admin signed in").first
    assert "Ada Admin" in await row.locator("td").nth(1).inner_text(), "the person, not the system"
    assert "password" in await row.locator("td").nth(1).inner_text()
    assert await log.flaws() == []


async def test_a_filter_is_turned_round_and_taken_away(log: Window) -> None:
    await log.page.get_by_role("combobox").fill("action:org.group.*")
    await log.page.keyboard.press("Enter")
    await log.page.wait_for_url("**action%3Aorg.group**")
    await expect(log.page.get_by_role("link", name="Ada Admin signed in")).to_have_count(0)
    assert await log.flaws() == []
    await log.page.get_by_role("button", name="Leave out: Event: org.group.*").click()
    await log.page.get_by_role("link", name="Ada Admin signed in").first.wait_for()
    await expect(log.page.get_by_role("link", name="Ada Admin created the group")).to_have_count(0)
    await log.page.get_by_role("button", name="Remove the filter Event: org.group.*").click()
    await log.page.get_by_role("link", name="Ada Admin created the group").first.wait_for()


async def test_an_entry_shows_before_and_after_and_narrows_the_log(log: Window) -> None:
    await log.page.get_by_role("link", name="changed the group Night shift").first.click()
    dialog = log.page.locator("dialog")
    await dialog.get_by_role("row", name="Description").get_by_text("Those who stay").wait_for()
    await dialog.get_by_text("Effects in other services").wait_for()
    assert await log.flaws() == []
    await dialog.get_by_role("button", name="Only this: Event").click()
    await log.page.get_by_role("button", name="Remove the filter Event: Group changed").wait_for()


async def test_an_entry_has_an_address_of_its_own(log: Window) -> None:
    await log.page.get_by_role("link", name="changed the group Night shift").first.click()
    await log.page.get_by_role("link", name="Open as a page").click()
    await log.page.get_by_role("heading", level=1, name="Ada Admin changed the group Night shift").wait_for()
    assert "/audit/aud_" in log.page.url
    await log.page.reload()
    await log.page.get_by_role("heading", level=1, name="Ada Admin changed the group Night shift").wait_for()
    assert await log.flaws() == []


async def test_a_bar_of_the_histogram_is_a_time(log: Window) -> None:
    await log.button("Show as a table").click()
    await log.page.get_by_role("region", name="in this time").get_by_role("button").first.click()
    await log.page.wait_for_url("**from=**")
    await log.page.get_by_role("group", name="Time").locator("[aria-pressed=true]").filter(has_text="–").wait_for()
    await log.page.get_by_role("link", name="Ada Admin created the group").first.wait_for()
    await log.button("24 hours").click()
    await log.page.wait_for_url("**range=24h**")


async def test_a_mouse_is_drawn_over_the_bars_of_a_time(log: Window) -> None:
    bars = log.page.locator("figure.chart rect.catch")
    await bars.wait_for()
    await log.settled()
    box = await bars.bounding_box()
    assert box is not None
    row = box["y"] + box["height"] / 2
    await log.page.mouse.move(box["x"] + box["width"] * 0.6, row)
    await log.page.mouse.down()
    await log.page.mouse.move(box["x"] + box["width"] * 0.8, row)
    await log.page.mouse.move(box["x"] + box["width"] - 2, row)
    await log.page.locator("figure.chart rect.marked").wait_for()
    await expect(log.page.locator("figure.chart figcaption")).to_contain_text(" – ")
    await log.page.mouse.up()
    await log.page.wait_for_url("**from=**")
    asked = parse_qs(urlsplit(log.page.url).query)
    span = datetime.fromisoformat(asked["to"][0]) - datetime.fromisoformat(asked["from"][0])
    assert timedelta(days=10) <= span <= timedelta(days=15), "the last two fifths of 30 days, whole days"
    await log.page.get_by_role("group", name="Time").locator("[aria-pressed=true]").filter(has_text="–").wait_for()
    await log.page.get_by_role("link", name="Ada Admin created the group").first.wait_for()


async def test_the_log_is_written_into_a_file(log: Window) -> None:
    await log.button("Export…").click()
    assert await log.flaws() == []
    await log.button("Export").click()
    async with log.page.expect_download() as waiting:
        await log.page.get_by_role("link", name="Download the file (CSV)").click()
    lines = (await (await waiting.value).path()).read_text().splitlines()
    assert lines[0].startswith("number,at,action,actor_id")
    assert any("org.group.member_added.v1" in line for line in lines)


async def test_nothing_found_says_what_was_looked_for(log: Window) -> None:
    await log.page.get_by_role("combobox").fill("nobody-ever-wrote-this")
    await log.page.get_by_text("Looked for: Contains: nobody-ever-wrote-this · 30 days").wait_for()
    assert await log.flaws() == []
    await log.button("Clear filters").click()
    await log.page.get_by_role("link", name="Ada Admin created the group").first.wait_for()


async def test_the_log_fits_a_phone_and_the_dark(opens: Opens, cast: Cast) -> None:
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.page.set_viewport_size({"width": 320, "height": 720})
        await it.go("/audit?q=-action:billing.*", "Audit log")
        await it.page.get_by_role("table").wait_for()
        await it.settled()
        assert await it.overflow() == 0
        assert await it.flaws(CONTRAST) == []
