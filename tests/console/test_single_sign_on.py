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
from tests.console.late import Late
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.identity.saml_documents import rsa_signer
from tests.identity.saml_house import metadata_of
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


async def verified_and_activated(product: WholeProduct, boss: Person, path: str, provider: RealProvider) -> None:
    """The connection at this path knows the provider, and is in use."""
    told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    (await boss.ask("PUT", f"{path}/metadata", {"oidc": told})).ok()
    mine = Browser(product.gateway.url)
    _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, Authorization=f"Bearer {boss.token}")
    assert (await mine.comes_back(provider, begun["url"], "boss")).endswith("?verified=true")
    (await boss.ask("POST", f"{path}/activation")).ok()


@pytest.fixture(scope="module")
async def connected(product: WholeProduct) -> AsyncIterator[Connected]:
    boss = await with_proven_domain(product, DOMAIN)
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [DOMAIN], "new_users": "at_once"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    connection = made.ok()
    path = f"/v1/sso-connections/{connection['id']}"
    us = connection["service_provider"]
    told_at, back_to = us["backchannel_logout_uri"], us["post_logout_redirect_uri"]
    with real_provider(us["redirect_uri"], DOMAIN, told_at=told_at, signed_out_uri=back_to) as provider:
        await verified_and_activated(product, boss, path, provider)
        yield Connected(boss, path, provider)


async def at_the_provider(it: Window, login: str, *, consents: bool = True) -> None:
    """Through the pages of the provider, as this user; it asks for consent once."""
    await it.page.locator("[name=login]").fill(login)
    await it.page.locator("[name=password]").fill("any")
    await it.page.locator("[type=submit]").click()
    if consents:
        await it.page.get_by_role("button", name="Continue").click()


async def comes_in_by_provider(it: Window, login: str, *, to: str = "/dashboards", consents: bool = True) -> None:
    """From the page where one signs in to the provider, through its pages, and back."""
    await sets_out(it, f"{login}@{DOMAIN}", to)
    await it.button("Go to Northwind IdP").click()
    await at_the_provider(it, login, consents=consents)


async def without_fonts_of_the_provider(it: Window) -> None:
    await it.context.route("https://**", lambda route: route.abort())


async def sets_out(it: Window, email: str, to: str = "/dashboards") -> None:
    await without_fonts_of_the_provider(it)
    await it.go(f"/sign-in?to={to}", "Sign in")
    await it.field("Work e-mail").fill(email)


async def is_in(it: Window) -> None:
    await it.page.get_by_role("heading", level=1, name="Sharing").wait_for()


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
        await it.go("/sign-in", "Sign in")
        await expect(it.field("Password")).to_be_visible()
        await sets_out(it, f"ivy@{DOMAIN}")
        await it.page.get_by_text("A password isn't asked for here.").wait_for()
        await expect(it.field("Password")).to_have_count(0)
        await is_sound(it)
        await it.button("Go to Northwind IdP").click()
        await at_the_provider(it, "ivy")
        await is_in(it)
        assert it.page.url.endswith("/console/dashboards")
        await it.go("/sign-in/sso")  # what was used already, while one is signed in
        await is_in(it)

        await it.page.route("**/v1/dashboards*", Refuses("insufficient_user_authentication"))
        await it.go("/dashboards")
        await it.page.get_by_text("You come back to this page; then do it again.").wait_for()
        assert await it.flaws() == []
        await it.button("Go to your provider").click()
        await at_the_provider(it, "ivy", consents=False)
        await is_in(it)
        assert ("POST", "/v1/auth/reauthentications", 200) in it.exchanges
        assert it.page.url.endswith("/console/dashboards")

        await it.page.route("**/v1/dashboards*", Refuses("session_ended"))
        await it.go("/dashboards")
        await it.page.get_by_text("Sign in at your provider again.").wait_for()
        await it.button("Sign in again").click()
        await it.button("Go to Northwind IdP").click()
        await is_in(it)
        assert it.page.url.endswith("/console/dashboards")


async def test_who_signs_out_here_is_offered_to_sign_out_there_too_and_comes_back(
    opens: Opens, connected: Connected
) -> None:
    async with opens() as it:
        await comes_in_by_provider(it, "ned")
        await is_in(it)
        await it.go("/signed-out", "You are still signed in here")
        await it.button("Sign out").click()
        await it.page.get_by_text("At Northwind IdP you still are signed in").wait_for()
        await is_sound(it)
        await it.page.get_by_role("link", name="Also sign out at Northwind IdP").click()
        await it.page.get_by_role("button", name="Yes, sign me out").click()
        await it.page.get_by_role("heading", level=1, name="You are signed out").wait_for()
        await it.page.get_by_text("Here and at your provider.").wait_for()
        await it.page.get_by_role("link", name="Sign in").click()
        await it.page.get_by_role("heading", level=1, name="Sign in").wait_for()
        await expect(it.page.get_by_role("link", name="Also sign out at Northwind IdP")).to_have_count(0)


