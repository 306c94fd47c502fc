"""Signing in at an identity provider that others wrote, coming back, and the way in when it is broken, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from playwright.async_api import Route, expect

from services.launcher import PRODUCT
from shared.cli.demo.api import PASSWORD, Person, until
from tests.console.browser import Window
from tests.console.conftest import Opens
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.system.test_single_sign_on import REACHING, with_proven_domain
from tests.system.visiting import Browser
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases

DOMAIN = "northwind-door.example"


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    reaching = replace(PRODUCT, service=lambda name: REACHING.get(name) or PRODUCT.service(name))
    folder = tmp_path_factory.mktemp("sso-console")
    async with whole_product(databases, folder, host="localhost", product=reaching) as running:
        yield running


@dataclass
class Connected:
    """An organization whose people sign in at this provider."""

    boss: Person
    path: str
    provider: RealProvider


@pytest.fixture(scope="module")
async def connected(product: WholeProduct) -> AsyncIterator[Connected]:
    boss = await with_proven_domain(product, DOMAIN)
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [DOMAIN], "new_users": "at_once"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    connection = made.ok()
    path = f"/v1/sso-connections/{connection['id']}"
    with real_provider(connection["service_provider"]["redirect_uri"], DOMAIN) as provider:
        told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        (await boss.ask("PUT", f"{path}/metadata", {"oidc": told})).ok()
        mine = Browser(product.gateway.url)
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, Authorization=f"Bearer {boss.token}")
        assert (await mine.comes_back(provider, begun["url"], "boss")).endswith("?verified=true")
        (await boss.ask("POST", f"{path}/activation")).ok()
        yield Connected(boss, path, provider)


async def at_the_provider(it: Window, login: str, *, consents: bool = True) -> None:
    """Through the pages of the provider, as this user; it asks for consent once."""
    await it.page.locator("[name=login]").fill(login)
    await it.page.locator("[name=password]").fill("any")
    await it.page.locator("[type=submit]").click()
    if consents:
        await it.page.get_by_role("button", name="Continue").click()


async def is_sound(it: Window) -> None:
    """Clean by axe, and no wider than a phone."""
    await it.settled()
    assert await it.flaws() == []
    await it.page.set_viewport_size({"width": 320, "height": 640})
    assert await it.overflow() <= 0
    await it.page.set_viewport_size({"width": 1280, "height": 860})


@dataclass
class Refuses:
    """Refuses one request, as the API does for want of a fresh proof, or of a session."""

    code: str
    asked: int = 0

    async def __call__(self, route: Route) -> None:
        self.asked += 1
        if self.asked > 1:
            await route.fallback()
            return
        problem = {"type": "about:blank", "title": "Prove yourself", "status": 401, "code": self.code, "detail": ""}
        await route.fulfill(status=401, content_type="application/problem+json", json=problem)


async def test_who_signs_in_at_a_provider_goes_there_comes_back_and_proves_themselves_there(
    opens: Opens, connected: Connected
) -> None:
    async with opens() as it:
        await it.context.route("https://**", lambda route: route.abort())  # fonts of the provider's pages
        await it.go("/sign-in?to=/dashboards", "Sign in")
        await expect(it.field("Password")).to_be_visible()
        await it.field("Work e-mail").fill(f"ivy@{DOMAIN}")
        await it.page.get_by_text("A password isn't asked for here.").wait_for()
        await expect(it.field("Password")).to_have_count(0)
        await is_sound(it)
        await it.button("Go to Northwind IdP").click()
        await at_the_provider(it, "ivy")
        await it.page.get_by_role("heading", level=1, name="Sharing").wait_for()
        assert it.page.url.endswith("/console/dashboards")
        await it.go("/sign-in/sso")  # what was used already, while one is signed in
        await it.page.get_by_role("heading", level=1, name="Sharing").wait_for()

        await it.page.route("**/v1/dashboards*", Refuses("insufficient_user_authentication"))
        await it.go("/dashboards")
        await it.page.get_by_text("You come back to this page; then do it again.").wait_for()
        assert await it.flaws() == []
        await it.button("Go to your provider").click()
        await at_the_provider(it, "ivy", consents=False)
        await it.page.get_by_role("heading", level=1, name="Sharing").wait_for()
        assert ("POST", "/v1/auth/reauthentications", 200) in it.exchanges
        assert it.page.url.endswith("/console/dashboards")

        await it.page.route("**/v1/dashboards*", Refuses("session_ended"))
        await it.go("/dashboards")
        await it.page.get_by_text("Sign in at your provider again.").wait_for()
        await it.button("Sign in again").click()
        await it.button("Go to Northwind IdP").click()
        await it.page.get_by_role("heading", level=1, name="Sharing").wait_for()
        assert it.page.url.endswith("/console/dashboards")


async def test_an_admin_sets_a_provider_up_from_the_first_word_to_the_verification(
    opens: Opens, product: WholeProduct
) -> None:
    domain = "northwind-setup.example"
    boss = await with_proven_domain(product, domain)
    (await boss.ask("GET", "/v1/sso-connections")).ok()
    async with opens() as it:
        await it.context.route("https://**", lambda route: route.abort())
        await it.sign_in(boss.email, PASSWORD)
        await it.page.get_by_role("link", name="Single sign-on", exact=True).click()
        await it.page.get_by_text("No provider is set up").wait_for()
        await is_sound(it)
        await it.button("Set up a provider").first.click()
        await it.field("Name").fill("Setup IdP")
        await it.page.get_by_text(domain, exact=True).click()
        assert await it.flaws() == []
        await it.button("Go on").click()
        await it.page.get_by_role("heading", level=1, name="Setup IdP").wait_for()
        redirect_uri = await it.page.locator(".record code", has_text="/callback").first.inner_text()
        await is_sound(it)
        with real_provider(redirect_uri, domain) as provider:
            await it.field("Issuer").fill(provider.url)
            await it.field("Client ID").fill(CLIENT[0])
            await it.field("Client secret").fill(CLIENT[1])
            await it.button("Import").click()
            await it.said("What the provider says of itself is imported.").wait_for()
            await it.button("Verify the configuration").click()
            await at_the_provider(it, "boss")
            await it.page.get_by_text("The configuration works").wait_for()
            await it.page.get_by_text("Succeeded").wait_for()
        await it.button("Activate…").click()
        await it.page.get_by_text("signs in at the provider alone").wait_for()
        await it.button("Activate").click()
        await it.said("Setup IdP is active.").wait_for()
        await is_sound(it)


async def test_an_admin_comes_in_without_the_provider_switches_it_off_and_removes_it(
    opens: Opens, connected: Connected
) -> None:
    email = connected.boss.email
    async with opens() as it:
        await it.go("/break-glass?email=" + email, "When the provider is broken")
        await is_sound(it)
        await it.button("Mail me the link").click()
        await it.page.get_by_role("heading", level=1, name="Look into your mailbox").wait_for()
        token = await connected.boss.gateway.mailed_token(email, "emergency")
        await it.go(f"/break-glass/{token}", "Sign in without the provider")
        await it.button("Sign in for this").click()
        await it.page.get_by_role("heading", level=1, name="Single sign-on").wait_for()
        await it.page.get_by_text("You signed in without the provider").wait_for()
        await it.page.get_by_role("link", name="Northwind IdP").click()
        await it.button("Switch off…").click()
        await it.page.get_by_role("heading", name="Switch off Northwind IdP?").wait_for()
        assert await it.flaws() == []
        await it.button("Switch off").click()
        await it.said("Northwind IdP is switched off.").wait_for()
        await it.button("Remove it…").click()
        await it.page.get_by_role("heading", name="Remove Northwind IdP?").wait_for()
        await it.button("Remove").click()
        await it.page.get_by_text("No provider is set up").wait_for()
    assert (await connected.boss.ask("GET", connected.path)).status == 404


FAILURES = {
    "/sign-in/sso?failed=provider&trace=req_1": ("Signing in at your provider didn't work", "Perhaps you aren't assigned"),
    "/sign-in/sso?failed=signature&trace=req_2": ("Signing in at your provider didn't work", "they see why under Single sign-on"),
    "/sign-in/sso": ("Signing in at your provider didn't work", "Begin again here."),
    "/sign-in/proof?failed=freshness&trace=req_3": ("Your provider didn't confirm that it's you", "didn't ask who you are once more"),
    "/break-glass/tms_brgnothing": ("Sign in without the provider", "to repair or switch off single sign-on"),
}  # fmt: skip


async def test_what_failed_at_the_provider_is_said_in_plain_words(opens: Opens) -> None:
    async with opens() as it:
        for path, (heading, words) in FAILURES.items():
            await it.go(path, heading)
            await it.page.get_by_text(words).wait_for()
            await is_sound(it)
        await it.button("Sign in for this").click()
        await it.page.get_by_role("heading", level=1, name="This link no longer works").wait_for()


async def test_who_waits_for_an_admin_is_told_so_and_goes_on_when_taken_in(opens: Opens) -> None:
    async def arriving(route: Route) -> None:
        answer: dict[str, Any] = {
            "session_id": None, "access_token": None, "token_type": None, "expires_in": None,
            "refresh_token": None, "challenge": None, "return_to": "/console/", "arriving": True,
        }  # fmt: skip
        await route.fulfill(status=201, json=answer)

    async with opens() as it:
        await it.page.route("**/v1/auth/sso/sign-ins", arriving)
        await it.go("/sign-in/sso", "You are almost in")
        await it.page.get_by_text("If one of its admins has to agree first").wait_for()
