"""The plan, what is paid and how, slots over time, and invoices, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from services.billing.app import opening
from services.billing.usecases.stripe_provider import Stripe
from services.launcher import PRODUCT
from shared.cli.demo.api import PASSWORD, Person, until
from shared.clock import MovableClock
from shared.internal import Internal
from shared.process import Product
from shared.web.address import Address
from tests.billing.paid_stage import account_at
from tests.billing.stripe_server import StripeServer, stripe_server
from tests.console.browser import CONTRAST, Window, window
from tests.console.conftest import Opens
from tests.console.reach import CLIPPED, SMALL, UNTRANSLATED, press, reach, speak_pseudo, write
from tests.console.test_developers import fits_phones
from tests.console.test_my_account import newcomer
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases

Operates = Callable[[str, dict[str, Any]], Awaitable[Any]]
CHOSEN = {"interval": "month"}


def operating(product: WholeProduct) -> Operates:
    """What an operator does in billing, as the command line does it."""
    settings = product.settings
    internal = Internal(settings.secrets.keyring("billing"), {"billing": Address.parse(settings.urls["billing"])})

    async def operate(path: str, body: dict[str, Any]) -> Any:
        return await internal.call("billing", "POST", f"/internal/{path}", body={**body, "by": "olga"})

    return operate


@pytest.fixture
def operates(product: WholeProduct) -> Operates:
    return operating(product)


async def buys(person: Person, plan: str) -> None:
    preview = (await person.write("POST", "/v1/subscription/change-previews", {"plan": plan, **CHOSEN})).ok()
    change = {"plan": plan, **CHOSEN, "fingerprint": preview["fingerprint"]}
    (await person.write("POST", "/v1/subscription/changes", change)).ok()


async def founder(product: WholeProduct) -> Person:
    """Somebody whose organization billing knows."""
    person = await newcomer(product.gateway)
    await until(lambda: person.ask("GET", "/v1/subscription", quietly=True), lambda answer: answer.status == 200)
    return person


async def organization_of(person: Person) -> str:
    return str((await person.ask("GET", "/v1/organization")).ok()["id"])


async def test_a_plan_is_bought_and_its_invoice_read_line_by_line_paid_and_corrected(
    opens: Opens, product: WholeProduct, operates: Operates
) -> None:
    person = await founder(product)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.page.get_by_text("The first comes with a plan that costs something.").wait_for()
        await it.button("Change to Pro").click()
        for name in ("Due now", re.compile("^Next invoice, on ")):
            sums = it.page.get_by_role("group", name=name).get_by_role("listitem")
            await expect(sums).to_have_text(["Without tax€249", "Tax€47.31", "Total€296.31"])
        await it.page.get_by_text("How the amount without tax is worked out").click()
        await it.page.locator("dialog").get_by_text("Pro, one month").wait_for()
        assert await it.flaws() == []
        await it.page.locator("dialog").get_by_role("button", name="Change to Pro").click()
        await it.said("Pro is your plan now.").wait_for()
        await it.page.get_by_role("img", name="Pro: €249, Tax, 19 %: €47.31").wait_for()
        assert await it.flaws() == []
        await it.page.locator("td a.name-link").click()
        title = it.page.get_by_role("heading", level=1, name=re.compile("Invoice TN-"))
        number = (await title.inner_text()).removeprefix("Invoice ")
        await it.page.get_by_text("€296.31 is due on").wait_for()
        await it.page.get_by_text("Transfer it to the account").wait_for()
        await it.page.get_by_text("Tax, 19 %").wait_for()
        await it.settled()
        assert await it.flaws() == []
        await fits_phones(it)
        async with it.page.expect_download() as saved:
            await it.page.get_by_role("link", name="Download the PDF").click()
        assert (await saved.value).suggested_filename == f"{number}.pdf"

        note = await operates("credit-notes", {"number": number, "net_minor": 2000, "reason": "Outage"})
        await operates("payments", {"number": number, "reference": "bank statement 12"})
        await it.page.reload()
        await it.page.get_by_text("Paid on").wait_for()
        await expect(it.page.get_by_text("is due on")).to_have_count(0)
        await it.page.get_by_role("link", name=note["number"], exact=True).click()
        await it.page.get_by_role("heading", level=1, name=f"Credit note {note['number']}").wait_for()
        await it.page.get_by_text(f"Correction of {number}: Outage").wait_for()
        await it.page.get_by_text("In your favour", exact=True).wait_for()
        assert await it.flaws() == []
        await it.page.get_by_role("link", name=number, exact=True).wait_for()


async def test_the_billing_address_is_written_with_the_keyboard_and_decides_the_tax(
    opens: Opens, product: WholeProduct
) -> None:
    person = await founder(product)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.page.get_by_text("Nobody has said where you are").wait_for()
        await it.settled()
        await press(it, "Change the billing address…")
        await it.page.locator("dialog").wait_for()
        await write(it, "Company", "Łódź & Söhne")
        await write(it, "Address", "12 rue de la Paix\n75002 Paris")
        await reach(it, "Country")
        await it.field("Country").select_option("FR")
        await write(it, "VAT id", "fr 40 303 265 046")
        assert await it.flaws() == []
        await press(it, "Save")
        await it.page.locator("dialog .wrong").first.wait_for()
        await write(it, "VAT id", "fr 40 303 265 045")
        await write(it, "Your reference", "PO-7")
        await press(it, "Save")
        await it.said("The billing address is saved.").wait_for()
        await it.page.get_by_text("FR40303265045").wait_for()
        await it.page.get_by_text("Invoices bear no tax: you account for it (reverse charge).").wait_for()
        assert await it.flaws() == []
        await fits_phones(it)


async def test_two_admins_write_the_billing_address_and_the_later_sees_what_is_there(
    opens: Opens, product: WholeProduct
) -> None:
    person = await founder(product)
    other = {"company": "First", "address": ["1 Street"], "country": "DE", "email": person.email}
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.button("Change the billing address…").click()
        await it.field("Address").fill("2 Road")
        await it.field("Country").select_option("DE")
        (await person.write("PUT", "/v1/billing-details", other, headers={"If-Match": "*"})).ok()
        await it.button("Save").click()
        await it.button("Show what is there now").click()
        await it.page.get_by_text("1 Street").wait_for()


async def test_slots_are_drawn_over_time_as_a_picture_and_as_a_table_and_each_is_explained(
    opens: Opens, product: WholeProduct
) -> None:
    person = await founder(product)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        words = "Author slots: 1 today. A forecast needs 30 days of history: the first is there on "
        await it.page.get_by_role("img", name=words).wait_for()
        await it.page.get_by_text("The limit is 2.").wait_for()
        await it.page.get_by_role("button", name="Show as a table").first.click()
        table = it.page.get_by_role("region", name="Author slots: 1 today")
        await expect(table.get_by_role("row")).not_to_have_count(0)
        await expect(table.get_by_role("row", name=re.compile("(expected)"))).to_have_count(0)
        assert await it.flaws() == []
        await it.button("Who held them…").click()
        dialog = it.page.get_by_role("dialog", name="Who held the slots")
        await dialog.get_by_text("Mia Mine").wait_for()
        assert await it.flaws() == []
        await dialog.get_by_role("link", name="Why Mia Mine held it").click()
        await it.page.get_by_role("heading", level=1, name="Audit log").wait_for()
        await it.page.get_by_text(re.compile("Mia Mine joined")).first.wait_for()


async def test_a_trial_a_payment_that_is_due_and_a_plan_that_was_given_up_are_told(
    opens: Opens, product: WholeProduct, operates: Operates
) -> None:
    person = await founder(product)
    org = await organization_of(person)
    await operates("test-clocks", {"org_id": org})
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.page.get_by_text("This is a test organization").wait_for()
        await it.button("Start trial…").click()
        await it.button("Start trial").click()
        await it.page.get_by_text(re.compile("The trial ends in .*, on ")).wait_for()
        assert await it.flaws() == []
        await buys(person, "business")
        await it.page.reload()
        await it.button("Cancel the plan…").click()
        await it.page.get_by_text("Takes effect").wait_for()
        await it.button("Cancel Business").click()
        await it.page.get_by_text(re.compile("^Free from ")).wait_for()
        await expect(it.button("Cancel the plan…")).to_have_count(0)
        await it.button("Call it off…").click()
        await it.button("Keep Business").click()
        await it.said("The change is called off.").wait_for()
        await operates("test-clocks/advances", {"org_id": org, "seconds": 35 * 86_400})
        await it.page.reload()
        await it.page.get_by_text("A payment is due: Business ends").wait_for()
        await it.page.get_by_role("img", name=re.compile("Due since .*, until ")).wait_for()
        await it.page.get_by_role("img", name="Author slots: 1 today, 1 expected by ").wait_for()
        assert await it.flaws() == []
        await fits_phones(it)
        await it.page.get_by_role("link", name=re.compile("^Pay TEST-TN-")).first.click()
        await it.page.get_by_text("has been due since").wait_for()
        assert await it.flaws() == []


async def test_billing_holds_longer_words_and_the_dark(opens: Opens, product: WholeProduct) -> None:
    person = await founder(product)
    await buys(person, "pro")
    invoice = (await person.ask("GET", "/v1/invoices")).ok()["data"][0]["id"]
    async with opens(color_scheme="dark") as it:
        await it.sign_in(person.email, PASSWORD)
        await speak_pseudo(it)
        for path in ("/billing", f"/billing/invoices/{invoice}"):
            await it.go(path)
            await it.page.locator("main h1").wait_for()
            await it.settled()
            assert await it.page.evaluate(UNTRANSLATED) == [], path
            assert await it.flaws(CONTRAST) == [], path
            await it.page.set_viewport_size({"width": 320, "height": 640})
            assert await it.overflow() <= 0, path
            assert await it.page.evaluate(CLIPPED) == [], path
            assert await it.page.evaluate(SMALL) == [], path
            await it.page.set_viewport_size({"width": 1280, "height": 860})


async def test_the_german_list_of_invoices_fits_the_narrowest_phone_in_every_state(
    opens: Opens, product: WholeProduct
) -> None:
    person = await founder(product)
    await buys(person, "business")

    async def in_every_state(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        [one] = told["data"]
        states = ("open", "overdue", "paid", "credited")
        rows = [{**one, "id": f"{one['id'][:-1]}{n}", "status": state} for n, state in enumerate(states)]
        await route.fulfill(response=answer, json={**told, "data": rows})

    async with opens(locale="de-DE", viewport={"width": 320, "height": 640}) as it:
        await it.page.route("**/v1/invoices?*", in_every_state)
        await it.go("/sign-in", "Anmelden")
        await it.page.locator("[name=email]").fill(person.email)
        await it.page.locator("[name=password]").fill(PASSWORD)
        await it.button("Anmelden").click()
        await it.page.locator(".side").wait_for(state="attached")
        await it.go("/billing", "Abrechnung")
        listed = it.page.get_by_role("region", name="Rechnungen")
        await expect(listed.locator("tbody tr")).to_have_count(4)
        assert await listed.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
        assert await it.overflow() <= 0


async def test_another_organizations_invoice_is_answered_like_none(opens: Opens, product: WholeProduct) -> None:
    theirs = await founder(product)
    await buys(theirs, "pro")
    invoice = (await theirs.ask("GET", "/v1/invoices")).ok()["data"][0]["id"]
    person = await founder(product)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go(f"/billing/invoices/{invoice}", "Invoice")
        await it.page.get_by_role("alert").wait_for()
        assert await it.flaws() == []


# Where a provider collects


@pytest.fixture(scope="module")
async def collected(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[WholeProduct, StripeServer]]:
    clock = MovableClock()
    async with stripe_server(clock) as server:
        billing = replace(PRODUCT.service("billing"), opens=opening(lambda _: Stripe(account_at(server))))

        def service(name: str) -> Any:
            return billing if name == "billing" else PRODUCT.service(name)

        product: Product = replace(PRODUCT, service=service)
        folder = tmp_path_factory.mktemp("collected")
        async with whole_product(databases, folder, host="localhost", clock=clock, product=product) as running:
            yield running, server


async def tell(product: WholeProduct, server: StripeServer, event: dict[str, Any]) -> None:
    """Stripe tells the gateway what happened on its pages."""
    body, signature = server.signed(event)
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    session = product.gateway._session
    assert session is not None
    async with session.post(f"{product.gateway.url}/v1/webhooks/stripe", data=body, headers=headers) as answer:
        assert answer.status == 204


async def at_stripe(it: Window, button: str) -> str:
    """The id of the hosted page that a button leads to."""

    async def page(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="<!doctype html><title>Stripe</title><h1>Stripe</h1>")

    await it.context.route("https://*.stripe.test/**", page)
    await it.button(button).click()
    await it.page.wait_for_url(re.compile(r"^https://\w+\.stripe\.test/"))
    return it.page.url.rpartition("/")[2]


async def test_a_card_is_stored_at_the_provider_declined_told_and_the_invoice_paid_there(
    browser: Browser, collected: tuple[WholeProduct, StripeServer]
) -> None:
    product, server = collected
    person = await founder(product)
    async with window(browser, product.settings.public_url) as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/billing", "Billing")
        await it.page.get_by_text("No payment method is stored").wait_for()
        assert await it.flaws() == []
        page = await at_stripe(it, "Store a payment method…")
        await tell(product, server, server.completes_setup(page, "declined", "0002"))
        await it.go("/billing", "Billing")
        await it.page.get_by_text("VISA •••• 0002").wait_for()
        assert (await at_stripe(it, "Manage payment methods…")).startswith("bps_")
        await buys(person, "pro")
        invoice = (await person.ask("GET", "/v1/invoices")).ok()["data"][0]["id"]
        await until(
            lambda: person.ask("GET", f"/v1/invoices/{invoice}", quietly=True),
            lambda answer: answer.ok()["failed_charge"] is not None,
        )
        await it.go(f"/billing/invoices/{invoice}")
        await it.page.get_by_text("card_declined").wait_for()
        await it.page.get_by_text("It is tried again").wait_for()
        assert await it.flaws() == []
        page = await at_stripe(it, "Pay now…")
        await tell(product, server, server.pays_on_page(page))
        await it.go(f"/billing/invoices/{invoice}")
        await it.page.get_by_text("Paid on").wait_for()