async def test_who_has_no_password_proves_themselves_at_the_provider_and_closes_their_account(
    opens: Opens, connected: Connected
) -> None:
    async with opens() as it:
        await comes_in_by_provider(it, "zoe")
        await is_in(it)
        await it.go("/me", "Profile & preferences")
        await it.button("Close your account…").click()
        await it.page.get_by_text("it is asked who you are, in place of a password").wait_for()
        await it.field(f"Type zoe@{DOMAIN} to go on").fill(f"zoe@{DOMAIN}")
        await it.button("Close my account").click()
        await it.page.get_by_text("Confirm at your provider that it's you").wait_for()
        await is_sound(it)
        await it.button("Go to your provider").click()
        await at_the_provider(it, "zoe", consents=False)
        await it.page.get_by_role("heading", level=1, name="Profile & preferences").wait_for()
        await it.button("Close your account…").click()
        await it.field(f"Type zoe@{DOMAIN} to go on").fill(f"zoe@{DOMAIN}")
        await it.button("Close my account").click()
        await it.said("Your account is closed.").wait_for()
        await it.page.get_by_role("heading", level=1, name="Sign in").wait_for()


async def test_who_is_invited_into_a_domain_of_a_provider_goes_there_and_is_in(
    opens: Opens, product: WholeProduct, connected: Connected
) -> None:
    email = f"una@{DOMAIN}"
    wanted = {"email": email, "role": "viewer", "group_ids": []}
    (await connected.boss.write("POST", "/v1/invitations", wanted)).ok()
    token = await product.gateway.mailed_token(email)
    async with opens() as it:
        await without_fonts_of_the_provider(it)
        await it.go(f"/invite/{token}")
        there = it.page.get_by_role("link", name="Go to Northwind IdP")
        await there.wait_for()
        await expect(it.field("Password")).to_have_count(0)
        await is_sound(it)
        await there.click()
        await at_the_provider(it, "una")
        await is_in(it)
        await it.go(f"/invite/{token}", "This link no longer works")
        await it.button("Ask for a new invitation").click()
        await it.page.get_by_text("If it was an invitation, its admins are asked").wait_for()
        await is_sound(it)


async def test_an_admin_sets_a_provider_up_from_the_first_word_to_the_verification(
    opens: Opens, product: WholeProduct
) -> None:
    domain = "northwind-setup.example"
    boss = await with_proven_domain(product, domain)
    (await boss.ask("GET", "/v1/sso-connections")).ok()
    await until(lambda: boss.write("POST", "/v1/groups", {"name": "Arrivals"}), lambda reply: reply.status != 403)
    async with opens() as it:
        await without_fonts_of_the_provider(it)
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
        await it.button("Change it…").click()
        await it.field("Name").fill("Setup IdP, renamed")
        await it.field("Their role").select_option("analyst")
        await it.page.get_by_role("checkbox", name="Arrivals").check()
        assert await it.flaws() == []
        await it.page.get_by_text(domain, exact=True).last.click()
        await expect(it.page.get_by_role("button", name="Save")).to_have_attribute("title", "Choose a domain first")
        await it.page.get_by_text(domain, exact=True).last.click()
        await it.button("Save").click()
        await it.said("Setup IdP, renamed is changed.").wait_for()
        await it.page.get_by_role("heading", level=1, name="Setup IdP, renamed").wait_for()
        await it.page.locator("dd", has_text="Arrivals").wait_for()
        await is_sound(it)


async def test_an_admin_has_assertions_encrypted_and_sign_ins_begun_at_the_provider(
    opens: Opens, product: WholeProduct
) -> None:
    domain = "northwind-saml.example"
    boss = await with_proven_domain(product, domain)
    wanted = {"name": "SAML IdP", "protocol": "saml", "domains": [domain], "new_users": "approval"}
    made = (
        await until(lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda it: it.status in (201, 409))
    ).ok()
    async with opens() as it:
        await it.sign_in(boss.email, PASSWORD)
        await it.go(f"/sso/{made['id']}", "SAML IdP")
        await it.page.get_by_text("Taken, but not asked for").wait_for()
        await it.go(f"/sso/{made['id']}?failed=signature", "SAML IdP")
        await it.page.get_by_text("The newest of the attempts below says what exactly failed.").wait_for()
        await expect(it.page.get_by_text("That is for your admin to repair")).to_have_count(0)
        await it.button("Change it…").click()
        await expect(it.page.get_by_role("checkbox", name="Encrypted assertions")).to_be_disabled()
        await expect(
            it.page.locator("dialog").get_by_text("Import what the provider says of itself first")
        ).to_have_count(2)
        await it.button("Cancel").click()
        file = {"name": "idp.xml", "mimeType": "text/xml", "buffer": metadata_of(rsa_signer()).encode()}
        await it.field("Or the file of the metadata").set_input_files(file)
        late = Late()
        await it.page.route(f"**/v1/sso-connections/{made['id']}", late)
        await it.button("Import").click()
        await late.answered.wait()
        await it.button("Change it…").click()
        late.may_come.set()
        await it.said("What the provider says of itself is imported.").wait_for()
        for switch in ("Encrypted assertions", "Sign-ins may begin at the provider"):
            await it.page.get_by_role("checkbox", name=switch).check()
        await is_sound(it)
        await it.button("Save").click()
        await it.page.get_by_text("Asked for in our metadata").wait_for()
        await is_sound(it)
    kept = (await boss.ask("GET", f"/v1/sso-connections/{made['id']}")).ok()
    assert kept["encrypt_assertions"] is kept["allow_idp_initiated"] is True


