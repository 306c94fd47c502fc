"""A SAML identity provider that others wrote (Auth0's samlp, on Node), and a browser that goes there with what we ask."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from lxml import html

from tests.identity.saml_documents import Signer
from tests.node import packages, serving

PROGRAM = Path(__file__).with_suffix(".cjs")
HOST = "idp.test"
ISSUER = "urn:idp.test"


@dataclass(frozen=True)
class Form:
    """What the provider lets the browser post, and where."""

    action: str
    fields: dict[str, str]


@dataclass(frozen=True)
class SamlProvider:
    port: int
    signer: Signer

    async def metadata(self) -> bytes:
        return await asyncio.to_thread(self._get, "/metadata")

    async def sign_in(self, url: str, email: str, **how: str) -> Form:
        """The browser follows a redirect to the provider, where this person is signed in."""
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", HOST)
        return await self._form(f"{parts.path}?{parts.query}&{urlencode({'as': email, **how})}")

    async def begin(self, email: str, **how: str) -> Form:
        """The person chooses our application at the provider, without being sent there."""
        return await self._form(f"/sso?{urlencode({'as': email, **how})}")

    async def sign_out(self, url: str, email: str, session: str) -> str:
        """The browser carries our request, or our answer, to where people sign out; where it is sent then, or what the page says."""
        parts = urlsplit(url)
        query = "&".join(filter(None, (parts.query, urlencode({"as": email, "session": session}))))
        return await asyncio.to_thread(self._sent, f"{parts.path}?{query}")

    def _sent(self, target: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", target)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status in (200, 302), f"the provider refuses: {text[:500]}"
        return answer.headers.get("Location") or text

    async def _form(self, target: str) -> Form:
        page = html.fromstring(await asyncio.to_thread(self._get, target))
        form = page.forms[0]
        return Form(form.action, {name: value or "" for name, value in form.fields.items() if name})

    def _get(self, target: str) -> bytes:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{target}",
            headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": HOST},
        )
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as failed:
            raise AssertionError(f"the provider refuses: {failed.read().decode()[:500]}") from None


@contextmanager
def saml_provider(
    signer: Signer, audience: str, acs_url: str, our_certificate: str = "", slo_url: str = ""
) -> Iterator[SamlProvider]:
    """Runs the provider for one service provider; with our certificate it wants requests signed."""
    key = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    with serving(
        PROGRAM,
        packages(samlp="7.1.1", express="4.21.2"),
        ISSUER=ISSUER,
        CERTIFICATE=signer.pem,
        KEY=key.decode(),
        AUDIENCE=audience,
        ACS=acs_url,
        SLO=slo_url,
        SIGNING_CERTIFICATE=our_certificate,
    ) as port:
        yield SamlProvider(port, signer)
