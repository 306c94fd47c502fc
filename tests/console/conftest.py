"""What the console's tests share: the whole product with one organization in it, and one Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser

from services.launcher import PRODUCT
from services.org.app import opening
from shared.cli.demo.api import PASSWORD
from shared.process import Product
from tests.console.browser import Window, started_browser, window
from tests.org.dns_server import DnsServer, dns_server
from tests.system.whole import Cast, WholeProduct, a_cast, whole_product
from tests.world import Databases

Opens = Callable[..., AbstractAsyncContextManager[Window]]


@pytest.fixture(scope="module")
async def dns() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        yield server


def asking(dns: DnsServer) -> Product:
    """The product, whose org asks this server."""
    org = replace(PRODUCT.service("org"), opens=opening(dns.look_up))
    return replace(PRODUCT, service=lambda name: org if name == "org" else PRODUCT.service(name))


@pytest.fixture(scope="module")
async def product(
    databases: Databases, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WholeProduct]:
    folder = tmp_path_factory.mktemp("product")
    # A passkey belongs to a name, never to an address (WebAuthn, RP ID).
    async with whole_product(databases, folder, host="localhost", product=asking(dns)) as running:
        yield running


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    return await a_cast(product.gateway)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with started_browser() as browser:
        yield browser


@pytest.fixture
def opens(browser: Browser, product: WholeProduct) -> Opens:
    """Opens a window that must end without a complaint."""

    def opens(**options: Any) -> AbstractAsyncContextManager[Window]:
        return window(browser, product.settings.public_url, **options)

    return opens


@pytest.fixture
async def admin(opens: Opens, cast: Cast) -> AsyncIterator[Window]:
    """The admin's window, signed in, before the list of users."""
    async with opens() as it:
        await it.sign_in(cast.admin.email, PASSWORD)
        await it.page.get_by_role("link", name="Users", exact=True).click()
        yield it