async def test_whose_account_was_there_before_shows_once_that_it_is_theirs(opens: Opens, connected: Connected) -> None:
    async with opens() as it:
        await comes_in_by_provider(it, "boss", to="/domains")
        await it.page.get_by_role("heading", level=1, name="Is this account yours?").wait_for()
        await is_sound(it)
        await it.field("Your password").fill("not the right one")
        await it.button("Go on").click()
        await it.page.get_by_text("That isn't your password.").wait_for()
        await it.field("Your password").fill(PASSWORD)
        await it.button("Go on").click()
        await it.page.get_by_role("heading", level=1, name="Domains").wait_for()


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


NOTHING: dict[str, Any] = dict.fromkeys(
    ("session_id", "access_token", "token_type", "expires_in", "refresh_token", "challenge")
)
CHALLENGE: dict[str, Any] = {
    "id": "chl_" + "1" * 26, "token": "tch_y", "factors": ["totp"], "passkey": None, "enrolment": False,
    "expires_at": "2030-01-01T00:00:00Z",
}  # fmt: skip
FAILURES = {
    "/sign-in/sso?failed=provider&trace=req_1": ("Signing in at your provider didn't work", "Perhaps you aren't assigned"),
    "/sign-in/sso?failed=signature&trace=req_2": ("Signing in at your provider didn't work", "they see why under Single sign-on"),
    "/sign-in/sso": ("Signing in at your provider didn't work", "Begin again here."),
    "/sign-in/proof?failed=freshness&trace=req_3": ("Your provider didn't confirm that it's you", "didn't ask who you are once more"),
    "/sign-in/link/tms_chlnothing": ("Is it you who signs in?", "Confirm only if you began a sign-in"),
    "/signed-out": ("You are signed out", "Here and at your provider."),
    "/signed-out?failed=provider&trace=req_4": ("You are signed out", "only it can tell"),
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


async def test_who_has_no_password_follows_a_mailed_link_in_another_window(opens: Opens) -> None:
    followed: list[bool] = []

    async def asks(route: Route) -> None:
        proof: dict[str, Any] = {
            "id": "chl_" + "0" * 26, "token": "tch_x", "ways": ["mail"], "passkey": None,
            "organization": "Northwind", "expires_at": "2030-01-01T00:00:00Z",
        }  # fmt: skip
        await route.fulfill(
            status=201, json={**NOTHING, "account_proof": proof, "return_to": "/console/", "arriving": False}
        )

    async def links(route: Route) -> None:
        problem = {
            "type": "/problems/conflict",
            "title": "No",
            "status": 409,
            "code": "conflict",
            "detail": "Not yet.",
            "instance": "x",
            "meta": {"because": "not_confirmed"},
        }
        if followed:
            await route.fulfill(status=201, json={**NOTHING, "challenge": CHALLENGE})
        else:
            await route.fulfill(status=409, content_type="application/problem+json", json=problem)

    async with opens() as it:
        await it.page.route("**/v1/auth/sso/sign-ins", asks)
        await it.page.route("**/v1/auth/sso/links", links)
        await it.go("/sign-in/sso", "Is this account yours?")
        await is_sound(it)
        await it.button("I have followed it").click()
        await it.page.get_by_text("The link wasn't followed yet").wait_for()
        followed.append(True)
        await it.button("I have followed it").click()
        await it.page.get_by_role("heading", level=1, name="Confirm that it's you").wait_for()


async def test_who_waits_for_an_admin_is_told_so_and_goes_on_when_taken_in(opens: Opens) -> None:
    async def arriving(route: Route) -> None:
        answer = {**NOTHING, "account_proof": None, "return_to": "/console/", "arriving": True}
        await route.fulfill(status=201, json=answer)

    async with opens() as it:
        await it.page.route("**/v1/auth/sso/sign-ins", arriving)
        await it.go("/sign-in/sso", "You are almost in")
        await it.page.get_by_text("If one of its admins has to agree first").wait_for()
