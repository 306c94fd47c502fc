"""SAML's HTTP-Redirect binding (Bindings §3.4): a document in an address, signed over the very letters that are sent."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote, unquote_to_bytes, urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from services.identity.rules.saml.documents import MOST_BYTES, Unreadable, read_document
from services.identity.rules.sso import Certificate, StepFailed

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
RSA_SHA256 = f"{MORE}rsa-sha256"
HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
LONGEST_RELAY_STATE = 80
NAMES = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature")

Carried = Literal["SAMLRequest", "SAMLResponse"]


def address_with(
    place: str, name: Carried, document: bytes, relay_state: str | None = None, key: rsa.RSAPrivateKey | None = None
) -> str:
    """Where a browser carries a document to. With a key the query is signed by RSA-SHA256."""
    if relay_state is not None and len(relay_state.encode()) > LONGEST_RELAY_STATE:
        raise ValueError("SAML allows 80 bytes of relay state")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    fields: dict[str, str] = {name: base64.b64encode(deflater.compress(document) + deflater.flush()).decode()}
    if relay_state is not None:
        fields["RelayState"] = relay_state
    if key is not None:
        fields["SigAlg"] = RSA_SHA256
    query = urlencode(fields, quote_via=quote, safe="")
    if key is not None:
        signature = base64.b64encode(key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        query += f"&Signature={quote(signature, safe='')}"
    return f"{place}{'&' if '?' in place else '?'}{query}"


@dataclass(frozen=True)
class Redirected:
    """What a browser carried here. `is_signed`: by one of the provider's certificates, all of it."""

    name: Carried
    document: etree._Element
    relay_state: str | None
    is_signed: bool


def read_redirect(query: str, certificates: Sequence[Certificate], now: datetime) -> Redirected:
    """Reads the query of an address as it came. StepFailed for what can't be read, and for a signature that doesn't hold."""
    given: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in NAMES and name in given:
            raise StepFailed("document", f"{name} is there twice")
        given[name] = value
    carried: list[Carried] = [name for name in ("SAMLRequest", "SAMLResponse") if name in given]
    if len(carried) != 1:
        raise StepFailed("document", "the address carries neither one request nor one response")
    is_signed = "Signature" in given
    if is_signed:
        _check_signature(given, carried[0], certificates, now)
    relay_state = _text(given["RelayState"]) if "RelayState" in given else None
    return Redirected(carried[0], _document(_text(given[carried[0]])), relay_state, is_signed)


def _check_signature(
    given: Mapping[str, str], carried: Carried, certificates: Sequence[Certificate], now: datetime
) -> None:
    algorithm = _text(given.get("SigAlg", ""))
    kind, _, digest = algorithm.removeprefix(MORE).partition("-")
    if not algorithm.startswith(MORE) or kind not in ("rsa", "ecdsa") or digest not in HASHES:
        raise StepFailed(
            "signature", f"the signature algorithm isn't accepted: {algorithm.rpartition('#')[2][:40] or 'none'}"
        )
    signed = "&".join(f"{name}={given[name]}" for name in (carried, "RelayState", "SigAlg") if name in given).encode()
    signature = _bytes(_text(given["Signature"]), "signature")
    believed = [one for one in certificates if one.expires_at > now]
    if not believed:
        raise StepFailed("certificate", "every certificate of the provider has expired: import its metadata again")
    if not any(_fits(one, kind, HASHES[digest], signature, signed) for one in believed):
        raise StepFailed(
            "signature",
            "the signature fits no certificate of the provider: import its metadata again if it has new ones",
        )


def _fits(certificate: Certificate, kind: str, digest: hashes.HashAlgorithm, signature: bytes, signed: bytes) -> bool:
    key = x509.load_pem_x509_certificate(certificate.pem.encode()).public_key()
    try:
        if kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
            return True
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) % 2 == 0:
            # XML Signature writes the two numbers one behind the other, and not as DER.
            r, s = (
                int.from_bytes(half) for half in (signature[: len(signature) // 2], signature[len(signature) // 2 :])
            )
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
            return True
    except InvalidSignature:
        pass
    return False


def _document(letters: str) -> etree._Element:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(_bytes(letters, "document"), MOST_BYTES + 1)
    except zlib.error:
        raise StepFailed("document", "it isn't compressed as the HTTP-Redirect binding wants it") from None
    try:
        return read_document(content, remarks=False)
    except Unreadable as why:
        raise StepFailed("document", f"it can't be read: {why}") from None


def _bytes(letters: str, step: str) -> bytes:
    try:
        return base64.b64decode("".join(letters.split()), validate=True)
    except (ValueError, binascii.Error):
        raise StepFailed(step, "it isn't base64") from None


def _text(value: str) -> str:
    try:
        return unquote_to_bytes(value.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise StepFailed("document", "the address isn't written in UTF-8") from None
