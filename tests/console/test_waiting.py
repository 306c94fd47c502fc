"""People who come by the organization's provider and wait for an admin, in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, until
from tests.console import test_single_sign_on
from tests.console.conftest import Opens
from tests.console.test_developers import fits_phones
from tests.console.test_people import invited
from tests.console.test_single_sign_on import at_the_provider, is_in, sets_out, verified_and_activated
from tests.identity.oidc_provider import real_provider
from tests.system.test_single_sign_on import with_proven_domain
from tests.system.whole import Cast, WholeProduct

DOMAIN = "northwind-waits.example"

product = test_single_sign_on.product  # whose org and identity reach what the tests set up


async def test_who_waits_is_let_in_or_turned_away_by_whichever_admin_is_first(
    opens: Opens, product: WholeProduct
) -> None:
    boss = await with_proven_domain(product, DOMAIN)
    ida = await invited(product, Cast(boss, boss, boss, boss, boss.last_change[-1]), "Ida", "admin")
    wanted = {"name": "Waits IdP", "protocol": "oidc", "domains": [DOMAIN], "new_users": "approval"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    path, us = f"/v1/sso-connections/{made.ok()['id']}", made.ok()["service_provider"]
    async with opens() as first, opens() as second, opens() as ivy, opens() as joe:
        for window, admin in ((first, boss), (second, ida)):
            await window.sign_in(admin.email, PASSWORD)
            await window.go("/users", "Users")
            await expect(window.page.get_by_role("link", name="Pending")).to_have_count(0)
        with real_provider(us["redirect_uri"], DOMAIN) as provider:
            await verified_and_activated(product, boss, path, provider)
            for window, login in ((ivy, "ivy"), (joe, "joe")):
                await sets_out(window, f"{login}@{DOMAIN}")
                await window.button("Go to Waits IdP").click()
                await at_the_provider(window, login)
                await window.page.get_by_role("heading", level=1, name="You are almost in").wait_for()
        for window in (first, second):
            await window.page.get_by_role("link", name="Pending 2").click()
            await window.page.get_by_role("row", name=f"ivy@{DOMAIN}").get_by_text("Let in…").click()
            await window.page.get_by_role("dialog").get_by_role("radio", name="Viewer").wait_for()
        assert await first.flaws() == []
        await fits_phones(first)
        await first.page.get_by_role("dialog").get_by_role("radio", name="Analyst").check()
        await first.button("Let in").click()
        await first.page.locator(".toast", has_text=re.compile("is in")).wait_for()
        await second.button("Let in").click()
        await second.page.locator(".toast", has_text="Somebody else has decided").wait_for()
        await is_in(ivy)
        await second.go("/", "Overview")
        await second.page.get_by_text("1 person waits to be let in").wait_for()
        await second.page.get_by_role("link", name="Decide", exact=True).click()
        assert await second.flaws() == []
        await fits_phones(second)
        await second.page.get_by_role("row", name=f"joe@{DOMAIN}").get_by_text("Turn away…").click()
        assert await second.flaws() == []
        await second.button("Turn away").click()
        await second.page.locator(".toast", has_text="is turned away").wait_for()
        await expect(second.page.get_by_role("heading", name="Waiting for an admin")).to_have_count(0)
    found = (await boss.ask("GET", f"/v1/users?q=ivy@{DOMAIN}")).ok()["data"]
    assert [one["role"] for one in found] == ["analyst"]
