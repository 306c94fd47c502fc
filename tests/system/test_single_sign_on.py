"""Single sign-on through the gateway, at a provider that others wrote: from the proof of a domain to the last way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from secrets import token_hex

import pytest
from playwright.async_api import Route

from services.identity.app import service as identity
from services.identity.usecases.opened import opening as identity_opening
from services.launcher import PRODUCT
from services.org.app import opening as org_opening
from services.org.app import service as org
from shared.cli.demo.api import Person, Reply, sign_up, until
from shared.outbound import Outbound
from tests.console.browser import started_browser
from tests.identity.oidc_provider import CLIENT, real_provider
from tests.identity.provider import HERE
from tests.identity.saml_provider import HOST, saml_provider
from tests.system.visiting import (
    BEGIN,
    Browser,
    VisitedBrowser,
    certificate_in,
    connection_of,
    provider_signer,
    self_posting,
    signs_in,
)
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases

RECORDS: dict[str, list[str]] = {}


async def records_of(name: str) -> Sequence[str]:
    return RECORDS.get(name, [])


REACHING = {
    "identity": replace(identity, opens=identity_opening(Outbound(policy=HERE))),
    "org": replace(org, opens=org_opening(records_of)),
}


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    reaching = replace(PRODUCT, service=lambda name: REACHING.get(name) or PRODUCT.service(name))
    async with whole_product(databases, tmp_path_factory.mktemp("sso"), product=reaching) as running:
        yield running


async def with_proven_domain(product: WholeProduct, domain: str) -> Person:
    boss = await sign_up(product.gateway, f"boss@{domain}", "Bo Boss", "Northwind")
    (await boss.write("POST", "/v1/subscription/trial", after=boss.last_change[-1])).ok()
    found = (await boss.ask("GET", "/v1/domains")).ok()["data"][0]
    RECORDS[found["record"]["name"]] = [found["record"]["value"]]
    assert (await boss.write("POST", f"/v1/domains/{found['id']}/verifications")).ok()["outcome"] == "proven"
    return boss


async def test_from_the_first_setting_to_the_last_way_in(product: WholeProduct) -> None:
    domain = "northwind-sso.example"
    boss = await with_proven_domain(product, domain)
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [domain], "new_users": "at_once"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    connection = made.ok()
    path = f"/v1/sso-connections/{connection['id']}"
    with real_provider(connection["service_provider"]["redirect_uri"], domain) as provider:
        told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        (await boss.ask("PUT", f"{path}/metadata", {"oidc": told})).ok()

        mine = Browser(product.gateway.url)
        bearer = {"Authorization": f"Bearer {boss.token}"}
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, **bearer)
        assert await mine.comes_back(provider, begun["url"], "boss") == f"/console/sso/{connection['id']}?verified=true"
        (await boss.ask("POST", f"{path}/activation")).ok()

        ivy = Browser(product.gateway.url)
        _, way, _ = await ivy.ask("POST", "/v1/auth/discovery", {"email": f"ivy@{domain}"})
        assert (way["method"], way["password_works"]) == ("sso", False)
        _, _, there = await ivy.ask("GET", way["sso"]["url"] + "&return_to=/console/dashboards")
        assert set(ivy.cookies) == {"__Host-sso"}
        assert await ivy.comes_back(provider, there, "ivy") == "/console/sign-in/sso"
        assert set(ivy.cookies) == {"__Host-sso"}, "nothing of a session leaves before it is asked for"
        status, done, _ = await ivy.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "cookie"})
        assert (status, done["return_to"], done["access_token"]) == (201, "/console/dashboards", None)
        assert ivy.cookies["__Host-sso"] == ""

        async def enters() -> Reply:
            status, answer, _ = await ivy.ask("GET", "/v1/me")
            return Reply(status, {}, answer)

        known = (await until(enters, lambda reply: bool(reply.json["organization"]))).ok()
        assert (known["user"]["email"], known["session"]["amr"]) == (f"ivy@{domain}", ["sso"])
        assert (known["organization"]["name"], known["organization"]["role"]) == ("Northwind", "viewer")
        refused = await product.gateway.send(
            "POST", "/v1/auth/sessions", {"email": boss.email, "password": "correct-horse-battery-staple-9"}
        )
        assert refused.code == "invalid_credentials"
        wanted_entries = {
            "identity.sso_connection.created",
            "identity.sso_connection.verified",
            "identity.sso_connection.activated",
            "identity.sso_identity.linked",
            "identity.sso_user.arrived",
        }
        await until(  # what ivy did is told apart from what boss did
            lambda: boss.ask("GET", "/v1/audit-entries?q=action:identity.sso*"),
            lambda reply: {entry["action"].rpartition(".")[0] for entry in reply.ok()["data"]} >= wanted_entries,
        )

    assert (await product.gateway.send("POST", "/v1/auth/break-glass", {"email": boss.email})).status == 202
    token = await product.gateway.mailed_token(boss.email, "emergency")
    session = (await product.gateway.send("POST", "/v1/auth/break-glass-sessions", {"token": token})).ok()
    boss.token = session["access_token"]
    for closed in ("/v1/users", "/v1/audit-entries", "/v1/events", "/v1/subscription", "/v1/dashboards", "/v1/domains"):
        assert (await boss.ask("GET", closed, after="")).code == "emergency_only", closed
    assert (await boss.ask("GET", "/v1/me", after="")).ok()["user"]["email"] == boss.email
    assert (await boss.ask("POST", f"{path}/deactivation")).ok()["status"] == "off"
    await boss.sign_in()
    assert (await boss.ask("GET", "/v1/users")).status == 200


async def test_by_saml_from_our_metadata_to_a_session(product: WholeProduct) -> None:
    domain = f"saml-{token_hex(4)}.example"
    boss = await with_proven_domain(product, domain)
    connection = await connection_of(boss, domain)
    us, path = connection["service_provider"], f"/v1/sso-connections/{connection['id']}"
    bearer = {"Authorization": f"Bearer {boss.token}"}
    ours = await certificate_in(product, connection)
    with saml_provider(provider_signer(), us["entity_id"], us["acs_url"], ours) as provider:
        document = (await provider.metadata()).decode()
        (await boss.ask("PUT", f"{path}/metadata", {"saml": {"document": document, "sign_requests": True}})).ok()
        mine = VisitedBrowser(product.gateway.url)
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, **bearer)
        back = await mine.posts(await provider.sign_in(begun["url"], boss.email))
        assert back == f"/console/sso/{connection['id']}?verified=true"
        (await boss.ask("POST", f"{path}/activation")).ok()

        ivy = await signs_in(product, provider, f"ivy@{domain}")
        status, done, _ = await ivy.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "cookie"})
        assert (status, done["return_to"]) == (201, "/console/dashboards")

        await until(
            lambda: boss.ask("GET", "/v1/security-policy/roster"), lambda reply: f"ivy@{domain}" in str(reply.json)
        )  # identity knows by then that she was taken in
        (await boss.ask("PATCH", path, {"allow_idp_initiated": True})).ok()
        tile = VisitedBrowser(product.gateway.url)
        assert await tile.posts(await provider.begin(f"ivy@{domain}")) == "/console/sign-in/sso"
        status, done, _ = await tile.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})
        assert (status, done["arriving"]) == (201, False)
    attempts = (await boss.ask("GET", f"{path}/login-attempts")).ok()["data"]
    assert [one["step"] for one in attempts] == ["done", "browser", "done", "request", "done"]


async def test_a_real_browser_brings_its_cookie_from_the_providers_page(product: WholeProduct) -> None:
    """Another site's page posts here: what of our cookies comes along only a browser can tell."""
    domain = f"saml-{token_hex(4)}.example"
    boss = await with_proven_domain(product, domain)
    connection = await connection_of(boss, domain)
    us, path = connection["service_provider"], f"/v1/sso-connections/{connection['id']}"
    async with started_browser() as chromium:
        page = await (await chromium.new_context()).new_page()
        with saml_provider(provider_signer(), us["entity_id"], us["acs_url"]) as provider:

            async def at_the_provider(route: Route) -> None:
                form = await provider.sign_in(route.request.url, boss.email)
                await route.fulfill(content_type="text/html", body=self_posting(form))

            await page.route(f"https://{HOST}/**", at_the_provider)
            document = (await provider.metadata()).decode()
            (await boss.ask("PUT", f"{path}/metadata", {"saml": {"document": document}})).ok()
            await page.goto(f"{product.gateway.url}/console/sign-in")
            begun = await page.evaluate(BEGIN, [f"{path}/verification", boss.token])
            await page.goto(begun["url"])
            await page.wait_for_url(f"**/console/sso/{connection['id']}?verified=true")
