"""A real Chromium that looks at the console, and everything it complains about."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    async_playwright,
    expect,
)

from tests.console.contract import breach
from tests.contracts.source import ROOT

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LISTEN = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
FLAWS = {"resultTypes": ["violations"]}  # describing everything that is well takes as long as finding what isn't
RULES = {**FLAWS, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {**FLAWS, "runOnly": {"type": "rule", "values": ["color-contrast"]}}  # all that another theme can change
ASKS_FOR_PROOF = "Failed to load resource"  # Chromium's own word on every refusal, expected ones too
HEADLESS = "/usr/bin/chromium-headless-shell"
LOCK = ROOT / ".tenantry" / "cache" / "chromium.lock"


PATIENCE = 60_000  # milliseconds, on a busy machine
expect.set_options(timeout=PATIENCE)


class NoChromium(Exception):
    """Says what to do."""


def chromium() -> str:
    """Where Chromium is; installs Debian's when nobody did, and complains loudly when that can't be.

    Its shell without a head is preferred: the whole browser draws its own bars for each window, too.
    Of several processes one installs it and the others wait, for half of it is of no use.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        given = os.environ.get("CHROMIUM_PATH")
        if found := first_there(
            given, HEADLESS, "/usr/bin/chromium", shutil.which("chromium"), shutil.which("google-chrome")
        ):
            return found
        said = []
        if os.geteuid() == 0 and shutil.which("apt-get"):
            for wanted in (["update"], ["install", "-y", "chromium-headless-shell"], ["install", "-y", "chromium"]):
                command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600", *wanted]
                ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200)
                if found := first_there(HEADLESS, "/usr/bin/chromium"):
                    return found
                said.append(ran.stderr)
    raise NoChromium("\n".join(["Install Chromium (`apt-get install chromium`) or name one in CHROMIUM_PATH.", *said]))


def first_there(*places: str | None) -> str | None:
    return next((place for place in places if place and Path(place).exists()), None)


@asynccontextmanager
async def started_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=list(FLAGS), chromium_sandbox=False, headless=True
        )
        try:
            yield browser
        finally:
            await browser.close()


AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class Window:
    """One person's browser: a page, what went wrong in it, and whether it kept to the published API."""

    url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    exchanges: list[tuple[str, str, int]] = field(default_factory=list)
    _judging: list[asyncio.Task[str | None]] = field(default_factory=list)

    async def go(self, path: str, heading: str | None = None) -> None:
        await self.page.goto(f"{self.url}/console{path}")
        if heading is not None:
            await self.page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True)

    def said(self, text: str) -> Locator:
        return self.page.locator(".toast", has_text=text)

    async def holds_a_key(self) -> None:
        """From here on the device makes and shows passkeys by itself."""
        devtools = await self.context.new_cdp_session(self.page)
        await devtools.send("WebAuthn.enable")
        await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    async def sign_in(self, email: str, password: str) -> None:
        await self.go("/sign-in", "Sign in")
        await self.field("Work e-mail").fill(email)
        await self.field("Password").fill(password)
        await self.button("Sign in").click()
        await self.page.locator(".side").wait_for(state="attached")

    async def settled(self) -> None:
        await expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    async def flaws(self, options: dict[str, Any] = RULES) -> list[str]:
        """What axe finds on the page as it is."""
        await self.page.evaluate(
            "Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finish()))"
        )
        found = await Axe().run(self.page, options=options)
        return [
            f"{one['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for one in found.response["violations"]
            for node in one["nodes"]
        ]

    async def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        wider: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wider

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and ASKS_FOR_PROOF not in message.text:
            self.complaints.append(message.text)

    def note(self, response: Response) -> None:
        path = response.url.removeprefix(self.url)
        self.exchanges.append((response.request.method, path, response.status))
        if path.startswith(("/v1/", "/access/")):
            self._judging.append(asyncio.create_task(breach(response)))

    async def breaches(self) -> list[str]:
        """What was asked or answered otherwise than the API is published."""
        return [said for said in await asyncio.gather(*self._judging) if said]


@asynccontextmanager
async def window(browser: Browser, url: str, **options: Any) -> AsyncIterator[Window]:
    """A fresh window, signed in nowhere; on leaving nothing may have gone wrong in it."""
    plain = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", "reduced_motion": "reduce"}
    context = await browser.new_context(**{**plain, **options})
    context.set_default_timeout(PATIENCE)
    await context.add_init_script(LISTEN)
    page = await context.new_page()
    it = Window(url, context, page)
    page.on("console", it.hear)
    page.on("pageerror", lambda error: it.complaints.append(str(error)))
    page.on("response", it.note)
    try:
        yield it
        breaches = await it.breaches()
        assert not breaches, "\n".join(breaches)
    finally:
        await context.close()
    assert not it.complaints, "\n".join(it.complaints)
