"""What we publish for a provider to read: our entity ID, where answers and sign-outs go, and the certificate of what we sign."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from lxml.builder import ElementMaker

from services.identity.rules.saml.documents import METADATA, PROTOCOL, SIGNATURE
from services.identity.rules.saml.encryption import ACCEPTED
from services.identity.rules.saml.metadata import POST, REDIRECT
from services.identity.rules.saml.requests import ServiceProvider

EMAIL_ADDRESS = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"

_metadata = ElementMaker(namespace=METADATA, nsmap={"md": METADATA, "ds": SIGNATURE})
_signature = ElementMaker(namespace=SIGNATURE)


def own_metadata(us: ServiceProvider, certificate: str | None, *, signs: bool, encrypted: bool = False) -> bytes:
    """An EntityDescriptor with one SPSSODescriptor (SAML 2.0 Metadata §2.4.4). Assertions are wanted signed, names as e-mail addresses.

    `certificate` (PEM) is of the key that signs our requests, when they are signed. `encrypted`: assertions are wanted encrypted for it.
    """
    keys = [] if certificate is None else [_key(certificate, "signing")]
    if certificate is not None and encrypted:
        methods = [_metadata.EncryptionMethod(Algorithm=algorithm) for algorithm in ACCEPTED]
        keys.append(_key(certificate, "encryption", *methods))
    role = _metadata.SPSSODescriptor(
        *keys,
        _metadata.SingleLogoutService(Binding=REDIRECT, Location=us.slo_url),
        _metadata.NameIDFormat(EMAIL_ADDRESS),
        _metadata.AssertionConsumerService(Binding=POST, Location=us.acs_url, index="0", isDefault="true"),
        protocolSupportEnumeration=PROTOCOL,
        AuthnRequestsSigned="true" if signs else "false",
        WantAssertionsSigned="true",
    )
    document = _metadata.EntityDescriptor(role, entityID=us.entity_id)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _key(pem: str, use: str, *methods: etree._Element) -> etree._Element:
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    data = _signature.X509Data(_signature.X509Certificate(base64.b64encode(der).decode()))
    described: etree._Element = _metadata.KeyDescriptor(_signature.KeyInfo(data), *methods, use=use)
    return described
