"""A provider's metadata is read or refused with a reason, and ours says what a provider needs."""

from __future__ import annotations

import base64
import contextlib
import random
import zlib
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES, Unreadable
from services.identity.rules.saml.metadata import POST, REDIRECT, read_certificate, read_metadata
from services.identity.rules.saml.own_metadata import own_metadata
from services.identity.rules.saml.requests import SignInRequest, authn_request, redirect_url
from tests.identity.saml_documents import NOW, PROVIDER, US, Signer, rsa_signer

SSO = f'<md:SingleSignOnService Binding="{REDIRECT}" Location="https://idp.test/sso?tenant=7"/>'


def key_of(signer: Signer, use: str = ' use="signing"') -> str:
    der = base64.b64encode(signer.certificate.public_bytes(Encoding.DER)).decode()
    wrapped = "\n".join(der[n : n + 64] for n in range(0, len(der), 64))
    return (
        f"<md:KeyDescriptor{use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n{wrapped}\n</ds:X509Certificate>"
        "</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
    )


def descriptor(*inside: str, head: str = "", role: str = "", entity_id: str = PROVIDER) -> str:
    return (
        f'<md:EntityDescriptor xmlns:md="{NAMESPACES["md"]}" xmlns:ds="{NAMESPACES["ds"]}" entityID="{entity_id}"{head}>'
        f'<!-- of the provider --><md:IDPSSODescriptor protocolSupportEnumeration="{NAMESPACES["samlp"]}"{role}>'
        f"{''.join(inside)}</md:IDPSSODescriptor></md:EntityDescriptor>"
    )


def refusal(text: str) -> str:
    with pytest.raises(Unreadable) as refused:
        read_metadata(text.encode(), NOW)
    return str(refused.value)


def test_everything_of_use_is_read() -> None:
    old = Signer.make(rsa_signer().key, ends=NOW + timedelta(days=3))
    new, lapsed = rsa_signer("next"), Signer.make(rsa_signer().key, ends=NOW)
    post = f'<md:SingleSignOnService Binding="{POST}" Location="https://idp.test/post"/>'
    form = "<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>"
    keys = (
        key_of(old)
        + key_of(new, "")
        + key_of(lapsed)
        + key_of(rsa_signer("for encryption"), ' use="encryption"')
        + key_of(old)
    )
    found = read_metadata(
        (
            "\ufeff"
            + descriptor(
                keys, form, SSO, post, role=' WantAuthnRequestsSigned="true"', head=' validUntil="2026-12-01T00:00:00Z"'
            )
        ).encode(),
        NOW,
    )
    assert found.entity_id == PROVIDER
    assert found.sso_urls == {REDIRECT: "https://idp.test/sso?tenant=7", POST: "https://idp.test/post"}
    assert [one.pem for one in found.certificates] == [old.pem, new.pem], "the expired one proves nothing"
    assert found.certificates[0].expires_at == NOW + timedelta(days=3)
    assert found.certificates[0].fingerprint == old.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.name_id_formats == ("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",)
    assert found.wants_signed_requests
    assert found.sso_url == found.sso_urls[REDIRECT]


def test_other_roles_and_a_signature_beside_it_are_passed_over() -> None:
    """As Entra ID publishes it: signed, and with the roles of WS-Federation."""
    federation = (
        '<RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706"'
        ' xsi:type="fed:SecurityTokenServiceType" protocolSupportEnumeration="http://docs.oasis-open.org/wsfed/federation/200706">'
        f"{key_of(rsa_signer('of another role'))}</RoleDescriptor>"
    )
    signature = "<ds:Signature><ds:SignedInfo/><ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature>"
    plain = descriptor(key_of(rsa_signer()), SSO)
    begin = plain.index("<md:IDPSSODescriptor")
    whole = plain[:begin] + signature + federation.replace("RoleDescriptor", "md:RoleDescriptor") + plain[begin:]
    assert [one.pem for one in read_metadata(whole.encode(), NOW).certificates] == [rsa_signer().pem]


