"""An OpenID Connect provider that tells whatever a test wants, signed with whatever a test wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.outbound import Policy
from tests.identity.serving import serving

HERE = Policy(schemes=frozenset({"http"}), may_connect=lambda address: address == "127.0.0.1", seconds=20)
NOW = web.AppKey("now", Callable)
CLIENT = ("client-1", "a secret, of 100%")


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: Any, kid: str, alg: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": alg, "use": "sig"}


@dataclass
class Asked:
    """What a browser was sent here with."""

    query: dict[str, str]

    @classmethod
    def of(cls, url: str) -> Asked:
        return cls({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})


@dataclass
class Provider:
    """`changes` goes over the claims of the next ID tokens (None takes one out), `document` over the discovery document.

    Keys are served once `may_serve_keys` is set, or at once without it; likewise codes are changed for tokens.
    """

    url: str = ""
    keys: dict[str, Any] = field(default_factory=lambda: {"k1": rsa_key()})
    signs_with: str = "k1"
    alg: str = "RS256"
    changes: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, tuple[Asked, dict[str, Any]]] = field(default_factory=dict)
    key_sets_served: int = 0
    key_headers: dict[str, str] = field(default_factory=dict)
    keys_status: int = 200
    may_serve_keys: asyncio.Event | None = None
    may_change_codes: asyncio.Event | None = None
    token_requests: list[dict[str, str]] = field(default_factory=list)
    down: bool = False
    raw_token: str | None = None

    def code_for(self, url: str, subject: str, email: str | None, **claims: Any) -> str:
        """The code that the provider sends a browser back with, once somebody has signed in there."""
        code = secrets.token_urlsafe(8)
        told = {"sub": subject, "email": email, "given_name": "Ivy", "family_name": "Idp", **claims}
        self.codes[code] = (Asked.of(url), {name: value for name, value in told.items() if value is not None})
        return code

    async def _discovery(self, request: web.Request) -> web.Response:
        facts = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/leave",
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            **self.document,
        }
        return web.json_response({name: value for name, value in facts.items() if value is not None})

    async def _keys(self, request: web.Request) -> web.Response:
        self.key_sets_served += 1
        if self.may_serve_keys is not None:
            await self.may_serve_keys.wait()
        published = [
            public(key, kid, "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": published}, status=self.keys_status, headers=self.key_headers)

    async def _token(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=500)
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.token_requests.append(form)
        if self.may_change_codes is not None:
            await self.may_change_codes.wait()
        asked, told = self.codes.pop(form["code"], (None, {}))
        login = BasicAuth.decode(request.headers["Authorization"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        fits = asked is not None and (
            asked.query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
            and asked.query["redirect_uri"] == form["redirect_uri"]
            and (login.login, login.password) == ("client-1", "a+secret%2C+of+100%25")
        )
        if asked is None or not fits:
            return web.json_response({"error": "invalid_grant"}, status=400)
        access_token = secrets.token_urlsafe(16)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        now = int(request.app[NOW]())
        claims = {
            "iss": self.url,
            "aud": CLIENT[0],
            "iat": now,
            "exp": now + 300,
            "nonce": asked.query["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
            "auth_time": now,
            **told,
            **self.changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.raw_token or self.signed(claims)
        return web.json_response({"access_token": access_token, "id_token": token, "token_type": "Bearer"})

    def signed(self, claims: dict[str, Any], **headers: str) -> str:
        key = self.keys.get(self.signs_with, rsa_key())
        return jwt.encode(claims, key, algorithm=self.alg, headers={"kid": self.signs_with, **headers})

    async def _userinfo(self, request: web.Request) -> web.Response:
        return web.json_response(self.userinfo)


@asynccontextmanager
async def providing(now: Any) -> AsyncIterator[Provider]:
    """A provider that listens; `now` is its clock, in seconds."""
    provider = Provider()
    app = web.Application()
    app[NOW] = now
    app.router.add_get("/.well-known/openid-configuration", provider._discovery)
    app.router.add_get("/keys", provider._keys)
    app.router.add_post("/token", provider._token)
    app.router.add_get("/userinfo", provider._userinfo)
    async with serving(app) as provider.url:
        yield provider
