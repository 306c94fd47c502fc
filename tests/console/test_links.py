"""Sharing links in a real browser: made in the sharing dialog, passed on, closed, and all of them in one inventory."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import UNTRANSLATED, press, reach, speak_pseudo, write
from tests.console.test_developers import fits_phones
from tests.console.test_my_account import newcomer
from tests.console.test_people import choose, invited
from tests.system.whole import Cast, WholeProduct

ORIGIN = "https://portal.example.com"


@dataclass
class Board:
    """A dashboard of the admin's."""

    id: str
    title: str


@pytest.fixture
async def board(cast: Cast) -> Board:
    it = Board(f"d-{secrets.token_hex(4)}", f"Revenue {secrets.token_hex(4)}")
    wanted = {"id": it.id, "title": it.title, "parameters": ["region", "product"]}
    (await cast.admin.write("POST", "/v1/dashboards", wanted)).ok()
    return it


async def links_of(cast: Cast, board: Board) -> list[dict[str, Any]]:
    return list((await cast.admin.ask("GET", f"/v1/dashboards/{board.id}/links")).ok()["data"])


async def make(cast: Cast, board: Board, **options: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await cast.admin.write("POST", f"/v1/dashboards/{board.id}/links", options)).ok()
    return made


async def show_links(admin: Window, board: Board) -> Locator:
    await admin.go("/sharing", "Sharing")
    await admin.button(f"Share {board.title}").click()
    dialog = admin.page.get_by_role("dialog", name=f"Share {board.title}")
    await dialog.get_by_role("tab", name="Sharing links").click()
    return dialog


async def test_a_link_is_made_with_every_option_and_its_address_is_shown(
    admin: Window, cast: Cast, board: Board
) -> None:
    sharing = await show_links(admin, board)
    await sharing.get_by_role("heading", name="No links yet").wait_for()
    assert await admin.flaws() == []
    await admin.button("Add a link").click()
    form = admin.page.get_by_role("dialog", name=f"Add a link to {board.title}")
    await form.get_by_text("Whoever has the address gets in").wait_for()
    assert await admin.flaws() == []
    await form.get_by_label("Name", exact=True).fill("Customer portal")
    await form.get_by_label("Description", exact=True).fill("In the portal of our customers")
    await form.get_by_role("checkbox", name="With a password").check()
    await expect(form.get_by_role("button", name="Add and show the address")).to_have_attribute(
        "title", "The password needs at least 8 characters"
    )
    await form.get_by_label("Password of the link", exact=True).fill("nobody guesses that")
    await form.get_by_role("checkbox", name="Ends by itself").check()
    await form.get_by_label("Ends", exact=True).fill("2099-01-01T08:30")
    await form.get_by_role("button", name="Add my address (127.0.0.1)").click()
    await form.get_by_label("Networks", exact=True).fill("0.0.0.0/0")
    await form.get_by_label("Networks", exact=True).press("Enter")
    await form.get_by_text("0.0.0.0/0 lets in the whole internet").wait_for()
    await form.get_by_role("button", name="Remove 0.0.0.0/0").click()
    await form.get_by_role("checkbox", name="Needs an embed token").check()
    await form.get_by_role("checkbox", name="The token may fix parameters").check()
    await form.get_by_label("Sites that may show it in a frame", exact=True).fill("http://portal.example.com")
    await form.get_by_role("radio", name="A single report of it").check()
    await form.get_by_label("Id of the report", exact=True).fill("report-7")
    await form.get_by_role("radio", name="Frozen filters").check()
    await form.get_by_label("region", exact=True).fill("EU, US")
    await form.get_by_label("Time range", exact=True).fill("last 7 days")
    await form.get_by_role("checkbox", name="TV mode").check()
    await form.get_by_role("checkbox", name="Take data away as CSV").check()
    await form.get_by_role("checkbox", name="Toolbar").uncheck()
    assert await admin.flaws() == []
    await form.get_by_role("button", name="Add and show the address").click()
    await form.get_by_text("must be an origin like").wait_for()
    assert await admin.flaws() == []
    await form.get_by_role("button", name="Remove http://portal.example.com").click()
    await form.get_by_label("Sites that may show it in a frame", exact=True).fill(ORIGIN)
    await form.get_by_role("button", name="Add and show the address").click()

    passing = admin.page.get_by_role("dialog", name="Pass on Customer portal")
    await passing.wait_for()
    (made,) = await links_of(cast, board)
    wanted = {
        "name": "Customer portal", "description": "In the portal of our customers", "has_password": True, "networks": ["127.0.0.1/32"],
        "requires_secret": True, "allow_parameters": True, "origins": [ORIGIN], "report_id": "report-7", "tv_mode": True, "dark_mode": False,
        "frozen_filters": {"region": ["EU", "US"], "timerange": "last 7 days"}, "csv": True, "excel": False, "toolbar": False, "paused": False,
    }  # fmt: skip
    assert {name: made[name] for name in wanted} == wanted
    assert made["expires_at"].startswith("2099-01-01")
    token = (await cast.admin.ask("GET", f"/v1/links/{made['id']}")).ok()["token"]
    await passing.get_by_text(token, exact=True).wait_for()
    assert await admin.flaws() == []
    await passing.get_by_role("tab", name="Embed code").click()
    await passing.get_by_role("tab", name="Go", exact=True).click()
    await passing.get_by_text("package main").wait_for()
    assert await admin.flaws() == []
    await admin.page.set_viewport_size({"width": 320, "height": 640})
    assert await admin.overflow() <= 0
    await passing.get_by_role("button", name="Done").click()
    await sharing.get_by_text("Embed token with parameters").wait_for()
    assert await admin.flaws() == []
    assert await admin.overflow() <= 0


