"""Sharing, why somebody sees something, plans, the organization and the audit log, done in a real browser."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import expect

from tests.console.browser import Window
from tests.system.whole import Cast


@dataclass
class Shared:
    """A dashboard and a group that the viewer is in."""

    dashboard_id: str
    title: str
    group: str


@pytest.fixture
async def shared(cast: Cast) -> Shared:
    it = Shared(f"d-{secrets.token_hex(4)}", f"Revenue {secrets.token_hex(4)}", f"Team {secrets.token_hex(4)}")
    admin = cast.admin
    group = (await admin.write("POST", "/v1/groups", {"name": it.group})).ok()
    await admin.write("PUT", f"/v1/groups/{group['id']}/members/{cast.viewer.user_id}")
    (await admin.write("POST", "/v1/dashboards", {"id": it.dashboard_id, "title": it.title})).ok()
    (await admin.ask("GET", "/v1/dashboards")).ok()
    return it


async def share_with_group(admin: Window, shared: Shared) -> None:
    await admin.go("/sharing", "Sharing")
    await admin.button(f"Share {shared.title}").click()
    await admin.page.get_by_role("radio", name="Selected groups").check()
    await admin.page.get_by_role("checkbox", name=shared.group).check()
    await admin.page.get_by_text("2 people will see it").wait_for()
    await admin.page.get_by_role("checkbox", name="Notify").uncheck()
    await admin.page.get_by_text("Nobody gets a mail.").wait_for()
    await admin.page.get_by_role("checkbox", name="Notify").check()
    await admin.page.get_by_role("checkbox", name="With a thumbnail").uncheck()
    await admin.page.get_by_text("1 person gets a mail.").wait_for()
    assert await admin.flaws() == []
    async with admin.page.expect_request(lambda one: one.method == "PUT") as sent:
        await admin.button("Save").click()
    body: Any = (await sent.value).post_data_json
    assert (body["notify"], body["include_thumbnail"]) == (True, False)
    await admin.said(f"The sharing of {shared.title} is changed.").wait_for()


async def test_sharing_shows_who_gains_access_before_it_is_saved_and_access_says_why(
    admin: Window, cast: Cast, shared: Shared
) -> None:
    await share_with_group(admin, shared)
    await admin.go(f"/access?user={cast.viewer.user_id}&dashboard={shared.dashboard_id}")
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    await admin.page.get_by_text(f"Take Some Viewer out of the group {shared.group}").wait_for()
    await expect(admin.page.locator("figure.graph g.open")).to_have_count(1)
    assert await admin.flaws() == []


async def test_a_downgrade_names_what_it_takes_before_it_is_chosen(admin: Window, shared: Shared) -> None:
    await share_with_group(admin, shared)
    await admin.go("/billing", "Billing")
    await admin.button("Change to Free").click()
    dialog = admin.page.locator("dialog")
    await dialog.get_by_text("Nothing is deleted.").wait_for()
    await dialog.get_by_text(shared.group).wait_for()
    await dialog.get_by_text(f"{shared.title} (−1)").wait_for()
    assert await admin.flaws() == []
    await admin.page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")


async def test_the_organization_is_renamed_and_the_frame_says_so(admin: Window) -> None:
    await admin.go("/organization", "Organization")
    await admin.field("Company name").fill("Cast & Sons")
    await admin.page.get_by_text("Unsaved changes").wait_for()
    await admin.button("Discard").click()
    await expect(admin.field("Company name")).to_have_value("Cast")
    await admin.field("Company name").fill("Cast & Sons")
    await admin.button("Save").click()
    await admin.said("The organization is saved.").wait_for()
    await admin.page.locator(".side .org", has_text="Cast & Sons").wait_for()
    await admin.field("Company name").fill("Cast")
    await admin.button("Save").click()
    await admin.page.locator(".side .org").get_by_text("Cast", exact=True).wait_for()


async def test_any_page_is_reached_with_the_keyboard_alone(admin: Window) -> None:
    await admin.go("/users", "Users")
    await admin.page.keyboard.press("Control+k")
    await admin.page.get_by_role("heading", name="Go to").wait_for()
    assert await admin.flaws() == []
    await admin.page.keyboard.type("bill")
    await admin.page.keyboard.press("Enter")
    await admin.page.get_by_role("heading", level=1, name="Billing").wait_for()
    await admin.page.locator("h1:focus").wait_for()
