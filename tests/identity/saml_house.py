"""An organization that signs in at a SAML provider: what its provider says, and what browsers bring from there."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from services.identity.rules.saml.metadata import REDIRECT
from tests.identity.saml_documents import PROVIDER, Answer, Signer, answer, encoded
from tests.identity.sso_house import Browser, SsoHouse
from tests.world import Reply

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def metadata_of(
    *signers: Signer,
    entity_id: str = PROVIDER,
    wants_signed: bool = False,
    sso: str = "https://idp.test/sso",
    more: str = "",
) -> str:
    """What a provider publishes that signs with these; `more` stands before its sign-on address."""
    keys = "".join(
        '<KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        f"{base64.b64encode(signer.certificate.public_bytes(Encoding.DER)).decode()}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>"
        for signer in signers
    )
    return (
        '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
        f' entityID="{entity_id}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"'
        f' WantAuthnRequestsSigned="{str(wants_signed).lower()}">{keys}{more}'
        f'<SingleSignOnService Binding="{REDIRECT}" Location="{sso}"/></IDPSSODescriptor></EntityDescriptor>'
    )


def request_in(url: str) -> etree._Element:
    """The AuthnRequest that a browser carries to the provider."""
    letters = parse_qs(urlsplit(url).query)["SAMLRequest"][0]
    return etree.fromstring(zlib.decompress(base64.b64decode(letters), -zlib.MAX_WBITS))


@dataclass
class SamlHouse(SsoHouse):
    """Its connection speaks SAML; `signer` is the provider's."""

    signer: Signer = field(kw_only=True)

    @classmethod
    def of(cls, house: SsoHouse, signer: Signer) -> SamlHouse:
        facts = {name: getattr(house, name) for name in SsoHouse.__dataclass_fields__}
        return cls(**facts, signer=signer)

    @property
    def acs(self) -> str:
        return f"/v1/auth/sso/{self.connection}/acs"

    async def begins(self, **changes: Any) -> dict[str, Any]:
        made = await super().begins(**{"protocol": "saml", **changes})
        self.us: dict[str, str] = made["service_provider"]
        return made

    async def imports(self, **changes: Any) -> Reply:
        saml = {"document": metadata_of(self.signer)} | changes
        sent = {name: value for name, value in saml.items() if value is not None}
        return await self.ask("PUT", self.path("/metadata"), {"saml": sent})

    def said(self, email: str | None, request_id: str | None, **changes: Any) -> Answer:
        """What the provider says of somebody to this connection, now."""
        told = Answer(
            name_id=email or "",
            audience=self.us["entity_id"],
            recipient=self.us["acs_url"],
            destination=self.us["acs_url"],
            in_response_to=request_id,
            at=self.world.clock.now(),
            assertion_id=f"_{request_id or 'unasked'}{len(email or '')}{self.world.clock.now().timestamp()}",
        )
        return replace(told, **changes)

    async def responds(self, url: str, email: str | None, changes: Mapping[str, Any]) -> dict[str, str]:
        """The form with which the provider's page sends a browser back."""
        told = self.said(email, request_in(url).get("ID"), **changes)
        return {"SAMLResponse": encoded(answer(told, signer=self.signer))}

    async def returns(
        self,
        browser: Browser,
        url: str,
        subject: str,
        email: str | None,
        changes: dict[str, Any] | None = None,
        **query: Any,
    ) -> Reply:
        return await self.posts(browser, await self.responds(url, email, changes or {}))

    async def posts(self, browser: Browser, form: Mapping[str, str]) -> Reply:
        headers = FORM | ({"Cookie": f"__Host-sso={browser.cookie}"} if browser.cookie else {})
        reply = await self.world.ask("identity", "POST", self.acs, raw=urlencode(form).encode(), headers=headers)
        browser.keep(reply)
        return reply
