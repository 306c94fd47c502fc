"""Asking a provider for a sign-in: an AuthnRequest (SAML 2.0 Core §3.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from lxml.builder import ElementMaker

from services.identity.rules.saml.documents import ASSERTION, PROTOCOL
from services.identity.rules.saml.metadata import POST
from services.identity.rules.saml.moments import write_moment
from services.identity.rules.saml.redirects import address_with

UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

_protocol = ElementMaker(namespace=PROTOCOL, nsmap={"samlp": PROTOCOL, "saml": ASSERTION})
_assertion = ElementMaker(namespace=ASSERTION)


@dataclass(frozen=True)
class ServiceProvider:
    """Who we are to one connection's provider: our entity ID, which is the address of our metadata, where answers go (ACS), and word of who signed out (SLO)."""

    entity_id: str
    acs_url: str
    slo_url: str


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
    """Where the browser goes. With a key the query is signed."""
    return address_with(wanted.sso_url, "SAMLRequest", authn_request(us, wanted), relay_state, key)
