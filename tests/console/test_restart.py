"""The gateway goes away under an open page and comes back: what was typed stays, and goes through."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser, expect

from services.launcher import PRODUCT
from shared.cli.demo.api import PASSWORD, sign_up
from shared.process import process
from tests.console.browser import Window, window
from tests.system.whole import whole_product
from tests.world import Databases


async def test_a_page_outlives_its_gateway_and_keeps_what_was_typed(
    browser: Browser, databases: Databases, tmp_path: Path
) -> None:
    async with databases.lent(map(PRODUCT.service, PRODUCT.storing)) as urls, AsyncExitStack() as product:
        before = await product.enter_async_context(whole_product(databases, tmp_path, host="localhost", urls=urls))
        rob = await sign_up(before.gateway, "rob@restart.example", "Rob", "Restart")
        async with window(browser, before.settings.public_url) as it:
            await it.sign_in(rob.email, PASSWORD)
            await it.go("/organization", "Organization")
            await it.field("Company name").fill("Restarted")
            await it.page.get_by_text("Unsaved changes").wait_for()

            await product.aclose()
            await it.button("Save").click()
            await it.page.get_by_text("Tenantry can't be reached").first.wait_for()
            assert await it.field("Company name").input_value() == "Restarted"
            assert await it.flaws() == []

            async with process(PRODUCT, before.settings, clock=before.clock):
                await it.button("Save").click()
                await it.said("The organization is saved.").wait_for()
                await it.page.locator(".side .org", has_text="Restarted").wait_for()
                await expect(it.page.get_by_text("Tenantry can't be reached")).to_have_count(0)


async def test_a_page_that_couldnt_be_loaded_comes_by_itself_once_it_is_answered_again(admin: Window) -> None:
    await admin.page.get_by_role("row", name="Some Viewer").wait_for()
    await admin.context.set_offline(True)
    await admin.page.get_by_role("link", name="User groups", exact=True).click()
    await admin.page.get_by_role("heading", name="This page couldn't be loaded").wait_for()
    assert await admin.flaws() == []
    await admin.context.set_offline(False)
    await admin.page.get_by_role("heading", level=1, name="User groups", exact=True).wait_for()
