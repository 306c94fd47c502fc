"""The story of an organization without a mouse: signed up, somebody invited, shared with, their role changed, the plan looked at."""

from __future__ import annotations

import secrets

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, Person
from tests.console.conftest import Opens
from tests.console.reach import press, reach, write
from tests.console.test_journeys import mailed_link
from tests.system.whole import WholeProduct


async def test_the_whole_story_is_played_with_the_keyboard_alone(opens: Opens, product: WholeProduct) -> None:
    domain = f"{secrets.token_hex(4)}.example"
    async with opens() as it:
        keys = it.page.keyboard
        await it.go("/sign-up", "Create your organization")
        await write(it, "Company name", "Keys")
        await write(it, "Your name", "Kay Keys")
        await write(it, "Work e-mail", f"kay@{domain}")
        await write(it, "Password", PASSWORD)
        await reach(it, "I accept the terms of service and the privacy policy")
        await keys.press("Space")
        await press(it, "Create organization")
        await it.page.get_by_role("heading", name="Look into your mailbox").wait_for()
        await it.page.goto(await mailed_link(product, f"kay@{domain}"))
        await it.page.get_by_role("heading", name="Your address is confirmed").wait_for()
        await press(it, "Sign in")
        await it.page.get_by_role("heading", name="Sign in", exact=True).wait_for()
        await write(it, "Password", PASSWORD)
        await keys.press("Enter")
        await it.page.get_by_role("heading", level=1, name="Overview").wait_for()

        await press(it, "Billing")
        await it.page.get_by_role("heading", level=1, name="Billing").wait_for()
        await press(it, "Start trial…")
        await it.page.get_by_role("heading", name="Start the trial?").wait_for()
        await press(it, "Start trial")
        await it.said("The trial has begun.").wait_for()

        await keys.press("Control+k")
        await it.page.get_by_role("heading", name="Go to").wait_for()
        await keys.type("Users")
        await keys.press("Enter")
        await it.page.get_by_role("heading", level=1, name="Users").wait_for()
        await press(it, "Invite users")
        await it.page.get_by_role("heading", name="Invite users").wait_for()
        await keys.type(f"gus@{domain}")
        await keys.press("Enter")
        await press(it, "Send invitation")
        await it.said("1 invitation is on its way.").wait_for()
        gus = Person(product.gateway, f"gus@{domain}", "Gus Guest")
        await gus.accept(await product.gateway.mailed_token(gus.email))

        await it.go("/users", "Users")
        await press(it, "Actions for Gus Guest")
        await it.page.locator("[role=menuitem]:focus").wait_for()
        await keys.press("Enter")
        await it.page.get_by_role("heading", name="Role & groups of Gus Guest").wait_for()
        await it.page.locator("dialog input:checked").first.wait_for()
        await reach(it, "Viewer")
        await keys.press("ArrowUp")
        await it.page.get_by_text("Viewer → Analyst").wait_for()
        await press(it, "Save")
        await it.said("Gus Guest is changed.").wait_for()

        await it.go("/billing", "Billing")
        await press(it, "Change to Free")
        await it.page.get_by_role("dialog", name="Change to Free").wait_for()
        await keys.press("Escape")
        await it.page.locator("dialog").wait_for(state="detached")
        await expect(it.button("Change to Free")).to_be_focused()
