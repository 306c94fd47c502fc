"""Signing in with a second factor, and setting up a first one where it is required, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD, Person
from tests.console.conftest import Opens
from tests.console.test_single_sign_on import CHALLENGE, NOTHING, is_sound
from tests.system.whole import Cast, WholeProduct, a_cast


async def with_an_app(product: WholeProduct, person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Sets up an authenticator app, and answers it with the recovery codes."""
    begun = (await person.ask("POST", "/v1/me/totp", {})).ok()
    app = pyotp.TOTP(begun["secret"])
    activated = await person.ask("POST", "/v1/me/totp/activation", {"code": code_now(product, app)})
    return app, activated.ok()["recovery_codes"]


def code_now(product: WholeProduct, app: pyotp.TOTP) -> str:
    return app.at(product.clock.now())


def next_code(product: WholeProduct, app: pyotp.TOTP) -> str:
    """A code that wasn't used yet."""
    product.clock.advance(timedelta(seconds=30))
    return code_now(product, app)


async def test_a_person_with_an_app_types_its_code_or_a_recovery_code(
    opens: Opens, cast: Cast, product: WholeProduct
) -> None:
    app, codes = await with_an_app(product, cast.analyst)
    async with opens() as window:
        await window.go("/sign-in", "Sign in")
        await window.field("Work e-mail").fill(cast.analyst.email)
        await window.field("Password").fill(PASSWORD)
        await window.button("Sign in").click()
        await window.page.get_by_role("heading", name="Confirm that it's you").wait_for()
        assert await window.flaws() == []
        await window.field("Code").fill("not-a-code")
        await window.button("Go on").click()
        await window.page.get_by_role("alert").or_(window.page.locator(".wrong")).first.wait_for()
        await window.field("Code").fill(codes[0])
        await window.button("Go on").click()
        await window.page.get_by_role("heading", level=1, name="Sharing").wait_for()
    async with opens() as window:
        await window.go("/sign-in", "Sign in")
        await window.field("Work e-mail").fill(cast.analyst.email)
        await window.field("Password").fill(PASSWORD)
        await window.button("Sign in").click()
        await window.field("Code").fill(next_code(product, app))
        await window.button("Go on").click()
        await window.page.get_by_role("heading", level=1, name="Sharing").wait_for()


async def requires_two_factor(product: WholeProduct, admin: Person) -> None:
    """An organization asks for it, and its deadline passes."""
    app, _ = await with_an_app(product, admin)
    challenge = await product.gateway.send("POST", "/v1/auth/sessions", {"email": admin.email, "password": PASSWORD})
    given = challenge.ok()["challenge"]
    answer = {"token": given["token"], "totp": next_code(product, app)}
    proven = (await product.gateway.send("POST", f"/v1/auth/challenges/{given['id']}/answers", answer)).ok()
    headers = {"Authorization": f"Bearer {proven['access_token']}", "If-Match": "*"}
    asked = {"two_factor_required": True}
    (
        await product.gateway.send(
            "PATCH", "/v1/security-policy", asked, {**headers, "Content-Type": "application/merge-patch+json"}
        )
    ).ok()
    product.clock.advance(timedelta(days=60))


async def test_who_must_have_a_second_factor_sets_one_up_at_sign_in(
    opens: Opens, cast: Cast, product: WholeProduct
) -> None:
    await requires_two_factor(product, cast.admin)
    async with opens() as window:
        heading = window.page.get_by_role("heading", name="Set up a second factor")
        await window.go("/sign-in", "Sign in")
        await window.field("Work e-mail").fill(cast.viewer.email)
        await window.field("Password").fill(PASSWORD)
        await window.button("Sign in").click()
        await heading.wait_for()
        await expect(window.page.get_by_role("img", name="QR code of the key below")).to_be_visible()
        key = await window.page.locator("code").first.inner_text()
        assert await window.flaws() == []
        await window.field("Code of the app").fill(code_now(product, pyotp.TOTP(key)))
        await window.button("Go on").click()
        await window.page.get_by_role("heading", name="Keep your recovery codes").wait_for()
        assert await window.page.locator("li code").count() == 10
        await window.button("I have stored them").click()
        await window.page.get_by_role("heading", level=1, name="Sharing").wait_for()


async def test_a_passkey_made_at_sign_in_will_do(opens: Opens, product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    await requires_two_factor(product, cast.admin)
    async with opens() as window:
        await window.holds_a_key()
        await window.go("/sign-in", "Sign in")
        await window.field("Work e-mail").fill(cast.viewer.email)
        await window.field("Password").fill(PASSWORD)
        await window.button("Sign in").click()
        await window.page.get_by_role("heading", name="Set up a second factor").wait_for()
        await window.button("Set up a passkey instead").click()
        await window.page.get_by_role("heading", name="Keep your recovery codes").wait_for()
        assert await window.flaws() == []
        await window.button("I have stored them").click()
        await window.page.get_by_role("heading", level=1, name="Sharing").wait_for()
        await window.go("/me/security", "Security")
        await window.page.get_by_text("Chrome on Linux", exact=True).first.wait_for()


LOCKED = {
    "factor_frozen": (401, {}, "Your authenticator app is frozen", "a recovery code, which makes the app count again"),
    "second_factor_locked": (429, {"until": "2030-01-01T10:30:00Z"}, "Too many wrong codes", "no code and no passkey is looked at"),
}  # fmt: skip


@pytest.mark.parametrize("code", LOCKED)
async def test_why_no_code_counts_any_more_is_said_in_words_of_ones_own(opens: Opens, code: str) -> None:
    status, meta, title, words = LOCKED[code]

    async def asks(route: Route) -> None:
        answer = {**NOTHING, "challenge": CHALLENGE, "account_proof": None, "return_to": "/console/", "arriving": False}
        await route.fulfill(status=201, json=answer)

    async def refuses(route: Route) -> None:
        problem = {
            "type": f"/problems/{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": "No",
            "remedy": ["Wait."],
            "meta": meta,
        }
        await route.fulfill(status=status, content_type="application/problem+json", json=problem)

    async with opens() as it:
        await it.page.route("**/v1/auth/sso/sign-ins", asks)
        await it.page.route("**/v1/auth/challenges/*/answers", refuses)
        await it.go("/sign-in/sso", "Confirm that it's you")
        await it.field("Code").fill("123456")
        await it.button("Go on").click()
        await it.page.get_by_text(title).wait_for()
        await it.page.get_by_text(words).wait_for()
        await is_sound(it)
