"""What programs work with, in a real browser: the embed secret, and API keys."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import CLIPPED, SMALL, UNTRANSLATED, reach, speak_pseudo
from tests.console.test_my_account import newcomer, too_old
from tests.system.whole import Cast, WholeProduct

SECRET_ID = re.compile(r"sec_\w{26}")


async def prove(it: Window) -> None:
    """Answers the one dialog that asks who is there."""
    dialog = it.page.get_by_role("dialog", name="Confirm that it's you")
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await dialog.get_by_role("button", name="Confirm", exact=True).click()
    await dialog.wait_for(state="detached")


async def fits_phones(it: Window) -> None:
    await it.page.set_viewport_size({"width": 320, "height": 640})
    assert await it.overflow() <= 0
    assert await it.page.evaluate(CLIPPED) == []
    assert await it.page.evaluate(SMALL) == []
    await it.page.set_viewport_size({"width": 1280, "height": 860})


async def embed_secrets(cast: Cast) -> list[dict[str, Any]]:
    return list((await cast.admin.ask("GET", "/v1/embed-secrets")).ok()["data"])


async def test_the_embed_secret_is_reset_shown_once_proven_and_an_old_one_revoked(admin: Window, cast: Cast) -> None:
    before = (await embed_secrets(cast))[0]["id"]
    await admin.go("/embed-secret", "Embed secret")
    await admin.page.get_by_text(before, exact=True).wait_for()
    await admin.button("Reset the secret…").click()
    await admin.page.get_by_text("No sharing link used it in the last 24 hours.").wait_for()
    await admin.page.get_by_role("radio", name="3 days").check()
    assert await admin.flaws() == []
    await admin.page.route("**/v1/embed-secrets", too_old, times=1)
    await admin.button("Reset and show the new one").click()
    await prove(admin)
    shown = admin.page.get_by_role("dialog", name="The embed secret")
    secret = await shown.locator("code.secret").inner_text()
    assert len(secret) == 64
    assert await admin.flaws() == []
    await shown.get_by_role("button", name="Done").click()

    await admin.page.get_by_role("heading", name="Older, and still valid").wait_for()
    await admin.page.get_by_text("3 days left").wait_for()
    new, old = (one["id"] for one in await embed_secrets(cast))
    assert old == before
    await admin.button(f"Show {new}…").click()
    assert await shown.locator("code.secret").inner_text() == secret
    await admin.page.keyboard.press("Escape")
    assert await admin.flaws() == []
    await fits_phones(admin)

    await admin.button(f"Revoke {old} now…").click()
    await admin.page.get_by_text("No sharing link used it in the last 24 hours.").wait_for()
    await admin.button("Revoke now").click()
    await admin.said("The secret is revoked.").wait_for()
    await admin.page.get_by_role("row", name=old).get_by_text("Revoked").wait_for()
    assert await admin.flaws() == []


async def test_a_revocation_names_what_shows_nothing_afterwards(admin: Window, cast: Cast) -> None:
    async def in_use(route: Route) -> None:
        answer = await route.fetch()
        link = {
            "link_id": "shd_" + "0" * 26,
            "link_name": "Portal",
            "dashboard_id": "d-1",
            "dashboard_title": "Revenue",
        }
        used = {**link, "uses": 12, "last_used_at": (await answer.json())["created_at"], "recent": True}
        await route.fulfill(response=answer, json={**await answer.json(), "used_by": [used]})

    secret = (await embed_secrets(cast))[0]["id"]
    await admin.page.route(f"**/v1/embed-secrets/{secret}", in_use)
    await admin.go("/embed-secret", "Embed secret")
    await admin.button(f"Revoke {secret} now…").click()
    dialog = admin.page.get_by_role("dialog")
    await dialog.get_by_text("1 sharing link used it in the last 24 hours").wait_for()
    await dialog.get_by_text("Revenue").wait_for()
    await dialog.get_by_text("A new secret takes its place at once.").wait_for()
    assert await admin.flaws() == []
    await admin.button("Revoke now").click()
    await admin.said("The secret is revoked.").wait_for()
    await expect(admin.page.get_by_role("row", name=secret)).to_be_visible()


async def test_an_api_key_is_made_shown_once_rotated_and_revoked(admin: Window, cast: Cast) -> None:
    await admin.go("/developers", "Developers")
    await admin.page.get_by_role("heading", name="No API keys yet").wait_for()
    assert await admin.flaws() == []
    await admin.page.locator(".page-head").get_by_role("button", name="Create an API key").click()
    await admin.field("Name").fill("Nightly sync")
    await admin.page.get_by_role("radio", name="Manage").check()
    await admin.page.get_by_role("checkbox", name="Audit log").check()
    create = admin.page.get_by_role("button", name="Create and show the token")
    await expect(create).to_have_attribute("title", "These areas can only be looked at: choose View.")
    await admin.page.get_by_role("checkbox", name="User groups").check()
    assert await admin.flaws() == []
    await admin.page.route("**/v1/api-keys", too_old, times=1)
    await create.click()
    await prove(admin)
    shown = admin.page.get_by_role("dialog", name="The token of Nightly sync")
    first = await shown.locator("code.secret").inner_text()
    assert first.startswith("tky_")
    await admin.page.keyboard.press("Escape")
    await shown.get_by_text("It is never shown again").wait_for()
    assert await admin.flaws() == []
    await shown.get_by_label("I have stored it").check()
    await shown.get_by_role("button", name="Done").click()
    await shown.wait_for(state="detached")
    row = admin.page.get_by_role("row", name="Nightly sync")
    await row.get_by_text("Audit log, User groups").wait_for()
    await row.get_by_text(f"ends in {first[-4:]}").wait_for()
    assert first not in await admin.page.content()

    await admin.button("Actions for Nightly sync").click()
    await admin.page.get_by_role("menuitem", name="Rotate the token…").click()
    await admin.page.get_by_role("radio", name="3 days").check()
    await admin.button("Rotate and show the token").click()
    second = await shown.locator("code.secret").inner_text()
    assert second != first
    await shown.get_by_label("I have stored it").check()
    await shown.get_by_role("button", name="Done").click()
    await row.get_by_text("The old token ends in 3 days").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)

    await admin.button("Actions for Nightly sync").click()
    await admin.page.get_by_role("menuitem", name="Revoke…").click()
    await admin.page.get_by_text("This key was never used.").wait_for()
    await admin.button("Revoke the key").click()
    await admin.said("The key Nightly sync is revoked.").wait_for()
    await row.wait_for(state="detached")


async def given_up(route: Route) -> None:
    """Shows deliveries as they look when nobody answered for three days."""
    answer = await route.fetch()
    listed = await answer.json()
    await route.fulfill(
        response=answer, json={**listed, "data": [{**one, "state": "failed"} for one in listed["data"]]}
    )


async def test_a_webhook_is_added_tested_watched_switched_off_and_deleted(admin: Window, cast: Cast) -> None:
    url = "https://webhooks.invalid/tenantry"
    await admin.go("/developers", "Developers")
    await admin.button("Add a webhook").click()
    await admin.field("Address").fill("http://webhooks.invalid/")
    await admin.page.get_by_role("radio", name="Some things").check()
    await admin.page.get_by_role("checkbox", name="User groups").check()
    assert await admin.flaws() == []
    await admin.button("Add and show the secret").click()
    await admin.page.locator(".wrong").wait_for()
    await admin.field("Address").fill(url)
    await admin.page.route("**/v1/webhooks", too_old, times=1)
    await admin.button("Add and show the secret").click()
    await prove(admin)
    shown = admin.page.get_by_role("dialog", name="The signing secret")
    assert (await shown.locator("code.secret").inner_text()).startswith("whsec_")
    await shown.get_by_label("I have stored it").check()
    await shown.get_by_role("button", name="Done").click()
    row = admin.page.get_by_role("row", name=url)
    await row.get_by_text("User groups").wait_for()
    assert await admin.flaws() == []

    await admin.button(f"Actions for {url}").click()
    await admin.page.get_by_role("menuitem", name="Send a test event").click()
    await admin.said("A test event is on its way.").wait_for()
    again = admin.page.get_by_role("dialog").get_by_role("button", name="Send courier.webhook.tested.v1 again")
    await expect(again).to_have_attribute("title", "It waits to be sent already.")
    await admin.page.route("**/deliveries?*", given_up)
    await admin.button("Look again").click()
    await admin.page.get_by_role("dialog").get_by_text("Failed").wait_for()
    await again.click()
    await admin.page.get_by_text("This delivery is waiting to be sent already.").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.page.keyboard.press("Escape")

    await admin.button(f"Actions for {url}").click()
    await admin.page.get_by_role("menuitem", name="Switch off…").click()
    await admin.button("Switch the webhook off").click()
    await row.get_by_text("Switched off").wait_for()
    await admin.button(f"Actions for {url}").click()
    await admin.page.get_by_role("menuitem", name="Delete…").click()
    await admin.button("Delete the webhook").click()
    await admin.said("The webhook is deleted.").wait_for()
    await row.wait_for(state="detached")


async def test_without_api_keys_in_the_plan_the_page_names_the_plan_that_has_them(
    opens: Opens, product: WholeProduct
) -> None:
    person = await newcomer(product.gateway)
    async with opens() as it:
        await it.sign_in(person.email, PASSWORD)
        await it.go("/developers", "Developers")
        lock = it.page.locator(".notice", has_text="API keys aren't in your plan")
        await lock.get_by_text("It is in the plan Pro.").wait_for()
        await lock.get_by_role("link", name="Compare plans").wait_for()
        await expect(it.page.get_by_role("button", name="Create an API key")).to_have_attribute("aria-disabled", "true")
        assert await it.flaws() == []


async def test_the_pages_hold_longer_words_and_the_dark(opens: Opens, product: WholeProduct, cast: Cast) -> None:
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await speak_pseudo(it)
        for path in ("/embed-secret", "/developers", "/developers/events"):
            await it.go(path)
            await it.page.locator("main h1").wait_for()
            await it.settled()
            assert await it.page.evaluate(UNTRANSLATED) == []
            assert await it.flaws(CONTRAST) == []
            await fits_phones(it)


async def test_events_are_read_filtered_followed_live_and_sent_again(admin: Window, cast: Cast) -> None:
    url = "https://webhooks.invalid/told"
    (await cast.admin.write("POST", "/v1/webhooks", {"url": url, "types": []})).ok()
    (await cast.admin.write("POST", "/v1/groups", {"name": "Heard of"})).ok()
    await admin.go("/developers", "Developers")
    await admin.page.get_by_role("link", name="Event log").click()
    await admin.page.get_by_role("heading", level=1, name="Event log").wait_for()
    await admin.page.get_by_role("button", name="Group created").first.wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.field("Which events").select_option("org.domain")
    await admin.page.get_by_role("button", name="Domain claimed").wait_for()
    await expect(admin.page.get_by_role("button", name="Group created")).to_have_count(0)
    await admin.field("Which events").select_option("org.group")

    await reach(admin, "Follow live", back=True)
    await admin.page.keyboard.press("Enter")
    await admin.page.get_by_text("Waiting for the next event.").wait_for()
    await admin.page.get_by_text("Live", exact=True).wait_for()
    (await cast.admin.write("POST", "/v1/groups", {"name": "Heard live"})).ok()
    await admin.page.get_by_text("1 new event", exact=True).wait_for()
    await admin.page.locator("li", has_text="Heard live").get_by_role("button", name="Group created").click()
    dialog = admin.page.get_by_role("dialog", name="Group created")
    await dialog.locator(".course li", has_text="sharing").get_by_text("ms").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await dialog.get_by_role("button", name=f"Send it to {url} again").click()
    await admin.said(f"It is sent to {url} again.").or_(admin.said(f"{url} was never told of it.")).wait_for()
    await dialog.get_by_role("button", name="Close", exact=True).last.click()
    await admin.field("Which events").select_option("courier.webhook")
    await admin.page.get_by_text("Live", exact=True).wait_for()
    await admin.button("Send a test event").click()
    await admin.page.get_by_role("menuitem", name=url).click()
    await admin.said("A test event is on its way.").wait_for()
    await admin.page.get_by_role("button", name="Webhook tested").first.wait_for()
    await admin.field("Which events").select_option("org.group")
    await admin.button("Stop following").click()
    await admin.page.locator("li", has_text="Heard live").wait_for()


async def test_older_events_come_on_demand(admin: Window, cast: Cast) -> None:
    for number in range(55):
        (await cast.admin.write("POST", "/v1/groups", {"name": f"Old {number}"})).ok()
    (await cast.admin.ask("GET", "/v1/events")).ok()  # which waits until the last one is among them
    await admin.go("/developers/events", "Event log")
    await admin.page.locator("li", has_text="Old 54").wait_for()
    await expect(admin.page.locator("li", has_text="Old 0")).to_have_count(0)
    await admin.button("Load older").click()
    await admin.page.locator("li", has_text="Old 0").first.wait_for()
    await admin.field("Which events").select_option("org.organization,org.legal,org.security_policy")
    await admin.page.get_by_role("button", name="Organization created").wait_for()
