"""API keys as every part of the house must know them: what they look like, what they may be given, and which versions they can be pinned to.

A token is `tky_` (`tsc_` for one that an identity provider provisions with), the key's number, 256 random bits and a CRC-32 of all that, so that scanners of source code can tell a real one from
a look-alike without asking anybody.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PREFIXES = {"tky": "key", "tsc": "sct"}
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LETTERS = 43
CHECKSUM_LETTERS = 6
TOKEN = re.compile(
    rf"({'|'.join(PREFIXES)})_([0-9a-hjkmnp-tv-z]{{26}})([0-9A-Za-z]{{{SECRET_LETTERS}}})([0-9A-Za-z]{{{CHECKSUM_LETTERS}}})"
)

Access = Literal["view", "manage"]
Area = Literal["access", "audit", "billing", "dashboards", "events", "groups", "organization", "users", "webhooks"]
VIEW_ONLY: frozenset[Area] = frozenset({"access", "audit", "billing", "events", "organization"})

ApiVersion = Literal["2026-11-01"]
PROVISIONING = "scim:provision"
NEWEST_VERSION: ApiVersion = "2026-11-01"


@dataclass(frozen=True)
class ReadToken:
    """A token that can be one of ours; whether it is, only identity can tell."""

    key_id: str
    token: str


def new_token(key_id: str) -> str:
    """A fresh token of a key."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LETTERS))
    kind, _, number = key_id.partition("_")
    prefix = next(prefix for prefix, known in PREFIXES.items() if known == kind)
    body = f"{prefix}_{number}{secret}"
    return body + _checksum(body)


def read_token(token: str) -> ReadToken | None:
    """None for what can be no key: nobody needs to be asked about that."""
    match = TOKEN.fullmatch(token)
    if match is None or _checksum(token[:-CHECKSUM_LETTERS]) != match[4]:
        return None
    return ReadToken(f"{PREFIXES[match[1]]}_{match[2]}", token)


def looks_like_one(credential: str) -> bool:
    """Whether it begins as a token does: then it is one, or nothing."""
    return credential[:3] in PREFIXES and credential[3:4] == "_"


def scopes_of(access: Access, areas: Iterable[Area]) -> tuple[str, ...]:
    """What a key may, in the words of the routes: `users:view`, and with `manage` also `users:manage`."""
    kinds = ("view",) if access == "view" else ("view", "manage")
    return tuple(
        f"{area}:{kind}" for area in sorted(areas) for kind in kinds if kind == "view" or area not in VIEW_ONLY
    )


def why_not(scopes: Iterable[str], needed: str | None) -> str:
    """What the holder of these scopes is told where another is needed, or none would do."""
    if PROVISIONING in scopes:
        return "This token is for an identity provider, and good for /scim/v2 alone."
    return f"This API key doesn't have the scope {needed}." if needed else "This is for people, not for API keys."


def _checksum(text: str) -> str:
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LETTERS):
        number, digit = divmod(number, len(ALPHABET))
        letters = ALPHABET[digit] + letters
    return letters
