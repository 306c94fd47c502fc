"""Our side of a SAML connection: the document that describes us, the key that signs what we ask, and the way to the provider."""

from __future__ import annotations

import asyncio
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.identity.rules import flows
from services.identity.rules.flows import Flow
from services.identity.rules.saml.own_key import OwnKey, new_key
from services.identity.rules.saml.own_metadata import own_metadata
from services.identity.rules.saml.requests import ServiceProvider, SignInRequest, redirect_url
from services.identity.rules.sso import Connection, SamlSettings
from services.identity.store import saml, sso_connections
from services.identity.usecases.opened import opened
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem
from shared.fields import Message
from shared.ids import ConnectionId
from shared.service import Answer, Ctx

METADATA_TYPE = "application/samlmetadata+xml"


class WhichServiceProvider(Message):
    connection_id: ConnectionId


def service_provider(ctx: Ctx, connection_id: str) -> ServiceProvider:
    """Who we are to a connection's provider: each connection has an entity ID of its own, so no answer fits another."""
    place = f"{ctx.env.settings.public_url.rstrip('/')}/v1/auth/sso/{connection_id}"
    return ServiceProvider(entity_id=f"{place}/metadata", acs_url=f"{place}/acs", slo_url=f"{place}/slo")


async def read_own_metadata(ctx: Ctx, which: WhichServiceProvider) -> Answer[bytes]:
    """Describes us to a SAML provider: SAML 2.0 metadata of a service provider, to give to the provider by its address or as a file."""
    async with ctx.read(EVERY_ORG) as read:
        connection = await sso_connections.by_id(read, which.connection_id)
        if connection is None or connection.protocol != "saml":
            raise Problem("not_found")
        certificate = await saml.certificate(read, connection.org_id, connection.connection_id)
    saml_of = connection.saml
    document = own_metadata(
        service_provider(ctx, connection.connection_id),
        certificate,
        signs=saml_of is not None and saml_of.sign_requests,
        encrypted=saml_of is not None and saml_of.encrypt_assertions,
    )
    return Answer(document, {"Content-Type": METADATA_TYPE})


async def make_key(now: datetime) -> OwnKey:
    """Takes a tenth of a second, beside the loop."""
    return await asyncio.to_thread(new_key, now)


async def keep_key(tx: Tx, ctx: Ctx, connection: Connection, key: OwnKey) -> None:
    sealed = opened(ctx).sealer.seal(key.private, *_place(connection))
    await saml.keep_key(tx, connection.org_id, connection.connection_id, sealed, key.certificate)


async def request_url(ctx: Ctx, connection: Connection, settings: SamlSettings, flow: Flow) -> str:
    """Where the browser is sent, with a request whose id follows from the flow."""
    wanted = SignInRequest(
        request_id=flows.saml_request_id_of(flow, opened(ctx).keys.sso[0]),
        sso_url=settings.sso_url,
        asked_at=ctx.now,
        fresh=flow.purpose == "proof",
    )
    key = await own_key(ctx, connection) if settings.sign_requests else None
    return redirect_url(service_provider(ctx, connection.connection_id), wanted, key=key)


async def own_key(ctx: Ctx, connection: Connection) -> rsa.RSAPrivateKey:
    """Signs what we ask the provider, and opens what it encrypts for us."""
    async with ctx.read(connection.org_id) as read:
        sealed = await saml.sealed_key(read, connection.org_id, connection.connection_id)
    assert sealed is not None, "each SAML connection is created with a key"
    pem = opened(ctx).sealer.open(sealed, *_place(connection))
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _place(connection: Connection) -> tuple[str, str, str]:
    return ("saml key", connection.org_id, connection.connection_id)
