"""Which parts of a response its provider signed. Whatever is read of a response is read from what these functions return."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from services.identity.rules.saml.documents import ASSERTION, PROTOCOL, SIGNATURE, identifiers
from services.identity.rules.saml.encryption import decrypted
from services.identity.rules.sso import Certificate, StepFailed

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
METHOD_NAMES = frozenset(method.value for method in METHODS)
DIGEST_NAMES = frozenset(digest.value for digest in DIGESTS)
RESPONSE = f"{{{PROTOCOL}}}Response"
OF_ASSERTION = f"{{{ASSERTION}}}Assertion"
ENCRYPTED = f"{{{ASSERTION}}}EncryptedAssertion"
HOLDING = ("Assertion", "EncryptedAssertion")
OF_SIGNATURE = f"{{{SIGNATURE}}}Signature"
STEP = "signature"


def check_shape(root: etree._Element) -> None:
    """One Response with one Assertion, encrypted or not, as its child, ids that are unique, and signatures only where they belong: over their own parent.

    So there is only one assertion that could be read, and each signature can mean one element only.
    """
    if root.tag != RESPONSE:
        raise StepFailed("document", "it isn't a SAML 2.0 response", "not_a_response")
    if next(root.iter(f"{{{ASSERTION}}}EncryptedID", f"{{{ASSERTION}}}EncryptedAttribute"), None) is not None:
        raise StepFailed(
            "encryption",
            "a part of the assertion is encrypted: encrypt it as a whole, or not at all",
            "partly_encrypted",
        )
    assertions = [element for element in root.iter() if etree.QName(element).localname in HOLDING]
    if assertions != [one for one in root if one.tag in (OF_ASSERTION, ENCRYPTED)] or len(assertions) > 1:
        raise StepFailed("document", "it holds more than one assertion, or one in an odd place", "many_assertions")
    _check_signatures(root, [root, *root.findall(OF_ASSERTION)])


def _check_opened(assertion: etree._Element) -> None:
    """The shape of an assertion that was encrypted, as if it had stood in the response."""
    inside = [etree.QName(element).localname for element in assertion.iterdescendants()]
    if assertion.tag != OF_ASSERTION or any(name in (*HOLDING, "EncryptedID", "EncryptedAttribute") for name in inside):
        raise StepFailed("document", "what was encrypted isn't one assertion", "not_an_assertion")
    _check_signatures(assertion, [assertion])


def _check_signatures(root: etree._Element, owners: Sequence[etree._Element]) -> None:
    named = list(identifiers(root))
    if len(named) != len(set(named)):
        raise StepFailed("document", "two of its elements have the same id", "same_id")
    signatures = [element for element in root.iter() if etree.QName(element).localname == "Signature"]
    if signatures != [one for owner in owners for one in owner.findall(OF_SIGNATURE)[:1]]:
        raise StepFailed("document", "a signature stands in an odd place", "signature_place")
    for signature in signatures:
        _check_signature(signature)


def signed_parts(
    root: etree._Element, certificates: Sequence[Certificate], now: datetime, key: rsa.RSAPrivateKey | None = None
) -> tuple[etree._Element, etree._Element]:
    """Response and assertion as they were signed; of the two, what isn't signed itself is as it came, and of the assertion always what was signed.

    Each signature that is there must hold, and one must be there. A key in the document is never looked at. `key` opens an assertion that
    was encrypted for us. Raises `StepFailed`.
    """
    believed = [one for one in certificates if one.expires_at > now]
    if not believed:
        raise StepFailed(
            "certificate",
            "every certificate of the provider has expired: import its metadata again",
            "certificates_expired",
        )
    response, assertion = root, None
    if root.find(OF_SIGNATURE) is not None:
        response = _verified(root, "./", RESPONSE, believed, now)
        assertion = response.find(OF_ASSERTION)
    if root.find(ENCRYPTED) is not None:
        return response, _signed_and_encrypted(response, believed, now, key, is_signed=response is not root)
    if root.find(f"{OF_ASSERTION}/{OF_SIGNATURE}") is not None:
        assertion = _verified(root, f"./{OF_ASSERTION}/", OF_ASSERTION, believed, now)
    if assertion is None:
        raise StepFailed(STEP, "neither the response nor its assertion is signed", "unsigned")
    return response, assertion


def _signed_and_encrypted(
    response: etree._Element,
    certificates: Sequence[Certificate],
    now: datetime,
    key: rsa.RSAPrivateKey | None,
    *,
    is_signed: bool,
) -> etree._Element:
    """The assertion inside, signed itself or by the response around it."""
    encrypted = response.find(ENCRYPTED)
    if encrypted is None or key is None:
        raise StepFailed("encryption", "the assertion is encrypted, and this connection has no key for it", "no_key")
    assertion = decrypted(encrypted, key, is_signed=is_signed)
    _check_opened(assertion)
    if assertion.find(OF_SIGNATURE) is not None:
        return _verified(assertion, "./", OF_ASSERTION, certificates, now)
    if not is_signed:
        raise StepFailed(STEP, "neither the response nor its assertion is signed", "unsigned")
    return assertion


def _check_signature(signature: etree._Element) -> None:
    """Refuses everything that XML Signature can do and SAML has no use for (SAML 2.0 Core §5.4)."""
    owner = signature.getparent()
    assert owner is not None
    names = [etree.QName(element).localname for element in signature]
    if names not in (["SignedInfo", "SignatureValue"], ["SignedInfo", "SignatureValue", "KeyInfo"]):
        raise StepFailed(STEP, "the signature holds more than a signature", "signature_more")
    told = signature[0]
    if [etree.QName(element).localname for element in told] != [
        "CanonicalizationMethod",
        "SignatureMethod",
        "Reference",
    ]:
        raise StepFailed(STEP, "the signature is over more than one thing, or over nothing", "signature_many")
    canonicalization, method, reference = told
    _check_canonicalization(canonicalization)
    if method.get("Algorithm") not in METHOD_NAMES or len(method):
        raise StepFailed(
            STEP,
            f"the signature algorithm isn't accepted: {_short(method)}, where RSA-SHA256 would be",
            "signature_algorithm",
            algorithm=_short(method),
        )
    if not owner.get("ID") or reference.get("URI") != f"#{owner.get('ID')}":
        raise StepFailed(STEP, "the signature is over something else than where it stands", "signature_elsewhere")
    if [etree.QName(element).localname for element in reference] != ["Transforms", "DigestMethod", "DigestValue"]:
        raise StepFailed(STEP, "the signature's reference isn't written as SAML wants it", "signature_reference")
    transforms, digest, _ = reference
    if [one.get("Algorithm") for one in transforms] != [ENVELOPED, EXCLUSIVE] or len(transforms[0]):
        raise StepFailed(
            STEP, "the signature transforms the document in a way that isn't accepted", "signature_transform"
        )
    _check_canonicalization(transforms[1])
    if digest.get("Algorithm") not in DIGEST_NAMES or len(digest):
        raise StepFailed(
            STEP,
            f"the digest algorithm isn't accepted: {_short(digest)}, where SHA-256 would be",
            "digest_algorithm",
            algorithm=_short(digest),
        )


def _check_canonicalization(element: etree._Element) -> None:
    prefixes = [child.tag for child in element]
    if element.get("Algorithm") != EXCLUSIVE or prefixes not in ([], [f"{{{EXCLUSIVE}}}InclusiveNamespaces"]):
        raise StepFailed(
            STEP, "the signature isn't over exclusive canonical XML without comments", "signature_canonical"
        )


def _verified(
    root: etree._Element, location: str, expected: str, certificates: Sequence[Certificate], now: datetime
) -> etree._Element:
    """The element that a signature covers, parsed again from the very bytes that were signed."""
    wanted = SignatureConfiguration(
        location=location,
        signature_methods=METHODS,
        digest_algorithms=DIGESTS,
        ignore_ambiguous_key_info=True,
        verification_time=now,
    )
    for certificate in certificates:
        try:
            found = XMLVerifier().verify(
                root, x509_cert=x509.load_pem_x509_certificate(certificate.pem.encode()), expect_config=wanted
            )
        except (SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError, NotImplementedError):
            continue
        signed = None if isinstance(found, list) else found.signed_xml
        if signed is not None and signed.tag == expected:
            return signed
    raise StepFailed(
        STEP,
        "the signature fits no certificate of the provider: import its metadata again if it has new ones",
        "no_certificate_fits",
    )


def _short(element: etree._Element) -> str:
    return (element.get("Algorithm") or "none").rpartition("#")[2][:40]
