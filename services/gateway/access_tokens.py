"""Access tokens (EdDSA JWT, RFC 9068): verified once with identity's published keys, then looked up."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.clock import Clock
from shared.errors import Problem
from shared.ids import is_id
from shared.internal import Internal

log = structlog.get_logger()

AUDIENCE = "tenantry"
TYPE = "at+jwt"
HEADER = frozenset({"alg", "typ", "kid"})
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,400}\.[A-Za-z0-9_-]{1,3000}\.[A-Za-z0-9_-]{86}")
CACHE_SIZE = 50_000
REFETCH_SECONDS = 1.0
REFRESH_SECONDS = 60.0
FETCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good access token says."""

    user_id: str
    session_id: str
    org_id: str | None
    amr: tuple[str, ...]
    auth_time: int
    issued_at: int
    expires_at: int
    kid: str


class AccessTokens:
    """Reads access tokens. Keys come from identity's JWKS: again every minute, and on an unknown `kid` at most once a second."""

    def __init__(self, internal: Internal, clock: Clock, issuer: str, monotonic: Callable[[], float]) -> None:
        self._internal = internal
        self._clock = clock
        self._issuer = issuer
        self._monotonic = monotonic
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._verified: dict[str, Claims] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._fetched_at: float | None = None
        self._fetch_failed = False

    def known(self, token: str) -> Claims | None:
        """The claims of a token that was verified before and hasn't expired."""
        claims = self._verified.get(token)
        if claims is not None and claims.expires_at <= self._clock.now().timestamp():
            del self._verified[token]
            return None
        return claims

    async def read(self, token: str) -> Claims:
        """The claims of a good token; `unauthenticated` for anything else, `auth_unavailable` when its key can't be had."""
        claims = self.known(token)
        if claims is None:
            claims = _claims(_decode(token, await self._key(_kid(token)), self._issuer), _kid(token))
            if claims.expires_at <= self._clock.now().timestamp():
                raise bad_token("The access token has expired.")
            if len(self._verified) >= CACHE_SIZE:
                for oldest in list(itertools.islice(self._verified, CACHE_SIZE // 10)):
                    del self._verified[oldest]
            self._verified[token] = claims
        return claims

    async def keep_fresh(self) -> None:
        """Learns of new and withdrawn keys, for as long as the gateway runs."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._fetch()

    async def _key(self, kid: str) -> Ed25519PublicKey:
        if kid not in self._keys and self._may_fetch():
            await self._fetch()
        key = self._keys.get(kid)
        if key is None:
            if self._fetch_failed:
                raise Problem("auth_unavailable", retry_after=1)
            raise bad_token()
        return key

    def _may_fetch(self) -> bool:
        under_way = self._fetching is not None
        return under_way or self._fetched_at is None or self._monotonic() - self._fetched_at >= REFETCH_SECONDS

    async def _fetch(self) -> None:
        """One fetch at a time, shared by all who wait for it."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._load())
        await asyncio.shield(self._fetching)

    async def _load(self) -> None:
        try:
            published = await self._internal.call("identity", "GET", "/.well-known/jwks.json", seconds=FETCH_SECONDS)
            keys = _keys_of(published)
        except (Problem, ValueError, KeyError, TypeError) as away:
            log.warning("identity's keys can't be had", error=str(away))
            self._fetch_failed = True
        else:
            self._fetch_failed = False
            if not keys.keys() >= self._keys.keys():
                self._verified = {token: claims for token, claims in self._verified.items() if claims.kid in keys}
            self._keys = keys
        finally:
            self._fetched_at = self._monotonic()
            self._fetching = None


def bad_token(detail: str = "The access token isn't valid.") -> Problem:
    return Problem("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _kid(token: str) -> str:
    """The key that a token names. Its header holds nothing but `alg`, `typ` and `kid`: no key, URL or extension of its own."""
    if not TOKEN.fullmatch(token):
        raise bad_token()
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise bad_token() from None
    if header.keys() != HEADER or header["alg"] != "EdDSA" or header["typ"] != TYPE:
        raise bad_token()
    return str(header["kid"])


def _decode(token: str, key: Ed25519PublicKey, issuer: str) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=issuer,
            # time is checked by our own clock
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "strict_aud": True},
        )
    except (jwt.PyJWTError, ValueError):
        raise bad_token() from None


def _claims(raw: dict[str, Any], kid: str) -> Claims:
    org = raw.get("org")
    amr = raw.get("amr")
    numbers = [raw.get(name) for name in ("auth_time", "iat", "exp")]
    whole = all(type(number) is int and 0 <= number < 2**53 for number in numbers)
    ids = is_id(str(raw.get("sub")), "usr") and is_id(str(raw.get("sid")), "ses")
    texts = isinstance(amr, list) and all(isinstance(one, str) for one in amr)
    if not (whole and ids and texts and (org is None or is_id(str(org), "org"))):
        raise bad_token()
    return Claims(raw["sub"], raw["sid"], org, tuple(raw["amr"]), raw["auth_time"], raw["iat"], raw["exp"], kid)


def _keys_of(published: Any) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS (RFC 8037); keys of other kinds are for others."""
    return {
        str(key["kid"]): Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
        for key in published["keys"]
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519" and key.get("use", "sig") == "sig"
    }
