"""Talking to OpenID Connect providers: discovery, code for tokens, and their keys, which are kept for a while and fetched anew when one is unknown."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt

from services.identity.rules import oidc as rules
from services.identity.rules.oidc import Asked
from services.identity.rules.sso import OidcSettings, Shown, StepFailed
from shared.outbound import Fetched, Outbound, Refused, Unreachable

WELL_KNOWN = "/.well-known/openid-configuration"
KEYS_SECONDS = 600.0
REFETCH_SECONDS = 60.0
MOST_KEY_SETS = 1000
CONVERSATION_SECONDS = 8.0


@dataclass
class KeySet:
    """A provider's keys as they were at a time (monotonic seconds)."""

    keys: Sequence[Mapping[str, Any]]
    fetched_at: float


@dataclass
class OidcProviders:
    """All providers of all organizations, by what each answers. Every failure is a `StepFailed`."""

    outbound: Outbound
    monotonic: Callable[[], float] = time.monotonic
    _key_sets: dict[str, KeySet] = field(default_factory=dict)

    async def discover(self, issuer: str, client_id: str) -> OidcSettings:
        """What an issuer says of itself; the address of its document is taken for the issuer as well."""
        issuer = issuer.removesuffix(WELL_KNOWN)
        document = _object(await self._get("discovery", issuer.rstrip("/") + WELL_KNOWN), "discovery")
        said = document.get("issuer")
        named = said if isinstance(said, str) and said.rstrip("/") == issuer.rstrip("/") else issuer
        settings = rules.settings_from(named, client_id, document)
        places = (
            settings.authorization_endpoint,
            settings.token_endpoint,
            settings.jwks_uri,
            settings.userinfo_endpoint,
        )
        for place in places:
            if place is not None:
                self._check("discovery", place)
        await self._fetch_keys(settings)
        return settings

    async def show(self, settings: OidcSettings, secret: str, code: str, asked: Asked, now: datetime) -> Shown:
        """Whom a code stands for, once the ID token that it is changed for was found right."""
        try:
            async with asyncio.timeout(CONVERSATION_SECONDS):
                return await self._show(settings, secret, code, asked, now)
        except TimeoutError:
            raise StepFailed("exchange", f"the provider took longer than {CONVERSATION_SECONDS:g} seconds") from None

    async def _show(self, settings: OidcSettings, secret: str, code: str, asked: Asked, now: datetime) -> Shown:
        tokens = await self._exchange(settings, secret, code, asked)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise StepFailed("exchange", "the provider answered without an ID token")
        access_token = access_token if isinstance(access_token, str) else None
        algorithm, kid = rules.key_id_of(id_token)
        key = await self._key(settings, algorithm, kid)
        claims = rules.claims_of(id_token, key, settings, asked, access_token, now)
        more: Mapping[str, Any] = {}
        if "email" not in claims and settings.userinfo_endpoint and access_token:
            bearer = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
            more = _object(await self._get("userinfo", settings.userinfo_endpoint, bearer), "userinfo")
        return rules.shown_by(claims, more)

    async def _exchange(self, settings: OidcSettings, secret: str, code: str, asked: Asked) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if settings.client_secret_post:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        try:
            answer = await self.outbound.post(settings.token_endpoint, urlencode(form).encode(), headers)
        except (Refused, Unreachable) as why:
            raise StepFailed("exchange", f"the provider's token endpoint can't be used: {why}") from None
        if answer.status != 200:
            raise StepFailed("exchange", f"the provider refused the code ({_refusal(answer)})")
        return _object(answer, "exchange")

    async def _key(self, settings: OidcSettings, algorithm: str, kid: str | None) -> jwt.PyJWK:
        known = self._key_sets.get(settings.jwks_uri)
        if known is None or self.monotonic() - known.fetched_at > KEYS_SECONDS:
            known = await self._fetch_keys(settings)
        found = rules.chosen_key(known.keys, algorithm, kid)
        if found is None and self.monotonic() - known.fetched_at > REFETCH_SECONDS:
            known = await self._fetch_keys(settings)
            found = rules.chosen_key(known.keys, algorithm, kid)
        if found is None:
            raise StepFailed("signature", "the provider publishes no key that fits the ID token's")
        return found

    async def _fetch_keys(self, settings: OidcSettings) -> KeySet:
        document = _object(await self._get("keys", settings.jwks_uri), "keys")
        keys = document.get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise StepFailed("keys", "the provider's key set holds no keys")
        if len(self._key_sets) >= MOST_KEY_SETS:
            self._key_sets.clear()
        fetched = self._key_sets[settings.jwks_uri] = KeySet(keys, self.monotonic())
        return fetched

    async def _get(self, step: str, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        try:
            answer = await self.outbound.get(url, headers)
        except (Refused, Unreachable) as why:
            raise StepFailed(step, f"{url} can't be used: {why}") from None
        if answer.status != 200:
            raise StepFailed(step, f"{url} answers with status {answer.status}")
        return answer

    def _check(self, step: str, url: str) -> None:
        try:
            self.outbound.check(url)
        except Refused as why:
            raise StepFailed(step, f"{url} can't be used: {why}") from None


def _object(answer: Fetched, step: str) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StepFailed(step, "the provider answered something that isn't a JSON object")
    return value


def _refusal(answer: Fetched) -> str:
    """The error code of RFC 6749 §5.2, or the status. What else the provider says isn't passed on."""
    try:
        code = json.loads(answer.body).get("error")
    except (ValueError, RecursionError, AttributeError):
        code = None
    known = {"invalid_client", "invalid_grant", "invalid_request", "unauthorized_client", "unsupported_grant_type"}
    return str(code) if code in known else f"status {answer.status}"
