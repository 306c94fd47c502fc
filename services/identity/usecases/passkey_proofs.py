"""What a browser is asked for with a passkey, and whether what it answers is right (WebAuthn level 3)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import options_to_json_dict, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.identity import rules
from services.identity.rules import Account, Challenge, Passkey
from services.identity.store import passkeys
from services.identity.usecases.opened import opened
from shared.db import Tx
from shared.service import Ctx

NAME = "Tenantry"
# What the library's parsers of JSON, CBOR and keys raise for what a hostile client may send.
UNREADABLE = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, RecursionError, struct.error)

Proof = Literal["hwk", "swk"]
# What a passkey proves by itself, without a password beside it.
ALONE = ("passkey", "linking")


def request_options(ctx: Ctx, challenge: Challenge, credentials: Sequence[bytes]) -> dict[str, Any]:
    """For `navigator.credentials.get`. Alone, a passkey must also know its person by a finger, a face or a PIN."""
    alone = challenge.purpose in ALONE
    options = webauthn.generate_authentication_options(
        rp_id=_rp_id(ctx),
        challenge=_nonce(ctx, challenge),
        timeout=_milliseconds(),
        allow_credentials=_described(credentials),
        user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED,
    )
    return options_to_json_dict(options)


def creation_options(ctx: Ctx, challenge: Challenge, account: Account, credentials: Sequence[bytes]) -> dict[str, Any]:
    """For `navigator.credentials.create`; no authenticator is registered twice."""
    options = webauthn.generate_registration_options(
        rp_id=_rp_id(ctx),
        rp_name=NAME,
        user_id=account.user_id.encode(),
        user_name=account.email,
        user_display_name=account.name,
        challenge=_nonce(ctx, challenge),
        timeout=_milliseconds(),
        exclude_credentials=_described(credentials),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
    )
    return options_to_json_dict(options)


@dataclass(frozen=True)
class Made:
    """A new passkey as its device shows it; `proof` is the kind of key as RFC 8176 calls it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    proof: Proof


def registered(ctx: Ctx, challenge: Challenge, credential: dict[str, Any]) -> Made | None:
    """The new passkey; None when the answer isn't right."""
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_nonce(ctx, challenge),
            expected_rp_id=_rp_id(ctx),
            expected_origin=_origin(ctx),
        )
    except UNREADABLE:
        return None
    return Made(
        verified.credential_id,
        verified.credential_public_key,
        verified.sign_count,
        _kind_of(verified.credential_device_type),
    )


def read_assertion(credential: dict[str, Any]) -> AuthenticationCredential | None:
    try:
        return parse_authentication_credential_json(credential)
    except UNREADABLE:
        return None


async def passkey_of(tx: Tx, assertion: AuthenticationCredential | None) -> Passkey | None:
    return await passkeys.by_credential(tx, assertion.raw_id) if assertion is not None else None


async def proves(
    tx: Tx, ctx: Ctx, challenge: Challenge, user_id: str, assertion: AuthenticationCredential | None
) -> Proof | None:
    """Whether the person's own passkey has signed this challenge; the kind of key as RFC 8176 calls it. The account is locked."""
    passkey = await passkey_of(tx, assertion)
    if assertion is None or passkey is None or passkey.user_id != user_id:
        return None
    if assertion.response.user_handle not in (None, b"", user_id.encode()):
        return None
    try:
        verified = webauthn.verify_authentication_response(
            credential=assertion,
            expected_challenge=_nonce(ctx, challenge),
            expected_rp_id=_rp_id(ctx),
            expected_origin=_origin(ctx),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=challenge.purpose in ALONE,
        )
    except UNREADABLE:
        return None
    await passkeys.use(tx, passkey.passkey_id, verified.new_sign_count, ctx.now)
    return _kind_of(verified.credential_device_type)


def _kind_of(device: CredentialDeviceType) -> Proof:
    return "hwk" if device == CredentialDeviceType.SINGLE_DEVICE else "swk"


def _nonce(ctx: Ctx, challenge: Challenge) -> bytes:
    return rules.passkey_nonce(challenge.challenge_id, opened(ctx).keys.challenges[0])


def _described(credentials: Sequence[bytes]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=credential) for credential in credentials]


def _milliseconds() -> int:
    return int(rules.CHALLENGE_LIFE.total_seconds() * 1000)


def _rp_id(ctx: Ctx) -> str:
    return urlsplit(ctx.env.settings.public_url).hostname or ""


def _origin(ctx: Ctx) -> str:
    parts = urlsplit(ctx.env.settings.public_url)
    return f"{parts.scheme}://{parts.netloc}"
