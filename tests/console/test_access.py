"""Who can see what, in a real browser: one person, one dashboard, both, and as it was."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, RULES, Window
from tests.console.conftest import Opens
from tests.console.test_oversight import Shared, share_with_group, shared
from tests.system.whole import Cast

__all__ = ["shared"]


async def pick(admin: Window, label: str, text: str) -> None:
    await admin.page.get_by_role("combobox", name=label).press_sequentially(text)
    await admin.page.keyboard.press("Enter")
    await expect(admin.page.get_by_role("combobox", name=label)).to_have_attribute("aria-expanded", "false")


async def test_a_person_and_a_dashboard_are_found_by_typing_and_explained(
    admin: Window, cast: Cast, shared: Shared
) -> None:
    await share_with_group(admin, shared)
    await admin.go("/access", "Who can see what")
    await admin.page.get_by_text("Choose whom or what it is about").wait_for()
    await pick(admin, "Person", "Some Viewer")
    row = admin.page.get_by_role("row", name=shared.title)
    await row.get_by_text(shared.group, exact=True).wait_for()
    assert await admin.flaws() == []
    await row.get_by_role("button", name=f"Why: {shared.title}").click()
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    assert f"user={cast.viewer.user_id}&dashboard={shared.dashboard_id}" in admin.page.url
    await admin.page.reload()
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    await expect(admin.page.get_by_role("combobox", name="Dashboard")).to_have_value(shared.title)
    since = admin.page.get_by_role("link", name=re.compile("^since ")).last
    assert "event%3Aevt_" in str(await since.get_attribute("href"))


async def test_the_keyboard_chooses_leaves_and_clears(admin: Window, shared: Shared) -> None:
    await admin.go("/access", "Who can see what")
    box = admin.page.get_by_role("combobox", name="Dashboard")
    await box.press_sequentially("Revenue")
    options = admin.page.get_by_role("listbox", name="Dashboard").get_by_role("option")
    await options.first.wait_for()
    assert await admin.flaws() == []
    await box.press("ArrowUp")
    last = options.last
    await expect(last).to_have_attribute("aria-selected", "true")
    assert await box.get_attribute("aria-activedescendant") == await last.get_attribute("id")
    await box.press("Escape")
    await expect(box).to_have_attribute("aria-expanded", "false")
    await box.fill("")
    await box.press_sequentially("no dashboard is called that")
    await admin.page.locator(".picker .none").wait_for()
    await box.press("Escape")
    await pick(admin, "Dashboard", shared.title)
    await admin.page.get_by_role("heading", name=f"Who sees {shared.title}").wait_for()
    await admin.button("Choose nothing for Dashboard").click()
    await admin.page.get_by_text("Choose whom or what it is about").wait_for()


async def test_a_dashboard_alone_names_everybody_and_the_links(admin: Window, cast: Cast, shared: Shared) -> None:
    await share_with_group(admin, shared)
    link = {"name": "Lobby"}
    (await cast.admin.write("POST", f"/v1/dashboards/{shared.dashboard_id}/links", link)).ok()
    await admin.go(f"/access?dashboard={shared.dashboard_id}")
    await admin.page.get_by_role("row", name="Some Viewer").get_by_text(shared.group, exact=True).wait_for()
    await admin.page.get_by_role("row", name="Lobby").get_by_text("Anybody with the address").wait_for()
    assert await admin.flaws() == []
    await admin.page.set_viewport_size({"width": 320, "height": 640})
    assert await admin.overflow() <= 0


async def test_the_past_is_told_as_it_was(admin: Window, cast: Cast, shared: Shared) -> None:
    await share_with_group(admin, shared)
    await admin.go(f"/access?user={cast.viewer.user_id}&dashboard={shared.dashboard_id}")
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    await admin.field("As it was on").fill("2026-01-02T03:04")
    await admin.button("Look back").click()
    await admin.page.get_by_text(f"Some Viewer doesn't see {shared.title}").wait_for()
    await admin.page.get_by_text("As it was on 2026-01-02, 03:04:00").wait_for()
    await admin.button("Back to now").click()
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()


async def test_an_access_review_is_written_and_downloaded(admin: Window, shared: Shared) -> None:
    await admin.go(f"/access?dashboard={quote(shared.dashboard_id)}")
    await admin.button("Access review…").click()
    await admin.page.get_by_text(f"Everybody who sees {shared.title}.").wait_for()
    assert await admin.flaws() == []
    await admin.button("Write the file").click()
    await admin.page.get_by_text("The file is ready.").first.wait_for()
    async with admin.page.expect_download() as loaded:
        await admin.page.get_by_role("link", name="Download the file").click()
    content = (await (await loaded.value).path()).read_text()
    assert content.startswith("dashboard_id,")
    assert shared.title in content


async def test_every_state_is_clean_in_both_themes(opens: Opens, cast: Cast, shared: Shared) -> None:
    for theme, rules in (("light", RULES), ("dark", CONTRAST)):
        async with opens(color_scheme=theme) as it:
            await it.sign_in(cast.admin.email, PASSWORD)
            for query in (
                "",
                f"?user={cast.viewer.user_id}",
                f"?dashboard={shared.dashboard_id}",
                f"?user={cast.viewer.user_id}&dashboard={shared.dashboard_id}",
            ):
                await it.go(f"/access{query}", "Who can see what")
                await it.settled()
                assert await it.flaws(rules) == [], query
                await it.page.set_viewport_size({"width": 320, "height": 640})
                assert await it.overflow() <= 0, query
                await it.page.set_viewport_size({"width": 1280, "height": 860})
