"""Signing in with a second factor, and setting up a first one where it is required, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pyotp
from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, Person
from tests.console.conftest import Opens
from tests.system.whole import Cast, WholeProduct


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


async def test_who_must_have_a_second_factor_sets_one_up_at_sign_in(
    opens: Opens, cast: Cast, product: WholeProduct
) -> None:
    app, _ = await with_an_app(product, cast.admin)
    challenge = await product.gateway.send(
        "POST", "/v1/auth/sessions", {"email": cast.admin.email, "password": PASSWORD}
    )
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
