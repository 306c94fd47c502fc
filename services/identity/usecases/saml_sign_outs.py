"""Single logout by SAML: the way to the provider for who signs out here, and what the browser brings from there."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field

from services.identity import rules
from services.identity.rules.saml.redirects import LONGEST_RELAY_STATE, Redirected, address_with, read_redirect
from services.identity.rules.saml.sign_outs import (
    check_sign_out_response,
    read_sign_out,
    sign_out_request,
    sign_out_response,
)
from services.identity.rules.sso import SIGN_OUTS_BY_SOURCE, Connection, SamlSettings, StepFailed
from services.identity.store import sso_connections, sso_sessions
from services.identity.usecases.attempts import pay
from services.identity.usecases.saml_requests import own_key, service_provider
from services.identity.usecases.sso_flows import SIGNED_OUT_PAGE, public_url
from services.identity.usecases.sso_sessions import end_ours
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.fields import Message
from shared.ids import ConnectionId
from shared.service import Answer, Ctx


async def sign_out_url(
    ctx: Ctx, connection: Connection, settings: SamlSettings, session: str | None, hint: Mapping[str, str]
) -> str | None:
    """Where a browser signs out at the provider; None when it has no such place."""
    if settings.slo_url is None:
        return None
    us = service_provider(ctx, connection.connection_id)
    asked = sign_out_request(us, _new_id(), settings.slo_url, hint, session, ctx.now)
    return address_with(settings.slo_url, "SAMLRequest", asked, key=await own_key(ctx, connection))


class HearSaml(Message):
    """The HTTP-Redirect binding. The signature is over the letters of the query as they came, so it is read from there."""

    connection_id: ConnectionId
    request: Annotated[str, Field(alias="SAMLRequest")] = ""
    response: Annotated[str, Field(alias="SAMLResponse")] = ""


async def single_logout(ctx: Ctx, given: HearSaml) -> Answer[None]:
    """The single logout service of a connection: ends what began by the sessions that a signed LogoutRequest names, and answers it at the provider.

    With a LogoutResponse the browser comes back that we sent there; it goes on to a page of the console, as it does with what isn't right.
    """
    await pay(ctx, (SIGN_OUTS_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, given.connection_id)
    if connection is None or connection.protocol != "saml":
        raise Problem("not_found")
    try:
        if connection.saml is None:
            raise StepFailed("connection", "the provider's metadata was never imported")
        carried = read_redirect(ctx.request.query, connection.saml.certificates, ctx.now)
        if carried.name == "SAMLResponse":
            check_sign_out_response(carried, service_provider(ctx, connection.connection_id), connection.saml)
            return _page(ctx, {})
        return await _carried_out(ctx, connection, connection.saml, carried)
    except StepFailed as failure:
        return _page(ctx, {"failed": failure.step, "trace": ctx.request.id or ""})


async def _carried_out(ctx: Ctx, connection: Connection, settings: SamlSettings, carried: Redirected) -> Answer[None]:
    us = service_provider(ctx, connection.connection_id)
    told = read_sign_out(carried, us, settings, ctx.now)
    async with ctx.tx(EVERY_ORG) as tx:
        where = (connection.org_id, connection.connection_id)
        if not await sso_sessions.hear(tx, *where, told.message_id, told.until):
            raise StepFailed("replay", "this logout request was used already")
        await end_ours(tx, ctx, connection, told.subject, told.sessions or None)
    place = settings.slo_response_url or settings.slo_url
    if place is None:
        return _page(ctx, {})
    answer = sign_out_response(us, _new_id(), place, told.message_id, ctx.now)
    relay_state = carried.relay_state
    if relay_state is not None and len(relay_state.encode()) > LONGEST_RELAY_STATE:
        relay_state = None
    location = address_with(place, "SAMLResponse", answer, relay_state, await own_key(ctx, connection))
    return Answer(None, {"Location": location}, status=303)


def _page(ctx: Ctx, told: Mapping[str, str]) -> Answer[None]:
    query = f"?{urlencode(told)}" if told else ""
    return Answer(None, {"Location": f"{public_url(ctx)}{SIGNED_OUT_PAGE}{query}"}, status=303)


def _new_id() -> str:
    """An id as XML wants it: it begins with a letter."""
    return f"so{secrets.token_urlsafe(24)}"
