"""One's own passkeys: added with a fresh proof, named, removed with the password."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account, Challenge, Passkey
from services.identity.store import accounts, challenges, passkeys
from services.identity.usecases.challenges import BeginAtSignIn, open_challenge, use_up
from services.identity.usecases.opened import opened
from services.identity.usecases.passkey_proofs import Made, creation_options, registered
from services.identity.usecases.passwords import Password, me
from services.identity.usecases.second_factors import enabled, lock_myself, removed
from services.identity.usecases.sso_proofs import prove_oneself
from shared.db import Tx
from shared.errors import Problem
from shared.events.identity import PasskeyRenamed
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
            raise Problem(
                "invalid_code", "This isn't what a passkey answers to these options.", meta={"because": "passkey"}
            )
        if await passkeys.count(tx, account.user_id) >= rules.MOST_PASSKEYS:
            raise Problem(
                "conflict",
                f"Nobody has more than {rules.MOST_PASSKEYS} passkeys. Remove one first.",
                meta={"because": "too_many_passkeys", "limit": rules.MOST_PASSKEYS},
            )
        await challenges.end(tx, challenge.challenge_id)
        passkey, codes = await added(tx, ctx, account, wanted.name, made)
    return PasskeyAdded(**_view(passkey).model_dump(), recovery_codes=codes)


async def added(tx: Tx, ctx: Ctx, account: Account, name: str, made: Made) -> tuple[Passkey, list[str]]:
    """Keeps a passkey that was just made; with a first second factor come its recovery codes."""
    facts = (made.credential_id, made.public_key, made.sign_count)
    passkey = Passkey(new_id("psk"), account.user_id, *facts, name=name, added_at=ctx.now)
    if not await passkeys.add(tx, passkey):
        raise Problem("already_exists", "This passkey is registered already.", meta={"because": "passkey"})
    return passkey, await enabled(tx, ctx, account, "passkey")


class PasskeyOptions(View):
    """`passkey` is what a browser's `navigator.credentials.create` is given (PublicKeyCredentialCreationOptionsJSON)."""

    passkey: dict[str, Any]


async def begin_passkey_at_sign_in(ctx: Ctx, wanted: BeginAtSignIn) -> PasskeyOptions:
    """Begins a passkey for who has to set up a second factor before they get in; the browser's answer (`new_passkey`) answers the challenge."""
    challenge = await open_challenge(ctx, wanted.challenge_id, wanted.token, "enrolment")
    async with ctx.read("") as read:
        account = await accounts.by_id(read, challenge.user_id or "")
    if account is None:
        raise Problem("challenge_ended")
    return PasskeyOptions(passkey=creation_options(ctx, challenge, account, []))


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
        known = {passkey.passkey_id: passkey for passkey in await passkeys.of_person(tx, account.user_id)}
        before = known.get(wanted.passkey_id)
        passkey = await passkeys.rename(tx, account.user_id, wanted.passkey_id, wanted.name)
        if before is None or passkey is None:
            raise Problem("not_found")
        if before.name != passkey.name:
            previous = {"name": before.name}
            told = PasskeyRenamed(
                user_id=account.user_id, passkey_id=passkey.passkey_id, name=passkey.name, previous=previous
            )
            await tx.emit(told)
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
