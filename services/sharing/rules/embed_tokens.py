"""Embed tokens: what an embedder signed, looked at claim by claim. Why one is refused is for the organization's own eyes.

The key is chosen by us alone: nothing in a token says how, or with what, it is to be verified.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from jwt import PyJWTError
from jwt.api_jws import PyJWS
from jwt.utils import base64url_decode

from services.sharing.rules.access import Plan
from services.sharing.rules.embed_secrets import Secret, state
from services.sharing.rules.links import PLAIN_FILTERS, Filters, Terms, values_of

Step = Literal["form", "header", "signature", "secret", "claims", "time", "link", "parameters"]
STEPS: tuple[Step, ...] = get_args(Step)

LONGEST_TOKEN = 6000
FURTHEST = timedelta(hours=24)
CLOCKS_APART = timedelta(seconds=60)
MOST_VALUES = 500
LATEST = 1e12
SHOWN = 100
TRICKS = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"})


@dataclass(eq=False)
class Refused(Exception):
    """Why a token isn't accepted: a stable reason, the step at which it failed, and words for a person."""

    reason: str
    step: Step
    detail: str
    secret_id: str | None = None


@dataclass(frozen=True)
class Read:
    """A token whose signature is ours: which secret made it, and what it claims."""

    secret_id: str
    claims: Mapping[str, Any]


def header_of(token: str) -> Mapping[str, Any]:
    """The header of a token of the one kind that is accepted."""
    if not token or len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        raise Refused("malformed", "form", "It isn't a signed JWT: three parts of base64url, joined by dots.")
    header = _object(token.partition(".")[0], "header")
    if header.get("alg") != "HS256":
        raise Refused("algorithm", "header", 'Its header must say "alg": "HS256".')
    if tricks := sorted(TRICKS & header.keys()):
        raise Refused("header", "header", f"Its header must not name {', '.join(tricks)}.")
    if "kid" in header and not isinstance(header["kid"], str):
        raise Refused("header", "header", "`kid` must be text: the id of an embed secret.")
    return header


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token claims, whoever signed it."""
    return _object(token.split(".")[1], "payload")


def verified(token: str, ring: Iterable[tuple[Secret, str]], now: datetime) -> Read:
    """The token's claims, when a secret that is valid now has signed it. The ring begins with those that are."""
    kid = header_of(token).get("kid")
    known = False
    for secret, text in ring:
        if kid is not None and kid != secret.secret_id:
            continue
        known = True
        if _signed_with(token, text):
            life = state(secret, now)
            if life in ("expired", "revoked"):
                raise Refused(f"secret_{life}", "secret", f"The secret that signed it is {life}.", secret.secret_id)
            return Read(secret.secret_id, claims_of(token))
    if kid is not None and not known:
        raise Refused("unknown_key", "signature", "`kid` names no embed secret of this organization.")
    raise Refused("signature", "signature", "None of the organization's embed secrets has signed it.")


def check_time(claims: Mapping[str, Any], now: datetime) -> datetime:
    """The token's last moment. `exp` is needed and at most 24 hours ahead; `nbf` and `iat` are looked at when they are there."""
    moment = now.timestamp()
    expires = _number(claims, "exp")
    if expires is None:
        raise Refused("no_expiry", "claims", "The claim `exp` is missing.")
    if moment >= expires:
        raise Refused("expired", "time", "Its `exp` has passed.")
    if expires - moment > FURTHEST.total_seconds():
        raise Refused("too_far", "time", "Its `exp` is more than 24 hours ahead.")
    for name in ("nbf", "iat"):
        begins = _number(claims, name)
        if begins is not None and begins > moment + CLOCKS_APART.total_seconds():
            raise Refused("not_yet", "time", f"Its `{name}` lies in the future.")
    return datetime.fromtimestamp(expires, UTC)


def check_link(claims: Mapping[str, Any], link_token: str) -> None:
    claimed = claims.get("sharing_token")
    if not isinstance(claimed, str):
        raise Refused("no_link", "claims", "The claim `sharing_token` is missing.")
    if not hmac.compare_digest(claimed.encode(), link_token.encode()):
        raise Refused("other_link", "link", "Its `sharing_token` isn't this link's.")


def fixed_parameters(
    claims: Mapping[str, Any], terms: Terms, declared: Collection[str], plan: Plan | None
) -> dict[str, str | Sequence[str]]:
    """What the token fixes. Whatever would be ignored, and so show more than was meant, is refused."""
    fixed = claims.get("fixed_parameters", {})
    if not isinstance(fixed, dict):
        raise Refused("bad_parameter", "parameters", "`fixed_parameters` must be an object.")
    if fixed and not (terms.allow_parameters and plan is not None and plan.interactive_embedding):
        raise Refused("parameters_not_allowed", "parameters", "This link doesn't allow parameters.")
    for name, values in fixed.items():
        if name in PLAIN_FILTERS:
            if not isinstance(values, str) or not values:
                raise Refused("bad_parameter", "parameters", f"`{name}` must be plain text.")
        elif name not in declared:
            raise Refused("undeclared_parameter", "parameters", f"The dashboard declares no parameter {_shown(name)}.")
        elif not _are_values(values):
            raise Refused(
                "bad_parameter",
                "parameters",
                f"{_shown(name)} must be a list of at least one text, none of them empty.",
            )
        frozen = (terms.frozen_filters or {}).get(name)
        if frozen is not None and not set(values_of(values)) <= set(values_of(frozen)):
            raise Refused("outside_frozen", "parameters", f"{_shown(name)} goes beyond what the link is frozen at.")
    return dict(fixed)


def filters(
    terms: Terms, fixed: Filters, asked: Mapping[str, Any], declared: Collection[str]
) -> tuple[dict[str, str | Sequence[str]], list[str]]:
    """Which filters apply, and which of them the viewer can't change. Fixed wins over frozen, frozen over what the address asks for."""
    chosen: dict[str, str | Sequence[str]] = {}
    if terms.allow_parameters:
        for name, given in asked.items():
            values = [given] if isinstance(given, str) else list(given)
            if name in PLAIN_FILTERS and values[-1]:
                chosen[name] = values[-1]
            elif name in declared and _are_values(values):
                chosen[name] = values
    kept = {**(terms.frozen_filters or {}), **fixed}
    return chosen | kept, sorted(kept)


def _are_values(values: Any) -> bool:
    return (
        isinstance(values, list)
        and 0 < len(values) <= MOST_VALUES
        and all(isinstance(one, str) and one for one in values)
    )


def _signed_with(token: str, secret: str) -> bool:
    try:
        PyJWS().decode_complete(token, secret, algorithms=["HS256"])
    except PyJWTError:
        return False
    return True


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LATEST < value < LATEST:
        raise Refused("bad_claim", "claims", f"`{name}` must be seconds since 1970, as a number.")
    return value


def _object(part: str, what: str) -> dict[str, Any]:
    """Strict: two parsers must not read it differently."""
    try:
        found = json.loads(base64url_decode(part), object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise Refused(
            "malformed", "form", f"Its {what} isn't a JSON object in base64url without repeated names."
        ) from None
    if not isinstance(found, dict):
        raise Refused("malformed", "form", f"Its {what} isn't a JSON object.")
    return found


def _shown(name: str) -> str:
    """A name of somebody else's making, so that it can be kept and read."""
    return ascii(name[:SHOWN])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("repeated")
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(name)
