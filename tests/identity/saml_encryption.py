"""Encrypts assertions as providers do, and in ways that they shouldn't."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES, SIGNATURE
from services.identity.rules.saml.encryption import CBC, GCM, OAEP, OAEP_MGF1P, XENC, XENC11
from tests.identity.saml_documents import assertion_of

AES_256_GCM, AES_256_CBC = f"{XENC11}aes256-gcm", f"{XENC}aes256-cbc"
SHA256 = f"{XENC}sha256"
PLAIN_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
OAEP_256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@dataclass(frozen=True)
class Transport:
    """How the key travels: the padding, and the words that say so."""

    padding: AsymmetricPadding = field(default_factory=lambda: PLAIN_OAEP)
    said: str = f'<xenc:EncryptionMethod Algorithm="{OAEP_MGF1P}"/>'


MODERN = Transport(
    OAEP_256,
    f'<xenc:EncryptionMethod Algorithm="{OAEP}"><ds:DigestMethod Algorithm="{SHA256}"/>'
    f'<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{XENC11}mgf1sha256"/></xenc:EncryptionMethod>',
)
OLD = Transport(padding.PKCS1v15(), f'<xenc:EncryptionMethod Algorithm="{XENC}rsa-1_5"/>')


def encrypted(
    plain: bytes,
    us: rsa.RSAPublicKey,
    method: str = AES_256_GCM,
    transport: Transport | None = None,
    *,
    beside: bool = False,
    spoiled: bool = False,
) -> etree._Element:
    """An EncryptedAssertion of these bytes. `beside`: its key stands behind the data and not in it; `spoiled`: one bit is another."""
    how = transport or Transport()
    key = os.urandom({**GCM, **CBC}.get(method, 32))
    cipher = bytearray(_sealed(key, plain, method))
    cipher[-20] ^= 1 if spoiled else 0
    wrapped = _letters(us.encrypt(key, how.padding))
    holder = (
        f'<xenc:EncryptedKey xmlns:xenc="{XENC}" xmlns:ds="{SIGNATURE}">{how.said}'
        f"<xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
    )
    inside = "" if beside else f"<ds:KeyInfo>{holder}</ds:KeyInfo>"
    return etree.fromstring(
        f'<saml:EncryptedAssertion xmlns:saml="{NAMESPACES["saml"]}"><xenc:EncryptedData xmlns:xenc="{XENC}" xmlns:ds="{SIGNATURE}"'
        f' Type="{XENC}Element"><xenc:EncryptionMethod Algorithm="{method}"/>{inside}<xenc:CipherData><xenc:CipherValue>'
        f"{_letters(bytes(cipher))}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>{holder if beside else ''}</saml:EncryptedAssertion>"
    )


def with_encrypted(response: etree._Element, us: rsa.RSAPublicKey, *more: object, **options: object) -> etree._Element:
    """The response with its assertion encrypted."""
    assertion = assertion_of(response)
    response.replace(assertion, encrypted(etree.tostring(assertion), us, *more, **options))  # type: ignore[arg-type]
    return response


def _sealed(key: bytes, plain: bytes, method: str) -> bytes:
    if method not in CBC:
        nonce = os.urandom(12)
        return nonce + AESGCM(key).encrypt(nonce, plain, None)
    start = os.urandom(16)
    missing = 16 - len(plain) % 16
    machine = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    return start + machine.update(plain + os.urandom(missing - 1) + bytes([missing])) + machine.finalize()


def _letters(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
