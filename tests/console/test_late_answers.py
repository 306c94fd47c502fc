"""Answers that come later than somebody goes on: they change nothing that was asked for after them."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace

from playwright.async_api import Locator, Route, expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import Window
from tests.console.conftest import Opens
from tests.console.late import Late
from tests.console.test_billing import founder
from tests.console.test_live import beside
from tests.console.test_people import invited
from tests.system.whole import Cast, WholeProduct


async def one_at_a_time(route: Route) -> None:
    await route.continue_(url=re.sub("limit=[0-9]+", "limit=1", route.request.url))


async def test_what_happens_while_a_list_is_asked_for_is_told_after_its_answer(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    ida = await beside(admin, cast, product, "Ida")
    first, second = (f"{word} {secrets.token_hex(4)}" for word in ("Before", "Meanwhile"))
    (await ida.write("POST", "/v1/groups", {"name": first})).ok()
    late = Late()
    await admin.page.route("**/v1/groups?*", late)
    await admin.button("1 change · Refresh").click()
    await late.answered.wait()
    (await ida.write("POST", "/v1/groups", {"name": second})).ok()
    await admin.button("2 changes · Refresh").wait_for()
    late.may_come.set()
    await admin.page.get_by_role("link", name=first).wait_for()
    await admin.button("1 change · Refresh").click()
    await admin.page.get_by_role("link", name=second).wait_for()
    await expect(admin.page.locator("[data-news]")).to_have_count(0)


async def test_more_of_a_list_that_is_searched_meanwhile_doesnt_come_into_what_was_found(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    await invited(product, cast, "Lou")

    late = Late(limit=1)
    await admin.page.route("**/v1/users?*limit=50", one_at_a_time)
    await admin.page.route("**/v1/users?*cursor=*", late)
    await admin.go("/users", "Users")
    await admin.button("Load more").click()
    await late.answered.wait()
    await admin.page.get_by_role("searchbox", name="Search by name or e-mail").fill("Lou")
    await expect(admin.page.locator("tbody tr")).to_have_count(1)
    await admin.page.locator("tbody").get_by_text("Lou", exact=True).wait_for()
    await late.comes(admin.page)
    await expect(admin.page.locator("tbody tr")).to_have_count(1)
    await expect(admin.button("Load more")).to_have_count(0)


async def answered_with(route: Route, status: int, code: str, **headers: str) -> None:
    problem = {"type": "about:blank", "title": "Not now", "status": status, "code": code, "detail": "Later."}
    told = {"Content-Type": "application/problem+json", **headers}
    await route.fulfill(status=status, body=json.dumps(problem), headers=told)


async def refused(route: Route) -> None:
    await answered_with(route, 429, "rate_limited")


async def refuses_and_is_tried_again(it: Window, rows: Locator, word: str = "Load more") -> None:
    """What `word` asks for next is refused; it is said, the button says so and keeps the focus, and the next time it comes."""
    shown = await rows.count()
    await it.button(word).press("Enter")
    await it.page.locator("main [role=alert]").wait_for()
    await expect(it.button("Try again")).to_be_focused()
    await expect(it.button(word)).to_have_count(0)
    assert await it.flaws() == []
    await it.page.keyboard.press("Enter")
    await expect(rows).not_to_have_count(shown)
    await expect(it.page.locator("main [role=alert]")).to_have_count(0)


async def test_more_of_a_list_that_cant_be_had_says_so_and_is_had_the_next_time(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    await invited(product, cast, "Mia")
    await admin.page.route("**/v1/users?*limit=50", one_at_a_time)
    await admin.page.route("**/v1/users?*cursor=*", refused, times=1)
    await admin.go("/users", "Users")
    await admin.page.locator("tbody tr").wait_for()
    await refuses_and_is_tried_again(admin, admin.page.locator("tbody tr"))


async def test_more_sessions_or_people_to_choose_or_older_events_that_cant_be_had_say_so_likewise(
    admin: Window, cast: Cast
) -> None:
    for _ in range(3):
        await replace(cast.admin).sign_in()
    await admin.page.route("**/v1/me/sessions?*limit=50", one_at_a_time)
    await admin.page.route("**/v1/me/sessions?*cursor=*", refused, times=1)
    await admin.go("/me/security", "Security")
    sessions = admin.page.locator("li", has_text="Signed in")
    await sessions.first.wait_for()
    await refuses_and_is_tried_again(admin, sessions)

    group = (await cast.admin.write("POST", "/v1/groups", {"name": f"More {secrets.token_hex(4)}"})).ok()
    await admin.page.route("**/v1/users?*limit=20", one_at_a_time)
    await admin.page.route("**/v1/users?*cursor=*", refused, times=1)
    await admin.go(f"/groups/{group['id']}", group["name"])
    await admin.button("Add members").click()
    people = admin.page.locator("label.choice")
    await people.first.wait_for()
    await refuses_and_is_tried_again(admin, people)
    await admin.page.keyboard.press("Escape")

    await admin.page.route("**/v1/events?*limit=50*", one_at_a_time)
    await admin.go("/developers/events", "Event log")
    events = admin.page.get_by_role("list", name="Events").get_by_role("listitem")
    await events.first.wait_for()
    await admin.page.route("**/v1/events?*after=*", refused, times=1)
    await refuses_and_is_tried_again(admin, events, "Load older")


async def test_who_has_signed_out_isnt_signed_in_again_by_an_answer_of_before(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.viewer.email, PASSWORD)
        await it.go("/me", "Profile & preferences")
        await it.settled()
        late = Late()
        await it.page.route("**/v1/me/capabilities", late)
        await it.field("Your name").fill("Vera Viewer")
        await it.page.locator("form", has=it.field("Your name")).get_by_role("button", name="Save").click()
        await late.answered.wait()
        await it.page.locator(".side").get_by_role("button", name="Your account").click()
        await it.page.get_by_role("menuitem", name="Sign out").click()
        await it.page.get_by_role("heading", level=1, name="Sign in").wait_for()
        await late.comes(it.page)
        await it.page.go_back()
        await it.page.wait_for_url(re.compile(r"/sign-in"))
        await it.page.get_by_role("heading", level=1, name="Sign in").wait_for()


async def test_the_language_chosen_last_is_spoken_whichever_words_come_first(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.analyst.email, PASSWORD)
        late = Late()
        await it.page.route("**/i18n/de.js", late)
        account = it.page.locator(".side .foot button[aria-haspopup]")
        await account.click()
        await it.page.get_by_role("menuitem", name="Deutsch").click()
        await late.answered.wait()
        await account.click()
        await it.page.get_by_role("menuitem", name="English").click()
        await late.comes(it.page)
        await it.page.evaluate("(url) => import(url).then(() => undefined)", late.url)  # its own parts come after it
        await it.button("Your account").wait_for()
        assert await it.page.evaluate("document.documentElement.lang") == "en"


async def test_nothing_in_the_list_of_users_moves_when_what_stands_above_it_comes_late(admin: Window) -> None:
    parts = {path: Late() for path in ("organization", "groups?*", "users/facets?*")}
    for path, late in parts.items():
        await admin.page.route(f"**/v1/{path}", late)
    await admin.go("/users", "Users")
    button = admin.button("Actions for Ada Admin")
    await button.click()
    item = admin.page.get_by_role("menuitem", name="Deactivate…")
    await item.wait_for()
    before = await button.bounding_box()
    for late in parts.values():
        await late.answered.wait()
        await late.comes(admin.page)
    await admin.page.get_by_role("group", name="Show by two-factor").wait_for()
    assert await button.bounding_box() == before
    await admin.page.evaluate("dispatchEvent(new Event('scroll'))")
    await expect(item).to_be_visible()


async def test_what_was_just_changed_is_changed_again_once_it_is_loaded(opens: Opens, product: WholeProduct) -> None:
    """Before, the dialog would hold what was there, and what it saves be refused as if somebody else had changed it."""
    person = await founder(product)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.button("Change the billing address…").click()
        await it.field("Address").fill("1 Street")
        await it.field("Country").select_option("DE")
        late = Late()

        async def read(route: Route) -> None:
            await (late(route) if route.request.method == "GET" else route.fallback())

        await it.page.route("**/v1/billing-details", read)
        await it.button("Save").click()
        await late.answered.wait()
        change = it.page.get_by_role("button", name="Change the billing address…")
        await expect(change).to_have_accessible_name("Change the billing address… (Loading…)")
        await late.comes(it.page)
        await it.button("Change the billing address…").click()
        await expect(it.field("Address")).to_have_value("1 Street")
        await it.field("Address").fill("2 Road")
        await it.button("Save").click()
        await it.page.get_by_text("2 Road").wait_for()


async def test_who_cant_be_told_for_a_moment_is_told_the_next(admin: Window) -> None:
    async def busy(route: Route) -> None:
        await answered_with(route, 503, "auth_unavailable", **{"Retry-After": "0"})

    await admin.page.route("**/v1/me", busy, times=2)
    await admin.go("/users", "Users")
    await admin.page.locator("tbody tr").first.wait_for()