async def test_a_link_that_follows_defaults_is_edited_paused_resumed_renewed_and_deleted(
    admin: Window, cast: Cast, board: Board
) -> None:
    made = await make(cast, board, name="Wall")
    sharing = await show_links(admin, board)
    await sharing.get_by_text("Anybody with the address").wait_for()
    await admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await admin.button("Copy the address of Wall").click()
    await admin.said("The token is copied.").wait_for()
    assert await admin.page.evaluate("navigator.clipboard.readText()") == made["token"]

    await choose(admin, "Wall", "Edit…")
    form = admin.page.get_by_role("dialog", name="Edit Wall")
    await form.get_by_label("Name", exact=True).fill("Wall in the lobby")
    await form.get_by_role("checkbox", name="With a password").check()
    await form.get_by_label("Password of the link", exact=True).fill("nobody guesses that")
    await form.get_by_role("button", name="Save").click()
    await admin.said("Wall in the lobby is changed.").wait_for()
    (changed,) = await links_of(cast, board)
    assert (changed["has_password"], changed["frozen_filters"], changed["toolbar"]) == (True, None, True)

    await choose(admin, "Wall in the lobby", "Edit…")
    form = admin.page.get_by_role("dialog", name="Edit Wall in the lobby")
    await form.get_by_text("The present password stays.").wait_for()
    await cast.admin.write("PATCH", f"/v1/links/{made['id']}", {"csv": True})
    await form.get_by_role("checkbox", name="With a password").uncheck()
    await form.get_by_role("button", name="Save").click()
    await form.get_by_text("Somebody else changed this meanwhile").wait_for()
    assert await admin.flaws() == []
    await form.get_by_role("button", name="Show what is there now").click()
    await expect(form.get_by_role("checkbox", name="Take data away as CSV")).to_be_checked()
    await form.get_by_role("checkbox", name="With a password").uncheck()
    await form.get_by_role("button", name="Save").click()
    await form.wait_for(state="detached")
    assert (await links_of(cast, board))[0]["has_password"] is False

    await choose(admin, "Wall in the lobby", "Pause")
    await admin.said("Wall in the lobby is paused: it opens for nobody.").wait_for()
    await sharing.get_by_text("Paused").wait_for()
    await choose(admin, "Wall in the lobby", "Resume")
    await admin.said("Wall in the lobby opens again.").wait_for()
    await choose(admin, "Wall in the lobby", "Give it a new token…")
    await admin.page.get_by_text("The present address is dead at once").wait_for()
    assert await admin.flaws() == []
    await admin.button("Give it a new token").click()
    passing = admin.page.get_by_role("dialog", name="Pass on Wall in the lobby")
    assert await passing.locator("code.secret").inner_text() != made["token"]
    await passing.get_by_role("button", name="Done").click()
    await choose(admin, "Wall in the lobby", "Delete…")
    await admin.button("Delete the link").click()
    await admin.said("The link Wall in the lobby is deleted.").wait_for()
    await sharing.get_by_role("heading", name="No links yet").wait_for()
    assert await links_of(cast, board) == []


