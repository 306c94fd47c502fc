"""What identity opens when it starts: the hasher, the breached passwords, and the keys that it signs and derives tokens with."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.identity.rules import derived_key
from services.identity.usecases.breached import BreachedPasswords, breached_passwords
from shared.auth import private_key
from shared.config import Secrets
from shared.hashing import Hasher, hashing
from shared.service import Ctx, Environment


@dataclass(frozen=True)
class Keys:
    """The first of each list makes new tokens, all of them prove old ones."""

    access: list[tuple[str, Ed25519PrivateKey]]
    sessions: list[bytes]
    throttles: bytes

    @classmethod
    def of(cls, secrets: Secrets) -> Keys:
        masters = [base64.urlsafe_b64decode(master.key + "=" * (-len(master.key) % 4)) for master in secrets.master]
        return cls(
            access=[(key.kid, private_key(key.seed)) for key in secrets.access],
            sessions=[derived_key(master, "session tokens") for master in masters],
            throttles=derived_key(masters[0], "throttles"),
        )


@dataclass(frozen=True)
class Opened:
    hasher: Hasher
    breached: BreachedPasswords
    keys: Keys


@asynccontextmanager
async def opens(env: Environment) -> AsyncIterator[Opened]:
    async with hashing() as hasher:
        yield Opened(hasher, breached_passwords(), Keys.of(env.settings.secrets))


def opened(ctx: Ctx) -> Opened:
    return cast(Opened, ctx.own)
