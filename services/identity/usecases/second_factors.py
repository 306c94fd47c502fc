"""Second factors, whichever they are: which a person has, whether what is shown is one, and whom their changes are told."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr
from pydantic_core import PydanticCustomError

from services.identity import rules
from services.identity.rules import Account
from services.identity.store import accounts, challenges, passkeys, recovery_codes, sessions, totp
from services.identity.usecases.attempts import Attempt
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import Proof
from shared.db import Read, Tx
from shared.errors import Problem
from shared.events.courier import MailRequested
from shared.events.identity import (
    AllSessionsEnded,
    Factor,
    RecoveryCodeUsed,
    SignInFailed,
    TwoFactorEnabled,
    TwoFactorRemoved,
)
from shared.fields import Message
from shared.ids import ALPHABET
from shared.service import Ctx

Code = Annotated[SecretStr, Field(max_length=64)]


M = TypeVar("M", bound=Message)


def one_of(message: M, *names: str) -> M:
    """Of these fields exactly one is given."""
    if sum(getattr(message, name) is not None for name in names) != 1:
        raise PydanticCustomError("one_of", "give exactly one of {names}", {"names": ", ".join(names)})
    return message


class FactorFrozen(Exception):
    """So many codes in a row were wrong that none of the app's is looked at any more."""


async def second_factor_failed(
    tx: Tx, ctx: Ctx, user_id: str, attempt: Attempt, problem: Literal["invalid_code", "factor_frozen"] = "invalid_code"
) -> Problem:
    """To be returned, for the failure to be kept. After the last answer of the hour none is looked at, which is told with it."""
    reason: Literal["second_factor", "second_factor_locked", "second_factor_frozen"] = "second_factor"
    if problem == "factor_frozen":
        reason = "second_factor_frozen"
    elif rules.BY_SECOND_FACTOR in attempt.spent:
        reason = "second_factor_locked"
    await tx.emit(SignInFailed(user_id=user_id, reason=reason, source_ip=ctx.request.source_ip))
    return Problem(problem)


async def factors_of(read: Read, user_id: str) -> list[Factor]:
    app = await totp.of_person(read, user_id)
    factors: list[Factor] = ["totp"] if app is not None and app.active_since is not None else []
    return [*factors, "passkey"] if await passkeys.count(read, user_id) else factors


async def is_totp(tx: Tx, ctx: Ctx, user_id: str, code: SecretStr) -> bool:
    """Whether this is the person's present code, which is used up; FactorFrozen when none is. The attempt was paid for, and the account is locked."""
    app = await totp.lock(tx, user_id)
    if app is None or app.active_since is None:
        return False
    if app.is_frozen:
        raise FactorFrozen
    step = rules.step_of(opened(ctx).sealer.open(app.sealed, "totp", user_id), code.get_secret_value(), ctx.now)
    if step is not None and await totp.accept(tx, user_id, step):
        return True
    await totp.count_wrong(tx, user_id)
    return False


async def is_recovery_code(tx: Tx, ctx: Ctx, account: Account, code: SecretStr) -> bool:
    """Whether this is one of the person's codes, which is used up, and they are told."""
    given = code.get_secret_value()
    digests = [rules.recovery_digest(account.user_id, given, key) for key in opened(ctx).keys.recovery_codes]
    if not await recovery_codes.use(tx, account.user_id, digests):
        return False
    await totp.thaw(tx, account.user_id)
    left, _ = await recovery_codes.left(tx, account.user_id)
    ctx.speak_as(account.user_id, ctx.actor.amr)
    await tx.emit(RecoveryCodeUsed(user_id=account.user_id, left=left, source_ip=ctx.request.source_ip))
    await tx.emit(mail_to(account, "recovery_code_used", left=str(left)))
    return True


async def new_recovery_codes(tx: Tx, ctx: Ctx, user_id: str) -> list[str]:
    """A new set, shown this once; 80 random bits each."""
    made = [
        "".join(secrets.choice(ALPHABET) for _ in range(rules.RECOVERY_LETTERS)) for _ in range(rules.RECOVERY_CODES)
    ]
    key = opened(ctx).keys.recovery_codes[0]
    await recovery_codes.replace(tx, user_id, [rules.recovery_digest(user_id, code, key) for code in made], ctx.now)
    return ["-".join(code[n : n + 4] for n in range(0, len(code), 4)) for code in made]


