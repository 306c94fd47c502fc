"""Going to an identity provider and coming back: the browser that left is the browser that returns, once, within ten minutes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from services.identity.rules import flows, oidc
from services.identity.rules.flows import Flow, FlowPurpose
from services.identity.rules.oidc import Asked
from services.identity.rules.sso import ATTEMPTS_SHOWN, Connection, Shown, StepFailed, masked
from services.identity.store import accounts, projections, sso_connections, sso_sign_ins
from services.identity.store.sso_sign_ins import Attempt, Result
from services.identity.usecases import saml_requests
from services.identity.usecases.opened import opened
from services.identity.usecases.sso_sessions import remember
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.events.identity_sso import SsoConnectionVerified, SsoSignInFailed
from shared.fields import canonical_email, domain_of
from shared.ids import new_id
from shared.service import Answer, Ctx

SIGN_IN_PAGE = "/console/sign-in/sso"
PROOF_PAGE = "/console/sign-in/proof"
SIGNED_OUT_PAGE = "/console/signed-out"
CONNECTION_PAGE = "/console/sso/{connection_id}"
CHANGED = "the configuration was changed meanwhile"


def new_flow(
    ctx: Ctx,
    connection: Connection,
    purpose: FlowPurpose,
    return_to: str,
    user_id: str | None = None,
    session_id: str | None = None,
) -> Flow:
    return Flow(
        flow_id=new_id("sfl"),
        connection_id=connection.connection_id,
        purpose=purpose,
        begun_at=int(ctx.now.timestamp()),
        return_to=return_to,
        secret=secrets.token_urlsafe(32),
        user_id=user_id,
        session_id=session_id,
    )


def cookie_of(ctx: Ctx, connection: Connection, flow: Flow) -> str:
    """The `Set-Cookie` of a flow. A SAML response is posted from the provider's page, so its cookie must travel from there."""
    same_site = "None" if connection.protocol == "saml" else "Lax"
    value = flows.flow_cookie(flow, opened(ctx).keys.sso[0])
    seconds = int(flows.FLOW_LIFE.total_seconds())
    return f"{flows.COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}"


def no_flow_cookie() -> str:
    return f"{flows.COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


async def provider_url(ctx: Ctx, connection: Connection, flow: Flow, login_hint: str | None = None) -> str:
    """Where the browser is sent."""
    if connection.saml is not None:
        return await saml_requests.request_url(ctx, connection, connection.saml, flow)
    if connection.oidc is None:
        raise Problem("conflict", "This connection's metadata was never imported.", meta={"because": "not_configured"})
    return oidc.authorization_url(connection.oidc, asked(ctx, connection, flow, login_hint))


def asked(
    ctx: Ctx, connection: Connection, flow: Flow, login_hint: str | None = None, key: bytes | None = None
) -> Asked:
    """What the browser is sent with; `key` is the one that this was derived with."""
    key = key or opened(ctx).keys.sso[0]
    return Asked(
        state=flows.state_of(flow, key),
        nonce=flows.nonce_of(flow, key),
        verifier=flows.verifier_of(flow, key),
        redirect_uri=callback_url(ctx, connection.connection_id),
        fresh_since=flow.begun if flow.purpose == "proof" else None,
        login_hint=login_hint,
    )


def callback_url(ctx: Ctx, connection_id: str) -> str:
    return f"{public_url(ctx)}/v1/auth/sso/{connection_id}/callback"


def public_url(ctx: Ctx) -> str:
    return ctx.env.settings.public_url.rstrip("/")


async def connection_to_use(ctx: Ctx, connection_id: str) -> Connection:
    """The connection of somebody who isn't signed in; one that is off, or in the making, is answered as if it didn't exist."""
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, connection_id)
    if connection is None or connection.status != "active":
        raise Problem("not_found")
    return connection


async def flow_returned(ctx: Ctx, connection_id: str) -> tuple[Connection, Flow]:
    """The flow that this browser began with this connection; StepFailed otherwise."""
    flow = flows.read_flow(ctx.request.cookie, opened(ctx).keys.sso)
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, connection_id)
    if connection is None:
        raise Problem("not_found")
    if flow is None or flow.connection_id != connection_id:
        raise StepFailed("browser", "this browser hasn't begun this sign-in, or its cookies are off", "not_begun")
    return connection, flow


async def use_up(ctx: Ctx, connection: Connection, flow: Flow) -> None:
    """Of two answers to one flow only the first counts, whatever came of it. In a transaction of its own."""
    if flow.is_over(ctx.now):
        raise StepFailed("browser", "the sign-in took longer than ten minutes", "sign_in_slow")
    usable = connection.status == "active" or (flow.purpose == "verification" and connection.is_configured)
    if not usable:
        raise StepFailed("connection", "the connection is switched off", "connection_off")
    async with ctx.env.database.tx("", ctx.say) as tx:
        is_first = await sso_sign_ins.answer_flow(
            tx, flow.flow_id, flow.connection_id, ctx.now + flows.FLOW_LIFE + flows.RESULT_LIFE
        )
    if not is_first:
        raise StepFailed("browser", "this answer was used already", "answer_used")


