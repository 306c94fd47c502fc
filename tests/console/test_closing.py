"""The end of an organization in a real browser: data taken along, closed, seen by its Admin and by others, taken back."""

from __future__ import annotations

import re
import zipfile

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST
from tests.console.conftest import Opens
from tests.console.reach import UNTRANSLATED, press, speak_pseudo, write
from tests.console.test_developers import fits_phones, prove
from tests.console.test_my_account import newcomer, too_old
from tests.system.whole import WholeProduct, a_cast


async def test_data_is_taken_along_and_the_organization_closed_seen_closed_and_opened_again(
    opens: Opens, product: WholeProduct
) -> None:
    cast = await a_cast(product.gateway)
    async with opens() as it, opens() as elsewhere:
        await it.sign_in(cast.admin.email, PASSWORD)
        await elsewhere.sign_in(cast.viewer.email, PASSWORD)
        await it.go("/organization", "Organization")
        await it.page.get_by_role("link", name="Take data along, or close…").click()
        await it.page.get_by_role("heading", level=1, name="Closing the organization").wait_for()
        await it.page.get_by_text("3 people lose access").wait_for()
        await it.page.get_by_text("3 user groups").or_(it.page.get_by_text("2 user groups")).wait_for()
        assert await it.flaws() == []
        await fits_phones(it)
        await it.button("Gather it").click()
        download = it.page.get_by_role("link", name="Download the ZIP")
        await download.wait_for()
        async with it.page.expect_download() as saved:
            await download.click()
        assert "manifest.json" in zipfile.ZipFile(await (await saved.value).path()).namelist()

        await press(it, "Close the organization…")
        closing = it.page.get_by_role("button", name=re.compile("^Close Cast")).last
        await expect(closing).to_have_attribute("title", "Type the organization's name first")
        await write(it, "Type Cast to go on", "Cast")
        assert await it.flaws() == []
        await it.page.route("**/v1/organization/closure", too_old, times=1)
        await it.page.keyboard.press("Enter")
        await prove(it)
        await it.said("The organization is closed.").wait_for()
        await it.page.get_by_text(re.compile("Closed: erased in 30 days|Closed: erased in 29 days")).wait_for()
        assert await it.flaws() == []
        await fits_phones(it)
        await it.go("/", "Overview")
        await it.page.get_by_role("heading", name="What happened").wait_for()
        await expect(it.page.get_by_role("heading", name=re.compile("Attention|Setting up"))).to_have_count(0)
        await it.go("/groups", "User groups")
        await it.page.get_by_text("Cast is closed").wait_for()
        adding = it.page.locator(".page-head").get_by_role("button", name=re.compile("Add group"))
        await expect(adding).to_have_attribute("title", "The organization is closed.")
        assert await it.flaws() == []

        await elsewhere.page.reload()
        await elsewhere.page.get_by_role("heading", level=1, name="Cast is closed").wait_for()
        await elsewhere.page.get_by_text("Nobody but its admins gets in").wait_for()
        assert await elsewhere.flaws() == []
        await fits_phones(elsewhere)
        await elsewhere.page.get_by_role("link", name="Your account").click()
        await elsewhere.page.get_by_role("heading", level=1, name="Profile & preferences").wait_for()
        await elsewhere.settled()
        assert await elsewhere.flaws() == []
        await elsewhere.go("/")
        await elsewhere.page.get_by_role("heading", level=1, name="Cast is closed").wait_for()

        await it.page.get_by_role("link", name="When it is erased, and taking it back").click()
        await it.button("Take it back…").click()
        await it.button("Take it back").click()
        await it.said("The closing is taken back.").wait_for()
        await it.button("Close the organization…").wait_for()
        await elsewhere.page.get_by_role("heading", level=1, name="Sharing").wait_for()


async def test_the_page_of_closing_holds_longer_words_and_the_dark(opens: Opens, product: WholeProduct) -> None:
    person = await newcomer(product.gateway)
    async with opens(color_scheme="dark") as it:
        await it.sign_in(person.email, PASSWORD)
        await speak_pseudo(it)
        await it.go("/organization/closing")
        await it.page.locator(".steps").wait_for()
        await it.settled()
        assert await it.page.evaluate(UNTRANSLATED) == []
        assert await it.flaws(CONTRAST) == []
        await fits_phones(it)
