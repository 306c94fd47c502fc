"""The key with which we sign requests, and a certificate that nobody but us vouches for: providers compare it, and need no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

BITS = 2048
CERTIFICATE_LIFE = timedelta(days=3650)


@dataclass(frozen=True)
class OwnKey:
    """Both as PEM."""

    private: str = field(repr=False)
    certificate: str


def new_key(now: datetime) -> OwnKey:
    """RSA, which every provider knows; its certificate ends after ten years."""
    key = rsa.generate_private_key(65537, BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenantry single sign-on")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return OwnKey(private.decode(), certificate.public_bytes(Encoding.PEM).decode())