async def came_back(ctx: Ctx, connection: Connection, flow: Flow, shown: Shown) -> Answer[None]:
    """Everything about the provider's answer was right: keeps it for this browser, or verifies the connection. Raises StepFailed."""
    email = checked_email(connection, shown)
    async with ctx.tx(EVERY_ORG) as tx:
        now = await _still_the_same(tx, connection)
        if flow.purpose == "verification":
            await _verify(tx, ctx, connection, now, flow, email)
        else:
            result = Result(
                flow.flow_id, connection.connection_id, shown.subject, email, shown.name, flow.user_id, flow.session_id
            )
            await sso_sign_ins.keep_result(tx, result, ctx.now + flows.RESULT_LIFE)
            await remember(tx, ctx, connection, flow, shown)
        await _note(tx, ctx, connection, flow.purpose, None, email, shown.claims)
        await sso_connections.note_success(tx, connection.org_id, connection.connection_id, ctx.now)
    if flow.purpose == "verification":
        place = CONNECTION_PAGE.format(connection_id=connection.connection_id)
        return _redirect(ctx, place, {"verified": "true"}, no_flow_cookie())
    return _redirect(ctx, SIGN_IN_PAGE if flow.purpose == "sign_in" else PROOF_PAGE, {})


async def failed(
    ctx: Ctx, connection: Connection | None, flow: Flow | None, failure: StepFailed, email: str | None = None
) -> Answer[None]:
    """Tells the browser which step failed, and the Admins why. Who came without a flow of ours is in no list: anybody can."""
    if connection is not None and flow is not None:
        async with ctx.tx(connection.org_id) as tx:
            await _note(tx, ctx, connection, flow.purpose, failure, email, {})
            await tx.emit(
                SsoSignInFailed(
                    org_id=connection.org_id,
                    connection_id=connection.connection_id,
                    step=failure.step,
                    source_ip=ctx.request.source_ip,
                )
            )
    page = SIGN_IN_PAGE
    if flow is not None and flow.purpose == "proof":
        page = PROOF_PAGE
    elif flow is not None and flow.purpose == "verification":
        page = CONNECTION_PAGE.format(connection_id=flow.connection_id)
    told = {"failed": failure.step, "trace": ctx.request.id or ""}
    return _redirect(ctx, page, told, no_flow_cookie())


def checked_email(connection: Connection, shown: Shown) -> str:
    """The address, if it is in a domain of the connection; StepFailed otherwise."""
    if not shown.email:
        raise StepFailed("email", "the provider said no address: let it send the e-mail", "no_email")
    try:
        domain = domain_of(shown.email)
    except ValueError:
        raise StepFailed("email", "what the provider said is no e-mail address", "not_an_email") from None
    if domain not in connection.domains:
        raise StepFailed("domain", f"{domain} is no domain of this connection", "other_domain", domain=domain)
    return shown.email


async def _still_the_same(tx: Tx, connection: Connection) -> Connection:
    """The connection as it is now, and stays until the end. While a provider answered, an Admin may have put another in its place."""
    held = await sso_connections.hold(tx, connection.org_id)
    now = next((one for one in held if one.connection_id == connection.connection_id), None)
    if now is None or now.provider_known_as != connection.provider_known_as:
        raise StepFailed("connection", CHANGED, "changed_meanwhile")
    return now


async def _verify(tx: Tx, ctx: Ctx, connection: Connection, now: Connection, flow: Flow, email: str) -> None:
    account = await accounts.by_id(tx, flow.user_id or "")
    if now.version != connection.version:
        raise StepFailed("connection", CHANGED, "changed_meanwhile")
    if account is None or not await projections.acts_as_admin(tx, connection.org_id, account.user_id):
        raise StepFailed("person", "who began the verification is no Admin any more", "not_an_admin")
    if canonical_email(email) != account.canonical_email:
        raise StepFailed(
            "person",
            f"the provider knows you as {masked(email)}: sign in there with your own address",
            "other_person",
            address=masked(email),
        )
    proven = await sso_connections.proven_domains(tx, connection.org_id)
    if domain_of(email) not in proven:
        raise StepFailed(
            "domain", f"{domain_of(email)} isn't proven by DNS any more", "domain_lost", domain=domain_of(email)
        )
    verified = _verified(now, account.user_id, ctx.now)
    await sso_connections.keep(tx, verified)
    await tx.emit(SsoConnectionVerified(org_id=now.org_id, connection=verified.state(), verified_by=account.user_id))


def _verified(connection: Connection, user_id: str, now: datetime) -> Connection:
    status = "verified" if connection.status == "draft" else connection.status
    return replace(connection, status=status, verified_at=now, verified_by=user_id, changed_at=now, changed_by=user_id)


async def _note(
    tx: Tx,
    ctx: Ctx,
    connection: Connection,
    purpose: str,
    failure: StepFailed | None,
    email: str | None,
    claims: Mapping[str, str],
) -> None:
    attempt = Attempt(
        attempt_id=new_id("sat"),
        at=ctx.now,
        purpose=purpose,
        step=failure.step if failure else "done",
        cause=failure.cause if failure else None,
        cause_code=failure.code if failure else None,
        cause_meta=failure.facts if failure else {},
        email=masked(email) if email else None,
        claims=claims,
        request_id=ctx.request.id,
    )
    await sso_sign_ins.note(tx, connection.org_id, connection.connection_id, attempt, ATTEMPTS_SHOWN)


def _redirect(ctx: Ctx, path: str, query: Mapping[str, str], *cookies: str) -> Answer[None]:
    """To a page of ours, always: 303, so that a POST becomes a GET."""
    where = f"{public_url(ctx)}{path}" + (f"?{urlencode(query)}" if query else "")
    return Answer(None, {"Location": where}, status=303, cookies=cookies)