def test_a_list_with_one_provider_is_that_provider() -> None:
    one = descriptor(key_of(rsa_signer()), SSO)
    both = f'<md:EntitiesDescriptor xmlns:md="{NAMESPACES["md"]}">{one}%s</md:EntitiesDescriptor>'
    assert read_metadata((both % "").encode(), NOW).entity_id == PROVIDER
    assert "several providers" in refusal(both % one)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "well-formed"),
        ("<html/>", "isn't SAML metadata"),
        (descriptor(SSO), "no signing certificate"),
        (descriptor(key_of(rsa_signer()), entity_id=" "), "no entity ID"),
        (descriptor(key_of(rsa_signer())), "HTTP-Redirect"),
        (descriptor(key_of(rsa_signer()), SSO.replace(REDIRECT, POST)), "HTTP-Redirect"),
        (descriptor(key_of(rsa_signer()), SSO, head=' validUntil="2026-11-26T12:00:00Z"'), "was valid until 2026-11-26"),
        (descriptor(key_of(rsa_signer()), SSO, head=' validUntil="soon"'), "isn't a time"),
        (descriptor(key_of(Signer.make(rsa_signer().key, ends=NOW)), SSO), "expired on 2026-11-26"),
        (descriptor(key_of(Signer.make(rsa.generate_private_key(65537, 1024))), SSO), "2,048 bits"),
        (descriptor(key_of(Signer.make(ec.generate_private_key(ec.SECP256K1()))), SSO), "NIST curve"),
        (descriptor("<md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>", SSO), "can't be read"),
        (descriptor(*[key_of(Signer.make(rsa_signer().key)) for _ in range(7)], SSO), "more than 6"),
        (own_metadata(US, None, signs=False).decode(), "no identity provider"),
        (f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{descriptor(key_of(rsa_signer()), SSO)}', "document type"),
        ("<a>" * 50 + "</a>" * 50, "too many elements"),
        ("<a/>" * 200_000, "longer than 256 KiB"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_refused_with_the_reason(text: str, words: str) -> None:
    assert words in refusal(text)


@pytest.mark.parametrize(
    "url",
    ["http://idp.test/sso", "javascript:alert(1)", "https://", "https://a@idp.test/", "https://idp.test/#x", "https://idp.test/a b", "https://[", "//idp.test"],
)  # fmt: skip
def test_people_are_sent_to_plain_https_addresses_only(url: str) -> None:
    assert "https" in refusal(descriptor(key_of(rsa_signer()), SSO.replace("https://idp.test/sso?tenant=7", url)))


def test_a_certificate_is_read_as_pem_or_as_bare_letters_and_no_other_kind_of_key() -> None:
    signer = rsa_signer()
    bare = "".join(signer.pem.splitlines()[1:-1])
    assert read_certificate(bare) == read_certificate(signer.pem)
    with pytest.raises(Unreadable):
        read_certificate(Signer.make(ed25519.Ed25519PrivateKey.generate()).pem)


def test_whatever_is_changed_in_a_certificate_or_a_document_it_is_read_or_refused_with_words() -> None:
    chance = random.Random(20260711)
    der = rsa_signer().certificate.public_bytes(Encoding.DER)
    version = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1)
    assert version != der
    certificates = [version, *(_changed(der, chance, 60) for _ in range(300))]
    document = descriptor(key_of(rsa_signer()), SSO).encode()
    documents = [_changed(document, chance, len(document)) for _ in range(300)]
    read = 0
    for certificate in certificates:
        with contextlib.suppress(Unreadable):
            read_certificate(base64.b64encode(certificate).decode())
    for changed in documents:
        with contextlib.suppress(Unreadable):
            read_metadata(changed, NOW)
            read += 1
    assert 10 < read < 290


def _changed(content: bytes, chance: random.Random, within: int) -> bytes:
    at = chance.randrange(min(len(content), within))
    return content[:at] + chance.choice([b"", bytes([chance.randrange(256)]), b"<", b"&x;"]) + content[at + 1 :]


def test_our_metadata_names_where_answers_go_and_what_we_sign_with() -> None:
    root = etree.fromstring(own_metadata(US, rsa_signer("ours").pem, signs=True))
    assert root.get("entityID") == US.entity_id
    role = root.find("md:SPSSODescriptor", NAMESPACES)
    assert role is not None
    assert (role.get("AuthnRequestsSigned"), role.get("WantAssertionsSigned")) == ("true", "true")
    acs = role.find("md:AssertionConsumerService", NAMESPACES)
    assert acs is not None
    assert (acs.get("Binding"), acs.get("Location")) == (POST, US.acs_url)
    certificate = role.findtext("md:KeyDescriptor/ds:KeyInfo/ds:X509Data/ds:X509Certificate", namespaces=NAMESPACES)
    assert read_certificate(certificate or "").pem == rsa_signer("ours").pem
    plain = etree.fromstring(own_metadata(US, None, signs=False))
    assert plain.find(".//md:KeyDescriptor", NAMESPACES) is None
    assert plain[0].get("AuthnRequestsSigned") == "false"


def test_a_request_says_who_asks_and_where_the_answer_goes() -> None:
    root = etree.fromstring(authn_request(US, SignInRequest("rq1", "https://idp.test/sso", NOW)))
    assert {
        name: root.get(name)
        for name in ("ID", "Version", "IssueInstant", "Destination", "AssertionConsumerServiceURL", "ForceAuthn")
    } == {
        "ID": "rq1",
        "Version": "2.0",
        "IssueInstant": "2026-11-26T12:00:00Z",
        "Destination": "https://idp.test/sso",
        "AssertionConsumerServiceURL": US.acs_url,
        "ForceAuthn": None,
    }
    assert root.findtext("saml:Issuer", namespaces=NAMESPACES) == US.entity_id
    assert (
        etree.fromstring(authn_request(US, SignInRequest("rq1", "https://idp.test/sso", NOW, fresh=True))).get(
            "ForceAuthn"
        )
        == "true"
    )


def test_the_query_is_deflated_keeps_the_providers_own_and_is_signed_as_it_is_sent() -> None:
    signer, wanted = rsa_signer("ours"), SignInRequest("rq1", "https://idp.test/sso?tenant=7", NOW)
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    url = redirect_url(US, wanted, "tok_ü&=", signer.key)
    parts = urlsplit(url)
    fields = parse_qs(parts.query, strict_parsing=True)
    assert [name for name, _ in parse_qsl(parts.query)] == [
        "tenant",
        "SAMLRequest",
        "RelayState",
        "SigAlg",
        "Signature",
    ]
    assert zlib.decompress(base64.b64decode(fields["SAMLRequest"][0]), -zlib.MAX_WBITS) == authn_request(US, wanted)
    assert fields["RelayState"] == ["tok_ü&="]
    told = parts.query.partition("&")[2].rpartition("&Signature=")[0]
    public = signer.certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(base64.b64decode(fields["Signature"][0]), told.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert "Signature" not in redirect_url(US, wanted)
    with pytest.raises(ValueError, match="80 bytes"):
        redirect_url(US, wanted, "x" * 81)
