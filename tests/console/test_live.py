"""What others change while a page is open, and what is said while nobody answers, in a real browser."""

from __future__ import annotations

import re
import secrets

from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD, Person, until
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import press
from tests.console.test_people import invited
from tests.system.whole import Cast, WholeProduct

STREAM = re.compile(r"/v1/event-stream")


async def nobody(route: Route) -> None:
    await route.abort()


async def hearing(it: Window, path: str, heading: str) -> None:
    """Goes to a page that hears from now on what happens."""
    async with it.page.expect_response(STREAM):
        await it.go(path, heading)
    await it.settled()


async def beside(admin: Window, cast: Cast, product: WholeProduct, name: str) -> Person:
    """Another Admin, whom the list of groups hears of from now on."""
    other = await invited(product, cast, name, "admin")
    await until(lambda: other.ask("GET", "/v1/users"), lambda answer: answer.status == 200)
    await hearing(admin, "/groups", "User groups")
    return other


async def test_what_another_admin_changes_is_counted_without_ones_own_and_shown_when_asked_for(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    eva = await beside(admin, cast, product, "Eva")
    name = f"Theirs {secrets.token_hex(4)}"
    first = (await eva.write("POST", "/v1/groups", {"name": name})).ok()
    pill = admin.button("1 change · Refresh")
    await pill.wait_for()
    assert await admin.page.get_by_role("link", name=name).count() == 0
    assert await admin.flaws() == []
    await admin.page.set_viewport_size({"width": 320, "height": 640})
    assert await admin.overflow() <= 0
    await admin.page.set_viewport_size({"width": 1280, "height": 860})
    (await cast.admin.write("POST", "/v1/groups", {"name": f"My own {secrets.token_hex(4)}"})).ok()
    (await eva.write("PATCH", f"/v1/groups/{first['id']}", {"description": "Of Eva"})).ok()
    await admin.button("2 changes · Refresh").wait_for()
    await press(admin, "2 changes · Refresh")
    await admin.page.get_by_role("link", name=name).wait_for()
    await expect(admin.page.locator("[data-news]")).to_have_count(0)


async def test_meters_follow_by_themselves(admin: Window, cast: Cast, product: WholeProduct) -> None:
    await hearing(admin, "/users", "Users")
    used = admin.page.locator(".meter", has_text="Author slots").locator(".number")
    before = await used.inner_text()
    await invited(product, cast, "Flo")
    await expect(used).not_to_have_text(before)


async def test_a_page_that_nobody_looks_at_listens_no_more_and_catches_up_afterwards(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    gil = await invited(product, cast, "Gil", "admin")
    await hearing(admin, "/groups", "User groups")
    (await gil.write("POST", "/v1/groups", {"name": f"Before {secrets.token_hex(4)}"})).ok()
    await admin.button("1 change · Refresh").wait_for()
    look = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with admin.page.expect_event("requestfailed", lambda one: bool(STREAM.search(one.url))):
        await admin.page.evaluate(look, True)
    (await gil.write("POST", "/v1/groups", {"name": f"Meanwhile {secrets.token_hex(4)}"})).ok()
    async with admin.page.expect_request(STREAM) as again:
        await admin.page.evaluate(look, False)
    assert "after=" in (await again.value).url
    await admin.button("2 changes · Refresh").wait_for()


async def test_who_may_not_hear_events_asks_for_none(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.analyst.email, PASSWORD)
        await it.go("/sharing", "Sharing")
        await it.settled()
        assert not [path for _, path, _ in it.exchanges if STREAM.search(path)]


async def test_while_nobody_answers_nothing_can_be_sent_and_it_is_tried_again_by_itself(
    opens: Opens, cast: Cast
) -> None:
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.go("/groups", "User groups")
        await it.button("Add group").click()
        await it.field("Name").fill(f"Patient {secrets.token_hex(4)}")
        add = it.page.get_by_role("dialog").get_by_role("button", name="Add group")

        await it.context.route("**/v1/**", nobody)
        await add.click()
        await it.page.get_by_text("Next try in").wait_for()
        await expect(add).to_have_attribute("title", "Tenantry can't be reached")
        await expect(add).to_have_attribute("aria-disabled", "true")
        assert await it.flaws(CONTRAST) == []
        await it.context.unroute("**/v1/**", nobody)
        await expect(add).not_to_have_attribute("aria-disabled", "true")
        await add.click()
        await it.page.get_by_role("heading", level=1, name="Patient").wait_for()


async def test_signing_in_goes_on_by_itself_once_somebody_answers(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.go("/sign-in", "Sign in")
        await it.field("Work e-mail").fill(cast.admin.email)
        await it.field("Password").fill(PASSWORD)

        await it.context.route("**/v1/**", nobody)
        enter = it.page.locator("button[type=submit]")
        await it.field("Password").press("Enter")
        await it.page.get_by_text("Next try in").wait_for()
        await expect(enter).to_have_attribute("aria-disabled", "true")
        assert await it.flaws() == []
        await it.context.unroute("**/v1/**", nobody)
        await expect(enter).not_to_have_attribute("aria-disabled", "true")
        await enter.click()
        await it.page.locator(".side").wait_for(state="attached")


async def test_a_page_that_nobody_answered_comes_by_itself_once_somebody_does(admin: Window, cast: Cast) -> None:
    name = f"Awaited {secrets.token_hex(4)}"
    (await cast.admin.write("POST", "/v1/groups", {"name": name})).ok()
    await admin.settled()
    await admin.page.context.route("**/v1/**", nobody)
    await admin.page.get_by_role("link", name="User groups", exact=True).click()
    await admin.page.locator("main .card [role=alert]").wait_for()
    await admin.page.get_by_text("Next try in").wait_for()
    assert await admin.flaws() == []
    await admin.page.context.unroute("**/v1/**", nobody)
    await admin.page.get_by_role("link", name=name).wait_for()
    await expect(admin.page.locator("main [role=alert]")).to_have_count(0)
