"""Decisions are made from what org and billing said. When it can't be shown that nothing newer was said, nobody is told yes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from services.sharing.store import freshness as store
from shared.errors import Problem
from shared.service import Ctx

SOURCES = ("org", "billing")
SILENT_SECONDS = 15.0  # three signs of life
BEHIND_SECONDS = 5.0
BELIEVED_SECONDS = 1.0
MOST_PROVEN = 10_000


class Fresh(Protocol):
    async def check(self, ctx: Ctx, org_id: str) -> None:
        """Raises a 503 when what is known of this organization may be out of date."""


@dataclass
class Freshness:
    """Signs of life are looked up once a second for all organizations. A source that is silent is asked, by another way than the bus, how much it has said."""

    silent_seconds: float = SILENT_SECONDS
    _silent: tuple[str, ...] = ()
    _behind: frozenset[str] = frozenset()
    _looked_at: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _proven: dict[str, float] = field(default_factory=dict)

    async def check(self, ctx: Ctx, org_id: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > BELIEVED_SECONDS:
            await self._look(ctx)
        if org_id in self._behind:
            raise _stale("Something that happened in this organization can't be applied here yet.")
        if self._silent and now - self._proven.get(org_id, float("-inf")) > BELIEVED_SECONDS:
            await asyncio.gather(*(self._prove(ctx, source, org_id) for source in self._silent))
            if len(self._proven) >= MOST_PROVEN:
                self._proven.clear()
            self._proven[org_id] = now

    async def _look(self, ctx: Ctx) -> None:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at <= BELIEVED_SECONDS:
                return
            async with ctx.env.database.read("") as read:
                self._silent = tuple(await store.silent(read, SOURCES, self.silent_seconds))
                self._behind = await store.behind(read, SOURCES, BEHIND_SECONDS)
            self._looked_at = now

    async def _prove(self, ctx: Ctx, source: str, org_id: str) -> None:
        """Everything that the source has said of the organization is applied here. It is asked first: what it says later is later."""
        try:
            answer = await ctx.env.internal.call(
                source, "GET", "/internal/organization-events/newest", query={"org_id": org_id}
            )
        except Problem as away:
            raise _stale(f"Whether {source} has said something newer can't be found out.") from away
        async with ctx.env.database.read("") as read:
            if await store.applied(read, source, org_id) < int(answer["sequence"]):
                raise _stale(f"What {source} has said hasn't arrived here yet.")


def _stale(detail: str) -> Problem:
    return Problem("not_yet_consistent", detail, retry_after=2, meta={"because": "stale"})