async def test_the_inventory_is_filtered_and_an_admin_closes_what_others_left_open(
    admin: Window, cast: Cast, board: Board, product: WholeProduct
) -> None:
    kim = await invited(product, cast, "Kim")
    theirs = replace(board, id=f"{board.id}-k", title=f"Churn {board.title}")
    (await kim.write("POST", "/v1/dashboards", {"id": theirs.id, "title": theirs.title})).ok()
    (await kim.write("POST", f"/v1/dashboards/{theirs.id}/links", {"name": "Left open"})).ok()
    await make(cast, board, name="Quiet", networks=["203.0.113.0/24"])
    (await cast.admin.write("POST", f"/v1/users/{kim.user_id}/deactivation", after=kim.last_change[-1])).ok()
    (await cast.admin.ask("GET", "/v1/links")).ok()  # which waits until it is known there that she left
    cast.admin.last_change.append(kim.last_change[-1])

    await admin.go("/links", "Sharing links")
    left = admin.page.get_by_role("row", name="Left open")
    await left.get_by_text("Has left").wait_for()
    await admin.page.get_by_role("row", name="Quiet").get_by_text("1 network").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.page.get_by_label("Which links").select_option(label="Whose maker has left")
    await admin.page.get_by_role("row", name="Quiet").wait_for(state="detached")
    await left.wait_for()
    await admin.button("Actions for Left open").click()
    address = admin.page.get_by_role("menuitem", name="Address and embed code…")
    await expect(address).to_contain_text("Only the owner of the dashboard may.")
    await admin.page.get_by_role("menuitem", name="Edit…").click()
    await admin.page.get_by_text("You may close it further").wait_for()
    assert await admin.flaws() == []
    await admin.button("Cancel").click()
    await choose(admin, "Left open", "Pause")
    await left.get_by_text("Paused").wait_for()
    await admin.button("Actions for Left open").click()
    await expect(admin.page.get_by_role("menuitem", name="Resume")).to_have_attribute("aria-disabled", "true")
    await admin.page.keyboard.press("Escape")

    await admin.page.get_by_label("Which links").select_option(label="All links")
    await admin.page.get_by_label("State", exact=True).select_option(label="Paused")
    await admin.page.get_by_role("row", name="Quiet").wait_for(state="detached")
    await left.wait_for()
    assert admin.page.url.endswith("/links?state=paused")
    await admin.page.get_by_label("Search links and dashboards").fill("nothing is called that")
    await admin.button("Clear filters").click()
    await admin.page.get_by_role("row", name="Quiet").wait_for()
    await admin.page.get_by_label("Search links and dashboards").fill(theirs.title)
    await admin.page.get_by_role("row", name="Quiet").wait_for(state="detached")
    await choose(admin, "Left open", "Delete…")
    await admin.button("Delete the link").click()
    await left.wait_for(state="detached")


async def test_all_links_are_switched_off_and_each_is_revived_by_hand(admin: Window, cast: Cast, board: Board) -> None:
    made = await make(cast, board, name="Lobby")
    await admin.go("/links", "Sharing links")
    await admin.button("Switch all off…").click()
    dialog = admin.page.get_by_role("dialog")
    await dialog.get_by_text(board.title).wait_for()
    assert await admin.flaws() == []
    await admin.button("Switch all links off").click()
    await admin.said("All sharing links are switched off.").wait_for()
    row = admin.page.get_by_role("row", name="Lobby")
    await row.get_by_text("Switched off").wait_for()
    assert await admin.flaws() == []
    await admin.button("Actions for Lobby").click()
    revive = admin.page.get_by_role("menuitem", name="Revive with a new token…")
    await expect(revive).to_contain_text("Allow links first.")
    await admin.page.keyboard.press("Escape")
    await (
        (await show_links(admin, board))
        .get_by_text("All sharing links of the organization are switched off")
        .wait_for()
    )
    assert await admin.flaws() == []

    await admin.go("/links", "Sharing links")
    await admin.button("Allow links again…").click()
    await admin.button("Allow links again").click()
    await admin.said("Links can be made and revived again.").wait_for()
    await row.get_by_text("It comes back with a new token only.").wait_for()
    await choose(admin, "Lobby", "Revive with a new token…")
    await admin.button("Revive with a new token").click()
    passing = admin.page.get_by_role("dialog", name="Pass on Lobby")
    assert await passing.locator("code.secret").inner_text() != made["token"]
    await passing.get_by_role("button", name="Done").click()
    await row.get_by_text("Open", exact=True).wait_for()


