"""A provider's metadata (SAML 2.0 Metadata, §2.4): who it is, where people sign in, and which certificates it signs with."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from services.identity.rules.saml.documents import METADATA, NAMESPACES, PROTOCOL, Unreadable, read_document, text_of
from services.identity.rules.saml.moments import read_moment
from services.identity.rules.sso import Certificate

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SMALLEST_RSA = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
MOST_CERTIFICATES = 6
LONGEST_ENTITY_ID = 1024
LONGEST_URL = 2048


@dataclass(frozen=True)
class ProviderMetadata:
    """What is of use in it. `sso_urls` by binding; `slo_url` and `slo_response_url` where people sign out, by HTTP-Redirect, if they do; certificates in their order, expired ones left out; `valid_until` is the document's own end."""

    entity_id: str
    sso_urls: dict[str, str]
    certificates: tuple[Certificate, ...]
    name_id_formats: tuple[str, ...]
    wants_signed_requests: bool
    valid_until: datetime | None
    slo_url: str | None = None
    slo_response_url: str | None = None

    @property
    def sso_url(self) -> str:
        """Where people are sent with a request."""
        return self.sso_urls[REDIRECT]


def read_metadata(content: bytes, now: datetime) -> ProviderMetadata:
    """Reads what an administrator uploaded or an address answered. Raises `Unreadable`, with words for that administrator."""
    entity = _entity(read_document(content, remarks=True))
    role = _role(entity)
    entity_id = (entity.get("entityID") or "").strip()
    if not entity_id or len(entity_id) > LONGEST_ENTITY_ID:
        raise Unreadable("it names no entity ID of at most 1,024 characters")
    valid_until = min(_ends(entity, role), default=None)
    if valid_until is not None and valid_until <= now:
        raise Unreadable(f"it was valid until {valid_until:%Y-%m-%d}; download it again from the provider")
    return ProviderMetadata(
        entity_id=entity_id,
        sso_urls=_sso_urls(role),
        certificates=_certificates(role, now),
        name_id_formats=tuple(filter(None, map(text_of, role.findall("md:NameIDFormat", NAMESPACES)))),
        wants_signed_requests=role.get("WantAuthnRequestsSigned", "").strip() in ("true", "1"),
        valid_until=valid_until,
        slo_url=_slo_url(role, "Location"),
        slo_response_url=_slo_url(role, "ResponseLocation"),
    )


def read_certificate(text: str) -> Certificate:
    """A certificate as PEM or as bare base64. Raises `Unreadable` for what isn't one, and for keys that are too weak to believe."""
    letters = "".join(line for line in text.splitlines() if not line.strip().startswith("-----"))
    try:
        found = x509.load_der_x509_certificate(base64.b64decode("".join(letters.split()), validate=True))
        key, subject, expires_at = found.public_key(), found.subject.rfc4514_string(), found.not_valid_after_utc
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Unreadable("one of its certificates can't be read") from None
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES)
    )
    if not strong:
        raise Unreadable("one of its certificates has neither an RSA key of 2,048 bits or more nor one on a NIST curve")
    return Certificate(
        pem=found.public_bytes(Encoding.PEM).decode(),
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        subject=subject,
        expires_at=expires_at,
    )


def _entity(root: etree._Element) -> etree._Element:
    if root.tag == f"{{{METADATA}}}EntityDescriptor":
        return root
    if root.tag == f"{{{METADATA}}}EntitiesDescriptor":
        providers = root.xpath("md:EntityDescriptor[md:IDPSSODescriptor]", namespaces=NAMESPACES)
        if isinstance(providers, list) and len(providers) == 1 and isinstance(providers[0], etree._Element):
            return providers[0]
        raise Unreadable("it describes several providers, or none; give the metadata of one")
    raise Unreadable("it isn't SAML metadata")


def _role(entity: etree._Element) -> etree._Element:
    roles = [
        role
        for role in entity.findall("md:IDPSSODescriptor", NAMESPACES)
        if PROTOCOL in role.get("protocolSupportEnumeration", "").split()
    ]
    if len(roles) != 1:
        raise Unreadable("it describes no identity provider for SAML 2.0 (perhaps it is a service provider's)")
    return roles[0]


def _ends(*elements: etree._Element) -> Iterator[datetime]:
    for element in elements:
        if (text := element.get("validUntil")) is not None:
            try:
                yield read_moment(text)
            except (ValueError, OverflowError):
                raise Unreadable("its validUntil isn't a time") from None


def _sso_urls(role: etree._Element) -> dict[str, str]:
    urls: dict[str, str] = {}
    for service in role.findall("md:SingleSignOnService", NAMESPACES):
        urls.setdefault(service.get("Binding", ""), service.get("Location", "").strip())
    if REDIRECT not in urls:
        raise Unreadable("it has no single sign-on address for the HTTP-Redirect binding")
    if not _is_plain_url(urls[REDIRECT]):
        raise Unreadable("its single sign-on address isn't a plain https:// URL")
    return {binding: urls[binding] for binding in (REDIRECT, POST) if binding in urls}


def _slo_url(role: etree._Element, attribute: str) -> str | None:
    """Where people sign out, or where that is answered. Without one they sign out here alone, which is no reason to refuse the document."""
    for service in role.findall("md:SingleLogoutService", NAMESPACES):
        url = service.get(attribute, "").strip()
        if service.get("Binding") == REDIRECT and _is_plain_url(url):
            return url
    return None


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    odd = any(c <= " " or c in "\"'<>\\^`{|}\x7f#" for c in url)
    return good and not odd and url.isascii() and len(url) <= LONGEST_URL


def _certificates(role: etree._Element, now: datetime) -> tuple[Certificate, ...]:
    found: dict[str, Certificate] = {}
    for key in role.findall("md:KeyDescriptor", NAMESPACES):
        if key.get("use", "signing") != "signing":
            continue
        for element in key.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", NAMESPACES):
            certificate = read_certificate(text_of(element))
            found[certificate.fingerprint] = certificate
    if not found:
        raise Unreadable("it holds no signing certificate")
    if len(found) > MOST_CERTIFICATES:
        raise Unreadable(f"it holds more than {MOST_CERTIFICATES} signing certificates")
    valid = tuple(one for one in found.values() if one.expires_at > now)
    if not valid:
        last = max(one.expires_at for one in found.values())
        raise Unreadable(f"its signing certificate expired on {last.astimezone(UTC):%Y-%m-%d}")
    return valid
