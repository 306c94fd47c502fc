"""Encrypted assertions: opened with our key, judged as any other, and nothing is learnt from one that doesn't open."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.encryption import CANT_OPEN, XENC, XENC11
from services.identity.rules.saml.responses import is_encrypted
from services.identity.rules.sso import StepFailed
from tests.identity.saml_documents import Answer, answer, assertion_of, encoded, judge, rsa_signer, settings, sign
from tests.identity.saml_encryption import AES_256_CBC, MODERN, OLD, Transport, encrypted, with_encrypted

OURS = rsa_signer("ours").key
assert isinstance(OURS, rsa.RSAPrivateKey)
US = OURS.public_key()


def refusal(document: etree._Element, key: rsa.RSAPrivateKey | None = OURS, **options: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        judge(document, key=key, **options)
    return failed.value


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("transport", [Transport(), MODERN])
def test_an_assertion_that_is_signed_and_then_encrypted_is_read(bits: int, transport: Transport) -> None:
    for beside in (False, True):
        response = with_encrypted(answer(), US, f"{XENC11}aes{bits}-gcm", transport, beside=beside)
        accepted = judge(response, key=OURS)
        assert (accepted.person.email, accepted.assertion_id) == ("ana@northwind.test", "_a1")
        assert is_encrypted(encoded(response))
    assert not is_encrypted(encoded(answer()))
    assert not is_encrypted("no base64 at all")


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_what_notices_no_change_itself_is_taken_inside_a_signed_response_alone(bits: int) -> None:
    method = f"{XENC}aes{bits}-cbc"
    inner = with_encrypted(answer(), US, method)
    assert "AES-CBC is taken only where the response is signed" in refusal(inner).cause
    for over in ("assertion", "neither"):
        response = sign(with_encrypted(answer(over=over), US, method))
        assert judge(response, key=OURS).person.email == "ana@northwind.test"


def test_a_response_that_is_signed_around_the_ciphertext_vouches_for_what_is_in_it() -> None:
    assert judge(sign(with_encrypted(answer(over="neither"), US)), key=OURS).person.subject == "ana@northwind.test"
    assert refusal(with_encrypted(answer(over="neither"), US)).step == "signature"
    changed = sign(with_encrypted(answer(over="neither"), US))
    changed.replace(
        changed[-1], encrypted(etree.tostring(assertion_of(Answer(name_id="eve@northwind.test").xml())), US)
    )
    assert refusal(changed).step == "signature"


def test_encryption_is_no_signature_and_the_wrong_signer_stays_the_wrong_one() -> None:
    assert refusal(with_encrypted(answer(signer=rsa_signer("a stranger's")), US)).step == "signature"
    assert refusal(with_encrypted(answer(), US), provider=settings(rsa_signer("another's"))).step == "signature"
    late = with_encrypted(answer(Answer(audience="https://elsewhere.test")), US)
    assert refusal(late).step == "audience", "it is judged as any other"


def test_whatever_does_not_open_is_refused_in_the_same_words() -> None:
    inside = etree.tostring(assertion_of(answer()))
    wrong: list[etree._Element] = [
        with_encrypted(answer(), US, spoiled=True),
        with_encrypted(answer(), rsa_signer("somebody else").key.public_key()),  # type: ignore[arg-type]
        with_encrypted(answer(), US, transport=Transport(MODERN.padding, Transport().said)),
        *(_holding(content) for content in (b"", b"no xml", inside[:-5], b"<!DOCTYPE x>" + inside, inside + inside)),
        _holding(inside.replace(b"ana@", b"ana<!-- -->@")),
    ]
    assert {(one.step, one.cause) for one in map(refusal, wrong)} == {("encryption", CANT_OPEN)}


def _holding(content: bytes) -> etree._Element:
    response = answer()
    response.replace(assertion_of(response), encrypted(content + b" " * 40, US))
    return response


@pytest.mark.parametrize(
    ("transport", "method", "words"),
    [
        (OLD, None, "rsa-1_5, where RSA-OAEP would be"),
        (None, f"{XENC}tripledes-cbc", "tripledes-cbc, where AES-256-GCM would be"),
        (Transport(said=f'<xenc:EncryptionMethod Algorithm="{XENC11}rsa-oaep"><xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="x#md5"/></xenc:EncryptionMethod>'), None, "md5"),
        (Transport(said=f'<xenc:EncryptionMethod Algorithm="{XENC11}rsa-oaep"><xenc:OAEPparams>QQ==</xenc:OAEPparams></xenc:EncryptionMethod>'), None, "OAEP parameters"),
        (Transport(said=""), None, "none, where RSA-OAEP would be"),
    ],
)  # fmt: skip
def test_old_and_odd_algorithms_are_refused_by_name(
    transport: Transport | None, method: str | None, words: str
) -> None:
    options: dict[str, Any] = {"transport": transport} | ({"method": method} if method else {})
    failure = refusal(with_encrypted(answer(), US, **options))
    assert failure.step == "encryption"
    assert words in failure.cause


def test_two_assertions_are_one_too_many_however_they_are_wrapped() -> None:
    eve = Answer(name_id="eve@northwind.test", assertion_id="_e1")
    both = answer()
    both.append(encrypted(etree.tostring(assertion_of(answer(eve))), US))
    twice = with_encrypted(answer(), US)
    twice.append(encrypted(etree.tostring(assertion_of(answer(eve))), US))
    odd = with_encrypted(answer(), US)
    inside = odd[-1]
    etree.SubElement(odd, f"{{{NAMESPACES['samlp']}}}Extensions").append(inside)
    nested = etree.fromstring(etree.tostring(assertion_of(answer())))
    nested.append(assertion_of(answer(eve)))
    response = answer()
    response.replace(assertion_of(response), encrypted(etree.tostring(nested), US))
    whole = answer()
    whole.replace(assertion_of(whole), encrypted(etree.tostring(answer(eve)), US))
    for document in (both, twice, odd, response, whole):
        assert refusal(document).step == "document"


def test_parts_that_are_encrypted_and_connections_without_a_key_are_refused() -> None:
    response = answer(over="neither")
    subject = assertion_of(response).find("saml:Subject", NAMESPACES)
    assert subject is not None
    etree.SubElement(subject, f"{{{NAMESPACES['saml']}}}EncryptedID")
    assert refusal(sign(response)).step == "encryption"
    assert refusal(sign(with_encrypted(response, US))).step == "document"
    assert "no key for it" in refusal(with_encrypted(answer(), US), key=None).cause
    empty = answer()
    empty.replace(assertion_of(empty), etree.Element(f"{{{NAMESPACES['saml']}}}EncryptedAssertion"))
    assert "isn't encrypted once" in refusal(empty).cause
    assert refusal(with_encrypted(answer(), US, AES_256_CBC)).step == "encryption"
