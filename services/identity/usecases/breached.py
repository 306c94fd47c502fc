"""Passwords that were found in breaches: digests in a file, so that asking needs no network and tells nobody.

The file holds those of at least twelve characters out of two lists: the most frequent million of Mark Burnett's "10 million passwords"
(public domain) and the passwords of SecLists (MIT, Copyright (c) 2018 Daniel Miessler). `packed` made it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent.parent / "breached_passwords.bin"
SIZE = 5  # bytes of each digest: one password in twenty million is taken for a breached one


@dataclass(frozen=True)
class BreachedPasswords:
    """Digests in ascending order, one after the other."""

    packed: bytes

    def holds(self, password: str) -> bool:
        """Whether this password, in whatever case, is one of them."""
        wanted = _digest(password)
        return self._at(bisect_left(range(len(self.packed) // SIZE), wanted, key=self._at)) == wanted

    def _at(self, place: int) -> bytes:
        return self.packed[place * SIZE : place * SIZE + SIZE]


def breached_passwords() -> BreachedPasswords:
    return BreachedPasswords(FILE.read_bytes())


def packed(passwords: Iterable[str]) -> bytes:
    return b"".join(sorted({_digest(password) for password in passwords}))


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFKC", password).casefold()
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:SIZE]
