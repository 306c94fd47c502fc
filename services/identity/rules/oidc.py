"""OpenID Connect, without asking anybody: the address that a browser is sent to, and what an ID token must be like to be believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import jwt

from services.identity.rules.sso import OidcSettings, Shown, StepFailed

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
LEEWAY_SECONDS = 60
LONGEST_SUBJECT = 255
SMALLEST_RSA_BITS = 2048
SCOPE = "openid email profile"
MULTI_TENANT = ("/common/", "/organizations/", "/consumers/", "{tenantid}")


@dataclass(frozen=True)
class Asked:
    """What the browser was sent with, and therefore must come back with. `fresh_since`: the proof must be newer than this."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    fresh_since: datetime | None = None
    login_hint: str | None = None


def authorization_url(settings: OidcSettings, asked: Asked) -> str:
    """The request as RFC 6749 §4.1.1 with PKCE S256; a fresh proof is asked for with `prompt=login` and `max_age=0`."""
    challenge = hashlib.sha256(asked.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": asked.redirect_uri,
        "scope": SCOPE,
        "state": asked.state,
        "nonce": asked.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    if asked.login_hint is not None:
        query["login_hint"] = asked.login_hint
    if asked.fresh_since is not None:
        query |= {"prompt": "login", "max_age": "0"}
    parts = urlsplit(settings.authorization_endpoint)
    merged = "&".join(piece for piece in (parts.query, urlencode(query)) if piece)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, merged, ""))


