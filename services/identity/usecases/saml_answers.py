"""What a SAML provider lets the browser post: judged, counted once, and kept for the browser as any provider's answer is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from services.identity import rules
from services.identity.rules import Limit, flows
from services.identity.rules.flows import Flow
from services.identity.rules.saml.responses import BEHIND_THE_SIGNATURE, Accepted, is_encrypted, read_response
from services.identity.rules.sso import Connection, StepFailed
from services.identity.store import saml, sso_connections
from services.identity.usecases.attempts import pay
from services.identity.usecases.opened import opened
from services.identity.usecases.saml_requests import own_key, service_provider
from services.identity.usecases.sso_flows import came_back, cookie_of, failed, new_flow, use_up
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.fields import Message
from shared.ids import ConnectionId
from shared.service import Answer, Ctx

CONSOLE = "/console/"
SAML_BY_SOURCE = Limit("saml source", 1200, timedelta(hours=1))


class ConsumeAssertion(Message):
    """The form of SAML's HTTP-POST binding. Where a sign-in began at the provider, `RelayState` may be a path of the console to go to."""

    connection_id: ConnectionId
    response: Annotated[str, Field(alias="SAMLResponse")] = ""
    relay_state: Annotated[str, Field(alias="RelayState")] = ""


async def consume_assertion(ctx: Ctx, given: ConsumeAssertion) -> Answer[None]:
    """The assertion consumer service of a connection: where a SAML provider lets the browser post its response.

    The browser goes on to a page of the console, whatever came of it.
    """
    await pay(ctx, (SAML_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    connection = await _connection(ctx, given.connection_id)
    flow = _flow(ctx, connection)
    unasked = new_flow(ctx, connection, "sign_in", _return_to(given.relay_state))
    try:
        accepted = await _judged(ctx, connection, flow, given.response)
        answered = unasked if accepted.request_id is None or flow is None else flow
        await use_up(ctx, connection, answered)
        await _use_once(ctx, connection, accepted)
        answer = await came_back(ctx, connection, answered, accepted.person)
    except StepFailed as failure:
        is_theirs = failure.step in BEHIND_THE_SIGNATURE and connection.status == "active"
        return await failed(ctx, connection, flow or (unasked if is_theirs else None), failure)
    if answered is unasked:
        return replace(answer, cookies=(*answer.cookies, cookie_of(ctx, connection, unasked)))
    return answer


async def _connection(ctx: Ctx, connection_id: str) -> Connection:
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, connection_id)
    if connection is None or connection.protocol != "saml":
        raise Problem("not_found")
    return connection


def _flow(ctx: Ctx, connection: Connection) -> Flow | None:
    """What this browser began with this connection, unless that is too long ago."""
    flow = flows.read_flow(ctx.request.cookie, opened(ctx).keys.sso)
    if flow is None or flow.connection_id != connection.connection_id or flow.is_over(ctx.now):
        return None
    return flow


def _return_to(relay_state: str) -> str:
    """Anybody may have written it, so it is a path of the console or nothing."""
    return relay_state if relay_state.startswith(CONSOLE) and flows.is_return_to(relay_state) else CONSOLE


async def _judged(ctx: Ctx, connection: Connection, flow: Flow | None, response: str) -> Accepted:
    """Beside the loop: what strangers send may take a tenth of a second."""
    if connection.saml is None:
        raise StepFailed("connection", "the provider's metadata was never imported", "no_metadata")
    key = await own_key(ctx, connection) if is_encrypted(response) else None
    return await asyncio.to_thread(
        read_response,
        response,
        service_provider(ctx, connection.connection_id),
        connection.saml,
        [flows.saml_request_id_of(flow, key) for key in opened(ctx).keys.sso] if flow else [],
        ctx.now,
        flow.begun if flow and flow.purpose == "proof" else None,
        key,
    )


async def _use_once(ctx: Ctx, connection: Connection, accepted: Accepted) -> None:
    """In a transaction of its own: it is used, whatever comes of it."""
    async with ctx.env.database.tx(connection.org_id, ctx.say) as tx:
        is_first = await saml.use_assertion(
            tx, connection.org_id, connection.connection_id, accepted.assertion_id, accepted.until
        )
    if not is_first:
        raise StepFailed("replay", "this assertion was used already", "assertion_used")
