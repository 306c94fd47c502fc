"""The present of one organization: everybody's, but for test organizations, whose clock an operator moves ahead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from services.billing.store import clocks
from shared.db import Read
from shared.service import Ctx

M = TypeVar("M")
A = TypeVar("A")


async def keep_own_time(ctx: Ctx, read: Read, org_id: str) -> None:
    """From here on `ctx.now` is this organization's present. Events keep the time at which they are said."""
    ahead = await clocks.ahead(read, org_id)
    if ahead is not None:
        ctx.now = ctx.env.clock.now() + ahead


def in_own_time(use_case: Callable[[Ctx, M], Awaitable[A]]) -> Callable[[Ctx, M], Awaitable[A]]:
    """A use case that looks at the time, of the actor's organization."""

    @wraps(use_case)
    async def timed(ctx: Ctx, message: M) -> A:
        async with ctx.read() as read:
            await keep_own_time(ctx, read, ctx.actor.org())
        return await use_case(ctx, message)

    return timed
