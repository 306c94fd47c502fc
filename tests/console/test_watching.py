"""One user's page, a group's end, the organization's preferences, and single keys, in a real browser."""

from __future__ import annotations

import secrets

import pytest
from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.system.whole import Cast


@pytest.fixture
async def board(admin: Window, cast: Cast) -> str:
    """The title of a dashboard that all users see."""
    title, board_id = f"Costs {secrets.token_hex(4)}", f"c-{secrets.token_hex(4)}"
    (await cast.admin.write("POST", "/v1/dashboards", {"id": board_id, "title": title})).ok()
    etag = (await cast.admin.ask("GET", f"/v1/dashboards/{board_id}/sharing")).headers["etag"]
    body = {"mode": "all_users", "notify": False}
    (await cast.admin.write("PUT", f"/v1/dashboards/{board_id}/sharing", body, headers={"If-Match": etag})).ok()
    return title


async def test_a_users_page_tells_what_they_see_and_what_they_did(admin: Window, cast: Cast, board: str) -> None:
    await cast.viewer.sign_in()
    await admin.go("/users", "Users")
    await admin.page.get_by_text("People with two-factor").wait_for()
    await admin.page.get_by_role("row", name="Some Viewer").get_by_text("Off").wait_for()
    assert await admin.flaws() == []
    await admin.go(f"/users/{cast.viewer.user_id}", "Some Viewer")
    await admin.page.get_by_role("heading", name="What Some Viewer sees").wait_for()
    await admin.page.get_by_role("link", name="Some Viewer signed in").first.wait_for()
    await admin.page.get_by_role("link", name="Some Viewer joined as Viewer").first.wait_for()
    await admin.settled()
    assert await admin.flaws() == []


async def test_single_keys_go_to_pages_and_through_rows_until_they_are_turned_off(admin: Window) -> None:
    keys = admin.page.keyboard
    await admin.page.get_by_role("row", name="Some Viewer").wait_for()
    await keys.press("?")
    await admin.page.get_by_role("heading", name="Keys").wait_for()
    assert await admin.flaws() == []
    await keys.press("Escape")
    await keys.press("j")
    await keys.press("j")
    await admin.page.locator("tbody tr:nth-child(2) :focus").wait_for()
    await keys.press("x")
    await admin.page.get_by_role("region", name="Chosen people").wait_for()
    await keys.press(".")
    await admin.page.locator("[role=menuitem]:focus").wait_for()
    await keys.press("Escape")
    await keys.press("g")
    await keys.press("a")
    await admin.page.get_by_role("heading", level=1, name="Audit log").wait_for()
    await admin.go("/me")
    await admin.page.get_by_role("checkbox", name="Single keys").uncheck()
    await admin.go("/users", "Users")
    await keys.press("g")
    await keys.press("a")
    await keys.press("?")
    await expect(admin.page.locator("dialog")).to_have_count(0)
    assert admin.page.url.endswith("/users")


async def test_a_groups_end_is_shown_by_name_and_taken_back(admin: Window, cast: Cast) -> None:
    name, board_id = f"Crew {secrets.token_hex(4)}", f"g-{secrets.token_hex(4)}"
    made = (await cast.admin.write("POST", "/v1/groups", {"name": name})).ok()
    await cast.admin.write("PUT", f"/v1/groups/{made['id']}/members/{cast.viewer.user_id}")
    (await cast.admin.write("POST", "/v1/dashboards", {"id": board_id, "title": f"Tides {board_id}"})).ok()
    body = {"mode": "groups", "group_ids": [made["id"]], "notify": False}
    (await cast.admin.write("PUT", f"/v1/dashboards/{board_id}/sharing", body, headers={"If-Match": "*"})).ok()
    await admin.go(f"/groups/{made['id']}", name)
    await admin.page.get_by_role("link", name=f"Tides {board_id}").wait_for()
    await admin.page.get_by_role("link", name=f"Ada Admin created the group {name}").wait_for()
    await admin.settled()
    assert await admin.flaws() == []
    await admin.button("Delete group…").click()
    dialog = admin.page.locator("dialog")
    await dialog.get_by_text("1 person will lose 1 dashboard").wait_for()
    await dialog.get_by_text(f"Tides {board_id}").click()
    await dialog.get_by_text("Some Viewer").wait_for()
    assert await admin.flaws() == []
    await admin.button(f"Delete group {name}").click()
    await admin.said(f"The group {name} is deleted.").wait_for()
    await admin.button(f"Restore {name}").click()
    await admin.said(f"The group {name} is back.").wait_for()
    await admin.page.get_by_role("link", name=name).wait_for()


async def test_a_country_fills_in_its_formats_and_a_faster_colleague_is_named(admin: Window, cast: Cast) -> None:
    await admin.go("/organization", "Organization")
    await admin.field("Country").select_option("US")
    await expect(admin.field("Dates")).to_have_value("MM/DD/YYYY")
    assert await admin.field("Week begins on").input_value() == "sunday"
    assert await admin.flaws() == []
    (
        await cast.admin.write(
            "PATCH", "/v1/organization/preferences", {"number_format": "1'234.56"}, headers={"If-Match": "*"}
        )
    ).ok()
    await admin.button("Save").click()
    await admin.page.get_by_text("Ada Admin changed this meanwhile").wait_for()
    await admin.page.get_by_role("listitem").filter(has_text="Numbers").get_by_text("1'234.56").wait_for()
    assert await admin.flaws() == []
    await admin.button("Save mine all the same").click()
    await admin.said("The organization is saved.").wait_for()
    kept = (await cast.admin.ask("GET", "/v1/organization/preferences")).ok()
    assert (kept["country"], kept["date_format"], kept["week_start"]) == ("US", "MM/DD/YYYY", "sunday")


async def test_they_fit_a_phone_and_the_dark(opens: Opens, cast: Cast, board: str) -> None:
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.page.set_viewport_size({"width": 320, "height": 720})
        await it.go(f"/users/{cast.viewer.user_id}", "Some Viewer")
        await it.page.get_by_role("heading", name="What Some Viewer sees").wait_for()
        await it.settled()
        assert await it.overflow() == 0
        assert await it.flaws(CONTRAST) == []
