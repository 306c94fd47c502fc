"""Every screen, in both themes, at desk and phone width: nothing complains, nothing sticks out, everybody can use it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, RULES
from tests.console.conftest import Opens
from tests.console.reach import CLIPPED, OUT_OF_SIGHT, SMALL, UNTRANSLATED, speak_pseudo
from tests.system.whole import Cast

OUTSIDE = {
    "/sign-in": "Sign in",
    "/sign-up": "Create your organization",
    "/forgot": "Set a new password",
    "/verify/nonsense": "This link no longer works",
    "/invite/nonsense": "This link no longer works",
    "/confirm-email/nonsense": "Confirm your new address",
    "/undo-email/nonsense": "Keep your old address",
    "/reset/nonsense": "Set a new password",
}
INSIDE = {
    "/": "Overview",
    "/users": "Users",
    "/users?status=inactive": "Users",
    "/users?status=pending": "Users",
    "/users?q=nobody-at-all": "Users",
    "/two-factor": "Two-factor",
    "/groups": "User groups",
    "/organization": "Organization",
    "/legal": "Legal & compliance",
    "/domains": "Domains",
    "/sso": "Single sign-on",
    "/provisioning": "Provisioning",
    "/organization/closing": "Closing the organization",
    "/sharing": "Sharing",
    "/links": "Sharing links",
    "/links?q=nothing-at-all": "Sharing links",
    "/embed-secret": "Embed secret",
    "/access": "Who can see what",
    "/billing": "Billing",
    "/developers": "Developers",
    "/developers/events": "Event log",
    "/audit": "Audit log",
    "/me": "Profile & preferences",
    "/me/security": "Security",
    "/no/such/page": "There is nothing here",
}
DIALOGS = {
    "/users": "Invite users",
    "/groups": "Add group",
    "/domains": "Add domain",
    "/links": "Switch all off…",
    "/embed-secret": "Reset the secret…",
    "/developers": "Create an API key",
}


@pytest.mark.parametrize(("theme", "rules"), [("light", RULES), ("dark", CONTRAST)])
async def test_screens_outside_are_clean_and_fit_a_phone(opens: Opens, theme: str, rules: dict[str, Any]) -> None:
    async with opens(color_scheme=theme) as it:
        for path, heading in OUTSIDE.items():
            await it.go(path, heading)
            await it.settled()
            assert await it.flaws(rules) == [], path
            await it.page.set_viewport_size({"width": 320, "height": 640})
            assert await it.overflow() <= 0, path
            await it.page.set_viewport_size({"width": 1280, "height": 860})


@pytest.mark.parametrize(("theme", "rules"), [("light", RULES), ("dark", CONTRAST)])
async def test_screens_inside_are_clean_and_fit_a_phone(
    opens: Opens, cast: Cast, theme: str, rules: dict[str, Any]
) -> None:
    async with opens(color_scheme=theme) as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        for path, heading in INSIDE.items():
            await it.go(path, heading)
            await it.settled()
            assert await it.flaws(rules) == [], path
            if path in DIALOGS:
                await it.page.locator(".page-head").get_by_role("button", name=DIALOGS[path]).click()
                await it.page.locator("dialog").wait_for()
                assert await it.flaws(rules) == [], f"{path} with its dialog"
            await it.page.set_viewport_size({"width": 320, "height": 640})
            assert await it.overflow() <= 0, path
            await it.page.set_viewport_size({"width": 1280, "height": 860})


async def test_a_viewer_is_told_who_can_help_where_their_role_doesnt_reach(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.viewer.email, PASSWORD)
        await it.go("/users", "Users")
        await it.page.get_by_role("heading", name="You can't see this").wait_for()
        assert await it.flaws() == []


async def test_a_menu_is_complete_with_the_keyboard(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.go("/users", "Users")
        await it.button("Actions for Some Analyst").focus()
        await it.page.keyboard.press("Enter")
        await it.page.locator("[role=menuitem]:focus").wait_for()
        assert await it.flaws() == []
        await it.page.keyboard.press("End")
        await it.page.locator("[role=menuitem]:focus", has_text="Remove for good").wait_for()
        await it.page.keyboard.press("ArrowDown")
        await it.page.locator("[role=menuitem]:focus", has_text="Role").wait_for()
        await it.page.keyboard.press("Escape")
        await it.page.locator("[aria-label='Actions for Some Analyst']:focus").wait_for()


async def test_the_console_speaks_german_and_remembers_it(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.button("Your account").first.click()
        await it.page.get_by_role("menuitem", name="Deutsch").click()
        await it.page.locator("html[lang=de]").wait_for()
        await it.page.reload()
        await it.page.get_by_role("heading", level=1, name="Übersicht").wait_for()
        assert await it.flaws() == []


async def test_screens_hold_longer_words_forced_colours_and_fingers(opens: Opens, cast: Cast) -> None:
    wrong = []
    async with opens(forced_colors="active") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await speak_pseudo(it)
        for path in INSIDE:
            await it.go(path)
            await it.page.locator("main h1").wait_for()
            await it.settled()
            wrong += [f"{path} isn't translated: {one}" for one in await it.page.evaluate(UNTRANSLATED)]
            wrong += [f"{path} in forced colours: {one}" for one in await it.flaws(CONTRAST)]
            for width in (1280, 320):
                await it.page.set_viewport_size({"width": width, "height": 860})
                wrong += [f"{path} clips at {width}: {one}" for one in await it.page.evaluate(CLIPPED)]
                wrong += [f"{path} is small at {width}: {one}" for one in await it.page.evaluate(SMALL)]
                if (over := await it.overflow()) > 0:
                    wrong.append(f"{path} is {over} pixels too wide at {width}")
            await it.page.set_viewport_size({"width": 1280, "height": 860})
    assert not wrong, "\n".join(wrong)


async def test_what_can_be_done_about_a_row_is_in_sight_on_a_narrow_phone_and_in_german(
    opens: Opens, cast: Cast
) -> None:
    admin = cast.admin
    guest = f"somebody.with-a-longer-name@{admin.email.partition('@')[2]}"
    invitation = {"email": guest, "role": "viewer"}
    (await admin.write("POST", "/v1/invitations", invitation, after=cast.trial)).ok()
    board = {"id": f"narrow-{secrets.token_hex(3)}", "title": "Delivery delay, South"}
    (await admin.write("POST", "/v1/dashboards", board, after=cast.trial)).ok()
    everybody = {"mode": "all_analysts", "notify": False}
    (await admin.write("PUT", f"/v1/dashboards/{board['id']}/sharing", everybody, headers={"If-Match": "*"})).ok()
    wrong = []
    async with opens(locale="de-DE", viewport={"width": 320, "height": 640}) as it:
        await it.go("/sign-in", "Anmelden")
        await it.field("Geschäftliche E-Mail").fill(admin.email)
        await it.field("Passwort").fill(PASSWORD)
        await it.button("Anmelden").click()
        await it.page.locator(".side").wait_for(state="attached")
        for path in (
            "/users",
            "/users?status=pending",
            "/sharing",
            "/legal",
            f"/access?user={cast.analyst.user_id}",
            f"/access?dashboard={board['id']}",
        ):
            await it.go(path)
            await it.page.locator("td.act").first.wait_for()
            await it.settled()
            wrong += [f"{path} hides: {one}" for one in await it.page.evaluate(OUT_OF_SIGHT)]
    assert not wrong, "\n".join(wrong)
