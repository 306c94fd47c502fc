"""A SAML identity provider of our own for hostile documents: it writes what it is told, right or wrong, and signs it or not."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.metadata import read_certificate
from services.identity.rules.saml.requests import ServiceProvider
from services.identity.rules.saml.responses import Accepted, read_response
from services.identity.rules.sso import SamlSettings

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
US = ServiceProvider(
    entity_id="https://tenantry.test/v1/auth/sso/sso_1/metadata",
    acs_url="https://tenantry.test/v1/auth/sso/sso_1/acs",
    slo_url="https://tenantry.test/v1/auth/sso/sso_1/slo",
)
PROVIDER = "https://idp.test/metadata"
REQUEST = "rq-the-one-that-was-asked"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """A key with its certificate."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @classmethod
    def make(
        cls, key: Key, begins: datetime = NOW - timedelta(days=30), ends: datetime = NOW + timedelta(days=365)
    ) -> Signer:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.test")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
        )
        return cls(key, certificate)


@lru_cache
def rsa_signer(which: str = "the provider's") -> Signer:
    """One key per name for the whole run: making one takes a moment."""
    return Signer.make(rsa.generate_private_key(65537, 2048))


def signer_at(now: datetime, which: str = "the provider's") -> Signer:
    """With a certificate that is good for most of a year."""
    return Signer.make(rsa_signer(which).key, now - timedelta(days=1), now + timedelta(days=300))


def settings(*signers: Signer, **changed: Any) -> SamlSettings:
    certificates = tuple(read_certificate(signer.pem) for signer in signers or (rsa_signer(),))
    facts: dict[str, Any] = {"entity_id": PROVIDER, "sso_url": "https://idp.test/sso", "certificates": certificates}
    return SamlSettings(**facts | changed)


@dataclass(frozen=True)
class Answer:
    """What the provider says. `extra` pieces of XML go to their named places; None leaves an attribute out."""

    name_id: str = "ana@northwind.test"
    format: str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    attributes: dict[str, str] = field(default_factory=lambda: {"firstname": "Ana", "lastname": "Ruiz"})
    audience: str | None = US.entity_id
    recipient: str | None = US.acs_url
    destination: str | None = US.acs_url
    in_response_to: str | None = REQUEST
    issuer: str = PROVIDER
    response_issuer: str | None = PROVIDER
    begins: timedelta = timedelta(minutes=-1)
    ends: timedelta | None = timedelta(minutes=5)
    issued: timedelta = timedelta()
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success"
    assertion_id: str = "_a1"
    response_id: str = "_r1"
    method: str = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
    conditions: str = ""
    subject: str = ""
    in_assertion: str = ""
    authn: bool = True
    session_index: str = "_s1"
    at: datetime = NOW

    def xml(self) -> etree._Element:
        return etree.fromstring(self.text())

    def text(self) -> str:
        def moment(distance: timedelta) -> str:
            return (self.at + distance).strftime("%Y-%m-%dT%H:%M:%SZ")

        def attribute(name: str, value: str | None) -> str:
            return "" if value is None else f' {name}="{value}"'

        end = attribute("NotOnOrAfter", None if self.ends is None else moment(self.ends))
        said = "".join(
            f'<saml:Attribute Name="{name}"><saml:AttributeValue xsi:type="xs:string">{value}</saml:AttributeValue></saml:Attribute>'
            for name, value in self.attributes.items()
        )
        restriction = (
            ""
            if self.audience is None
            else f"<saml:AudienceRestriction><saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction>"
        )
        authn = (
            f'<saml:AuthnStatement AuthnInstant="{moment(self.issued)}" SessionIndex="{self.session_index}"><saml:AuthnContext>'
            "<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>"
            "</saml:AuthnContext></saml:AuthnStatement>"
            if self.authn
            else ""
        )
        response_issuer = "" if self.response_issuer is None else f"<saml:Issuer>{self.response_issuer}</saml:Issuer>"
        return (
            f'<samlp:Response xmlns:samlp="{NAMESPACES["samlp"]}" xmlns:saml="{NAMESPACES["saml"]}" ID="{self.response_id}" Version="2.0"'
            f' IssueInstant="{moment(self.issued)}"{attribute("Destination", self.destination)}{attribute("InResponseTo", self.in_response_to)}>'
            f'{response_issuer}<samlp:Status><samlp:StatusCode Value="{self.status}"/></samlp:Status>'
            f'<saml:Assertion xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            f' ID="{self.assertion_id}" Version="2.0" IssueInstant="{moment(self.issued)}"><saml:Issuer>{self.issuer}</saml:Issuer>'
            f'<saml:Subject><saml:NameID Format="{self.format}">{self.name_id}</saml:NameID>'
            f'<saml:SubjectConfirmation Method="{self.method}"><saml:SubjectConfirmationData{attribute("Recipient", self.recipient)}{end}'
            f"{attribute('InResponseTo', self.in_response_to)}/></saml:SubjectConfirmation>{self.subject}</saml:Subject>"
            f'<saml:Conditions NotBefore="{moment(self.begins)}"{end}>{restriction}{self.conditions}</saml:Conditions>'
            f"{authn}<saml:AttributeStatement>{said}</saml:AttributeStatement>{self.in_assertion}</saml:Assertion></samlp:Response>"
        )


def sign(
    element: etree._Element,
    signer: Signer | None = None,
    method: SignatureMethod = SignatureMethod.RSA_SHA256,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    canonicalization: CanonicalizationMethod = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
) -> etree._Element:
    """A copy of a Response or Assertion with its signature where SAML wants it: behind the issuer."""
    by = signer or rsa_signer()
    plain = etree.fromstring(etree.tostring(element))
    issuer = plain.find("saml:Issuer", NAMESPACES)
    here = etree.Element(f"{{{NAMESPACES['ds']}}}Signature", nsmap={"ds": NAMESPACES["ds"]}, Id="placeholder")
    plain.insert(0, here) if issuer is None else issuer.addnext(here)
    machine = _Lenient(signature_algorithm=method, digest_algorithm=digest, c14n_algorithm=canonicalization)
    signed = machine.sign(
        plain,
        key=by.key,
        cert=[by.certificate],
        reference_uri=element.get("ID"),
        id_attribute="ID",
    )
    return etree.fromstring(etree.tostring(signed))


class _Lenient(XMLSigner):
    """Signs by SHA-1 as well, so that it can be refused."""

    def check_deprecated_methods(self) -> None:
        pass


def answer(told: Answer | None = None, *, signer: Signer | None = None, over: str = "assertion") -> etree._Element:
    """A signed response; `over` is assertion, response, both or neither."""
    response = (told or Answer()).xml()
    if over in ("assertion", "both"):
        assertion = assertion_of(response)
        assertion.getparent().replace(assertion, sign(assertion, signer))  # type: ignore[union-attr]
    return sign(response, signer) if over in ("response", "both") else response


def assertion_of(response: etree._Element) -> etree._Element:
    found = response.find("saml:Assertion", NAMESPACES)
    assert found is not None
    return found


def encoded(document: etree._Element | bytes | str) -> str:
    content = document.encode() if isinstance(document, str) else document
    return base64.b64encode(content if isinstance(content, bytes) else etree.tostring(content)).decode()


def judge(
    document: etree._Element | bytes | str,
    provider: SamlSettings | None = None,
    request_id: str | None = REQUEST,
    now: datetime = NOW,
    fresh_since: datetime | None = None,
    key: rsa.RSAPrivateKey | None = None,
) -> Accepted:
    return read_response(
        encoded(document), US, provider or settings(), [request_id] if request_id else [], now, fresh_since, key
    )