def settings_from(issuer: str, client_id: str, document: Mapping[str, Any]) -> OidcSettings:
    """What we need of a discovery document (OpenID Connect Discovery 1.0 §3); StepFailed when it isn't this issuer's or lacks something."""
    if document.get("issuer") != issuer:
        raise StepFailed(
            "issuer",
            f"the document is that of {_short(document.get('issuer'))}",
            "other_document",
            issuer=_short(document.get("issuer")),
        )
    if any(mark in f"{issuer}/" for mark in MULTI_TENANT):
        raise StepFailed("issuer", "it stands for every tenant of the provider: use your own tenant's", "many_tenants")
    places: dict[str, Any] = {
        name: document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    if missing := [name for name, place in places.items() if not isinstance(place, str)]:
        raise StepFailed(
            "discovery",
            f"the document doesn't name {', '.join(missing)}",
            "discovery_incomplete",
            missing=", ".join(missing),
        )
    offered = document.get("id_token_signing_alg_values_supported", ["RS256"])
    if not isinstance(offered, list) or not set(map(str, offered)) & set(ALGORITHMS):
        raise StepFailed("discovery", "it signs ID tokens neither with RS256 nor with ES256", "weak_algorithms")
    ways = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    userinfo, leaving = document.get("userinfo_endpoint"), document.get("end_session_endpoint")
    return OidcSettings(
        issuer=issuer,
        client_id=client_id,
        **places,
        userinfo_endpoint=userinfo if isinstance(userinfo, str) else None,
        end_session_endpoint=leaving if isinstance(leaving, str) else None,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        client_secret_post=isinstance(ways, list)
        and "client_secret_basic" not in ways
        and "client_secret_post" in ways,
    )


def check_response_issuer(settings: OidcSettings, issuer: str | None) -> None:
    """RFC 9207: an answer of another provider is never taken for this one's."""
    if issuer != settings.issuer and (issuer is not None or settings.names_issuer):
        raise StepFailed("issuer", f"the answer came from {_short(issuer)}", "other_issuer", issuer=_short(issuer))


def key_id_of(id_token: str) -> tuple[str, str | None]:
    """Algorithm and key id that a token names, before anything of it is believed."""
    try:
        header = jwt.get_unverified_header(id_token)
    except jwt.PyJWTError:
        raise StepFailed("signature", "the ID token isn't a signed JWT", "not_a_jwt") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS or "crit" in header:
        raise StepFailed(
            "signature",
            f"the ID token is signed with {_short(algorithm)}; RS256 and ES256 are taken",
            "token_algorithm",
            algorithm=_short(algorithm),
        )
    return str(algorithm), kid if isinstance(kid, str) else None


def json_object(body: bytes, step: str) -> dict[str, Any]:
    """What a provider answered."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StepFailed(step, "the provider answered something that isn't a JSON object", "not_json")
    return value


def claims_of(
    id_token: str, key: jwt.PyJWK, settings: OidcSettings, asked: Asked, access_token: str | None, now: datetime
) -> dict[str, Any]:
    """The claims of an ID token that is right in every respect (OpenID Connect Core §3.1.3.7); StepFailed says what isn't."""
    claims = signed_claims(id_token, key, settings, now, "ID token", ["iss", "sub", "aud", "exp", "iat"])
    algorithm, _ = key_id_of(id_token)
    _check_binding(claims, settings, asked)
    _check_access_token(claims, algorithm, access_token)
    if asked.fresh_since is not None:
        _check_freshness(claims, asked.fresh_since)
    return claims


def signed_claims(
    token: str,
    key: jwt.PyJWK,
    settings: OidcSettings,
    now: datetime,
    what: str,
    required: list[str],
    unread: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The claims of a token that the provider signed for us and that is in time; StepFailed says what isn't. Whose shape is `unread` the caller looks at."""
    algorithm, _ = key_id_of(token)
    # Times are compared with the service's clock below.
    left = {f"verify_{claim}": False for claim in ("exp", "iat", "nbf", *unread)}
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=settings.client_id,
            issuer=settings.issuer,
            options={"require": required, **left},  # type: ignore[arg-type]
        )
    except jwt.InvalidAudienceError:
        raise StepFailed("audience", f"the {what} is for another client", "other_client", what=what) from None
    except jwt.InvalidIssuerError:
        raise StepFailed("issuer", f"the {what} is another provider's", "other_provider", what=what) from None
    except jwt.MissingRequiredClaimError as missing:
        raise StepFailed(
            "claims", f"the {what} has no {missing.claim}", "claim_missing", what=what, claim=missing.claim
        ) from None
    except jwt.PyJWTError:
        raise StepFailed(
            "signature", f"the {what} isn't signed by the provider's key", "token_signature", what=what
        ) from None
    check_times(claims, now, what)
    return claims


def shown_by(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> Shown:
    """The person that claims speak of. Userinfo only adds to what the ID token says, and only of the same subject."""
    if userinfo and userinfo.get("sub") != claims["sub"]:
        raise StepFailed("claims", "the provider's userinfo speaks of somebody else", "userinfo_of_another")
    merged = {**userinfo, **claims}
    if merged.get("email_verified") not in (None, True, "true"):
        raise StepFailed("email", "the provider says that the address isn't verified", "email_not_verified")
    email = merged.get("email")
    parts = [_text(merged.get("given_name")), _text(merged.get("family_name"))]
    moment = _moment(claims.get("auth_time"))
    return Shown(
        subject=claims["sub"],
        email=email if isinstance(email, str) else None,
        name=_text(merged.get("name")) or " ".join(part for part in parts if part),
        authenticated_at=moment,
        claims={name: _short(value) for name, value in sorted(merged.items()) if name in SHOWN_CLAIMS},
        session=_session(claims.get("sid")),
    )


SHOWN_CLAIMS = frozenset({"iss", "aud", "azp", "email_verified", "amr", "acr", "auth_time", "hd", "tid", "iat", "exp"})


def check_times(claims: Mapping[str, Any], now: datetime, what: str) -> None:
    """StepFailed when a token has expired or is from the future; a minute is forgiven either way."""
    at = now.timestamp()
    times = {name: _seconds(claims.get(name, 0), what) for name in ("exp", "iat", "nbf")}
    if not times["exp"] + LEEWAY_SECONDS > at:
        raise StepFailed("expiry", f"the {what} has expired", "token_expired", what=what)
    if times["iat"] - LEEWAY_SECONDS > at or times["nbf"] - LEEWAY_SECONDS > at:
        raise StepFailed("expiry", f"the {what} is from the future: compare the clocks", "token_from_future", what=what)


def _check_binding(claims: Mapping[str, Any], settings: OidcSettings, asked: Asked) -> None:
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
        raise StepFailed("claims", "the ID token has no usable subject", "no_subject")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), asked.nonce.encode()):
        raise StepFailed("nonce", "the ID token was made for another sign-in", "other_nonce")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else settings.client_id) != settings.client_id:
        raise StepFailed("audience", "the ID token was made for another client (azp)", "other_party")


def _check_access_token(claims: Mapping[str, Any], algorithm: str, access_token: str | None) -> None:
    """`at_hash` is optional here, and binding when it is there."""
    if "at_hash" not in claims:
        return
    digest = hashlib.sha256((access_token or "").encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    if algorithm not in ALGORITHMS or not hmac.compare_digest(str(claims["at_hash"]).encode(), half.encode()):
        raise StepFailed(
            "signature", "the access token isn't the one that came with the ID token", "other_access_token"
        )


def _check_freshness(claims: Mapping[str, Any], since: datetime) -> None:
    moment = _moment(claims.get("auth_time"))
    if moment is None:
        raise StepFailed(
            "freshness", "the provider doesn't say when the person last proved themselves (auth_time)", "no_auth_time"
        )
    if moment.timestamp() < since.timestamp() - LEEWAY_SECONDS:
        raise StepFailed("freshness", "the provider didn't ask for a new proof", "not_asked_again")


def _session(sid: Any) -> str | None:
    return sid if isinstance(sid, str) and 0 < len(sid) <= LONGEST_SUBJECT else None


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StepFailed("claims", f"the {what} has a time that is no number", "token_time", what=what)
    return float(value)


def _text(value: Any) -> str:
    return value.strip()[:200] if isinstance(value, str) else ""


def _short(value: Any) -> str:
    return "nobody" if value is None else str(value)[:200]
