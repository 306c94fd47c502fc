"""A SAML response counts only when everything about it is right, and says in a word which step failed."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.responses import Accepted
from services.identity.rules.sso import StepFailed
from tests.identity.saml_documents import (
    NOW,
    PROVIDER,
    REQUEST,
    Answer,
    Signer,
    answer,
    assertion_of,
    encoded,
    judge,
    rsa_signer,
    settings,
    sign,
)


def step_of(document: Any, **how: Any) -> str:
    with pytest.raises(StepFailed) as failed:
        judge(document, **how)
    assert not failed.value.cause.endswith(".")
    return failed.value.step


@pytest.mark.parametrize("over", ["assertion", "response", "both"])
def test_who_signed_in_is_read_from_what_is_signed(over: str) -> None:
    accepted = judge(answer(over=over))
    assert accepted.person.subject == accepted.person.email == "ana@northwind.test"
    assert accepted.person.name == "Ana Ruiz"
    assert accepted.person.authenticated_at == NOW
    assert (accepted.assertion_id, accepted.request_id) == ("_a1", REQUEST)
    assert accepted.context == "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert accepted.person.claims == {"attributes": "firstname, lastname"}, "and nothing that names the person"
    assert accepted.until == NOW + timedelta(minutes=6), "its own end and a minute for clocks"


def test_an_elliptic_curve_signs_as_well() -> None:
    signer = Signer.make(ec.generate_private_key(ec.SECP256R1()))
    response = Answer().xml()
    assertion = assertion_of(response)
    response.replace(assertion, sign(assertion, signer, SignatureMethod.ECDSA_SHA256))
    assert judge(response, settings(signer)).person.email == "ana@northwind.test"


@pytest.mark.parametrize("declared_on", ["Response", "Assertion"])
def test_prefixes_may_be_named_that_count_although_nothing_shows_them(declared_on: str) -> None:
    """Okta and others write `InclusiveNamespaces PrefixList="xs"`, for the types of attribute values. Signed by hand: signxml can't."""
    declared = ' xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    text = Answer().text().replace(declared, "")
    response = etree.fromstring(re.sub(f"<(samlp?:{declared_on}) ", rf"<\1{declared} ", text, count=1))
    assertion = assertion_of(response)
    digest = hashlib.sha256(etree.tostring(assertion, method="c14n", exclusive=True, inclusive_ns_prefixes=["xs"]))
    exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{NAMESPACES["ds"]}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{exclusive}"/>'
        f'<ds:SignatureMethod Algorithm="{SignatureMethod.RSA_SHA256.value}"/><ds:Reference URI="#_a1"><ds:Transforms>'
        f'<ds:Transform Algorithm="{NAMESPACES["ds"]}enveloped-signature"/><ds:Transform Algorithm="{exclusive}">'
        f'<ec:InclusiveNamespaces xmlns:ec="{exclusive}" PrefixList="xs"/></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DigestAlgorithm.SHA256.value}"/><ds:DigestValue>{base64.b64encode(digest.digest()).decode()}'
        "</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>"
    )
    assertion.insert(1, signature)
    key = rsa_signer().key
    assert isinstance(key, rsa.RSAPrivateKey)
    told = etree.tostring(signature[0], method="c14n", exclusive=True)
    signature[1].text = base64.b64encode(key.sign(told, padding.PKCS1v15(), hashes.SHA256())).decode()
    assert judge(response).person.name == "Ana Ruiz"


def test_while_two_certificates_overlap_either_signs() -> None:
    old, new = rsa_signer(), rsa_signer("the provider's next")
    both = settings(old, new)
    assert judge(answer(signer=old), both) == judge(answer(signer=new), both)
    assert step_of(answer(signer=new), provider=settings(old)) == "signature"


