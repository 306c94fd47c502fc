"""API keys as every part of the house must know them: what they look like, what they may be given, and which versions they can be pinned to.

A token is `tky_`, the key's number, 256 random bits and a CRC-32 of all that, so that scanners of source code can tell a real one from
a look-alike without asking anybody.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PREFIX = "tky_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LETTERS = 43
CHECKSUM_LETTERS = 6
TOKEN = re.compile(
    rf"{PREFIX}([0-9a-hjkmnp-tv-z]{{26}})([0-9A-Za-z]{{{SECRET_LETTERS}}})([0-9A-Za-z]{{{CHECKSUM_LETTERS}}})"
)

Access = Literal["view", "manage"]
Area = Literal["access", "audit", "billing", "dashboards", "events", "groups", "organization", "users", "webhooks"]
VIEW_ONLY: frozenset[Area] = frozenset({"access", "audit", "billing", "events", "organization"})

ApiVersion = Literal["2026-11-01"]
NEWEST_VERSION: ApiVersion = "2026-11-01"


@dataclass(frozen=True)
class ReadToken:
    """A token that can be one of ours; whether it is, only identity can tell."""

    key_id: str
    token: str


def new_token(key_id: str) -> str:
    """A fresh token of a key."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LETTERS))
    body = f"{PREFIX}{key_id.removeprefix('key_')}{secret}"
    return body + _checksum(body)


def read_token(token: str) -> ReadToken | None:
    """None for what can be no key: nobody needs to be asked about that."""
    match = TOKEN.fullmatch(token)
    if match is None or _checksum(token[:-CHECKSUM_LETTERS]) != match[3]:
        return None
    return ReadToken(f"key_{match[1]}", token)


def scopes_of(access: Access, areas: Iterable[Area]) -> tuple[str, ...]:
    """What a key may, in the words of the routes: `users:view`, and with `manage` also `users:manage`."""
    kinds = ("view",) if access == "view" else ("view", "manage")
    return tuple(
        f"{area}:{kind}" for area in sorted(areas) for kind in kinds if kind == "view" or area not in VIEW_ONLY
    )


def _checksum(text: str) -> str:
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LETTERS):
        number, digit = divmod(number, len(ALPHABET))
        letters = ALPHABET[digit] + letters
    return letters
