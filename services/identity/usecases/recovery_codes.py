"""Recovery codes: ten that work once each where a second factor is asked for, shown when they are made and never again."""

from __future__ import annotations

from datetime import datetime

from services.identity.store import recovery_codes
from services.identity.usecases.second_factors import factors_of, lock_myself, mail_to, new_recovery_codes
from shared.errors import Problem
from shared.events.identity import RecoveryCodesRenewed
from shared.fields import Nothing, View
from shared.service import Ctx


class RecoveryCodesLeft(View):
    left: int
    made_at: datetime | None


async def read_recovery_codes(ctx: Ctx, _: Nothing) -> RecoveryCodesLeft:
    """How many recovery codes one has left."""
    async with ctx.read("") as read:
        left, made_at = await recovery_codes.left(read, ctx.actor.person())
    return RecoveryCodesLeft(left=left, made_at=made_at)


class RecoveryCodes(View):
    recovery_codes: list[str]


async def renew_recovery_codes(ctx: Ctx, _: Nothing) -> RecoveryCodes:
    """Makes ten new recovery codes, shown this once; no earlier one works any more."""
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        if not await factors_of(tx, account.user_id):
            raise Problem(
                "conflict",
                "Recovery codes stand in for a second factor. Add one first.",
                meta={"because": "no_second_factor"},
            )
        made = await new_recovery_codes(tx, ctx, account.user_id)
        await tx.emit(RecoveryCodesRenewed(user_id=account.user_id))
        await tx.emit(mail_to(account, "recovery_codes_renewed"))
    return RecoveryCodes(recovery_codes=made)
