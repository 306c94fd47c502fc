"""The steps that an admin follows at each identity provider, in a real browser."""

from __future__ import annotations

from shared.cli.demo.api import PASSWORD, until
from tests.console import test_single_sign_on
from tests.console.conftest import Opens
from tests.system.test_single_sign_on import with_proven_domain
from tests.system.whole import WholeProduct

product = test_single_sign_on.product  # whose org and identity reach what the tests set up


async def test_the_steps_of_every_provider_fit_the_narrowest_phone_in_german(
    opens: Opens, product: WholeProduct
) -> None:
    domain = "northwind-narrow.example"
    boss = await with_proven_domain(product, domain)
    async with opens(locale="de-DE", viewport={"width": 320, "height": 640}) as it:
        await it.go("/sign-in", "Anmelden")
        await it.page.locator("[name=email]").fill(boss.email)
        await it.page.locator("[name=password]").fill(PASSWORD)
        await it.button("Anmelden").click()
        await it.page.locator(".side").wait_for(state="attached")
        for kind in (await boss.ask("GET", "/v1/sso-providers?language=de")).ok()["data"]:
            named = {"name": f"{kind['name']} {kind['protocol']}", "domains": [domain], "new_users": "approval"}
            wanted = {**named, "provider": kind["provider"], "protocol": kind["protocol"]}
            made = await until(
                lambda body=wanted: boss.write("POST", "/v1/sso-connections", body),
                lambda reply: reply.status in (201, 409),
            )
            await it.go(f"/sso/{made.ok()['id']}", named["name"])
            await it.page.get_by_role("heading", level=3).first.wait_for()
            await it.settled()
            assert await it.overflow() <= 0, wanted
