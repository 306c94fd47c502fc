"""Signing out: here, where else one may sign out then, and what OpenID Connect providers tell of who signed out there."""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from pydantic import Field, SecretStr

from services.identity import rules
from services.identity.rules.oidc_sign_out import end_session_url
from services.identity.rules.sso import SIGN_OUTS_BY_SOURCE, Connection, Provider, StepFailed
from services.identity.store import sessions, sso_connections, sso_sessions
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.saml_sign_outs import sign_out_url
from services.identity.usecases.sso_flows import SIGNED_OUT_PAGE, public_url
from services.identity.usecases.sso_sessions import end_ours, told_by
from services.identity.usecases.tokens import no_cookie
from shared.db import EVERY_ORG, Read
from shared.errors import Problem
from shared.events.identity import SessionEnded
from shared.fields import Message, Nothing, View
from shared.ids import ConnectionId
from shared.sealing import LostKey
from shared.service import Answer, Ctx


class AtProvider(View):
    """Send the browser to `url` to sign out at the provider too; it comes back to `/console/signed-out`."""

    name: str
    provider: Provider
    url: str


class SignedOut(View):
    """`at_provider`: the session began at a provider where one can sign out, and where the person still is signed in."""

    at_provider: AtProvider | None


async def sign_out(ctx: Ctx, _: Nothing) -> Answer[SignedOut]:
    """Ends the session that asks, as `DELETE /v1/me/sessions/current` does, and says where at its provider one may sign out as well."""
    async with ctx.tx(EVERY_ORG) as tx:
        elsewhere = await _at_provider(tx, ctx, ctx.actor.session_id or "")
        session = await sessions.end(tx, ctx.actor.person(), ctx.actor.session_id or "")
        if session is None:
            raise Problem("session_ended")
        await tx.emit(
            SessionEnded(
                user_id=session.user_id, session_id=session.session_id, org_id=session.org_id, reason="signed_out"
            )
        )
    return Answer(SignedOut(at_provider=elsewhere), no_cookie(session))


async def _at_provider(read: Read, ctx: Ctx, session_id: str) -> AtProvider | None:
    there = await sso_sessions.newest_of(read, session_id)
    connection = await sso_connections.by_id(read, there.connection_id) if there else None
    if there is None or connection is None:
        return None
    try:
        session, hint = told_by(ctx, there)
        if connection.saml is not None:
            url = await sign_out_url(ctx, connection, connection.saml, session, hint)
        else:
            back = f"{public_url(ctx)}{SIGNED_OUT_PAGE}"
            url = end_session_url(connection.oidc, hint, back) if connection.oidc else None
    except (LostKey, InvalidTag):
        return None  # a lost master key takes the offer away, and never the way out
    return AtProvider(name=connection.name, provider=connection.provider, url=url) if url else None


class HearSignOut(Message):
    """The form of OpenID Connect Back-Channel Logout 1.0 §2.5."""

    connection_id: ConnectionId
    logout_token: Annotated[SecretStr, Field(max_length=16 * 1024)]


class Heard(View):
    heard: Literal[True] = True


async def hear_sign_out(ctx: Ctx, given: HearSignOut) -> Answer[Heard]:
    """Where an OpenID Connect provider tells that somebody signed out there: what began by that session, or by any of that person, ends.

    Only sessions of this connection are meant. The provider's signature is its credential; what isn't right is refused with the reason.
    """
    await pay(ctx, (SIGN_OUTS_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    connection = await _connection(ctx, given.connection_id)
    try:
        if connection.oidc is None:
            raise StepFailed("connection", "the provider's metadata was never imported")
        token = given.logout_token.get_secret_value()
        told = await opened(ctx).providers.hear_sign_out(connection.oidc, token, ctx.now)
    except StepFailed as failure:
        raise Problem("sign_out_refused", failure.cause, meta={"step": failure.step}) from None
    async with ctx.tx(EVERY_ORG) as tx:
        where = (connection.org_id, connection.connection_id)
        if not await sso_sessions.hear(tx, *where, told.message_id, told.until):
            raise Problem("sign_out_refused", "this logout token was used already", meta={"step": "replay"})
        await end_ours(tx, ctx, connection, told.subject, (told.session,) if told.session else None)
    return Answer(Heard())


async def _connection(ctx: Ctx, connection_id: str) -> Connection:
    """Whatever its status: sessions outlive a connection that was switched off, and ending them only takes away."""
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, connection_id)
    if connection is None or connection.protocol != "oidc":
        raise Problem("not_found")
    return connection
