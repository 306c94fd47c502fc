"""What identity opens when it starts: the hasher, the breached passwords, the keys for tokens, and what seals secrets."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.identity.rules import Language, derived_key
from services.identity.usecases.breached import BreachedPasswords, breached_passwords
from services.identity.usecases.sso_oidc import OidcProviders
from services.identity.usecases.sso_providers import Providers, wizards
from shared.auth import private_key
from shared.config import AccessKey, Secrets, signing_key
from shared.hashing import PARAMETERS, Hasher, hashing
from shared.outbound import Outbound
from shared.sealing import Sealer
from shared.service import Ctx, Environment


@dataclass(frozen=True)
class Keys:
    """The first of each list makes new tokens, all of them prove old ones. Which access key signs depends on the time."""

    access: list[tuple[AccessKey, Ed25519PrivateKey]]
    sessions: list[bytes]
    throttles: bytes
    challenges: list[bytes]
    recovery_codes: list[bytes]
    sso: list[bytes]

    @classmethod
    def of(cls, secrets: Secrets) -> Keys:
        masters = [base64.urlsafe_b64decode(master.key + "=" * (-len(master.key) % 4)) for master in secrets.master]
        return cls(
            access=[(key, private_key(key.seed)) for key in secrets.access],
            sessions=[derived_key(master, "session tokens") for master in masters],
            throttles=derived_key(masters[0], "throttles"),
            challenges=[derived_key(master, "challenges") for master in masters],
            recovery_codes=[derived_key(master, "recovery codes") for master in masters],
            sso=[derived_key(master, "single sign-on") for master in masters],
        )

    def signing(self, now: datetime) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs access tokens now, and its name."""
        chosen = signing_key([key for key, _ in self.access], now)
        return next((key.kid, private) for key, private in self.access if key is chosen)


@dataclass(frozen=True)
class Opened:
    hasher: Hasher
    breached: BreachedPasswords
    keys: Keys
    sealer: Sealer
    providers: OidcProviders
    wizards: Mapping[Language, Providers]


def opening(
    outbound: Outbound, parameters: PasswordHasher = PARAMETERS
) -> Callable[[Environment], AbstractAsyncContextManager[Opened]]:
    """How identity opens when providers are asked this way, and passwords hashed like this."""

    @asynccontextmanager
    async def opens(env: Environment) -> AsyncIterator[Opened]:
        async with hashing(parameters) as hasher:
            secrets = env.settings.secrets
            keys, sealer = Keys.of(secrets), Sealer(secrets.master)
            yield Opened(hasher, breached_passwords(), keys, sealer, OidcProviders(outbound), wizards())

    return opens


def opened(ctx: Ctx) -> Opened:
    return cast(Opened, ctx.own)
