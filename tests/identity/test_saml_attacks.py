"""Documents that were made to be believed and must not be: wrapping, cutting, confusing, and blowing up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from copy import deepcopy

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import SignatureMethod

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.responses import read_response
from services.identity.rules.sso import StepFailed
from tests.identity.saml_documents import (
    NOW,
    REQUEST,
    US,
    Answer,
    answer,
    assertion_of,
    encoded,
    judge,
    rsa_signer,
    settings,
    sign,
)

DS = f"{{{NAMESPACES['ds']}}}"
SAML = f"{{{NAMESPACES['saml']}}}"
SAMLP = f"{{{NAMESPACES['samlp']}}}"


def evil(element: etree._Element, new_id: str = "_evil") -> etree._Element:
    """A copy about somebody else, with an id of its own and without a signature."""
    copy = deepcopy(element)
    copy.set("ID", new_id)
    for name in copy.iter(f"{SAML}NameID"):
        name.text = "eve@northwind.test"
    for signature in copy.findall("ds:Signature", NAMESPACES):
        copy.remove(signature)
    return copy


def signature_of(owner: etree._Element) -> etree._Element:
    found = owner.find("ds:Signature", NAMESPACES)
    assert found is not None
    return found


def without_signature(element: etree._Element) -> etree._Element:
    copy = deepcopy(element)
    copy.remove(signature_of(copy))
    return copy


def xsw1() -> etree._Element:
    """The signed response inside the signature of an evil one."""
    signed = answer(over="response")
    root, signature = evil(signed), deepcopy(signature_of(signed))
    signature.append(without_signature(signed))
    root.append(signature)
    return root


def xsw2() -> etree._Element:
    """The signed response beside its signature, in an evil one."""
    signed = answer(over="response")
    root = evil(signed)
    root.append(without_signature(signed))
    root.append(deepcopy(signature_of(signed)))
    return root


def xsw3() -> etree._Element:
    """An evil assertion before the signed one."""
    root = answer()
    assertion_of(root).addprevious(evil(assertion_of(root)))
    return root


def xsw4() -> etree._Element:
    """The signed assertion inside an evil one."""
    root = answer()
    signed = assertion_of(root)
    outer = evil(signed)
    root.replace(signed, outer)
    outer.append(signed)
    return root


def xsw5() -> etree._Element:
    """The signature moved to an evil assertion, the signed one behind it."""
    root = answer()
    signed = assertion_of(root)
    outer = evil(signed)
    outer.insert(1, deepcopy(signature_of(signed)))
    root.replace(signed, outer)
    root.append(without_signature(signed))
    return root


def xsw6() -> etree._Element:
    """The signed assertion inside the signature of an evil one."""
    root = answer()
    signed = assertion_of(root)
    outer, signature = evil(signed), deepcopy(signature_of(signed))
    signature.append(without_signature(signed))
    outer.insert(1, signature)
    root.replace(signed, outer)
    return root


def xsw7() -> etree._Element:
    """An evil assertion in the extensions."""
    root = answer()
    extensions = etree.Element(f"{SAMLP}Extensions")
    extensions.append(evil(assertion_of(root)))
    root.insert(0, extensions)
    return root


def xsw8() -> etree._Element:
    """The signed assertion in an Object of the signature."""
    root = answer()
    signed = assertion_of(root)
    outer, signature = evil(signed), deepcopy(signature_of(signed))
    etree.SubElement(signature, f"{DS}Object").append(without_signature(signed))
    outer.insert(1, signature)
    root.replace(signed, outer)
    return root


def same_id_twice() -> etree._Element:
    """Two assertions under the one id that is signed."""
    root = answer()
    assertion_of(root).addprevious(evil(assertion_of(root), "_a1"))
    return root


def other_spelling_of_id() -> etree._Element:
    """Something else that a reference may resolve to."""
    root = answer()
    root.insert(0, etree.Element(f"{SAMLP}Extensions", Id="_a1"))
    return root


def assertion_in_advice() -> etree._Element:
    """An assertion within the assertion, both signed by the provider."""
    inner = etree.tostring(sign(assertion_of(Answer(name_id="eve@northwind.test", assertion_id="_a2").xml()))).decode()
    return answer(Answer(in_assertion=f"<saml:Advice>{inner}</saml:Advice>"))


def other_namespace() -> etree._Element:
    """An assertion of SAML 1, which some read by its local name."""
    root = answer()
    root.append(etree.Element("{urn:oasis:names:tc:SAML:1.0:assertion}Assertion"))
    return root


def polluted_attribute() -> etree._Element:
    """An evil assertion whose id is in a namespace, where one reader looks and another doesn't."""
    root = answer()
    signed = assertion_of(root)
    outer = evil(signed)
    del outer.attrib["ID"]
    outer.set(f"{SAMLP}ID", "_a1")
    outer.insert(1, deepcopy(signature_of(signed)))
    root.replace(signed, outer)
    extensions = etree.SubElement(root, f"{SAMLP}Extensions")
    extensions.append(without_signature(signed))
    return root


