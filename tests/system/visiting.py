"""Browsers that go to identity providers which others wrote, and come back, by a redirect or by a form of another site."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.metadata import read_certificate
from shared.cli.demo.api import Person, until
from tests.identity.oidc_provider import RealProvider
from tests.identity.saml_documents import Signer, signer_at
from tests.identity.saml_provider import HOST, Form, SamlProvider
from tests.system.whole import WholeProduct


@dataclass
class Browser:
    """A browser at the gateway: it keeps cookies, and says where it is sent instead of going there."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Status, JSON and `Location`."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        sent |= {"Origin": self.url, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, self.url + path, json=body, headers=sent, allow_redirects=False) as answer,
        ):
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            is_json = "json" in answer.headers.get("Content-Type", "")
            return (
                answer.status,
                await answer.json(content_type=None) if is_json else None,
                answer.headers.get("Location", ""),
            )

    async def comes_back(
        self, provider: RealProvider, url: str, login: str, jar: aiohttp.CookieJar | None = None
    ) -> str:
        """Through the provider's pages; the page of the console that it ends at."""
        parts = urlsplit(await provider.sign_in(url, login, jar))
        status, _, location = await self.ask("GET", f"{parts.path}?{parts.query}")
        assert status == 303, location
        return location.removeprefix(self.url)


class VisitedBrowser(Browser):
    """A browser that a page of the provider sends back to us."""

    async def posts(self, form: Form, cookies: Mapping[str, str] | None = None) -> str:
        """As browsers do it from another site: without our session's cookie, and saying so. Where it is sent then."""
        kept = self.cookies if cookies is None else cookies
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in kept.items() if name == "__Host-sso"),
            "Origin": f"https://{HOST}",
            "Sec-Fetch-Site": "cross-site",
        }
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(form.action, data=form.fields, headers=headers, allow_redirects=False) as answer,
        ):
            assert answer.status == 303, await answer.text()
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.headers["Location"].removeprefix(self.url)


async def connection_of(boss: Person, domain: str) -> dict[str, Any]:
    wanted = {"name": "Northwind", "protocol": "saml", "domains": [domain], "new_users": "at_once"}
    made = await until(
        lambda: boss.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    found: dict[str, Any] = made.ok()
    return found


async def certificate_in(product: WholeProduct, connection: Mapping[str, Any]) -> str:
    """Ours, from the metadata that anybody can read."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(connection["service_provider"]["metadata_url"]) as answer,
    ):
        assert answer.content_type == "application/samlmetadata+xml"
        root = etree.fromstring(await answer.read())
    return read_certificate(root.findtext(".//ds:X509Certificate", "", NAMESPACES)).pem


BEGIN = """async ([path, token]) => {
  const headers = {Authorization: `Bearer ${token}`, "Content-Type": "application/json"};
  return (await fetch(path, {method: "POST", headers, body: "{}"})).json();
}"""


def self_posting(form: Form) -> str:
    """The page with which providers send a browser back."""
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in form.fields.items()
    )
    return f'<body onload="document.forms[0].submit()"><form method="post" action="{form.action}">{fields}</form>'


def provider_signer() -> Signer:
    return signer_at(datetime.now(UTC))


async def signs_in(product: WholeProduct, provider: SamlProvider, email: str) -> VisitedBrowser:
    """There and back; and a copy of what the browser brought is of no use."""
    browser = VisitedBrowser(product.gateway.url)
    _, way, _ = await browser.ask("POST", "/v1/auth/discovery", {"email": email})
    assert (way["method"], way["password_works"]) == ("sso", False)
    _, _, there = await browser.ask("GET", way["sso"]["url"] + "&return_to=/console/dashboards")
    form = await provider.sign_in(there, email)
    before = dict(browser.cookies)
    stranger = VisitedBrowser(product.gateway.url)
    assert (await stranger.posts(form)).startswith("/console/sign-in/sso?failed=request&trace=")
    assert await browser.posts(form) == "/console/sign-in/sso"
    assert (await stranger.posts(form, before)).startswith("/console/sign-in/sso?failed=browser&trace=")
    return browser
