"""What sharing opens when it starts: the threads that hash the passwords of links, and the client that fetches pictures."""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from services.sharing.usecases.freshness import Fresh, Freshness
from shared.hashing import Hasher, hashing
from shared.outbound import Outbound, Policy
from shared.service import Ctx, Environment

PICTURE_BYTES = 1024 * 1024
PICTURES_AT_ONCE = 20


@dataclass(frozen=True)
class Opened:
    hasher: Hasher
    link_tokens: bytes
    outbound: Outbound
    freshness: Fresh
    pictures: Semaphore


@asynccontextmanager
async def opens(env: Environment) -> AsyncIterator[Opened]:
    async with hashing() as hasher:
        outbound = Outbound(Policy(bytes=PICTURE_BYTES))
        yield Opened(hasher, env.settings.secrets.bytes("links"), outbound, Freshness(), Semaphore(PICTURES_AT_ONCE))


def opened(ctx: Ctx) -> Opened:
    return cast(Opened, ctx.own)