def confused_namespace() -> etree._Element:
    """The evil assertion's signature is one by its prefix alone, the real one stands beside it."""
    root = answer()
    signed = assertion_of(root)
    outer = evil(signed)
    outer.insert(1, etree.fromstring('<ds:Signature xmlns:ds="urn:not-xmldsig"/>'))
    root.replace(signed, outer)
    outer.append(deepcopy(signature_of(signed)))
    return root


WRAPPED = [
    xsw1, xsw2, xsw3, xsw4, xsw5, xsw6, xsw7, xsw8,
    same_id_twice, other_spelling_of_id, assertion_in_advice, other_namespace, polluted_attribute, confused_namespace,
]  # fmt: skip


@pytest.mark.parametrize("make", WRAPPED)
def test_wrapping_a_signature_is_refused(make: Callable[[], etree._Element]) -> None:
    with pytest.raises(StepFailed) as refused:
        judge(make())
    assert refused.value.step in ("document", "signature")


def test_what_is_wrapped_is_signed_well_and_refused_only_for_its_wrapping() -> None:
    """Otherwise the tests above would show nothing."""
    assert judge(answer()).person.email == "ana@northwind.test"
    assert judge(answer(over="response")).person.email == "ana@northwind.test"


@pytest.mark.parametrize(
    "cut",
    [
        "ana@northwind.test<!-- -->.evil.test",
        "ana@northwind.test<?x?>.evil.test",
        "<![CDATA[ana@northwind.test]]>.evil.test",
    ],
)
def test_a_name_can_not_be_cut_by_what_canonical_xml_leaves_out(cut: str) -> None:
    text = etree.tostring(answer(Answer(name_id="ana@northwind.test.evil.test"))).decode()
    with pytest.raises(StepFailed, match="document"):
        judge(text.replace("ana@northwind.test.evil.test", cut))


TRANSFORMS = {
    "XSLT": '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet version="1.0"'
    ' xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"/></xsl:stylesheet></ds:Transform>',
    "XPath": '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>//*</ds:XPath></ds:Transform>',
    "XPath filter": '<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/>',
    "base64": '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>',
}


@pytest.mark.parametrize("kind", TRANSFORMS)
@pytest.mark.parametrize("instead", [True, False])
def test_transforms_other_than_the_two_of_saml_are_refused(kind: str, instead: bool) -> None:
    root = answer()
    transforms = root.find(".//ds:Transforms", NAMESPACES)
    assert transforms is not None
    if instead:
        transforms.clear()
    transforms.append(
        etree.fromstring(TRANSFORMS[kind].replace("<ds:Transform ", f'<ds:Transform xmlns:ds="{NAMESPACES["ds"]}" ', 1))
    )
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


@pytest.mark.parametrize(
    "uri",
    ["", "#_r1", "#", "#xpointer(/)", "#xpointer(id('_a1'))", "https://idp.test/a", "file:///etc/passwd", "_a1", None],
)
def test_a_reference_to_anything_but_its_parent_is_refused(uri: str | None) -> None:
    root = answer()
    reference = root.find(".//ds:Reference", NAMESPACES)
    assert reference is not None
    del reference.attrib["URI"]
    if uri is not None:
        reference.set("URI", uri)
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


@pytest.mark.parametrize("namespace", ["1", "../x", "urn:x"])
def test_a_canonical_form_of_nothing_proves_nothing(namespace: str) -> None:
    """Some canonicalizers give up at a namespace that isn't absolute, and what they return is empty. The digest of that is signed here."""
    text = (
        Answer(name_id="eve@northwind.test")
        .text()
        .replace("<saml:Assertion ", f'<saml:Assertion xmlns:x="{namespace}" x:y="" ')
    )
    root = etree.fromstring(text)
    signature = deepcopy(signature_of(assertion_of(answer())))
    told, digest, value = (
        signature.find(f".//ds:{name}", NAMESPACES) for name in ("SignedInfo", "DigestValue", "SignatureValue")
    )
    assert told is not None
    assert digest is not None
    assert value is not None
    digest.text = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    key = rsa_signer().key
    assert isinstance(key, rsa.RSAPrivateKey)
    canonical = etree.tostring(told, method="c14n", exclusive=True)
    value.text = base64.b64encode(key.sign(canonical, padding.PKCS1v15(), hashes.SHA256())).decode()
    assertion_of(root).insert(1, signature)
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


def test_two_references_are_refused() -> None:
    root = answer()
    reference = root.find(".//ds:Reference", NAMESPACES)
    assert reference is not None
    reference.addnext(deepcopy(reference))
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


def test_the_attackers_certificate_in_the_document_is_not_looked_at() -> None:
    with pytest.raises(StepFailed, match="signature"):
        judge(answer(Answer(name_id="eve@northwind.test"), signer=rsa_signer("the attacker's")))


