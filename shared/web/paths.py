"""Which request paths may be routed at all: one spelling for each, nothing that two readers could read differently."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_PLAIN = re.compile(r"/(?:[A-Za-z0-9_~:@!$&'()*+,=.-]+(?:/[A-Za-z0-9_~:@!$&'()*+,=.-]+)*/?)?")
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_~:@!$&'()*+,=./-]|%[0-9A-Fa-f]{2})+")
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\%;?#]")


def safe_path(raw_path: str) -> str | None:
    """The path to route, percent-decoded once, without the query; None when it must not be routed.

    Refused: anything not beginning with one `/`, empty, `.` and `..` segments however spelt, escaped separators
    (`%2f`, `%5c`, `%00`, controls), escapes of escapes (`%25`), bytes that aren't UTF-8, `;` parameters and fragments.
    """
    path = raw_path.partition("?")[0]
    if _PLAIN.fullmatch(path):
        return path if "/." not in path or _no_dots(path) else None
    if "%" not in path or not _ESCAPED.fullmatch(path):
        return None
    return _decoded(path)


def _decoded(path: str) -> str | None:
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return None
    same_segments = decoded.count("/") == path.count("/")
    fine = decoded.startswith("/") and "//" not in decoded and same_segments and not _NEVER.search(decoded)
    return decoded if fine and _no_dots(decoded) else None


def _no_dots(path: str) -> bool:
    return not any(segment in (".", "..") for segment in path.split("/"))
