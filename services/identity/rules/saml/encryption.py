"""Assertions that were encrypted for us (XML Encryption 1.1): a key of their own by RSA-OAEP, and AES with it. Whatever else that language can do is refused."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from services.identity.rules.saml.documents import SIGNATURE, Unreadable, read_document, text_of
from services.identity.rules.sso import StepFailed

XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
IN = {"xenc": XENC, "xenc11": XENC11, "ds": SIGNATURE}
ELEMENT = f"{XENC}Element"
GCM: Mapping[str, int] = {f"{XENC11}aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
CBC: Mapping[str, int] = {f"{XENC}aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
OAEP, OAEP_MGF1P = f"{XENC11}rsa-oaep", f"{XENC}rsa-oaep-mgf1p"
DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    f"{SIGNATURE}sha1": hashes.SHA1(),  # noqa: S303 - in OAEP nothing depends on collisions
    f"{XENC}sha256": hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384(),
    f"{XENC}sha512": hashes.SHA512(),
}
MASKS: Mapping[str, hashes.HashAlgorithm] = {
    f"{XENC11}mgf1sha1": hashes.SHA1(),  # noqa: S303 - as above
    f"{XENC11}mgf1sha256": hashes.SHA256(),
    f"{XENC11}mgf1sha384": hashes.SHA384(),
    f"{XENC11}mgf1sha512": hashes.SHA512(),
}
ACCEPTED = (f"{XENC11}aes256-gcm", f"{XENC11}aes128-gcm", f"{XENC}aes256-cbc", f"{XENC}aes128-cbc", OAEP_MGF1P)
BLOCK, NONCE = 16, 12
STEP = "encryption"
# One text for whatever goes wrong inside: nobody learns from it what a changed ciphertext turns into.
CANT_OPEN = "the assertion can't be decrypted: it has to be encrypted for the certificate in this connection's metadata"


def decrypted(encrypted: etree._Element, key: rsa.RSAPrivateKey, *, is_signed: bool) -> etree._Element:
    """The element inside, parsed as carefully as any document. `is_signed`: the provider has signed the ciphertext.

    AES-CBC doesn't notice changes, so it is taken only then. Raises `StepFailed`.
    """
    data = encrypted.findall("xenc:EncryptedData", IN)
    keys = encrypted.findall("xenc:EncryptedKey", IN) + encrypted.findall(
        "xenc:EncryptedData/ds:KeyInfo/xenc:EncryptedKey", IN
    )
    if len(data) != 1 or len(keys) != 1 or data[0].get("Type", ELEMENT) != ELEMENT:
        raise StepFailed(STEP, "the assertion isn't encrypted once, with one key, as SAML wants it", "encrypted_oddly")
    method = _algorithm(data[0])
    if method not in GCM and method not in CBC:
        raise StepFailed(
            STEP,
            f"the encryption algorithm isn't accepted: {_short(method)}, where AES-256-GCM would be",
            "encryption_algorithm",
            algorithm=_short(method),
        )
    if method in CBC and not is_signed:
        raise StepFailed(
            STEP,
            "AES-CBC is taken only where the response is signed, too: sign it at the provider, or choose AES-GCM",
            "cbc_unsigned",
        )
    scheme = _scheme(keys[0])
    try:
        content = _opened(method, key.decrypt(_cipher(keys[0]), scheme), _cipher(data[0]))
        return read_document(content, remarks=False)
    except (ValueError, InvalidTag, Unreadable):
        raise StepFailed(STEP, CANT_OPEN, "cant_open") from None


def _scheme(encrypted_key: etree._Element) -> padding.OAEP:
    """RSA-OAEP alone: PKCS #1 v1.5 tells strangers too much."""
    method = _algorithm(encrypted_key)
    if method not in (OAEP, OAEP_MGF1P):
        raise StepFailed(
            STEP,
            f"the key's encryption isn't accepted: {_short(method)}, where RSA-OAEP would be",
            "key_encryption",
            algorithm=_short(method),
        )
    digest = _named(encrypted_key, "ds:DigestMethod", DIGESTS, f"{SIGNATURE}sha1")
    mask = _named(encrypted_key, "xenc11:MGF", MASKS, f"{XENC11}mgf1sha1")
    if encrypted_key.find("xenc:EncryptionMethod/xenc:OAEPparams", IN) is not None:
        raise StepFailed(STEP, "the key is encrypted with OAEP parameters, which aren't taken", "oaep_parameters")
    return padding.OAEP(mgf=padding.MGF1(mask), algorithm=digest, label=None)


def _named(
    encrypted_key: etree._Element, name: str, known: Mapping[str, hashes.HashAlgorithm], otherwise: str
) -> hashes.HashAlgorithm:
    found = encrypted_key.find(f"xenc:EncryptionMethod/{name}", IN)
    algorithm = otherwise if found is None else found.get("Algorithm", "")
    if algorithm not in known:
        raise StepFailed(
            STEP,
            f"the key's encryption isn't accepted: {_short(algorithm)}",
            "key_encryption",
            algorithm=_short(algorithm),
        )
    return known[algorithm]


def _opened(method: str, key: bytes, cipher: bytes) -> bytes:
    if len(key) != {**GCM, **CBC}[method]:
        raise ValueError("another length than the algorithm's")
    if method in GCM:
        return AESGCM(key).decrypt(cipher[:NONCE], cipher[NONCE:], None)
    machine = Cipher(algorithms.AES(key), modes.CBC(cipher[:BLOCK])).decryptor()
    padded = machine.update(cipher[BLOCK:]) + machine.finalize()
    # XML Encryption §5.2: the last byte counts the padding, and the rest of it may be anything.
    if not padded or not 1 <= padded[-1] <= BLOCK:
        raise ValueError("no padding")
    return padded[: -padded[-1]]


def _cipher(element: etree._Element) -> bytes:
    values = element.findall("xenc:CipherData/xenc:CipherValue", IN)
    if len(values) != 1:
        raise StepFailed(STEP, "the ciphertext isn't in the document", "no_ciphertext")
    try:
        return base64.b64decode("".join(text_of(values[0]).split()), validate=True)
    except (ValueError, binascii.Error):
        raise StepFailed(STEP, "the ciphertext isn't base64", "ciphertext_base64") from None


def _algorithm(element: etree._Element) -> str:
    found = element.findall("xenc:EncryptionMethod", IN)
    return found[0].get("Algorithm", "") if len(found) == 1 else ""


def _short(algorithm: str) -> str:
    return algorithm.rpartition("#")[2][:40] or "none"
