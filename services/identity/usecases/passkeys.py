"""One's own passkeys: added with a fresh proof, named, removed with the password."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Challenge, Passkey
from services.identity.store import challenges, passkeys
from services.identity.usecases.challenges import open_challenge, use_up
from services.identity.usecases.opened import opened
from services.identity.usecases.passkey_proofs import creation_options, registered
from services.identity.usecases.passwords import Password, me
from services.identity.usecases.second_factors import enabled, lock_myself, removed
from services.identity.usecases.sso_proofs import prove_oneself
from shared.errors import Problem
from shared.fields import Message, Name, Nothing, View
from shared.ids import new_id
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx


class PasskeyBegun(View):
    """`passkey` is what a browser's `navigator.credentials.create` is given (PublicKeyCredentialCreationOptionsJSON)."""

    id: str
    token: str
    passkey: dict[str, Any]
    expires_at: datetime


async def begin_passkey(ctx: Ctx, _: Nothing) -> PasskeyBegun:
    """Begins a new passkey; the browser's answer goes to POST /v1/me/passkeys."""
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        known = [passkey.credential_id for passkey in await passkeys.of_person(tx, account.user_id)]
        challenge = Challenge(
            new_id("chl"), account.user_id, "bearer", (), ctx.now + rules.CHALLENGE_LIFE, "registration"
        )
        await challenges.begin(tx, challenge)
    return PasskeyBegun(
        id=challenge.challenge_id,
        token=rules.challenge_token(challenge.challenge_id, opened(ctx).keys.challenges[0]),
        passkey=creation_options(ctx, challenge, account, known),
        expires_at=challenge.expires_at,
    )


class AddPasskey(Message):
    """`credential` is the browser's answer as `toJSON()` writes it (RegistrationResponseJSON)."""

    challenge_id: str
    token: SecretStr
    name: Name
    credential: dict[str, Any]


class PasskeyView(View):
    id: str
    name: str
    added_at: datetime
    last_used_at: datetime | None


class PasskeyAdded(PasskeyView):
    """`recovery_codes` are shown this once; the list is empty for who has some already."""

    recovery_codes: list[str]


async def add_passkey(ctx: Ctx, wanted: AddPasskey) -> PasskeyAdded:
    """Adds a passkey. With a first second factor come ten recovery codes."""
    challenge = await open_challenge(ctx, wanted.challenge_id, wanted.token, "registration")
    made = registered(ctx, challenge, wanted.credential)
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        if challenge.user_id != account.user_id:
            raise Problem("challenge_ended")
        await use_up(tx, ctx, challenge)
        if made is None:
            raise Problem("invalid_code", "This isn't what a passkey answers to these options.")
        if await passkeys.count(tx, account.user_id) >= rules.MOST_PASSKEYS:
            raise Problem("conflict", f"Nobody has more than {rules.MOST_PASSKEYS} passkeys. Remove one first.")
        passkey = Passkey(new_id("psk"), account.user_id, *made, name=wanted.name, added_at=ctx.now)
        if not await passkeys.add(tx, passkey):
            raise Problem("already_exists", "This passkey is registered already.")
        await challenges.end(tx, challenge.challenge_id)
        codes = await enabled(tx, ctx, account, "passkey")
    return PasskeyAdded(**_view(passkey).model_dump(), recovery_codes=codes)


class ListPasskeys(ListQuery):
    """One's own passkeys."""


async def list_passkeys(ctx: Ctx, query: ListPasskeys) -> Page[PasskeyView]:
    """One's own passkeys, the oldest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    user_id = ctx.actor.person()
    async with ctx.read("") as read:
        rows = await passkeys.of_person(read, user_id, position[0] if position else "", query.limit + 1)
        total = await passkeys.count(read, user_id)
    return cursors.page([_view(row) for row in rows], query, lambda view: [view.id], total)


class RenamePasskey(Message):
    passkey_id: str
    name: Name


async def rename_passkey(ctx: Ctx, wanted: RenamePasskey) -> PasskeyView:
    """Gives one of one's passkeys another name."""
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx)
        passkey = await passkeys.rename(tx, account.user_id, wanted.passkey_id, wanted.name)
        if passkey is None:
            raise Problem("not_found")
    return _view(passkey)


class RemovePasskey(Message):
    """Without a password it takes a proof at one's identity provider, no older than five minutes."""

    passkey_id: str
    password: Password | None = None


async def remove_passkey(ctx: Ctx, wanted: RemovePasskey) -> Problem | None:
    """Removes one of one's passkeys, and ends all other sessions. The recovery codes go with the last second factor."""
    person = await me(ctx)
    async with ctx.read("") as read:
        if not await passkeys.exists(read, person.user_id, wanted.passkey_id):
            raise Problem("not_found")
    proof = await prove_oneself(ctx, person, wanted.password)
    if isinstance(proof, Problem):
        return proof
    async with ctx.tx("") as tx:
        account = await lock_myself(tx, ctx, proof)
        if not await passkeys.remove(tx, account.user_id, wanted.passkey_id):
            raise Problem("not_found")
        await proof.attempt.forgive(tx, ctx)
        await removed(tx, ctx, account, "passkey")
    return None


def _view(passkey: Passkey) -> PasskeyView:
    return PasskeyView(
        id=passkey.passkey_id, name=passkey.name, added_at=passkey.added_at, last_used_at=passkey.last_used_at
    )
