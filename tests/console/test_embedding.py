"""What helps who embeds, in a real browser: a token taken apart, code to take away, what was refused, and who signs with which secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD
from tests.console.browser import CONTRAST, Window
from tests.console.conftest import Opens
from tests.console.reach import UNTRANSLATED, press, reach, speak_pseudo, write
from tests.console.test_developers import embed_secrets, fits_phones
from tests.contracts.source import ROOT
from tests.system.whole import Cast, WholeProduct

GUIDE = ROOT / "docs" / "guides" / "embedding"


@dataclass
class Embedder:
    """Who signs tokens for one link with the secret in force."""

    product: WholeProduct
    link: dict[str, Any]
    secret: str

    def token(self, secret: str = "", **claims: Any) -> str:
        now = int(self.product.clock.now().timestamp())
        usual = {"sharing_token": self.link["token"], "exp": now + 600, "fixed_parameters": {"region": ["EU"]}}
        return jwt.encode(usual | claims, secret or self.secret, algorithm="HS256")

    async def open(self, token: str) -> int:
        query = f"sharingToken={self.link['token']}&sharingSecret={token}"
        return (await self.product.gateway.send("GET", f"/v1/shared/{self.link['dashboard_id']}?{query}")).status


@pytest.fixture
async def embedder(product: WholeProduct, cast: Cast) -> Embedder:
    board = f"d-{secrets.token_hex(4)}"
    wanted = {"id": board, "title": f"Revenue {board}", "parameters": ["region"]}
    (await cast.admin.write("POST", "/v1/dashboards", wanted)).ok()
    terms = {"name": f"Portal {board}", "requires_secret": True, "allow_parameters": True}
    link = (await cast.admin.write("POST", f"/v1/dashboards/{board}/links", terms)).ok()
    secret = (await embed_secrets(cast))[0]["id"]
    shown = (await cast.admin.write("POST", f"/v1/embed-secrets/{secret}/reveal")).ok()
    return Embedder(product, link, shown["secret"])


async def test_a_token_is_taken_apart_step_by_step(admin: Window, embedder: Embedder) -> None:
    await admin.go("/embed-secret", "Embed secret")
    await admin.page.get_by_role("link", name="Inspect a token").click()
    await expect(admin.page.get_by_role("button", name="Inspect")).to_have_attribute("title", "Paste a token first")
    assert await admin.flaws() == []
    await admin.field("Embed token").fill(embedder.token(tenant="t-1"))
    await admin.button("Inspect").click()
    await admin.page.get_by_text("It would be accepted now").wait_for()
    await admin.page.get_by_text(embedder.link["name"], exact=True).wait_for()
    await admin.page.get_by_text("tenant", exact=True).wait_for()
    assert await admin.page.get_by_role("img", name="passed").count() == 8
    assert await admin.flaws() == []
    await fits_phones(admin)

    await admin.field("Embed token").fill(embedder.token(exp=1))
    await admin.button("Inspect").click()
    await admin.page.get_by_text("It would be refused: Token expired").wait_for()
    assert await admin.page.get_by_role("img", name="passed").count() == 5
    assert await admin.page.get_by_role("img", name="failed").count() == 1
    assert await admin.page.get_by_text("not reached").count() == 2
    assert await admin.flaws() == []
    await admin.field("Embed token").fill("nonsense")
    await admin.button("Inspect").click()
    await admin.page.get_by_text("It would be refused: Not an embed token").wait_for()
    await admin.page.get_by_text("None of your organization").wait_for()
    assert await admin.flaws() == []


async def test_the_code_is_the_guides_and_is_copied_as_it_is(admin: Window) -> None:
    await admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await admin.go("/embed-secret?show=code", "Embed secret")
    programs = {path.name: path.read_text() for path in GUIDE.iterdir()}
    await admin.page.get_by_role("tab", name="Python").wait_for()
    assert await admin.flaws() == []
    for tab in await admin.page.get_by_role("tab").all():
        await tab.click()
        await expect(tab).to_have_attribute("aria-selected", "true")
        await admin.button("Copy the code").click()
        name = await admin.page.locator("pre.code").get_attribute("aria-label")
        await admin.page.wait_for_function(
            "async (code) => (await navigator.clipboard.readText()) === code", arg=programs.pop(str(name))
        )
    assert programs == {}
    assert await admin.flaws() == []
    await fits_phones(admin)


async def test_refusals_say_why_and_are_narrowed_to_one_link(admin: Window, cast: Cast, embedder: Embedder) -> None:
    await admin.page.route(
        "**/v1/embed-refusals?*", lambda route: route.fulfill(json={"data": [], "page": {"next_cursor": None}}), times=1
    )
    await admin.go("/embed-secret?show=refusals", "Embed secret")
    await admin.page.get_by_role("heading", name="Nothing was refused").wait_for()
    assert await admin.flaws() == []

    for token in (embedder.token(secret="x" * 64), embedder.token(exp=1), embedder.token(exp=1)):
        assert await embedder.open(token) == 401
    path = f"/v1/links/{embedder.link['id']}"
    (await cast.admin.write("PATCH", path, {"paused": True})).ok()
    assert await embedder.open(embedder.token()) == 401
    await admin.go("/embed-secret?show=refusals", "Embed secret")
    await admin.page.get_by_role("row", name="Wrong signature").get_by_text(embedder.link["name"]).wait_for()
    expired = admin.page.get_by_role("row", name="Token expired").filter(has_text=embedder.link["name"])
    await expired.get_by_role("cell", name="2", exact=True).wait_for()
    assert await admin.flaws() == []
    await expired.get_by_role("link", name=embedder.link["name"]).click()
    await admin.page.get_by_text(f"Only refusals of {embedder.link['name']}").wait_for()
    await expect(admin.page.locator("tbody tr")).to_have_count(3)
    assert await admin.flaws() == []
    await fits_phones(admin)
    await admin.button("Show all").click()
    await expired.wait_for()


async def test_who_still_signs_with_an_older_secret_is_named_first(
    admin: Window, cast: Cast, embedder: Embedder
) -> None:
    (await cast.admin.write("POST", "/v1/embed-secrets", {"overlap_seconds": 86400})).ok()
    assert await embedder.open(embedder.token()) == 200
    new, old = (one["id"] for one in (await embed_secrets(cast))[:2])
    shown = (await cast.admin.write("POST", f"/v1/embed-secrets/{new}/reveal")).ok()
    assert await embedder.open(embedder.token(secret=shown["secret"])) == 200
    await admin.go("/embed-secret", "Embed secret")
    rows = admin.page.get_by_role("row").filter(has_text=embedder.link["name"])
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text(old)
    await expect(rows.last).to_contain_text("In force")
    await admin.page.get_by_text("Still used").wait_for()
    assert await admin.flaws() == []
    await fits_phones(admin)
    await rows.first.get_by_role("link", name=embedder.link["name"]).click()
    await admin.page.get_by_role("heading", level=1, name="Sharing links").wait_for()
    await admin.page.get_by_role("row", name=embedder.link["name"]).wait_for()


async def test_a_token_is_inspected_with_the_keyboard_in_longer_words_and_in_the_dark(
    opens: Opens, cast: Cast, embedder: Embedder
) -> None:
    async with opens(color_scheme="dark") as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.go("/embed-secret?show=inspect", "Embed secret")
        await write(it, "Embed token", embedder.token())
        await press(it, "Inspect")
        await it.page.get_by_text("It would be accepted now").wait_for()
        assert await it.flaws(CONTRAST) == []
        await it.page.get_by_role("link", name="Code", exact=True).click()
        await it.page.get_by_role("tab", name="Python").wait_for()
        await reach(it, "Python")
        await it.page.keyboard.press("End")
        await it.page.get_by_text("using System.Text").first.wait_for()
        await speak_pseudo(it)
        for show in ("secrets", "inspect", "code", "refusals"):
            await it.go(f"/embed-secret?show={show}")
            await it.page.locator("main h1").wait_for()
            await it.settled()
            assert await it.page.evaluate(UNTRANSLATED) == [], show
            assert await it.flaws(CONTRAST) == [], show
            await fits_phones(it)