async def lapsed(route: Route) -> None:
    """Shows links as they look once the plan has lapsed."""
    answer = await route.fetch()
    listed = await answer.json()
    shut = {"state": "suspended", "suspended": {"cause": "plan", "plan": "free", "since": "2026-11-01T08:00:00Z"}}
    await route.fulfill(response=answer, json={**listed, "data": [one | shut for one in listed["data"]]})


async def test_what_the_plan_suspends_says_which_plan_and_since_when(admin: Window, cast: Cast, board: Board) -> None:
    await make(cast, board, name="Reserve")
    await admin.page.route("**/v1/links?*", lapsed)
    await admin.go("/links", "Sharing links")
    row = admin.page.get_by_role("row", name="Reserve")
    await row.get_by_text("The plan Free doesn't include it. Everything is kept.").wait_for()
    await row.get_by_text("since 2026-11-01").wait_for()
    assert await admin.flaws() == []


async def test_an_address_is_copied_and_opened_where_the_operator_named_the_page(
    admin: Window, cast: Cast, board: Board
) -> None:
    await make(cast, board, name="Known page", origins=[ORIGIN])
    url = f"https://dashboards.example.com/shared/{board.id}?sharingToken=x"

    async def at_the_page(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "url": url})

    await admin.page.route("**/v1/links/lnk_*", at_the_page)
    await admin.go("/links", "Sharing links")
    await choose(admin, "Known page", "Address and embed code…")
    await expect(admin.page.get_by_role("link", name="Open it")).to_have_attribute("href", url)
    assert await admin.flaws() == []
    await admin.page.get_by_role("tab", name="Embed code").click()
    await admin.page.get_by_text(f'<iframe src="{url}"').wait_for()


async def test_without_links_in_the_plan_the_pages_name_the_plan_that_has_them(
    opens: Opens, product: WholeProduct
) -> None:
    person = await newcomer(product.gateway)
    (await person.write("POST", "/v1/dashboards", {"id": "d-free", "title": "Alone"})).ok()
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/links", "Sharing links")
        lock = it.page.locator(".notice", has_text="Sharing links aren't in your plan")
        await lock.get_by_text("It is in the plan Pro.").wait_for()
        await it.page.get_by_role("heading", name="No links yet").wait_for()
        assert await it.flaws() == []
        await it.go("/sharing/d-free?show=links")
        await it.page.get_by_role("dialog").locator(".notice", has_text="aren't in your plan").wait_for()
        await expect(it.page.get_by_role("button", name="Add a link")).to_have_attribute("aria-disabled", "true")
        assert await it.flaws() == []


async def test_a_link_is_made_with_the_keyboard_alone(opens: Opens, cast: Cast, board: Board) -> None:
    async with opens() as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.go("/sharing", "Sharing")
        await press(it, f"Share {board.title}")
        await it.page.get_by_role("dialog").wait_for()
        await reach(it, "People", back=True)
        await it.page.keyboard.press("ArrowRight")
        await expect(it.page.get_by_role("tab", name="Sharing links")).to_be_focused()
        await press(it, "Add a link")
        await write(it, "Name", "By hand")
        await it.page.keyboard.press("Enter")
        await it.page.get_by_role("dialog", name="Pass on By hand").wait_for()
        await it.page.keyboard.press("Escape")
        await it.page.get_by_role("dialog", name="Pass on By hand").wait_for(state="detached")
        await expect(it.button("Copy the address of By hand")).to_be_visible()


async def test_links_hold_longer_words_the_dark_and_phones(opens: Opens, cast: Cast, board: Board) -> None:
    await make(cast, board, name="Longer", networks=["203.0.113.0/24"], expires_at="2099-01-01T00:00:00Z", csv=True)
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await speak_pseudo(it)
        for path in ("/links", f"/sharing/{board.id}?show=links"):
            await it.go(path)
            await it.page.locator("[data-name]", has_text="Longer").first.wait_for()
            await it.settled()
            assert await it.page.evaluate(UNTRANSLATED) == [], path
            assert await it.flaws(CONTRAST) == [], path
            await fits_phones(it)


async def test_analysts_have_the_links_of_their_own_dashboards_and_viewers_none(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.analyst.email, PASSWORD)
        await it.go("/links", "Sharing links")
        await it.page.get_by_text("Every link to your dashboards").wait_for()
        await it.settled()
        assert await it.button("Switch all off…").count() == 0
        assert await it.flaws() == []
    async with opens() as it:
        await it.sign_in(cast.viewer.email, PASSWORD)
        await it.go("/links", "Sharing links")
        await it.page.get_by_role("heading", name="You can't see this").wait_for()
