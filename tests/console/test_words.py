"""What the API tells, in the reader's words: refusals, reasons and explanations in German, and times, numbers and dates as the organization writes them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, until
from tests.console.browser import Window
from tests.console.conftest import Opens
from tests.system.test_scim import prove as prove_domain
from tests.system.whole import Cast, WholeProduct

GERMAN = "localStorage.setItem('tenantry.language', 'de')"
HABITS = {"time_zone": "Asia/Tokyo", "number_format": "1.234,56", "date_format": "YYYY/MM/DD"}


async def signed_in(it: Window, email: str) -> None:
    await it.context.add_init_script(GERMAN)
    await it.go("/sign-in", "Anmelden")
    await it.field("Geschäftliche E-Mail").fill(email)
    await it.field("Passwort").fill(PASSWORD)
    await it.button("Anmelden").click()
    await it.page.locator(".side").wait_for(state="attached")


@pytest.fixture
async def german(opens: Opens, cast: Cast) -> AsyncIterator[Window]:
    async with opens() as it:
        await signed_in(it, cast.admin.email)
        yield it


@pytest.fixture
async def dashboard(cast: Cast) -> str:
    """The title of a dashboard of the admin, which everybody sees."""
    name = f"Umsatz {secrets.token_hex(4)}"
    board = (await cast.admin.write("POST", "/v1/dashboards", {"id": name.replace(" ", "-"), "title": name})).ok()
    path = f"/v1/dashboards/{board['id']}/sharing"
    shared = await cast.admin.write("PUT", path, {"mode": "all_users", "notify": False}, headers={"If-Match": "*"})
    shared.ok()
    return name


async def test_a_wrong_password_is_refused_in_german(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.context.add_init_script(GERMAN)
        await it.go("/sign-in", "Anmelden")
        await it.field("Geschäftliche E-Mail").fill(cast.admin.email)
        await it.field("Passwort").fill("not the password at all")
        await it.button("Anmelden").click()
        refusal = it.page.get_by_role("alert")
        await refusal.get_by_text("E-Mail oder Passwort ist falsch").wait_for()
        await refusal.get_by_text("Prüfen Sie beides, oder setzen Sie ein neues Passwort.").wait_for()
        await expect(refusal.get_by_text("Check both")).to_have_count(0)


async def test_faults_of_fields_and_rows_are_told_in_german(german: Window) -> None:
    await german.go("/organization", "Organisation")
    await german.field("Kontakt-E-Mail").fill("niemand")
    await german.button("Speichern").click()
    await german.page.get_by_text("ist keine gültige E-Mail-Adresse").wait_for()
    await german.go("/users", "Personen")
    await german.button("Personen einladen").first.click()
    await german.field("E-Mail-Adressen").fill("vera@elsewhere.example")
    await german.field("E-Mail-Adressen").press("Enter")
    await german.page.get_by_role("dialog").locator("button[type=submit]").click()
    words = "vera@elsewhere.example elsewhere.example ist keine eingetragene Domain dieser Organisation"
    await german.page.get_by_role("alert").get_by_role("listitem").filter(has_text=words).wait_for()


async def test_why_a_webhook_or_a_provider_was_refused_is_told_in_german(german: Window, cast: Cast) -> None:
    hook = {"url": "https://nobody.invalid/hook", "types": ["org.group.*"]}
    webhook = (await cast.admin.write("POST", "/v1/webhooks", hook)).ok()
    token = (await cast.admin.write("POST", "/v1/scim-tokens", {"name": "Okta"})).ok()
    try:
        sent = {"Authorization": f"Bearer {token['token']}", "Content-Type": "application/scim+json"}
        for name in ("eve@elsewhere.example", ""):
            await cast.admin.gateway.send("POST", "/scim/v2/Users", {"userName": name}, sent)
        await german.go("/provisioning", "Bereitstellung")
        await german.page.get_by_text(
            "elsewhere.example ist keine nachgewiesene Domain dieser Organisation."
        ).wait_for()
        await german.page.get_by_text("userName fehlt.").wait_for()
        await cast.admin.write("POST", f"/v1/webhooks/{webhook['id']}/tests")
        log = f"/v1/webhooks/{webhook['id']}/deliveries"
        await until(
            lambda: cast.admin.ask("GET", log, quietly=True), lambda reply: reply.json["data"][0]["attempts"] > 0
        )
        await german.go("/developers", "Entwicklung")
        await german.button(f"Aktionen für {hook['url']}").click()
        await german.page.get_by_role("menuitem", name="Lieferungen…").click()
        await german.page.get_by_role("dialog").get_by_text("Der Name ist im DNS nicht zu finden.").wait_for()
    finally:
        await cast.admin.write("DELETE", f"/v1/webhooks/{webhook['id']}")
        await cast.admin.write("DELETE", f"/v1/scim-tokens/{token['id']}")


async def test_built_in_groups_have_german_names(german: Window) -> None:
    await german.go("/groups", "Gruppen")
    await german.page.get_by_text("Alle aktiven Admins und Analysten.").wait_for()
    await german.page.get_by_role("link", name="Alle Analysten").click()
    await german.page.get_by_role("heading", level=1, name="Alle Analysten").wait_for()
    await expect(german.page.get_by_text("All Analysts")).to_have_count(0)


ATTEMPT = {
    "id": "sat_" + "1" * 26, "at": "2026-11-27T08:00:00Z", "purpose": "sign_in", "email": "i…@x.example", "claims": {}, "trace": "req_1",
}  # fmt: skip
UNUSABLE = {
    **ATTEMPT, "id": "sat_" + "2" * 26, "step": "keys", "cause": "https://idp.example/keys can't be used: it took longer than 5 seconds",
    "cause_code": "not_usable", "cause_meta": {"url": "https://idp.example/keys", "reach": "too_slow"},
}  # fmt: skip
UNSIGNED = {
    **ATTEMPT, "step": "signature", "cause": "neither the response nor its assertion is signed", "cause_code": "unsigned", "cause_meta": {},
}  # fmt: skip


async def test_why_a_sign_in_at_a_provider_failed_is_told_in_german(german: Window, cast: Cast) -> None:
    wanted = {"name": f"IdP {secrets.token_hex(4)}", "protocol": "saml"}
    connection = (await cast.admin.write("POST", "/v1/sso-connections", wanted)).ok()
    answer = {"data": [UNUSABLE, UNSIGNED]}
    await german.page.route("**/login-attempts", lambda route: route.fulfill(json=answer))
    await german.go(f"/sso/{connection['id']}")
    await german.page.get_by_text("https://idp.example/keys ist nicht zu brauchen. Es dauerte zu lange.").wait_for()
    await german.page.get_by_text("Weder die Antwort noch ihre Assertion ist signiert.").wait_for()
    await expect(german.page.get_by_text("is signed")).to_have_count(0)
    assert await german.flaws() == []
    await cast.admin.write("DELETE", f"/v1/sso-connections/{connection['id']}")


async def test_why_somebody_sees_a_dashboard_is_told_in_german(german: Window, cast: Cast, dashboard: str) -> None:
    board = dashboard.replace(" ", "-")
    await german.go(f"/access?user={cast.viewer.user_id}&dashboard={board}")
    await german.page.get_by_text(f"„{dashboard}“ ist für „Alle“ freigegeben").wait_for()
    await german.page.get_by_text("Some Viewer ist aktives Mitglied").first.wait_for()
    await german.page.get_by_text(f"„{dashboard}“ nicht mehr freigeben für").wait_for()
    await german.settled()
    assert await german.flaws() == []


async def test_sharing_is_the_owners_and_says_so_to_others(opens: Opens, cast: Cast, dashboard: str) -> None:
    async with opens() as it:
        await it.sign_in(cast.analyst.email, PASSWORD)
        await it.go("/sharing", "Sharing")
        share = it.page.get_by_role("button", name=f"Share {dashboard}")
        await expect(share).to_have_attribute("aria-disabled", "true")
        await expect(share).to_have_attribute("title", "Only its owner shares it: Ada Admin.")
        await share.dispatch_event("click")
        await expect(it.page.locator("dialog")).to_have_count(0)
        await it.go(f"/sharing/{dashboard.replace(' ', '-')}")
        await it.page.get_by_role("dialog").get_by_text("You can't change this").wait_for()
        assert await it.flaws() == []


async def test_who_can_never_share_isnt_offered_it(opens: Opens, cast: Cast, dashboard: str) -> None:
    async with opens() as it:
        await it.sign_in(cast.viewer.email, PASSWORD)
        await it.page.get_by_role("row", name=dashboard).wait_for()
        await it.settled()
        await expect(it.page.get_by_role("button", name=f"Share {dashboard}")).to_have_count(0)


async def test_the_console_writes_times_numbers_and_dates_as_the_organization_does(
    opens: Opens, cast: Cast, dashboard: str
) -> None:
    before = (await cast.admin.ask("GET", "/v1/organization/preferences")).ok()
    path = "/v1/organization/preferences"
    (await cast.admin.write("PATCH", path, HABITS, headers={"If-Match": "*"})).ok()
    try:
        async with opens(timezone_id="America/New_York") as it:
            await it.sign_in(cast.admin.email, PASSWORD)
            await it.go("/domains", "Domains")
            await it.page.get_by_text(re.compile(r"^\d{4}/\d\d/\d\d$")).first.wait_for()
            await it.go("/billing", "Billing")
            await it.page.get_by_text(re.compile(r"€\d+(,\d\d)? / ")).first.wait_for()
            await it.go("/audit", "Audit log")
            exact = it.page.locator("main time").first
            await expect(exact).to_have_attribute("title", re.compile(r"^\d{4}/\d\d/\d\d, .*(GMT\+9|JST)$"))
            await it.go("/organization", "Organization")
            await it.page.get_by_text("How your dashboards and this console write times").wait_for()
            moments = """(async () => {
              const base = new URL(document.querySelector("script[type=module]").src).pathname.replace("main.js", "");
              const { day, fromField, money, toField } = await import(`${base}lib/i18n.js`);
              return [day("2026-03-01"), day("2026-03-01T20:00:00Z"), toField("2026-03-01T20:00:00Z"), fromField("2026-03-02T05:00").toISOString(), money({ amount_minor: 123456789, currency: "EUR" })];
            })()"""
            assert await it.page.evaluate(moments) == [
                "2026/03/01",
                "2026/03/02",
                "2026-03-02T05:00",
                "2026-03-01T20:00:00.000Z",
                "€1.234.567,89",
            ]
    finally:
        kept = {name: before[name] for name in HABITS}
        (await cast.admin.write("PATCH", path, kept, headers={"If-Match": "*"})).ok()


WRONG_CHOICES = [
    ("/sso", "Set up a provider", "Provider", "provider", "**/v1/sso-connections"),
    ("/developers", "Create an API key", "Ends after", "expires_at", "**/v1/api-keys"),
    ("/developers", "Create an API key", "What it may", "access", "**/v1/api-keys"),
]


@pytest.mark.parametrize(("page", "button", "label", "field", "address"), WRONG_CHOICES)
async def test_whatever_is_chosen_in_a_form_says_at_its_place_what_is_wrong_with_it(
    admin: Window, product: WholeProduct, cast: Cast, page: str, button: str, label: str, field: str, address: str
) -> None:
    await prove_domain(product, cast)
    fault = {"pointer": f"/{field}", "code": "invalid", "detail": "isn't what it should be"}
    refusal = {"type": "/problems/invalid", "title": "x", "status": 422, "detail": "x", "code": "invalid"}
    await admin.page.route(
        address,
        lambda route: (
            route.fulfill(status=422, json={**refusal, "errors": [fault]}, content_type="application/problem+json")
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    await admin.go(page)
    await admin.button(button).first.click()
    dialog = admin.page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("Something")
    await dialog.get_by_role("checkbox").first.check()
    await dialog.locator("button[type=submit]").click()
    chosen = dialog.locator("[aria-invalid=true]")
    await expect(chosen).to_have_accessible_name(label)
    await expect(chosen).to_have_accessible_description(re.compile("isn't what it should be$"))
    await expect(chosen).to_be_focused()
    await expect(dialog.get_by_role("alert")).to_have_text("Please check the marked fields.")
    assert await admin.flaws() == []


async def test_a_select_that_is_wrong_says_so_where_it_is(admin: Window, cast: Cast) -> None:
    await admin.go("/organization", "Organization")
    await admin.page.route(
        "**/v1/organization/preferences",
        lambda route: (
            route.fulfill(
                status=422,
                content_type="application/problem+json",
                body='{"type":"/problems/invalid","title":"Some of the input isn\'t valid","status":422,"detail":"x","code":"invalid","errors":[{"pointer":"/time_zone","code":"unknown_time_zone","detail":"This isn\'t a time zone of the IANA database."}]}',
            )
            if route.request.method == "PATCH"
            else route.continue_()
        ),
    )
    await admin.field("Time zone").select_option("Europe/Vienna")
    await admin.button("Save").click()
    zone = admin.field("Time zone")
    await expect(zone).to_have_attribute("aria-invalid", "true")
    await expect(zone).to_have_accessible_description("This isn't a time zone of the IANA database.")
    assert await admin.flaws() == []
