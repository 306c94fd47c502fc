"""Talking to OpenID Connect providers: discovery, code for tokens, and their word of who signed out there."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote_plus, urlencode

from services.identity.rules import oidc as rules
from services.identity.rules.oidc import Asked
from services.identity.rules.oidc_sign_out import SignedOutThere, signed_out_by
from services.identity.rules.sso import OidcSettings, Shown, StepFailed
from services.identity.usecases.sso_keys import ProviderKeys
from shared.outbound import Fetched, NotFetched, Outbound, Refused

WELL_KNOWN = "/.well-known/openid-configuration"
CONVERSATION_SECONDS = 8.0


class OidcProviders:
    """All providers of all organizations, by what each answers. Every failure is a `StepFailed`."""

    def __init__(self, outbound: Outbound, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.outbound = outbound
        self.keys = ProviderKeys(partial(self._get, "keys"), monotonic)

    async def discover(self, issuer: str, client_id: str) -> OidcSettings:
        """What an issuer says of itself; the address of its document is taken for the issuer as well."""
        issuer = issuer.removesuffix(WELL_KNOWN)
        document = rules.json_object((await self._get("discovery", issuer.rstrip("/") + WELL_KNOWN)).body, "discovery")
        said = document.get("issuer")
        named = said if isinstance(said, str) and said.rstrip("/") == issuer.rstrip("/") else issuer
        settings = rules.settings_from(named, client_id, document)
        places = (
            settings.authorization_endpoint,
            settings.token_endpoint,
            settings.jwks_uri,
            settings.userinfo_endpoint,
            settings.end_session_endpoint,
        )
        for place in places:
            if place is not None:
                self._check("discovery", place)
        await self.keys.read_anew(settings.jwks_uri)
        return settings

    async def show(self, settings: OidcSettings, secret: str, code: str, asked: Asked, now: datetime) -> Shown:
        """Whom a code stands for, once the ID token that it is changed for was found right."""
        try:
            async with asyncio.timeout(CONVERSATION_SECONDS):
                return await self._show(settings, secret, code, asked, now)
        except TimeoutError:
            raise StepFailed(
                "exchange",
                f"the provider took longer than {CONVERSATION_SECONDS:g} seconds",
                "provider_slow",
                seconds=int(CONVERSATION_SECONDS),
            ) from None

    async def _show(self, settings: OidcSettings, secret: str, code: str, asked: Asked, now: datetime) -> Shown:
        tokens = await self._exchange(settings, secret, code, asked)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise StepFailed("exchange", "the provider answered without an ID token", "no_id_token")
        access_token = access_token if isinstance(access_token, str) else None
        key = await self.keys.key(settings.jwks_uri, *rules.key_id_of(id_token))
        claims = rules.claims_of(id_token, key, settings, asked, access_token, now)
        more: Mapping[str, Any] = {}
        if "email" not in claims and settings.userinfo_endpoint and access_token:
            bearer = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
            more = rules.json_object((await self._get("userinfo", settings.userinfo_endpoint, bearer)).body, "userinfo")
        shown = rules.shown_by(claims, more)
        return replace(shown, hint={"id_token": id_token}) if settings.end_session_endpoint else shown

    async def hear_sign_out(self, settings: OidcSettings, logout_token: str, now: datetime) -> SignedOutThere:
        """Who has signed out at the provider, by a logout token that is right in every respect."""
        try:
            async with asyncio.timeout(CONVERSATION_SECONDS):
                key = await self.keys.key(settings.jwks_uri, *rules.key_id_of(logout_token))
        except TimeoutError:
            raise StepFailed(
                "keys",
                f"the provider took longer than {CONVERSATION_SECONDS:g} seconds",
                "provider_slow",
                seconds=int(CONVERSATION_SECONDS),
            ) from None
        return signed_out_by(logout_token, key, settings, now)

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
        except NotFetched as why:
            raise StepFailed(
                "exchange", f"the provider's token endpoint can't be used: {why}", "token_endpoint", reach=why.code
            ) from None
        if answer.status != 200:
            raise StepFailed(
                "exchange",
                f"the provider refused the code ({_refusal(answer)})",
                "code_refused",
                error=_refusal(answer),
            )
        return rules.json_object(answer.body, "exchange")

    async def _get(self, step: str, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        try:
            answer = await self.outbound.get(url, headers)
        except NotFetched as why:
            raise StepFailed(step, f"{url} can't be used: {why}", "not_usable", url=url, reach=why.code) from None
        if answer.status != 200:
            raise StepFailed(
                step, f"{url} answers with status {answer.status}", "other_status", url=url, status=answer.status
            )
        return answer

    def _check(self, step: str, url: str) -> None:
        try:
            self.outbound.check(url)
        except Refused as why:
            raise StepFailed(step, f"{url} can't be used: {why}", "not_usable", url=url, reach=why.code) from None


def _refusal(answer: Fetched) -> str:
    """The error code of RFC 6749 §5.2, or the status. What else the provider says isn't passed on."""
    try:
        code = json.loads(answer.body).get("error")
    except (ValueError, RecursionError, AttributeError):
        code = None
    known = {"invalid_client", "invalid_grant", "invalid_request", "unauthorized_client", "unsupported_grant_type"}
    return str(code) if code in known else f"status {answer.status}"
