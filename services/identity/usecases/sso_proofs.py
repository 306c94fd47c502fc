"""A fresh proof at one's identity provider: for what asks for one, and in place of the password that one doesn't have."""

from __future__ import annotations

from pydantic import SecretStr

from services.identity import rules
from services.identity.rules import Account, Subject, flows
from services.identity.rules.sso import SSO_BY_SOURCE, Connection
from services.identity.store import sso_connections, sso_sign_ins
from services.identity.usecases.attempts import Attempt, pay
from services.identity.usecases.opened import opened
from services.identity.usecases.passwords import Proof, me, prove_password
from services.identity.usecases.sso_activation import GoTo
from services.identity.usecases.sso_callback import ReturnTo
from services.identity.usecases.sso_flows import cookie_of, new_flow, provider_url
from services.identity.usecases.sso_linking import attach
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem
from shared.fields import Message, domain_of
from shared.service import Answer, Ctx


class BeginProof(Message):
    return_to: ReturnTo = "/console/"


async def begin_proof(ctx: Ctx, wanted: BeginProof) -> Answer[GoTo]:
    """Begins a fresh proof at one's identity provider, which is told to ask anew. Go to `url`; the browser comes back to `/console/sign-in/proof`.

    Then POST /v1/auth/reauthentications with `{"sso": true}`.
    """
    await pay(ctx, (SSO_BY_SOURCE, rules.source_of(ctx.request.source_ip)))
    account = await me(ctx)
    async with ctx.read(EVERY_ORG) as read:
        connection = await _connection_of(read, account)
    flow = new_flow(ctx, connection, "proof", wanted.return_to, account.user_id, ctx.actor.session_id)
    url = await provider_url(ctx, connection, flow, account.email)
    return Answer(GoTo(url=url), cookies=(cookie_of(ctx, connection, flow),))


async def take_proof(tx: Tx, ctx: Ctx, account: Account, session_id: str) -> None:
    """Uses up what this browser brought back from the provider, if it is this person's, for this session."""
    flow = flows.read_flow(ctx.request.cookie, opened(ctx).keys.sso)
    if flow is None or flow.purpose != "proof" or flow.session_id != session_id or flow.user_id != account.user_id:
        raise Problem("challenge_ended")
    result = await sso_sign_ins.take_result(tx, flow.flow_id, ctx.now)
    connection = await sso_connections.by_id(tx, flow.connection_id)
    if result is None or result.subject is None or connection is None or connection.status != "active":
        raise Problem("challenge_ended")
    known = await sso_sign_ins.person_of(tx, connection.org_id, connection.connection_id, result.subject)
    if known != account.user_id:
        raise Problem("sso_refused", "Somebody else signed in at the provider.", meta={"because": "somebody_else"})
    shown = Subject(connection.org_id, connection.connection_id, result.subject, flow_id=flow.flow_id)
    await attach(tx, shown, session_id)
    await sso_sign_ins.keep_proof(tx, session_id, account.user_id, ctx.now)


async def prove_oneself(ctx: Ctx, account: Account, password: SecretStr | None) -> Proof | Problem:
    """The person's own password; or, where none is given, their proof at the provider, no older than five minutes."""
    if password is not None:
        return await prove_password(ctx, account.canonical_email, password.get_secret_value())
    async with ctx.read(EVERY_ORG) as read:
        since = ctx.now - flows.PROOF_LIFE
        is_proven = await sso_sign_ins.has_proof(read, ctx.actor.session_id or "", account.user_id, since)
    if not is_proven:
        raise Problem(
            "insufficient_user_authentication",
            "Give the password, or prove yourself at your provider first.",
            meta={"because": "no_proof"},
        )
    return Proof(account, Attempt({}), None)


async def _connection_of(read: Read, account: Account) -> Connection:
    connection = await sso_connections.bound_to(read, domain_of(account.email))
    if connection is None or not await sso_sign_ins.has_identity(
        read, connection.org_id, connection.connection_id, account.user_id
    ):
        raise Problem("conflict", "You don't sign in at an identity provider.", meta={"because": "no_provider"})
    return connection
