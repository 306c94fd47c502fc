"""Provisioning in a real browser: tokens, a dry run, removals that wait, what the provider did."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, Reply, until
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import UNTRANSLATED, press, speak_pseudo, write
from tests.console.test_developers import fits_phones, prove
from tests.console.test_my_account import newcomer, too_old
from tests.system.test_scim import prove as prove_domain
from tests.system.whole import Cast, WholeProduct


async def token_of(it: Window, name: str) -> str:
    shown = it.page.get_by_role("dialog", name=f"The token of {name}")
    token = await shown.locator("code.secret").inner_text()
    await shown.get_by_label("I have stored it").check()
    await shown.get_by_role("button", name="Done").click()
    return token


async def scim(cast: Cast, token: str, method: str, path: str, body: Any = None) -> Reply:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    return await cast.admin.gateway.send(method, f"/scim/v2{path}", body, sent)


async def test_a_provider_is_connected_tried_heard_and_rotated(
    admin: Window, product: WholeProduct, cast: Cast
) -> None:
    domain = cast.admin.email.partition("@")[2]
    await prove_domain(product, cast)
    await admin.go("/provisioning", "Provisioning")
    await admin.page.get_by_role("heading", name="No token yet").wait_for()
    assert await admin.flaws() == []
    await admin.button("Make a token…").click()
    await admin.field("Name").fill("Okta")
    await admin.page.route("**/v1/scim-tokens", too_old, times=1)
    await admin.button("Make and show the token").click()
    await prove(admin)
    assert await admin.flaws() == []
    token = await token_of(admin, "Okta")
    assert token.startswith("tsc_")
    row = admin.page.get_by_role("row", name="Okta")
    await row.get_by_text("none yet").wait_for()
    assert token not in await admin.page.content()

    await admin.button("Try it first…").click()
    work = admin.page.get_by_role("button", name=re.compile("Work it out"))
    await admin.field("Users").fill("no list at all")
    await expect(work).to_have_attribute("title", "That is neither JSON nor a list of addresses.")
    await admin.field("Users").fill(f"pia@{domain}\n{cast.viewer.email}\neve@elsewhere.example")
    await work.click()
    await admin.page.get_by_text("Comes in: 1").wait_for()
    await admin.page.get_by_text("Is refused: 1").wait_for()
    await admin.page.get_by_text("members aren't among them").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.page.keyboard.press("Escape")

    made = (
        await scim(cast, token, "POST", "/Users", {"userName": f"pia@{domain}", "displayName": "Pia Provided"})
    ).ok()
    await admin.go("/provisioning", "Provisioning")
    await admin.page.locator("li", has_text="Member joined").get_by_text("Okta").first.wait_for()
    await expect(row.get_by_text("none yet")).to_have_count(0)
    stranger = {"userName": "eve@elsewhere.example", "displayName": "Eve"}
    assert (await scim(cast, token, "POST", "/Users", stranger)).status == 400
    await admin.button("Look again").click()
    await admin.page.get_by_text("1 of the last 2 were refused").wait_for()
    await admin.page.locator("li", has_text="400").get_by_text("Adds a person").wait_for()
    assert await admin.flaws() == []

    await admin.field("At most so many removals within an hour").fill("0")
    await admin.button("Save").click()
    await admin.said("The settings are saved.").wait_for()
    assert (await scim(cast, token, "DELETE", f"/Users/{made['id']}")).status == 204
    await admin.go("/", "Overview")
    await admin.page.locator("li", has_text="1 removal waits for you").get_by_role("link", name="Decide").click()
    await admin.page.get_by_role("heading", name="1 removal waits for you").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.page.get_by_role("checkbox", name="Pia Provided").check()
    await admin.button("Carry it out…").click()
    await admin.button("Carry it out").click()
    await admin.said("1 removal is carried out.").wait_for()
    await admin.page.get_by_role("heading", name="1 removal waits for you").wait_for(state="detached")

    await press(admin, "Make the next token…")
    await write(admin, "Name", "Okta, the next")
    await admin.page.keyboard.press("Enter")
    await token_of(admin, "Okta, the next")
    making = admin.page.get_by_role("button", name=re.compile("Make the next token"))
    await expect(making).to_have_attribute("title", "There are two already: revoke the older one first.")
    await admin.button("Revoke the token Okta").click()
    await admin.page.get_by_text("the other token goes on working").wait_for()
    await admin.button("Revoke the token").click()
    await admin.said("The token Okta is revoked.").wait_for()
    await until(lambda: scim(cast, token, "GET", "/Users"), lambda reply: reply.status == 401)


async def test_without_provisioning_in_the_plan_the_page_names_the_plan_that_has_it(
    opens: Opens, product: WholeProduct
) -> None:
    person = await newcomer(product.gateway)
    async with opens(color_scheme="dark") as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/provisioning", "Provisioning")
        await it.page.locator(".notice", has_text="It is in the plan Business.").wait_for()
        assert await it.flaws(CONTRAST) == []
        await speak_pseudo(it)
        await it.page.reload()
        await it.settled()
        assert await it.page.evaluate(UNTRANSLATED) == []
        await fits_phones(it)