def test_a_certificate_that_expired_proves_nothing_any_more() -> None:
    lapsed = Signer.make(rsa_signer().key, ends=NOW - timedelta(seconds=1))
    assert step_of(answer(signer=lapsed), provider=settings(lapsed)) == "certificate"


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ({"audience": "https://other.test"}, "audience"),
        ({"audience": None}, "audience"),
        ({"conditions": "<saml:AudienceRestriction><saml:Audience>https://other.test</saml:Audience></saml:AudienceRestriction>"}, "audience"),
        ({"conditions": "<saml:Condition/>"}, "audience"),
        ({"destination": "https://other.test/acs"}, "destination"),
        ({"destination": ""}, "destination"),
        ({"recipient": "https://other.test/acs"}, "recipient"),
        ({"recipient": None}, "recipient"),
        ({"ends": timedelta(seconds=-60)}, "expiry"),
        ({"ends": None}, "expiry"),
        ({"begins": timedelta(seconds=61)}, "expiry"),
        ({"issued": timedelta(seconds=61)}, "expiry"),
        ({"issued": timedelta(days=-1, seconds=-60), "begins": timedelta(days=-2)}, "expiry"),
        ({"issuer": "https://other.test"}, "issuer"),
        ({"response_issuer": "https://other.test"}, "issuer"),
        ({"in_response_to": "rq-of-another-browser"}, "request"),
        ({"in_response_to": None}, "request"),
        ({"name_id": ""}, "subject"),
        ({"name_id": "  \n "}, "subject"),
        ({"name_id": "<saml:X/>ana@northwind.test"}, "subject"),
        ({"name_id": "ana@northwind.test&#10;x"}, "subject"),
        ({"format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}, "subject"),
        ({"subject": "<saml:NameID>eve@northwind.test</saml:NameID>"}, "subject"),
        ({"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"}, "subject"),
        ({"authn": False}, "subject"),
        ({"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"}, "provider"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_has_its_step(wrong: dict[str, Any], step: str) -> None:
    assert step_of(answer(Answer(**wrong))) == step


def test_clocks_may_differ_by_a_minute() -> None:
    assert judge(answer(Answer(ends=timedelta(seconds=-59))))
    assert judge(answer(Answer(begins=timedelta(seconds=60), issued=timedelta(seconds=60))))


def test_a_sign_in_that_began_at_the_provider_counts_only_where_the_connection_allows_it() -> None:
    unasked = answer(Answer(in_response_to=None))
    allowing = settings(allow_idp_initiated=True)
    assert judge(unasked, allowing, None).request_id is None
    assert step_of(unasked, provider=settings(), request_id=None) == "request"
    assert step_of(answer(), provider=allowing, request_id=None) == "request", "one that somebody else began"


def test_an_answer_can_not_be_given_to_another_request_by_changing_what_is_not_signed() -> None:
    unasked = answer(Answer(in_response_to=None))
    unasked.set("InResponseTo", REQUEST)
    assert step_of(unasked, provider=settings(allow_idp_initiated=True)) == "request"
    foreign = answer(Answer(in_response_to="rq-of-another-browser"))
    foreign.set("InResponseTo", REQUEST)
    assert step_of(foreign) == "request"


@pytest.mark.parametrize(
    ("said", "email", "name"),
    [
        ({"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname": "Ana", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname": "Ruiz",
          "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": "ana@northwind.test",
          "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "ana_upn@northwind.test"}, "ana@northwind.test", "Ana Ruiz"),
        ({"user.email": "ana@northwind.test", "user.firstName": "Ana", "user.lastName": "Ruiz"}, "ana@northwind.test", "Ana Ruiz"),
        ({"Email": "ana@northwind.test", "First Name": "Ana", "Last Name": "Ruiz"}, "ana@northwind.test", "Ana Ruiz"),
        ({"urn:oid:0.9.2342.19200300.100.1.3": "ana@northwind.test", "urn:oid:2.5.4.42": "Ana", "urn:oid:2.5.4.4": "Ruiz"}, "ana@northwind.test", "Ana Ruiz"),
        ({"http://schemas.microsoft.com/identity/claims/displayname": "Ana Ruiz", "mail": "ana@northwind.test"}, "ana@northwind.test", "Ana Ruiz"),
        ({"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "ana@northwind.test"}, None, ""),
    ],
)  # fmt: skip
def test_attributes_are_understood_as_each_provider_spells_them(
    said: dict[str, str], email: str | None, name: str
) -> None:
    told = Answer(name_id="u-4711", format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", attributes=said)
    person = judge(answer(told)).person
    assert (person.subject, person.email, person.name) == ("u-4711", email, name)


def test_the_name_id_is_the_address_when_it_is_one_and_case_makes_no_two_subjects() -> None:
    told = Answer(name_id="Ana@Northwind.test", attributes={"email": "other@northwind.test"})
    person = judge(answer(told)).person
    assert (person.subject, person.email) == ("ana@northwind.test", "Ana@Northwind.test")


def test_what_is_not_signed_counts_for_nothing() -> None:
    assert step_of(answer(over="neither")) == "signature"


@pytest.mark.parametrize("which", ["response", "assertion"])
def test_when_both_are_signed_both_must_hold(which: str) -> None:
    document = answer(over="both")
    owner = document if which == "response" else assertion_of(document)
    value = owner.find("ds:Signature/ds:SignatureValue", NAMESPACES)
    assert value is not None
    value.text = encoded(b"\0" * 256)
    assert step_of(document) == "signature"


def signed_with(method: SignatureMethod, digest: DigestAlgorithm) -> etree._Element:
    response = Answer().xml()
    assertion = assertion_of(response)
    response.replace(assertion, sign(assertion, None, method, digest))
    return response


def test_sha_1_is_refused_as_signature_and_as_digest() -> None:
    assert step_of(signed_with(SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256)) == "signature"
    assert step_of(signed_with(SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1)) == "signature"
    assert judge(signed_with(SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512))


def test_canonical_xml_with_comments_is_refused() -> None:
    response = Answer().xml()
    assertion = assertion_of(response)
    chosen = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS
    response.replace(assertion, sign(assertion, canonicalization=chosen))
    assert step_of(response) == "signature"


def test_what_the_provider_refused_is_said_in_its_words() -> None:
    text = Answer(status="urn:oasis:names:tc:SAML:2.0:status:Responder").text()
    head, _, rest = text.partition('Responder"/>')
    nested = '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode>'
    said = f'{head}Responder">{nested}<samlp:StatusMessage>Not assigned to this application</samlp:StatusMessage>{rest}'
    with pytest.raises(StepFailed) as failed:
        judge(said)
    assert failed.value.cause == "the provider refused: AuthnFailed (Not assigned to this application)"


def test_metadata_of_another_provider_does_not_make_its_answers_ours() -> None:
    assert step_of(answer(), provider=settings(rsa_signer("another's"))) == "signature"
    assert step_of(answer(), provider=settings(entity_id=f"{PROVIDER}/")) == "issuer"


def test_an_assertion_that_is_valid_for_ever_is_remembered_for_a_day_and_taken_no_longer() -> None:
    eternal = answer(Answer(ends=datetime(9999, 12, 31, tzinfo=UTC) - NOW))
    assert judge(eternal).until == NOW + timedelta(days=1, minutes=1)
    assert step_of(eternal, now=NOW + timedelta(days=1, minutes=1)) == "expiry"


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z", "soon", "2026-11-26"]
)
def test_times_that_are_none_are_refused(moment: str) -> None:
    response = Answer().xml()
    assertion = assertion_of(response)
    conditions = assertion.find("saml:Conditions", NAMESPACES)
    assert conditions is not None
    conditions.set("NotOnOrAfter", moment)
    response.replace(assertion, sign(assertion))
    assert step_of(response) == "expiry"


def test_a_fresh_proof_is_one_that_was_given_since() -> None:
    earlier = answer(Answer(issued=timedelta(minutes=-3), begins=timedelta(minutes=-3)))
    assert judge(earlier, fresh_since=NOW - timedelta(minutes=3))
    assert judge(earlier, fresh_since=NOW - timedelta(minutes=2)), "clocks may differ"
    assert step_of(earlier, fresh_since=NOW - timedelta(seconds=119)) == "freshness"


def test_an_answer_equals_itself() -> None:
    assert isinstance(judge(answer()), Accepted)
    assert judge(answer()) == judge(answer())
