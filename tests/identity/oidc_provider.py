"""An OpenID Connect provider that others wrote (panva's oidc-provider, on Node), and a browser that signs in there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp

from tests.node import packages, serving

PROGRAM = Path(__file__).with_suffix(".cjs")
CLIENT = ("real-client", "a secret that only the two of them know")
ACTION = re.compile(r'action="([^"]+)"')
XSRF = re.compile(r'name="xsrf" value="([^"]+)"')
MOST_STEPS = 15


@dataclass(frozen=True)
class RealProvider:
    url: str
    redirect_uri: str
    signed_out_uri: str = ""

    async def sign_in(self, url: str, login: str, jar: aiohttp.CookieJar | None = None) -> str:
        """Follows the browser to the provider and through its pages; the address that it sends the browser back to.

        `jar` keeps the browser signed in there.
        """
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True) if jar is None else jar) as browser:
            method, data = "GET", None
            for _ in range(MOST_STEPS):
                if url.startswith(self.redirect_uri):
                    return url
                async with browser.request(method, url, data=data, allow_redirects=False) as page:
                    text = await page.text()
                    assert page.status < 400, f"the provider refuses: {text[:500]}"
                    method, data = "GET", None
                    if "Location" in page.headers:
                        url = urljoin(url, page.headers["Location"])
                        continue
                form = ACTION.search(text)
                assert form is not None, text[:500]
                url, method = urljoin(url, form[1]), "POST"
                data = (
                    {"prompt": "login", "login": login, "password": "any"} if "login" in text else {"prompt": "consent"}
                )
                if 'value="consent"' in text:
                    data = {"prompt": "consent"}
        raise AssertionError("the provider sends the browser nowhere")

    async def sign_out(self, url: str, jar: aiohttp.CookieJar) -> str:
        """Follows the browser to the page where one signs out, and says yes; where it is sent then. The provider tells its clients meanwhile."""
        async with aiohttp.ClientSession(cookie_jar=jar) as browser:
            async with browser.get(url) as page:
                text = await page.text()
                assert page.status == 200, text[:500]
            action, secret = ACTION.search(text), XSRF.search(text)
            assert action is not None, text[:500]
            assert secret is not None, text[:500]
            answer = {"xsrf": secret[1], "logout": "yes"}
            async with browser.post(urljoin(url, action[1]), data=answer, allow_redirects=False) as left:
                assert left.status == 303, await left.text()
                return left.headers["Location"]


@contextmanager
def real_provider(
    redirect_uri: str, domain: str, algorithm: str = "RS256", *, told_at: str = "", signed_out_uri: str = ""
) -> Iterator[RealProvider]:
    """Runs the provider for one client, which is told at `told_at` who signed out."""
    told = {
        "CLIENT_ID": CLIENT[0],
        "CLIENT_SECRET": CLIENT[1],
        "REDIRECT_URI": redirect_uri,
        "DOMAIN": domain,
        "ALGORITHM": algorithm,
        "BACKCHANNEL_LOGOUT_URI": told_at,
        "POST_LOGOUT_REDIRECT_URI": signed_out_uri,
    }
    with serving(PROGRAM, packages(**{"oidc-provider": "9.13.3"}), **told) as port:
        yield RealProvider(f"http://127.0.0.1:{port}", redirect_uri, signed_out_uri)
