"""OpenID Connect in the browser: out to the provider, and back with a code."""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from services.identity import rules
from services.identity.rules import flows, oidc
from services.identity.rules.flows import Flow
from services.identity.rules.oidc import Asked
from services.identity.rules.sso import SSO_BY_SOURCE, Connection, StepFailed
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.sso_flows import (
    asked,
    came_back,
    connection_to_use,
    cookie_of,
    failed,
    flow_returned,
    new_flow,
    provider_url,
    use_up,
)
from shared.fields import Email, Message
from shared.ids import ConnectionId
from shared.service import Answer, Ctx

ERRORS = {
    "access_denied": "the provider says that access was denied: is the person assigned to the application there?",
    "login_required": "the provider wants the person to sign in there first",
    "interaction_required": "the provider needs to ask the person something first",
    "invalid_request": "the provider found the request invalid: is the redirect address registered there?",
    "invalid_scope": "the provider doesn't allow the scopes openid, email and profile",
    "unauthorized_client": "the provider doesn't let this client sign people in",
    "server_error": "the provider had an error of its own",
    "temporarily_unavailable": "the provider is busy",
    "other_error": "the provider answered with an error",
}


def _own_path(path: str) -> str:
    if not flows.is_return_to(path):
        raise ValueError("must be a path of this site, such as /console/users")
    return path


ReturnTo = Annotated[
    str,
    StringConstraints(max_length=flows.LONGEST_RETURN_TO),
    AfterValidator(_own_path),
    Field(description="Where the person wanted to go: a path of this site, nothing else."),
]
Given = Annotated[str, StringConstraints(max_length=4096)]


class Authorize(Message):
    connection_id: ConnectionId
    return_to: ReturnTo = "/console/"
    login_hint: Email | None = None


async def authorize(ctx: Ctx, wanted: Authorize) -> Answer[None]:
    """Sends the browser to the identity provider. It comes back to `/console/sign-in/sso`, which asks POST /v1/auth/sso/sign-ins for what came of it.

    The state of the sign-in is in a cookie of this browser, and good for ten minutes.
    """
    await pay(ctx, (SSO_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    connection = await connection_to_use(ctx, wanted.connection_id)
    flow = new_flow(ctx, connection, "sign_in", wanted.return_to)
    location = await provider_url(ctx, connection, flow, wanted.login_hint)
    return Answer(None, {"Location": location}, status=303, cookies=(cookie_of(ctx, connection, flow),))


class ComeBack(Message):
    """What providers add besides is ignored."""

    connection_id: ConnectionId
    state: Given | None = None
    code: Given | None = None
    iss: Given | None = None
    error: Given | None = None


async def come_back(ctx: Ctx, given: ComeBack) -> Answer[None]:
    """Where an OpenID Connect provider sends the browser back to. It goes on to a page of the console, whatever came of it."""
    connection, flow = None, None
    try:
        connection, returned = await flow_returned(ctx, given.connection_id)
        await use_up(ctx, connection, returned)  # whatever comes next, a flow is noted once
        flow = returned
        expected = _expected(ctx, connection, flow, given.state)
        return await _answered(ctx, connection, flow, expected, given)
    except StepFailed as failure:
        return await failed(ctx, connection, flow, failure)


def _expected(ctx: Ctx, connection: Connection, flow: Flow, state: str | None) -> Asked:
    for key in opened(ctx).keys.sso:
        expected = asked(ctx, connection, flow, key=key)
        if hmac.compare_digest(expected.state.encode(), (state or "").encode()):
            return expected
    raise StepFailed(
        "browser", "the answer belongs to another sign-in than the one this browser began last", "other_sign_in"
    )


async def _answered(ctx: Ctx, connection: Connection, flow: Flow, expected: Asked, given: ComeBack) -> Answer[None]:
    if connection.oidc is None or connection.sealed is None:
        raise StepFailed("connection", "this connection doesn't speak OpenID Connect", "not_oidc")
    oidc.check_response_issuer(connection.oidc, given.iss)
    if given.error is not None:
        known = given.error if given.error in ERRORS else "other_error"
        raise StepFailed("provider", ERRORS[known], known)
    if not given.code:
        raise StepFailed("provider", "the provider sent no code", "no_code")
    secret = opened(ctx).sealer.open(connection.sealed, "sso", connection.org_id, connection.connection_id)
    shown = await opened(ctx).providers.show(connection.oidc, secret, given.code, expected, ctx.now)
    return await came_back(ctx, connection, flow, shown)
