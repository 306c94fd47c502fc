"""Who is acting, and the short-lived internal tokens by which one service tells another (EdDSA JWT, RFC 8037).

The gateway alone may speak for persons; any service may speak for itself. Nothing else is ever trusted.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import Problem

TOKEN_SECONDS = 60
CACHE_SIZE = 10_000
FRESH_SECONDS = 600
LISTS = ("amr", "scopes")
BREAK_GLASS = "break_glass"

Role = Literal["admin", "analyst", "viewer"]


@dataclass(frozen=True)
class Actor:
    """On whose behalf a message is handled. `role` is the effective one; `auth_time` is when the person last proved themselves (epoch seconds).

    An organization's API key is nobody in particular: it has no role, and may do what its `scopes` name on routes that take keys.
    """

    kind: Literal["person", "key", "anonymous", "service", "system"]
    user_id: str | None = None
    org_id: str | None = None
    role: Role | None = None
    session_id: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: int = 0
    service: str | None = None
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    api_version: str | None = None
    closed: bool = False

    @property
    def id(self) -> str | None:
        return self.user_id or self.key_id or (f"service:{self.service}" if self.service else None)

    def person(self) -> str:
        if self.user_id is None:
            raise Problem("unauthenticated")
        return self.user_id

    def org(self) -> str:
        if self.org_id is None:
            raise Problem("forbidden", "No organization is active. Choose one with POST /v1/me/active-organization.")
        return self.org_id

    def is_fresh(self, now: float) -> bool:
        return now - self.auth_time <= FRESH_SECONDS


ANONYMOUS = Actor("anonymous")


@dataclass
class Keyring:
    """One service's own signing key, and whose signatures it believes."""

    service: str
    private: Ed25519PrivateKey
    trusted: dict[str, Ed25519PublicKey]
    _verified: dict[str, tuple[Actor, float]] = field(default_factory=dict)
    _issued: dict[tuple[Actor, str], tuple[str, float]] = field(default_factory=dict)

    def issue(self, actor: Actor, audience: str) -> str:
        """A token naming `actor` for one receiving service; reused for half of its life."""
        now = time.time()
        cached = self._issued.get((actor, audience))
        if cached is not None and cached[1] > now:
            return cached[0]
        claims = {
            "iss": self.service,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + TOKEN_SECONDS,
            "act": _pack(actor),
        }
        token = jwt.encode(
            claims, self.private, algorithm="EdDSA", headers={"kid": self.service, "typ": "tenantry-internal+jwt"}
        )
        _keep_bounded(self._issued)
        self._issued[actor, audience] = (token, now + TOKEN_SECONDS / 2)
        return token

    def verify(self, token: str) -> Actor:
        """The actor that a token names; `unauthenticated` for anything else."""
        now = time.time()
        cached = self._verified.get(token)
        if cached is not None:
            if cached[1] > now:
                return cached[0]
            del self._verified[token]
        try:
            header = jwt.get_unverified_header(token)
            issuer = str(header.get("kid"))
            if header.get("typ") != "tenantry-internal+jwt" or issuer not in self.trusted:
                raise Problem("unauthenticated")
            claims = jwt.decode(
                token,
                self.trusted[issuer],
                algorithms=["EdDSA"],
                audience=self.service,
                issuer=issuer,
                options={"require": ["exp", "iat", "act"]},
            )
        except jwt.PyJWTError:
            raise Problem("unauthenticated") from None
        actor = _unpack(claims["act"])
        if issuer != "gateway" and (actor.kind != "service" or actor.service != issuer):
            raise Problem("unauthenticated")
        _keep_bounded(self._verified)
        self._verified[token] = (actor, float(claims["exp"]))
        return actor

    def as_itself(self, audience: str) -> str:
        """A token by which this service speaks for itself."""
        return self.issue(Actor("service", service=self.service), audience)


def private_key(seed: str) -> Ed25519PrivateKey:
    """A key from its base64url seed of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4)))


def _pack(actor: Actor) -> dict[str, object]:
    packed = {name: value for name, value in vars(actor).items() if value}
    return packed | {name: list(packed[name]) for name in LISTS if name in packed}


def _unpack(packed: dict[str, object]) -> Actor:
    """What a newer gateway says besides is ignored."""
    known = {name: value for name, value in packed.items() if name in Actor.__dataclass_fields__}
    return Actor(**known | {name: tuple(packed.get(name, ())) for name in LISTS})  # type: ignore[arg-type]


def _keep_bounded(cache: dict) -> None:  # type: ignore[type-arg]
    if len(cache) >= CACHE_SIZE:
        for key in list(cache)[: CACHE_SIZE // 4]:
            del cache[key]