def test_a_mac_with_the_public_key_as_its_secret_is_refused() -> None:
    root = answer(Answer(name_id="eve@northwind.test"))
    told = root.find(".//ds:SignedInfo", NAMESPACES)
    method, value = root.find(".//ds:SignatureMethod", NAMESPACES), root.find(".//ds:SignatureValue", NAMESPACES)
    assert told is not None
    assert method is not None
    assert value is not None
    method.set("Algorithm", SignatureMethod.HMAC_SHA256.value)
    mac = hmac.digest(rsa_signer().pem.encode(), etree.tostring(told, method="c14n", exclusive=True), hashlib.sha256)
    value.text = base64.b64encode(mac).decode()
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


def test_a_signature_from_somewhere_else_of_the_provider_does_not_fit() -> None:
    root, other = answer(Answer(name_id="eve@northwind.test"), over="neither"), answer()
    assertion_of(root).insert(1, deepcopy(signature_of(assertion_of(other))))
    with pytest.raises(StepFailed, match="signature"):
        judge(root)


def seconds_of(what: Callable[[], object]) -> float:
    """The time of the processor that it takes; the quickest of three, for others use the processor as well."""

    def once() -> float:
        begun = time.process_time()
        what()
        return time.process_time() - begun

    return min(once() for _ in range(3))


def hostile_documents() -> dict[str, bytes]:
    good = etree.tostring(answer())
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    names = "".join(f' xmlns:n{n}="urn:{n}"' for n in range(8000))
    opened = good[: good.index(b">") + 1]
    return {
        "a document type": b"<!DOCTYPE x>" + good,
        "an external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        + good.replace(b"ana@northwind.test", b"&e;", 1),
        "an external subset": b'<!DOCTYPE x SYSTEM "https://evil.test/x.dtd">' + good,
        "a billion laughs": f'<!DOCTYPE x [<!ENTITY a0 "ha">{bomb}]>'.encode()
        + good.replace(b"ana@northwind.test", b"&a9;", 1),
        "an undeclared entity": good.replace(b"ana@northwind.test", b"&e;", 1),
        "a stylesheet": b'<?xml-stylesheet href="https://evil.test/x.xsl"?>' + good,
        "another encoding": good.decode().encode("utf-16"),
        "a declared encoding": b'<?xml version="1.0" encoding="UTF-7"?>' + good.replace(b"ana@", b"+AGEAbgBh-@"),
        "no XML": b"SAML",
        "nothing": b"",
        "a NUL": good + b"\0",
        "too long": good + b" " * 300_000,
        "half of it": good[: len(good) // 2],
        "two roots": good + good,
        "too deep": b"<a>" * 40 + b"</a>" * 40,
        "far too deep": b"<a>" * 30_000 + b"</a>" * 30_000,
        "too many elements": opened + b"<a/>" * 50_000 + good[len(opened) :],
        "too many attributes": good.replace(
            b"<saml:Subject>", b"<saml:Subject " + b" ".join(b'a%d=""' % n for n in range(20_000)) + b">"
        ),
        "too many namespaces": good.replace(b"<saml:Subject>", f"<saml:Subject{names}>".encode()),
        "a namespace that isn't absolute": good.replace(b"<saml:Subject>", b'<saml:Subject xmlns="1">'),
        "an assertion alone": etree.tostring(assertion_of(answer())),
    }


@pytest.mark.parametrize("kind", hostile_documents())
def test_hostile_xml_is_refused_at_once_and_nothing_of_it_is_carried_out(kind: str) -> None:
    posted = encoded(hostile_documents()[kind])

    def refuse() -> None:
        with pytest.raises(StepFailed) as refused:
            read_response(posted, US, settings(), [REQUEST], NOW)
        assert "root:" not in refused.value.cause

    assert seconds_of(refuse) < seconds_of(lambda: judge(with_groups(1_000)))


def with_groups(count: int) -> bytes:
    groups = {f"group{n}": "x" * 60 for n in range(count)}
    document: bytes = etree.tostring(answer(Answer(attributes=groups), over="both"))
    return document


def test_judging_grows_with_the_document_and_no_faster() -> None:
    tenth, largest = with_groups(100), with_groups(1_000)
    assert 150_000 < len(largest) < 256 * 1024
    assert judge(largest).person.email == "ana@northwind.test"
    assert seconds_of(lambda: judge(largest)) < 30 * seconds_of(lambda: judge(tenth)), "ten times as much to read"


@pytest.mark.parametrize("posted", ["", "%", "PHg+", "PHg-", "é", "PHg" * 3, "\0"])
def test_what_is_no_base64_or_no_response_is_refused(posted: str) -> None:
    with pytest.raises(StepFailed, match="document"):
        read_response(posted, US, settings(), [REQUEST], NOW)
