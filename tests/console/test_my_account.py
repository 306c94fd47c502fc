"""One's own account in a real browser: second factors, passkeys, the password, the address, and its end."""

from __future__ import annotations

import json
import secrets

import pyotp
import pytest
from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD, Gateway, Person, sign_up
from tests.console.conftest import Opens
from tests.console.test_second_step import code_now, next_code
from tests.system.test_accounts import is_out
from tests.system.whole import WholeProduct

OTHER = "another-horse-battery-staple-7"


@pytest.fixture
async def person(product: WholeProduct) -> Person:
    """Somebody with an organization of their own."""
    return await newcomer(product.gateway)


async def newcomer(gateway: Gateway) -> Person:
    domain = f"mine-{secrets.token_hex(4)}.example"
    return await sign_up(gateway, f"mia@{domain}", "Mia Mine", "Mine")


async def too_old(route: Route) -> None:
    """Answers the next write as if the person had proven themselves long ago."""
    if route.request.method == "GET":
        await route.continue_()
    else:
        problem = {
            "type": "/problems/insufficient_user_authentication",
            "title": "Prove that it's you",
            "status": 401,
            "detail": "The proof is too old.",
            "code": "insufficient_user_authentication",
            "remedy": [],
            "instance": "0" * 24,
        }
        await route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(problem))


async def test_an_authenticator_app_is_set_up_gives_codes_and_is_removed(
    opens: Opens, product: WholeProduct, person: Person
) -> None:
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/me/security", "Security")
        await it.button("Set up…").click()
        await expect(it.page.get_by_role("img", name="QR code of the key below")).to_be_visible()
        assert await it.flaws() == []
        app = pyotp.TOTP((await it.page.locator("code.secret").inner_text()).replace(" ", ""))
        await it.field("Code of the app").fill("000000")
        await it.button("Switch on").click()
        await it.page.get_by_role("alert").first.wait_for()
        await it.field("Code of the app").fill(code_now(product, app))
        await it.button("Switch on").click()
        await it.page.get_by_role("dialog", name="Keep your recovery codes").wait_for()
        assert await it.page.locator(".codes li").count() == 10
        assert await it.flaws() == []
        async with it.page.expect_download() as saved:
            await it.button("Save as a file").click()
        assert (await saved.value).suggested_filename == "tenantry-recovery-codes.txt"
        await it.page.keyboard.press("Escape")
        await it.page.get_by_text("They are never shown again").wait_for()
        await it.page.get_by_label("I have stored them").check()
        await it.button("Done").click()
        await it.page.get_by_text("10 left").wait_for()

        await it.page.route("**/v1/me/recovery-codes", too_old, times=1)
        await it.button("Make new codes…").click()
        await it.button("Make new codes").click()
        dialog = it.page.get_by_role("dialog", name="Confirm that it's you")
        await dialog.get_by_role("button", name="Use a code instead").click()
        await dialog.get_by_label("Code", exact=True).fill(next_code(product, app))
        await dialog.get_by_role("button", name="Confirm", exact=True).click()
        await it.page.get_by_role("dialog", name="Keep your recovery codes").wait_for()
        await it.page.get_by_label("I have stored them").check()
        await it.button("Done").click()

        await it.button("Remove the authenticator app…").click()
        await it.field("Your password").fill("not my password at all")
        await it.button("Remove the app").click()
        await it.page.get_by_text("That isn't your password.").wait_for()
        await it.field("Your password").fill(PASSWORD)
        await it.button("Remove the app").click()
        await it.said("The authenticator app is removed.").wait_for()
        await it.button("Set up…").wait_for()


async def test_a_passkey_is_added_named_signs_in_alone_and_is_removed(
    opens: Opens, product: WholeProduct, person: Person
) -> None:
    async with opens() as it:
        await it.holds_a_key()
        await it.sign_in(person.email, PASSWORD)
        await it.go("/me/security", "Security")
        await it.button("Add a passkey…").click()
        await it.field("Name").fill("Laptop")
        await it.button("Go on").click()
        await it.page.get_by_role("dialog", name="Keep your recovery codes").wait_for()
        await it.page.get_by_label("I have stored them").check()
        await it.button("Done").click()
        await it.button("Actions for Laptop").click()
        await it.page.get_by_role("menuitem", name="Rename…").click()
        await it.field("Name").fill("Work laptop")
        await it.button("Save").click()
        await it.page.get_by_text("Work laptop", exact=True).wait_for()
        assert await it.flaws() == []

        await it.button("Your account").first.click()
        await it.page.get_by_role("menuitem", name="Sign out").click()
        await it.button("Sign in with a passkey").click()
        await it.page.locator(".side").wait_for(state="attached")

        await it.go("/me/security", "Security")
        await it.button("Actions for Work laptop").click()
        await it.page.get_by_role("menuitem", name="Remove…").click()
        await it.field("Your password").fill(PASSWORD)
        await it.button("Remove the passkey").click()
        await it.said("The passkey Work laptop is removed.").wait_for()
        await it.page.get_by_text("Work laptop", exact=True).wait_for(state="detached")


async def test_a_passkey_at_another_address_than_the_consoles_is_refused_with_the_reason(
    opens: Opens, person: Person
) -> None:
    async with opens() as it:
        it.url = it.url.replace("localhost", "127.0.0.1")
        await it.holds_a_key()
        await it.sign_in(person.email, PASSWORD)
        await it.go("/me/security", "Security")
        await it.button("Add a passkey…").click()
        await it.button("Go on").click()
        await it.page.get_by_text("Passkeys don't work at this address.").wait_for()
        await it.page.get_by_text("published under: localhost.").wait_for()
        assert await it.flaws() == []


async def test_the_password_changes_and_every_other_session_ends(
    opens: Opens, product: WholeProduct, person: Person
) -> None:
    async with opens() as it, opens() as elsewhere:
        await elsewhere.sign_in(person.email, PASSWORD)
        await it.sign_in(person.email, PASSWORD)
        await it.go("/me/security", "Security")
        await it.page.get_by_text("This one").wait_for()
        await it.field("Current password").fill(PASSWORD)
        await it.field("New password").fill(OTHER)
        await it.button("Change password").click()
        await it.said("Your password is changed.").wait_for()
        await is_out(person)
        await elsewhere.page.reload()
        await elsewhere.page.get_by_role("heading", name="Sign in").wait_for()


async def test_the_address_waits_for_its_new_one_and_an_account_is_closed(
    opens: Opens, product: WholeProduct, person: Person
) -> None:
    new = person.email.replace("mia@", "mia.new@")
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/me", "Profile & preferences")
        await it.button("Change e-mail…").click()
        await it.field("New e-mail").fill(new)
        await it.field("Your password").fill(PASSWORD)
        await it.button("Send the confirmation").click()
        await it.page.get_by_text(f"Waiting for {new} to confirm").wait_for()
        assert await it.flaws() == []
        await it.button("Take it back").click()
        await it.said("Your address stays as it is.").wait_for()
        await it.page.get_by_text("An organization would be left without an admin").wait_for()

        async with it.page.expect_response("**/v1/me/profile") as answered:
            await it.field("Language").select_option("de")
        assert (await (await answered.value).json())["language"] == "de", "mail is written in it, too"
        await it.page.get_by_role("heading", level=1, name="Profil & Einstellungen").wait_for()
        await it.page.get_by_role("radio", name="Dunkel", exact=True).check()
        assert await it.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert await it.flaws() == []
