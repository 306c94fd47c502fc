"""How often one may try: an attempt is paid for before it is looked at, in a transaction of its own, and given back when it ends well."""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass

from services.identity.rules import BY_DEVICE, BY_SECOND_FACTOR, Limit, source_of, spend, take_back
from services.identity.rules.words import device_of
from services.identity.store import known_devices, throttles
from services.identity.usecases.opened import opened
from shared.db import Tx
from shared.errors import Problem
from shared.service import Ctx


@dataclass(frozen=True)
class Attempt:
    """What was paid for one attempt. `spent` are the limits by which the next one has to wait, `device` tells whose device it came from."""

    limits: dict[str, Limit]
    spent: tuple[Limit, ...] = ()
    device: tuple[str, str] | None = None

    async def forgive(self, tx: Tx, ctx: Ctx) -> None:
        budgets = await throttles.lock(tx, list(self.limits), ctx.now)
        await throttles.keep(tx, {name: take_back(budgets[name], self.limits[name], ctx.now) for name in self.limits})
        if self.device is not None:
            await known_devices.remember(tx, *self.device, ctx.now)


async def pay(ctx: Ctx, *charges: tuple[Limit, str]) -> Attempt:
    """Counts an attempt against each limit, or refuses it with `rate_limited`, which costs nothing; of a person's second factors `second_factor_locked`.

    Whether an account exists makes no difference: what is counted is the address that was typed.
    """
    limits = {_bucket(ctx, limit, of): limit for limit, of in charges}
    async with ctx.env.database.tx("", ctx.say) as tx:
        budgets = await throttles.lock(tx, list(limits), ctx.now)
        wait = max(budget.wait(ctx.now) for budget in budgets.values())
        if wait:
            locked = any(limits[name] == BY_SECOND_FACTOR and budget.wait(ctx.now) for name, budget in budgets.items())
            raise Problem(
                "second_factor_locked" if locked else "rate_limited",
                retry_after=math.ceil(wait.total_seconds()),
                meta={"until": (ctx.now + wait).isoformat()} if locked else {},
            )
        after = {name: spend(budgets[name], limit, ctx.now) for name, limit in limits.items()}
        await throttles.keep(tx, after)
    return Attempt(limits, tuple(limits[name] for name, budget in after.items() if budget.wait(ctx.now)))


async def clear(tx: Tx, ctx: Ctx, *charges: tuple[Limit, str]) -> None:
    """Takes back what others paid, when what they tried at is no more."""
    await Attempt({_bucket(ctx, limit, of): limit for limit, of in charges}).forgive(tx, ctx)


def device_asking(ctx: Ctx, user_id: str) -> str:
    """A digest of who is meant, and of the network and browser that ask."""
    browser = device_of(ctx.request.user_agent) or ""
    return _bucket(ctx, BY_DEVICE, f"{user_id}\n{source_of(ctx.request.source_ip)}\n{browser}")


def _bucket(ctx: Ctx, limit: Limit, of: str) -> str:
    return hmac.new(opened(ctx).keys.throttles, f"{limit.name}\n{of}".encode(), hashlib.sha256).hexdigest()
