"""Takes the README's pictures of the console anew, of an organization that is made up for them.

Run it as `.venv/bin/python -m tools.pictures`. It needs Chromium, as the tests do, and the font Inter (on Debian
`fonts-inter`), so that the pictures look alike whoever takes them. Names and numbers are always the same; times are of today.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
from playwright.async_api import Browser

from shared.cli.demo.api import PASSWORD, Gateway, PatientGateway, Person
from shared.cli.demo.invented import Invented, Size, invent
from tests.console.browser import Window, started_browser, window
from tests.ports import free_port
from tests.system.whole import started

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PEOPLE, SEED = 60, 1
MOST_BYTES = 250_000
FONT = "Inter"
IN_FONT = (
    f"""addEventListener("DOMContentLoaded", () => document.documentElement.style.setProperty("--font", "{FONT}"));"""
)


def main() -> None:
    families = subprocess.run(["fc-list", ":", "family"], capture_output=True, text=True, check=True).stdout
    if FONT not in families.split("\n"):
        raise SystemExit(f"Install the font {FONT} first: `apt-get install fonts-inter`.")
    with tempfile.TemporaryDirectory() as folder:
        data, port = Path(folder) / "data", free_port()
        with started(data=data, port=port):
            seed = [
                "-m",
                "services.launcher",
                "seed",
                "--people",
                str(PEOPLE),
                "--seed",
                str(SEED),
                "--data",
                str(data),
            ]
            subprocess.run([sys.executable, *seed], check=True, cwd=ROOT)
            asyncio.run(picture(f"http://127.0.0.1:{port}", invent(Size(PEOPLE), SEED)))


async def picture(url: str, made_up: Invented) -> None:
    async with PatientGateway(url) as gateway, started_browser() as browser:
        await protect(gateway, made_up)
        await take_all(browser, gateway, made_up)


async def protect(gateway: Gateway, made_up: Invented) -> None:
    """More than half of the people set up an authenticator app."""
    for row in {*made_up.people[1::2], *made_up.people[2::8]}:
        if row.email in made_up.leaving:
            continue
        person = await signed_in(gateway, row.email, row.name)
        begun = (await person.ask("POST", "/v1/me/totp", {})).ok()
        (await person.ask("POST", "/v1/me/totp/activation", {"code": pyotp.TOTP(begun["secret"]).now()})).ok()


async def signed_in(gateway: Gateway, email: str, name: str) -> Person:
    person = Person(gateway, email, name)
    await person.sign_in(quietly=True)
    return person


async def take_all(browser: Browser, gateway: Gateway, made_up: Invented) -> None:
    founder = await signed_in(gateway, made_up.founder.email, made_up.founder.name)

    @asynccontextmanager
    async def opened(path: str, heading: str, **options: Any) -> AsyncIterator[Window]:
        async with window(browser, gateway.url, **options) as it:
            await it.context.add_init_script(IN_FONT)
            await it.sign_in(founder.email, PASSWORD)
            await it.go(path, heading)
            yield it

    async with opened("/users", "Users") as it:
        await it.page.locator(".facets").wait_for()
        await take(it, "users")
    async with opened("/users", "Users", viewport={"width": 390, "height": 844}) as it:
        await it.page.locator(".facets").wait_for()
        await take(it, "phone")
    own = next(board for board in made_up.dashboards if board.owner == founder.email)
    others = sorted({*made_up.groups} - {*own.shared_with})
    async with opened(f"/sharing/{own.id}", "Sharing") as it:
        for group in others[:2]:
            await it.page.get_by_role("checkbox", name=group).check()
        await it.page.get_by_role("status").get_by_text("get a mail").wait_for()
        await take(it, "sharing")
    async with opened(await by_one_group(founder, made_up), "Who can see what") as it:
        await it.page.get_by_role("heading", name="What would take it away").scroll_into_view_if_needed()
        await take(it, "access")
    async with opened("/billing", "Billing") as it:
        await it.button("Change to Free").click()
        await it.page.locator("dialog").get_by_text("What changes").wait_for()
        await take(it, "plan")
    async with opened(f"/audit?q={quote('-action:identity.*')}", "Audit log", color_scheme="dark") as it:
        await it.page.get_by_role("row").nth(1).wait_for()
        await take(it, "audit")


async def by_one_group(founder: Person, made_up: Invented) -> str:
    """The page on somebody whom one of two groups lets see a dashboard."""
    board, row = next(
        (board, row)
        for board in made_up.dashboards
        for row in made_up.people
        if len(board.shared_with) == 2 and row.role == "viewer" and row.email not in made_up.leaving
        if len({*board.shared_with} & {*row.groups}) == 1
    )
    found = (await founder.ask("GET", f"/v1/users?q={quote(row.email)}")).ok()["data"][0]
    return f"/access?user={found['id']}&dashboard={board.id}"


async def take(it: Window, name: str) -> None:
    await it.settled()
    await it.page.evaluate("document.fonts.ready")
    path = IMAGES / f"console-{name}.png"
    await it.page.screenshot(path=path, animations="disabled")
    weight = path.stat().st_size
    if weight > MOST_BYTES:
        raise SystemExit(f"{path} weighs {weight} bytes, and at most {MOST_BYTES} are for the README.")
    print(f"{path.relative_to(ROOT)}  {weight // 1000} KB")


if __name__ == "__main__":
    main()
