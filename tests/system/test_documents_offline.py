"""The documents are read where there is no network: a browser that reaches nothing but this gateway shows them whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Route

from shared.events.billing import PlanChanged
from tests.console.browser import started_browser
from tests.system.whole import WholeProduct

PAGES = {
    "/docs": ("/v1/groups/{group_id}", "POST", "Idempotency-Key"),
    "/docs/events": (PlanChanged.TYPE, "heard by", "published if and only if"),
    "/problems/plan_required": ("plan_required",),
}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with started_browser() as browser:
        yield browser


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole_without_a_network_and_asks_nobody_else(
    product: WholeProduct, browser: Browser, path: str
) -> None:
    ours = urlsplit(product.settings.public_url).netloc
    foreign: list[str] = []
    failed: list[str] = []
    complaints: list[str] = []

    async def at_home_only(route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme in ("data", "blob", "about") or parts.netloc == ours:
            await route.continue_()
        else:
            foreign.append(route.request.url)
            await route.abort("internetdisconnected")

    context = await browser.new_context()
    try:
        await context.route("**/*", at_home_only)
        page = await context.new_page()
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = await page.goto(f"{product.settings.public_url}{path}", wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200
        await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        text = await page.locator("body").inner_text()
        for words in PAGES[path]:
            assert words in text, words
        linked = await page.eval_on_selector_all(
            "link[href], script[src], img[src], iframe[src]", "found => found.map(one => one.href || one.src)"
        )
        assert {urlsplit(one).netloc for one in linked if not one.startswith("data:")} <= {ours}
        looks = await page.evaluate("getComputedStyle(document.body).fontFamily + document.styleSheets.length")
        assert not looks.endswith("0"), "its style came with it"
    finally:
        await context.close()
    assert (foreign, failed, complaints) == ([], [], [])
