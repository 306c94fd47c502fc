"""Users in numbers, what would be if, many links at once, their policy, views and QR codes, and how far a plan has come, in a real browser."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD, sign_up, until
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import UNTRANSLATED, speak_pseudo
from tests.console.test_developers import fits_phones
from tests.console.test_links import Board, board, make
from tests.console.test_oversight import Shared, share_with_group, shared
from tests.console.test_people import choose, invited
from tests.console.test_second_step import with_an_app
from tests.system.whole import Cast, WholeProduct

__all__ = ["board", "shared"]


async def test_users_are_counted_by_second_factor_and_activity_and_each_number_is_a_filter(
    opens: Opens, product: WholeProduct
) -> None:
    boss = await sign_up(product.gateway, f"fay@facets-{secrets.token_hex(3)}.example", "Fay Facet", "Facets")
    await until(lambda: boss.ask("GET", "/v1/subscription", quietly=True), lambda answer: answer.status == 200)
    vic = await invited(product, Cast(boss, boss, boss, boss, boss.last_change[-1]), "Vic", "viewer")
    await with_an_app(product, vic)
    facets = await until(
        lambda: boss.ask("GET", "/v1/users/facets"), lambda answer: answer.ok()["two_factor"]["on"] == 1
    )
    assert facets.ok()["users"] == 2
    async with opens() as it:
        await it.sign_in(boss.email, PASSWORD)
        await it.go("/users", "Users")
        await it.page.get_by_text("1 of 2", exact=True).wait_for()
        assert await it.flaws() == []
        await it.page.get_by_role("group", name="Show by two-factor").get_by_role("button", name="Off").click()
        await it.page.get_by_role("row", name="Vic").wait_for(state="detached")
        assert it.page.url.endswith("/users?two_factor=off")
        await it.page.get_by_role("row", name="Fay Facet").get_by_text("Off").wait_for()
        await it.page.reload()
        await it.page.get_by_role("row", name="Fay Facet").wait_for()
        await it.page.get_by_label("Two-factor", exact=True).select_option(label="Two-factor on")
        await it.page.get_by_role("row", name="Vic").get_by_text("On").wait_for()
        await it.page.get_by_role("button", name="Never signed in: 0 people").click()
        await it.button("Clear filters").click()
        await it.page.get_by_role("row", name="Vic").wait_for()
        today = it.page.get_by_role("button", name="Within a day: 2 people")
        await today.click()
        await expect(today).to_have_attribute("aria-pressed", "true")
        assert it.page.url.endswith("/users?last_active=day")
        assert await it.flaws() == []
        await fits_phones(it)
        await it.button("Export…").click()
        await it.page.get_by_text("The users that fit the filter of the list, by name.").wait_for()


async def test_who_is_alone_isnt_counted_and_what_nothing_matches_isnt_exported(
    opens: Opens, product: WholeProduct
) -> None:
    boss = await sign_up(product.gateway, f"una@alone-{secrets.token_hex(3)}.example", "Una Alone", "Alone")
    async with opens() as it:
        await it.sign_in(boss.email, PASSWORD)
        async with it.page.expect_response("**/v1/users/facets?*"):
            await it.go("/users", "Users")
        await it.page.get_by_role("row", name="Una Alone").wait_for()
        await it.settled()
        await expect(it.page.locator(".facets")).to_have_count(0)
        export = it.page.get_by_role("button", name="Export…")
        await expect(export).not_to_have_attribute("aria-disabled", "true")
        for path in ("/users?q=nobody-at-all", "/audit?q=actor:nobody-at-all"):
            await it.go(path)
            await it.page.get_by_role("heading", name="Nothing matches").wait_for()
            await expect(export).to_have_attribute("aria-disabled", "true")
            await expect(export).to_contain_text("(Nothing matches)")


async def test_an_admin_sends_the_link_for_a_new_password(admin: Window, cast: Cast, product: WholeProduct) -> None:
    await choose(admin, "Some Analyst", "Send a link for a new password…")
    await admin.page.get_by_text(f"It goes to {cast.analyst.email} alone").wait_for()
    assert await admin.flaws() == []
    await admin.button("Send the link").click()
    await admin.said("The mail to Some Analyst is sent.").wait_for()
    assert await product.gateway.mailed_token(cast.analyst.email, "password")
    await admin.button("Actions for Ada Admin").click()
    item = admin.page.get_by_role("menuitem", name="Send a link for a new password…")
    await expect(item).to_contain_text("Yours is under Security.")
    await admin.page.keyboard.press("Escape")
    await admin.go("/audit", "Audit log")
    said = "Ada Admin had Some Analyst mailed the link for a new password"
    await admin.page.get_by_role("link", name=said).first.wait_for()


async def test_what_if_somebody_left_a_group_is_answered_and_nothing_is_done(
    admin: Window, cast: Cast, shared: Shared
) -> None:
    await share_with_group(admin, shared)
    await admin.go(f"/access?user={cast.viewer.user_id}&dashboard={quote(shared.dashboard_id)}")
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    leaves = admin.page.get_by_role("checkbox", name=f"Some Viewer leaves the group {shared.group}")
    await leaves.check()
    await admin.page.get_by_text(f"Some Viewer wouldn't see {shared.title}").wait_for()
    await admin.page.get_by_text("That is otherwise now. Nothing is changed by looking.").wait_for()
    await admin.page.get_by_role("img", name=f"{shared.group}: leads nowhere").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await leaves.uncheck()
    await admin.page.get_by_role("checkbox", name=f"It is no longer shared with {shared.group}").check()
    await admin.field("The role of Some Viewer").select_option(label="Admin")
    await admin.page.get_by_text(f"Some Viewer wouldn't see {shared.title}").wait_for()
    await admin.button("Back to how it is").click()
    await admin.page.get_by_text(f"Some Viewer sees {shared.title}").wait_for()
    question = {"dashboard_id": shared.dashboard_id, "subject_id": cast.viewer.user_id}
    assert (await cast.admin.ask("POST", "/v1/access-explanations", question)).ok()["decision"] is True


async def test_links_are_paused_and_deleted_together_with_what_will_happen_said_before(
    admin: Window, cast: Cast, board: Board
) -> None:
    names = [f"{word} {secrets.token_hex(2)}" for word in ("North", "South", "West")]
    made = [await make(cast, board, name=name) for name in names]
    (await cast.admin.write("PATCH", f"/v1/links/{made[2]['id']}", {"paused": True})).ok()
    await admin.go(f"/links?q={quote(board.title)}", "Sharing links")
    for name in names:
        await admin.page.get_by_role("checkbox", name=f"Choose {name}").check()
    bar = admin.page.get_by_role("region", name="Chosen links")
    await bar.get_by_text("3 chosen").wait_for()
    await bar.get_by_role("button", name="Pause…").click()
    await admin.page.get_by_text("2 of them open at present.").wait_for()
    await admin.page.get_by_text("1 is paused already.").wait_for()
    assert await admin.flaws() == []
    await admin.page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    await admin.said("2 links are paused.").wait_for()
    await expect(admin.page.get_by_role("row").get_by_text("Paused")).to_have_count(3)
    await admin.page.get_by_role("checkbox", name="Choose all shown").check()
    (await cast.admin.write("DELETE", f"/v1/links/{made[0]['id']}")).ok()
    await bar.get_by_role("button", name="Delete…").click()
    await admin.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    outcome = admin.page.get_by_role("dialog", name="1 link couldn't be changed")
    await outcome.get_by_text(names[0]).wait_for()
    assert await admin.flaws() == []
    await outcome.get_by_role("button", name="Close").last.click()
    await admin.page.get_by_role("heading", name="Nothing matches").wait_for()


async def test_the_link_policy_is_changed_with_its_effect_on_every_link_by_name(
    admin: Window, cast: Cast, board: Board
) -> None:
    name = f"Open {secrets.token_hex(2)}"
    await make(cast, board, name=name)
    await admin.go("/links", "Sharing links")
    await admin.page.get_by_text("Links open with or without a password.").wait_for()
    await admin.button("Change the policy…").click()
    dialog = admin.page.get_by_role("dialog", name="Link policy")
    await expect(dialog.get_by_role("button", name="Save")).to_have_attribute("title", "Nothing is changed yet")
    await dialog.get_by_role("checkbox", name="Only with a password").check()
    await dialog.get_by_text("close at once").or_(dialog.get_by_text("closes at once")).wait_for()
    await dialog.get_by_text(name).wait_for()
    assert await admin.flaws() == []
    await dialog.get_by_role("checkbox", name="Only with a password").uncheck()
    await dialog.get_by_role("checkbox", name="Only for so many days").check()
    await dialog.get_by_label("Days at most").fill("0")
    await dialog.get_by_text("Between 1 and 3,650.", exact=True).wait_for()
    await dialog.get_by_label("Days at most").fill("30")
    await dialog.get_by_text("sooner than now").wait_for()
    now = await cast.admin.ask("GET", "/v1/links/policy")
    other = {"password_required": True}
    (await cast.admin.write("PATCH", "/v1/links/policy", other, headers={"If-Match": now.headers["etag"]})).ok()
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_text("Somebody else changed this meanwhile").wait_for()
    assert await admin.flaws() == []
    await dialog.get_by_role("button", name="Show what is there now").click()
    await dialog.get_by_text("opens again").or_(dialog.get_by_text("open again")).wait_for()
    await fits_phones(admin)
    await dialog.get_by_role("button", name="Save").click()
    await admin.said("The link policy is changed.").wait_for()
    await admin.page.get_by_text("A link opens for 30 days after it got its token.").wait_for()
    (await cast.admin.write("PATCH", "/v1/links/policy", {"longest_days": None}, headers={"If-Match": "*"})).ok()


async def test_openings_are_drawn_day_by_day_in_the_inventory_and_at_the_dashboard(
    admin: Window, cast: Cast, board: Board
) -> None:
    name = f"Seen {secrets.token_hex(2)}"
    link = await make(cast, board, name=name)
    for _ in range(3):
        path = f"/v1/shared/{board.id}?sharingToken={link['token']}"
        assert (await cast.admin.gateway.send("GET", path)).status == 200
    await admin.go(f"/links?q={quote(board.title)}", "Sharing links")
    drawn = "Opened day by day. 7 days: 3 · 30 days: 3"
    await admin.page.get_by_role("row", name=name).get_by_role("img", name=drawn).wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.go(f"/sharing/{board.id}?show=links")
    await admin.page.get_by_role("dialog").get_by_role("img", name=drawn).wait_for()
    assert await admin.flaws() == []


async def test_an_address_is_shown_as_a_qr_code_that_can_be_kept(admin: Window, cast: Cast, board: Board) -> None:
    await make(cast, board, name="Lobby wall")
    url = f"https://dashboards.example.com/shared/{board.id}?sharingToken=x"

    async def at_the_page(route: Route) -> None:
        if route.request.url.endswith("/qr-code"):
            await route.fulfill(
                json={"url": url, "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'}
            )
            return
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "url": url})

    await admin.page.route("**/v1/links/lnk_**", at_the_page)
    await admin.go(f"/links?q={quote(board.title)}", "Sharing links")
    await choose(admin, "Lobby wall", "Address and embed code…")
    await admin.page.get_by_role("img", name="QR code of the address").wait_for()
    assert await admin.flaws() == []
    async with admin.page.expect_download() as waiting:
        await admin.button("Save the picture (SVG)").click()
    assert (await waiting.value).suggested_filename == "Lobby wall.svg"


async def test_how_far_a_change_of_plan_has_come_is_followed_and_survives_a_reload(
    opens: Opens, product: WholeProduct
) -> None:
    person = await sign_up(product.gateway, f"pia@plan-{secrets.token_hex(3)}.example", "Pia Plan", "Plans")
    await until(lambda: person.ask("GET", "/v1/subscription", quietly=True), lambda answer: answer.status == 200)
    await person.write("POST", "/v1/subscription/trial")
    trial = person.last_change[-1]
    (await person.write("POST", "/v1/groups", {"name": "Finance"}, after=trial)).ok()
    wanted = {"name": "Nightly", "access": "view", "areas": ["users"]}
    (await person.write("POST", "/v1/api-keys", wanted, after=trial)).ok()
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.page.get_by_role("heading", name="The change to Business").wait_for()
        await it.button("Change to Free").click()
        dialog = it.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Change to Free").click()
        await it.page.get_by_role("heading", name="The change to Free").wait_for()
        await it.page.get_by_text("5 of 5 parts have applied it").wait_for()
        for part in ("1 group suspended", "1 API key suspended", "Sharing links open for nobody"):
            await it.page.get_by_text(part).wait_for()
        assert await it.flaws() == []
        await it.page.reload()
        await it.page.get_by_text("1 group suspended").wait_for()
        await fits_phones(it)

        async def one_is_dead(route: Route) -> None:
            answer = await route.fetch()
            change = await answer.json()
            change["subscribers"][-1] |= {"state": "dead", "applied_at": None}
            await route.fulfill(response=answer, json=change)

        await it.context.route("**/v1/changes/*", one_is_dead)
        await it.page.reload()
        await it.page.get_by_text("4 of 5 parts have applied it").wait_for()
        await it.page.locator(".meter").get_by_text("Not applied everywhere").wait_for()
        assert await it.flaws() == []


async def test_what_looks_closer_holds_longer_words_and_the_dark(
    opens: Opens, cast: Cast, board: Board, shared: Shared
) -> None:
    await make(cast, board, name="Longer")
    explained = f"/access?user={cast.viewer.user_id}&dashboard={quote(shared.dashboard_id)}"
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await speak_pseudo(it)
        for path, seen in (
            ("/users", ".facets"),
            ("/links", ".bulk, table"),
            (explained, ".choices"),
            ("/billing", "h1"),
        ):
            await it.go(path)
            await it.page.locator(seen).first.wait_for()
            await it.settled()
            assert await it.page.evaluate(UNTRANSLATED) == [], path
            assert await it.flaws(CONTRAST) == [], path
            await fits_phones(it)
