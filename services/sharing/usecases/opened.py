"""What sharing opens when it starts: the threads that hash the passwords of links, the client that fetches pictures, and where questions are gathered."""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from services.sharing.store.access import Facts, facts
from services.sharing.usecases.freshness import Fresh, Freshness
from shared.gathering import Gathering
from shared.hashing import Hasher, hashing
from shared.outbound import Outbound, Policy
from shared.service import Ctx, Environment

PICTURE_BYTES = 1024 * 1024
PICTURES_AT_ONCE = 20
QUESTIONS_AT_ONCE = 100


@dataclass(frozen=True)
class Opened:
    hasher: Hasher
    link_tokens: bytes
    outbound: Outbound
    freshness: Fresh
    pictures: Semaphore
    facts: Gathering[tuple[str, str], Facts]


@asynccontextmanager
async def opens(env: Environment) -> AsyncIterator[Opened]:
    async with hashing() as hasher:
        outbound = Outbound(Policy(bytes=PICTURE_BYTES))
        links, pictures = env.settings.secrets.bytes("links"), Semaphore(PICTURES_AT_ONCE)
        yield Opened(hasher, links, outbound, Freshness(), pictures, Gathering(facts_from(env), QUESTIONS_AT_ONCE))


def facts_from(env: Environment) -> Callable[[str, Sequence[tuple[str, str]]], Awaitable[list[Facts]]]:
    """What decisions about (user, dashboard) need, from one statement."""

    async def answer(org_id: str, asked: Sequence[tuple[str, str]]) -> list[Facts]:
        async with env.database.read(org_id) as read:
            return await facts(read, org_id, asked)

    return answer


def opened(ctx: Ctx) -> Opened:
    return cast(Opened, ctx.own)
