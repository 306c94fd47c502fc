"""Challenges: what stands between a right password, or nothing yet, and a session. Whoever answers shows that they were given it."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Challenge, Kind, Limit
from services.identity.store import challenges
from services.identity.usecases.attempts import Attempt, pay
from services.identity.usecases.opened import opened
from services.identity.usecases.passkey_proofs import request_options
from shared.db import Tx
from shared.errors import Problem
from shared.events.identity import Factor
from shared.fields import Message, View
from shared.ids import new_id
from shared.service import Ctx


class ChallengeView(View):
    """Answer with one of `factors`; after a password a recovery code does as well. The token goes into the answer.

    `passkey` is what a browser's `navigator.credentials.get` is given (PublicKeyCredentialRequestOptionsJSON). `enrolment`: an
    organization requires a second factor and there is none: POST /v1/auth/challenges/{id}/totp, then answer with a code of that app; or
    POST /v1/auth/challenges/{id}/passkey, then answer with the new passkey.
    """

    id: str
    token: str
    factors: list[Factor]
    passkey: dict[str, Any] | None
    enrolment: bool
    expires_at: datetime


class BeginAtSignIn(Message):
    """For who has to set up a second factor before they get in."""

    challenge_id: str
    token: SecretStr


class AskForChallenge(Message):
    keep: Kind = "bearer"


async def ask_for_passkey(ctx: Ctx, wanted: AskForChallenge) -> ChallengeView:
    """Begins a sign-in, or a fresh proof, with a passkey alone: no address and no password are asked for."""
    await pay(ctx, (rules.PASSKEYS_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    challenge = Challenge(new_id("chl"), None, wanted.keep, (), ctx.now + rules.CHALLENGE_LIFE, "passkey")
    async with ctx.tx("") as tx:
        return await begin_challenge(tx, ctx, challenge, ["passkey"], [])


async def begin_challenge(
    tx: Tx, ctx: Ctx, challenge: Challenge, factors: list[Factor], credentials: list[bytes]
) -> ChallengeView:
    await challenges.begin(tx, challenge)
    asked = request_options(ctx, challenge, credentials) if "passkey" in factors else None
    token = rules.challenge_token(challenge.challenge_id, opened(ctx).keys.challenges[0])
    return ChallengeView(
        id=challenge.challenge_id,
        token=token,
        factors=factors,
        passkey=asked,
        enrolment=challenge.purpose == "enrolment",
        expires_at=challenge.expires_at,
    )


async def open_challenge(ctx: Ctx, challenge_id: str, token: SecretStr, *purposes: rules.Purpose) -> Challenge:
    """The challenge, if the token is its own; one of another purpose is answered as if it didn't exist."""
    given = token.get_secret_value().encode()
    tokens = [rules.challenge_token(challenge_id, key).encode() for key in opened(ctx).keys.challenges]
    genuine = [hmac.compare_digest(given, token) for token in tokens]
    async with ctx.read("") as read:
        challenge = await challenges.open_one(read, challenge_id, ctx.now)
    if challenge is None or challenge.purpose not in purposes or not any(genuine):
        raise Problem("challenge_ended")
    return challenge


async def pay_for_answer(ctx: Ctx, challenge: Challenge, user_id: str | None) -> Attempt:
    """Five answers per challenge, and ten an hour over all challenges and factors of a person. Who has none left voids the challenge."""
    source = rules.source_of(ctx.request.source_ip)
    of_person = (rules.BY_SECOND_FACTOR, user_id) if user_id else (rules.BY_SOURCE, source)
    return await pay_for_challenge(ctx, challenge, of_person)


async def pay_for_challenge(ctx: Ctx, challenge: Challenge, *others: tuple[Limit, str]) -> Attempt:
    """Five answers per challenge, and whatever else they cost. Who has none left voids the challenge."""
    try:
        return await pay(ctx, (rules.BY_CHALLENGE, challenge.challenge_id), *others)
    except Problem as refused:
        if refused.status == 429:
            async with ctx.env.database.tx("", ctx.say) as tx:
                await challenges.end(tx, challenge.challenge_id)
        raise


async def use_up(tx: Tx, ctx: Ctx, challenge: Challenge) -> None:
    """Locks the challenge: of many answers at once, one is looked at after the other."""
    if await challenges.lock(tx, challenge.challenge_id, ctx.now) is None:
        raise Problem("challenge_ended")
