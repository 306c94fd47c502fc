"""A provider's keys, without asking anybody: reading its set, how long that is good for, and which key a token means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from services.identity.rules.oidc import ALGORITHMS, SMALLEST_RSA_BITS, json_object
from services.identity.rules.sso import StepFailed

USUAL_SECONDS = 600
LEAST_SECONDS = 60
MOST_SECONDS = 3600
LARGEST_RSA_BITS = 8192
NOT_KEPT = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,;])", re.IGNORECASE)
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,9})(?![0-9])", re.IGNORECASE)

KeySet = Sequence[Mapping[str, Any]]


def keys_of(body: bytes) -> KeySet:
    """The keys of a set (RFC 7517 §5), of whatever kinds."""
    keys = json_object(body, "keys").get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise StepFailed("keys", "the provider's key set holds no keys", "no_keys")
    return keys


def seconds_good(headers: Mapping[str, str]) -> int:
    """As the provider says of its set (RFC 9111), within bounds: neither asked all the time nor believed for days. Names are in lower case."""
    said = headers.get("cache-control", "")
    if NOT_KEPT.search(said):
        return LEAST_SECONDS
    found = MAX_AGE.search(said)
    if found is None:
        return USUAL_SECONDS
    age = headers.get("age", "")
    left = int(found[1]) - (int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0)
    return min(max(left, LEAST_SECONDS), MOST_SECONDS)


def chosen_key(keys: KeySet, algorithm: str, kid: str | None) -> jwt.PyJWK | None:
    """The provider's key for a token; None when there is none. A token without key id needs a set with one fitting key."""
    fitting = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if len(fitting) != 1:
        return None
    try:
        found = jwt.PyJWK(dict(fitting[0]), algorithm)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError):
        return None
    is_odd = algorithm == "RS256" and not _is_usual_rsa(found.key)
    is_other_curve = algorithm == "ES256" and fitting[0].get("crv") != "P-256"
    return None if is_odd or is_other_curve else found


def _is_usual_rsa(key: Any) -> bool:
    """Long enough to be believed, and not so long, or with such an exponent, that verifying by it takes a hundred times as long."""
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    return SMALLEST_RSA_BITS <= key.key_size <= LARGEST_RSA_BITS and key.public_numbers().e < 2**32
