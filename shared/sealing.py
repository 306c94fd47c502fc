"""Secrets at rest: sealed with AES-256-GCM under a master key, and bound to their place, so that a ciphertext moved to another row doesn't open."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Key(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def key(self) -> str: ...


class LostKey(Exception):
    """What is to be opened was sealed under a master key that isn't among ours any more."""


class Sealer:
    """The first key seals, all of them open. `place` names table, row and organization."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.first = keys[0].id
        self._keys = {key.id: AESGCM(base64.urlsafe_b64decode(key.key + "=" * (-len(key.key) % 4))) for key in keys}

    @property
    def heads(self) -> tuple[bytes, ...]:
        """How what these keys have sealed begins, the first key's at the head."""
        return tuple(_head(key_id) for key_id in self._keys)

    @property
    def heads_of_others(self) -> tuple[bytes, ...]:
        return self.heads[1:]

    def seal(self, plain: str, *place: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return (
            _head(self.first) + nonce + self._keys[self.first].encrypt(nonce, plain.encode(), _bound(self.first, place))
        )

    def open(self, sealed: bytes, *place: str) -> str:
        """The secret; `InvalidTag` when it was made for another place or with another key, `LostKey` when the key is gone."""
        head, _, rest = sealed.partition(b".")
        key_id = head.decode()
        if key_id not in self._keys:
            raise LostKey(key_id)
        return self._keys[key_id].decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound(key_id, place)).decode()


def _head(key_id: str) -> bytes:
    return key_id.encode() + b"."


def _bound(key_id: str, place: Sequence[str]) -> bytes:
    return "\n".join((key_id, *place)).encode()
