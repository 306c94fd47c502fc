"""Asking a provider for a sign-in: an AuthnRequest by the HTTP-Redirect binding (SAML 2.0 Core §3.4.1, Bindings §3.4)."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from lxml.builder import ElementMaker

from services.identity.rules.saml.documents import ASSERTION, PROTOCOL
from services.identity.rules.saml.metadata import POST
from services.identity.rules.saml.moments import write_moment

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
LONGEST_RELAY_STATE = 80

_protocol = ElementMaker(namespace=PROTOCOL, nsmap={"samlp": PROTOCOL, "saml": ASSERTION})
_assertion = ElementMaker(namespace=ASSERTION)


@dataclass(frozen=True)
class ServiceProvider:
    """Who we are to one connection's provider: our entity ID, which is the address of our metadata, and where answers go (ACS)."""

    entity_id: str
    acs_url: str


@dataclass(frozen=True)
class SignInRequest:
    """`fresh`: whoever is signed in at the provider has to show it again. The id is an XML name, and the answer repeats it."""

    request_id: str
    sso_url: str
    asked_at: datetime
    fresh: bool = False


def authn_request(us: ServiceProvider, wanted: SignInRequest) -> bytes:
    """The document. Which name is sent is the provider's configuration, so no format is asked for."""
    attributes = {
        "ID": wanted.request_id,
        "Version": "2.0",
        "IssueInstant": write_moment(wanted.asked_at),
        "Destination": wanted.sso_url,
        "AssertionConsumerServiceURL": us.acs_url,
        "ProtocolBinding": POST,
    }
    if wanted.fresh:
        attributes["ForceAuthn"] = "true"
    policy = _protocol.NameIDPolicy(Format=UNSPECIFIED, AllowCreate="true")
    return etree.tostring(_protocol.AuthnRequest(_assertion.Issuer(us.entity_id), policy, **attributes))


def redirect_url(
    us: ServiceProvider, wanted: SignInRequest, relay_state: str | None = None, key: rsa.RSAPrivateKey | None = None
) -> str:
    """Where the browser goes. With a key the query is signed by RSA-SHA256, over the very letters that are sent."""
    if relay_state is not None and len(relay_state.encode()) > LONGEST_RELAY_STATE:
        raise ValueError("SAML allows 80 bytes of relay state")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflater.compress(authn_request(us, wanted)) + deflater.flush()
    fields = {"SAMLRequest": base64.b64encode(deflated).decode()}
    if relay_state is not None:
        fields["RelayState"] = relay_state
    if key is not None:
        fields["SigAlg"] = RSA_SHA256
    query = urlencode(fields, quote_via=quote, safe="")
    if key is not None:
        signature = base64.b64encode(key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        query += f"&Signature={quote(signature, safe='')}"
    return f"{wanted.sso_url}{'&' if '?' in wanted.sso_url else '?'}{query}"
