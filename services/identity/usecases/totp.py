"""The authenticator app (TOTP, RFC 6238): begun with a QR code, active once a code was shown, removed with the password."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pyotp
from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account
from services.identity.store import accounts, totp
from services.identity.usecases.challenges import BeginAtSignIn, open_challenge, use_up
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import Password, me
from services.identity.usecases.second_factors import Code, enabled, lock_myself, removed
from services.identity.usecases.sso_proofs import prove_oneself
from shared.db import Tx
from shared.errors import Problem
from shared.fields import Message, Nothing, View
from shared.qr import qr_svg
from shared.service import Ctx

ISSUER = "Tenantry"


class TotpState(View):
    """`begun`: a secret was shown, and no code was verified yet. `frozen`: too many wrong codes in a row; a recovery code thaws it."""

    status: Literal["off", "begun", "active", "frozen"]
    active_since: datetime | None


async def read_totp(ctx: Ctx, _: Nothing) -> TotpState:
    """Whether one has an authenticator app."""
    async with ctx.read("") as read:
        app = await totp.of_person(read, ctx.actor.person())
    if app is None:
        return TotpState(status="off", active_since=None)
    if app.active_since is None:
        return TotpState(status="begun", active_since=None)
    return TotpState(status="frozen" if app.is_frozen else "active", active_since=app.active_since)


class TotpBegun(View):
    """One secret in three spellings: as text, as an `otpauth:` address, and that address as a QR code in SVG."""

    secret: str
    uri: str
    qr_svg: str


async def begin_totp(ctx: Ctx, _: Nothing) -> TotpBegun:
    """Shows the secret for an authenticator app, this once. It counts only after a code of it was verified; beginning again replaces it."""
    begun = await _new_app(await me(ctx))
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        await _keep(tx, ctx, account, begun)
    return begun


async def begin_totp_at_sign_in(ctx: Ctx, wanted: BeginAtSignIn) -> TotpBegun:
    """Shows the secret for an authenticator app to who has to set one up before they get in; a code of it answers the challenge."""
    challenge = await open_challenge(ctx, wanted.challenge_id, wanted.token, "enrolment")
    async with ctx.read("") as read:
        account = await accounts.by_id(read, challenge.user_id or "")
    if account is None:
        raise Problem("challenge_ended")
    begun = await _new_app(account)
    async with ctx.tx("") as tx:
        await accounts.lock(tx, account.user_id)
        await use_up(tx, ctx, challenge)
        await _keep(tx, ctx, account, begun)
    return begun


async def _new_app(account: Account) -> TotpBegun:
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
    return TotpBegun(secret=secret, uri=uri, qr_svg=await qr_svg(uri))


async def _keep(tx: Tx, ctx: Ctx, account: Account, begun: TotpBegun) -> None:
    sealed = opened(ctx).sealer.seal(begun.secret, "totp", account.user_id)
    if not await totp.begin(tx, account.user_id, sealed, ctx.now):
        raise Problem(
            "already_exists", "An authenticator app is active. Remove it first.", meta={"because": "app_active"}
        )


class ActivateTotp(Message):
    code: Code


class TotpActive(View):
    """`recovery_codes` are shown this once; the list is empty for who has some already."""

    recovery_codes: list[str]


async def activate_totp(ctx: Ctx, wanted: ActivateTotp) -> TotpActive:
    """Makes the app that was begun count, by a code of it. With a first second factor come ten recovery codes."""
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        app = await totp.lock(tx, account.user_id)
        if app is None:
            raise Problem("conflict", "Begin with POST /v1/me/totp.", meta={"because": "not_begun"})
        if app.active_since is not None:
            raise Problem("already_exists", "An authenticator app is active.", meta={"because": "app_active"})
        codes = await activated(tx, ctx, account, wanted.code)
        if codes is None:
            raise Problem(
                "invalid_code",
                "Look whether the device's clock is right, and type its present code.",
                meta={"because": "clock"},
            )
    return TotpActive(recovery_codes=codes)


async def activated(tx: Tx, ctx: Ctx, account: Account, code: SecretStr) -> list[str] | None:
    """The recovery codes that come with the app which was begun, once a code of it was shown; None when this is none."""
    app = await totp.lock(tx, account.user_id)
    if app is None or app.active_since is not None:
        return None
    secret = opened(ctx).sealer.open(app.sealed, "totp", account.user_id)
    step = rules.step_of(secret, code.get_secret_value(), ctx.now)
    if step is None:
        return None
    await totp.activate(tx, account.user_id, step, ctx.now)
    return await enabled(tx, ctx, account, "totp")


class RemoveTotp(Message):
    """Without a password it takes a proof at one's identity provider, no older than five minutes."""

    password: Password | None = None


async def remove_totp(ctx: Ctx, wanted: RemoveTotp) -> Problem | None:
    """Removes one's authenticator app, and ends all other sessions. The recovery codes go with the last second factor."""
    person = await me(ctx)
    async with ctx.read("") as read:
        app = await totp.of_person(read, person.user_id)
    if app is None or app.active_since is None:
        raise Problem("conflict", "No authenticator app is active.", meta={"because": "no_app"})
    proof = await prove_oneself(ctx, person, wanted.password)
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx, proof)
        if not await totp.remove(tx, account.user_id):
            raise Problem("conflict", "No authenticator app is active.", meta={"because": "no_app"})
        await proof.attempt.forgive(tx, ctx)
        await removed(tx, ctx, account, "totp")
    return None
