"""What a request offers as proof of who sends it, and whether the console itself made it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared import api_keys
from shared.errors import Problem

COOKIE = "__Host-session"
COOKIE_VALUE = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
SAFE = frozenset({"GET", "HEAD"})


class Headers(Protocol):
    """Request headers, whatever their case."""

    def get(self, name: str, /) -> str | None: ...

    def getall(self, name: str, /) -> list[str]: ...

    def __contains__(self, name: object, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """An access token."""

    token: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An organization's API key."""

    token: str


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The console's cookie."""

    value: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something was offered, but it can be no credential."""


Credential = Bearer | ApiKey | SessionCookie | Unreadable | None


def credential_of(headers: Headers) -> Credential:
    """`Authorization` decides where it is given; the cookie counts otherwise. Two of a kind are none."""
    if "Authorization" in headers:
        offered = headers.getall("Authorization")
        scheme, _, token = offered[0].partition(" ")
        good = len(offered) == 1 and scheme.lower() == "bearer" and token != ""
        if good and token.startswith(api_keys.PREFIX):
            return ApiKey(token) if api_keys.read_token(token) is not None else Unreadable()
        return Bearer(token) if good else Unreadable()
    if "Cookie" not in headers:
        return None
    values = cookies_named(COOKIE, headers.getall("Cookie"))
    if not values:
        return None
    good = len(values) == 1 and COOKIE_VALUE.fullmatch(values[0]) is not None
    return SessionCookie(values[0]) if good else Unreadable()


def check_made_by_console(method: str, headers: Headers, origin: str, token: str) -> None:
    """403 `csrf` for a write with the cookie that another site's page may have caused.

    Browsers that say where a request comes from (`Sec-Fetch-Site`) are believed; for others `Origin` must be ours.
    """
    if method in SAFE:
        return
    site = headers.get("Sec-Fetch-Site")
    own = site == "same-origin" if site is not None else headers.get("Origin") == origin
    offered = headers.get("X-CSRF-Token") or ""
    if not own or not hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), token.encode()):
        raise Problem("csrf", meta={"missing": "origin" if not own else "token"})


def prefers(headers: Mapping[str, str] | Headers, wanted: str, otherwise: str) -> bool:
    """Whether `Accept` names one media type before, or with more weight than, another. Unasked: no."""
    weights = {wanted: 0.0, otherwise: 0.0}
    order: list[str] = []
    for part in (headers.get("Accept") or "").lower().split(",")[:20]:
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media in weights:
            weights[media] = max(weights[media], _weight(parameters))
            order.append(media)
    if weights[wanted] != weights[otherwise]:
        return weights[wanted] > weights[otherwise]
    return bool(order) and order[0] == wanted and weights[wanted] > 0


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if re.fullmatch(r"q=[01](\.[0-9]{0,3})?", parameter):
            return float(parameter[2:])
    return 1.0


def cookies_named(name: str, headers: Sequence[str]) -> list[str]:
    """All values that a browser sent under a name."""
    pairs = (pair.partition("=") for header in headers for pair in header.split(";"))
    return [value.strip() for offered, _, value in pairs if offered.strip() == name]
