"""Access tokens and refresh tokens: what a session hands out, and how a program gets the next pair."""

from __future__ import annotations

import base64
from dataclasses import replace

import jwt
from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Session
from services.identity.rules.words import device_of
from services.identity.store import accounts, sessions
from services.identity.usecases.opened import opened
from shared.errors import Problem
from shared.events.identity import SessionEnded
from shared.fields import Message, Nothing, View
from shared.service import Answer, Ctx

COOKIE = "__Host-session"


class AccessToken(View):
    """For a session by cookie, which needs none, all but the id is null."""

    session_id: str
    access_token: str | None = None
    token_type: str | None = None
    expires_in: int | None = None


class Tokens(AccessToken):
    refresh_token: str | None = None


def access_token_for(ctx: Ctx, session: Session) -> AccessToken:
    """What a program shows with each request; it says what the session is now."""
    if session.kind == "cookie":
        return AccessToken(session_id=session.session_id)
    seconds = ctx.env.settings.access_token_seconds
    issued = int(ctx.now.timestamp())
    claims = {
        "iss": ctx.env.settings.public_url,
        "aud": "tenantry",
        "sub": session.user_id,
        "sid": session.session_id,
        "amr": list(session.amr),
        "auth_time": int(session.authenticated_at.timestamp()),
        "iat": issued,
        "exp": issued + seconds,
    } | ({"org": session.org_id} if session.org_id else {})
    kid, key = opened(ctx).keys.signing(ctx.now)
    token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"})
    return AccessToken(session_id=session.session_id, access_token=token, token_type="Bearer", expires_in=seconds)  # noqa: S106


def tokens_for(ctx: Ctx, session: Session) -> Tokens:
    access = access_token_for(ctx, session)
    refresh = None if session.kind == "cookie" else rules.session_token(session, opened(ctx).keys.sessions[0])
    return Tokens(**access.model_dump(), refresh_token=refresh)


def cookie_for(ctx: Ctx, session: Session) -> dict[str, str]:
    """The header that sets the console's cookie; nothing for a program's session."""
    if session.kind == "bearer":
        return {}
    value = rules.session_token(session, opened(ctx).keys.sessions[0])
    return {"Set-Cookie": f"{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"}


def no_cookie(session: Session) -> dict[str, str]:
    if session.kind == "bearer":
        return {}
    return {"Set-Cookie": f"{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"}


class Refresh(Message):
    refresh_token: SecretStr


async def refresh(ctx: Ctx, wanted: Refresh) -> Tokens | Problem:
    """The next pair of tokens; the refresh token sent is used up.

    Sent again within 10 seconds it gets the same successor, for answers get lost. Later, or an older one: somebody else has a copy,
    so the session ends.
    """
    presented = rules.read_session_token(wanted.refresh_token.get_secret_value(), "bearer")
    if presented is None:
        raise Problem("session_ended")
    async with ctx.tx("") as tx:
        session = await sessions.lock(tx, presented.session_id, ctx.now)
        if session is None or not presented.is_genuine(session, opened(ctx).keys.sessions):
            raise Problem("session_ended")
        standing = rules.standing_of(presented.generation, session, ctx.now)
        if standing == "reused":
            await sessions.end(tx, session.user_id, session.session_id)
            await tx.emit(
                SessionEnded(
                    user_id=session.user_id,
                    session_id=session.session_id,
                    org_id=session.org_id,
                    reason="token_reused",
                )
            )
            return Problem("session_ended")
        if await accounts.by_id(tx, session.user_id) is None:
            raise Problem("session_ended")
        if standing == "newest":
            session = replace(
                session.rotated(ctx.now),
                source_ip=ctx.request.source_ip,
                user_agent=device_of(ctx.request.user_agent),
            )
            await sessions.keep(tx, session)
        return tokens_for(ctx, session)


class Key(View):
    """An Ed25519 public key (RFC 8037)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class KeySet(View):
    keys: list[Key]


async def key_set(ctx: Ctx, _: Nothing) -> Answer[KeySet]:
    """The keys that prove access tokens (RFC 7517)."""
    keys = [
        Key(kid=key.kid, x=base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("="))
        for key, private in opened(ctx).keys.access
    ]
    return Answer(KeySet(keys=keys), {"Cache-Control": "public, max-age=300"})
