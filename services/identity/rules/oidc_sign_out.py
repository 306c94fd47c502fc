"""Signing out by OpenID Connect, either way: the address that a browser is sent to (RP-Initiated Logout 1.0), and the provider's word (Back-Channel Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import jwt

from services.identity.rules.oidc import LEEWAY_SECONDS, LONGEST_SUBJECT, key_id_of, signed_claims
from services.identity.rules.sso import OidcSettings, StepFailed

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({"logout+jwt", "application/logout+jwt", "jwt"})
LONGEST_ID = 256
LONGEST_HINT = 4096
LONGEST_LIFE = timedelta(days=1)


@dataclass(frozen=True)
class SignedOutThere:
    """Who signed out at the provider: a subject, one of its sessions, or a session alone. `until` then nobody believes the same word any more."""

    subject: str | None
    session: str | None
    message_id: str
    until: datetime


def end_session_url(settings: OidcSettings, hint: Mapping[str, str], back_to: str) -> str | None:
    """Where a browser signs out at the provider and is sent back from; None when the provider has no such place.

    An ID token that would make the address too long to be taken is left out: the provider then asks the person.
    """
    if settings.end_session_endpoint is None:
        return None
    query = {"client_id": settings.client_id, "post_logout_redirect_uri": back_to}
    if 0 < len(hint.get("id_token", "")) <= LONGEST_HINT:
        query["id_token_hint"] = hint["id_token"]
    parts = urlsplit(settings.end_session_endpoint)
    merged = "&".join(piece for piece in (parts.query, urlencode(query)) if piece)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, merged, ""))


def signed_out_by(logout_token: str, key: jwt.PyJWK, settings: OidcSettings, now: datetime) -> SignedOutThere:
    """What a logout token says that is right in every respect (§2.6); StepFailed says what isn't. That it counts once is for the caller to see to."""
    key_id_of(logout_token)  # refuses what is no token, or signed in a way that nobody believes
    kind = jwt.get_unverified_header(logout_token).get("typ")
    if kind is not None and str(kind).lower() not in TYPES:
        raise StepFailed("claims", "it is a token of another kind")
    required = ["iss", "aud", "exp", "iat", "jti", "events"]
    claims = signed_claims(logout_token, key, settings, now, "logout token", required, unread=("sub", "jti"))
    _check_kind(claims)
    return SignedOutThere(
        subject=_text(claims, "sub", LONGEST_SUBJECT),
        session=_text(claims, "sid", LONGEST_SUBJECT),
        message_id=_text(claims, "jti", LONGEST_ID) or "",
        until=_believed_until(claims, now),
    )


def _check_kind(claims: Mapping[str, Any]) -> None:
    """An ID token, which says that somebody signed in, is never taken for this."""
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise StepFailed("claims", "the logout token doesn't say that it is one (events)")
    if "nonce" in claims:
        raise StepFailed("claims", "a logout token has no nonce; this is an ID token")
    if "sub" not in claims and "sid" not in claims:
        raise StepFailed("claims", "the logout token names neither a subject (sub) nor a session (sid)")


def _believed_until(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Until it expires, and never longer than a day after it was made: so long its id is remembered."""
    issued, longest = float(claims["iat"]), LONGEST_LIFE.total_seconds()
    if issued < now.timestamp() - longest:
        raise StepFailed("expiry", "the logout token was made more than a day ago")
    return datetime.fromtimestamp(min(float(claims["exp"]), issued + longest) + LEEWAY_SECONDS, UTC)


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\x00" in value:
        raise StepFailed("claims", f"the logout token's {name} is no text of at most {longest} characters")
    return value
