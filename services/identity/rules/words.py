"""What people and browsers write, made fit to compare and to keep: passwords, the words that none may hold, and names of devices."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

SHORTEST_WORD = 4


def password_text(password: str) -> str:
    """One spelling per password, however a keyboard composes it (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def word_held(password: str, words: Mapping[str, str]) -> str | None:
    """The name of the first of `words` that a password contains, whatever the case and whatever stands between."""
    text = _letters(password)
    for name, word in words.items():
        pieces = {_letters(piece) for piece in (word, *re.split(r"[\s._+-]+", word))}
        if any(len(piece) >= SHORTEST_WORD and piece in text for piece in pieces):
            return name
    return None


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def device_of(user_agent: str | None) -> str | None:
    """A User-Agent header as far as it is safe to keep and to show."""
    return "".join(c for c in user_agent or "" if " " <= c <= "~")[:300].strip() or None