async def enabled(tx: Tx, ctx: Ctx, account: Account, factor: Factor) -> list[str]:
    """Tells of a factor that was just added. The recovery codes that come with a first one are answered."""
    factors = await factors_of(tx, account.user_id)
    await challenges.end_all(tx, account.user_id)
    ctx.speak_as(account.user_id, ctx.actor.amr)
    await tx.emit(TwoFactorEnabled(user_id=account.user_id, factor=factor, factors=factors))
    await tx.emit(mail_to(account, "two_factor_enabled"))
    left, _ = await recovery_codes.left(tx, account.user_id)
    return [] if left else await new_recovery_codes(tx, ctx, account.user_id)


async def removed(tx: Tx, ctx: Ctx, account: Account, factor: Factor) -> None:
    """Tells of a factor that its person just removed. All other sessions end; the recovery codes go with the last factor."""
    factors = await factors_of(tx, account.user_id)
    if not factors:
        await recovery_codes.remove(tx, account.user_id)
    await challenges.end_all(tx, account.user_id)
    await tx.emit(TwoFactorRemoved(user_id=account.user_id, removed=[factor], factors=factors))
    await tx.emit(mail_to(account, "two_factor_removed"))
    session_id = ctx.actor.session_id or ""
    if await sessions.end_others(tx, account.user_id, session_id):
        await tx.emit(
            AllSessionsEnded(user_id=account.user_id, reason="two_factor_removed", except_session_id=session_id)
        )


async def forget_factors(tx: Tx, user_id: str) -> list[Factor]:
    """All of a person's factors, recovery codes and open challenges go; answers which factors they were."""
    factors = await factors_of(tx, user_id)
    await totp.remove(tx, user_id)
    await passkeys.remove_all(tx, user_id)
    await recovery_codes.remove(tx, user_id)
    await challenges.end_all(tx, user_id)
    return factors


async def remove_factors_since(tx: Tx, user_id: str, since: datetime) -> None:
    """What whoever held the account since then has set up is no factor any more, nor do recovery codes count that they were shown."""
    kinds: tuple[tuple[Factor, bool], ...] = (
        ("totp", await totp.remove_since(tx, user_id, since)),
        ("passkey", await passkeys.remove_since(tx, user_id, since)),
    )
    await recovery_codes.remove_since(tx, user_id, since)
    gone, factors = [factor for factor, was_there in kinds if was_there], await factors_of(tx, user_id)
    if not factors:
        await recovery_codes.remove(tx, user_id)
    await challenges.end_all(tx, user_id)
    if gone:
        await tx.emit(TwoFactorRemoved(user_id=user_id, removed=gone, factors=factors))


async def lock_myself(tx: Tx, ctx: Ctx, proof: Proof | None = None) -> Account:
    """The acting person's account, locked, while their session lives and the password that was proven is still theirs."""
    account = await accounts.lock(tx, ctx.actor.person())
    if account is None or await sessions.lock(tx, ctx.actor.session_id or "", ctx.now) is None:
        raise Problem("session_ended")
    if proof is not None and account.password_hash != proof.account.password_hash:
        raise Problem("conflict", "The password was changed meanwhile.", meta={"because": "password_changed"})
    return account


Told = Literal[
    "two_factor_enabled",
    "two_factor_removed",
    "two_factor_removed_for_you",
    "two_factor_removed_for_another",
    "two_factor_required",
    "two_factor_due",
    "recovery_codes_renewed",
    "recovery_code_used",
    "sso_activated",
    "sso_switched_off",
    "sso_linked",
    "sso_certificate_expiring",
    "sso_metadata_changed",
    "break_glass_used",
]


def mail_to(account: Account, template: Told, **values: str) -> MailRequested:
    return MailRequested(
        about=account.user_id,
        to=account.email,
        template=template,
        values={"name": account.name, **values},
        language=account.language,
    )
