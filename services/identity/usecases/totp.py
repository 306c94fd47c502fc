"""The authenticator app (TOTP, RFC 6238): begun with a QR code, active once a code was shown, removed with the password."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime
from typing import Literal

import pyotp
import segno

from services.identity import rules
from services.identity.store import totp
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import Password, me, prove_password
from services.identity.usecases.second_factors import Code, enabled, lock_myself, removed
from shared.errors import Problem
from shared.fields import Message, Nothing, View
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
    account = await me(ctx)
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
    drawn = await asyncio.to_thread(_qr_svg, uri)
    async with ctx.tx("") as tx:
        await lock_myself(tx, ctx)
        if not await totp.begin(tx, account.user_id, opened(ctx).sealer.seal(secret, "totp", account.user_id), ctx.now):
            raise Problem("already_exists", "An authenticator app is active. Remove it first.")
    return TotpBegun(secret=secret, uri=uri, qr_svg=drawn)


def _qr_svg(uri: str) -> str:
    drawn = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(drawn, kind="svg", scale=4, light="white", xmldecl=False, nl=False)
    return drawn.getvalue().decode()


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
            raise Problem("conflict", "Begin with POST /v1/me/totp.")
        if app.active_since is not None:
            raise Problem("already_exists", "An authenticator app is active.")
        secret = opened(ctx).sealer.open(app.sealed, "totp", account.user_id)
        step = rules.step_of(secret, wanted.code.get_secret_value(), ctx.now)
        if step is None:
            raise Problem("invalid_code", "Look whether the device's clock is right, and type its present code.")
        await totp.activate(tx, account.user_id, step, ctx.now)
        return TotpActive(recovery_codes=await enabled(tx, ctx, account, "totp"))


class RemoveTotp(Message):
    password: Password


async def remove_totp(ctx: Ctx, wanted: RemoveTotp) -> Problem | None:
    """Removes one's authenticator app, and ends all other sessions. The recovery codes go with the last second factor."""
    person = await me(ctx)
    async with ctx.read("") as read:
        app = await totp.of_person(read, person.user_id)
    if app is None or app.active_since is None:
        raise Problem("conflict", "No authenticator app is active.")
    proof = await prove_password(ctx, person.canonical_email, wanted.password.get_secret_value())
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx, proof)
        if not await totp.remove(tx, account.user_id):
            raise Problem("conflict", "No authenticator app is active.")
        await proof.attempt.forgive(tx, ctx)
        await removed(tx, ctx, account, "totp")
    return None
