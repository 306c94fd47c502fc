"""Answers that come when a test lets them."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, Route


class Late:
    """Asks the server at once, and lets the page have the first answer when it is told to."""

    def __init__(self, limit: int = 50) -> None:
        self.limit = limit
        self.url = ""
        self.answered = asyncio.Event()
        self.may_come = asyncio.Event()
        self.came = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        if self.answered.is_set():
            await route.fallback()
            return
        self.url = route.request.url
        answer = await route.fetch(url=self.url.replace("limit=50", f"limit={self.limit}"))
        self.answered.set()
        await self.may_come.wait()
        await route.fulfill(response=answer)
        self.came.set()

    async def comes(self, page: Page) -> None:
        """Comes, and the page has drawn what it makes of it."""
        self.may_come.set()
        await self.came.wait()
        await page.evaluate(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 50))"
        )
