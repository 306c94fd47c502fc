"""How a connection is shown to Admins: what is set, what the provider has to be told, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from services.identity.rules import sso as rules
from services.identity.rules.sso import Connection
from services.identity.usecases.sso_flows import SIGNED_OUT_PAGE, callback_url, public_url
from shared.fields import Versioned, View
from shared.service import Ctx

Health = Literal["ok", "certificate_expiring", "certificate_expired", "domain_lost"]


class CertificateView(View):
    fingerprint: str
    subject: str
    expires_at: datetime


class ServiceProviderView(View):
    """What the identity provider has to be told about us."""

    redirect_uri: str
    acs_url: str
    entity_id: str
    metadata_url: str
    slo_url: str
    backchannel_logout_uri: str
    post_logout_redirect_uri: str


class SsoConnectionView(Versioned):
    """A connection. `frozen`: the plan doesn't include single sign-on at present, so it can only be switched off or removed.

    `secret_set` tells whether there is a client secret; it is never shown. `sign_out_url`: where people can sign out at the provider, if it has such a place.
    """

    id: str
    name: str
    protocol: rules.Protocol
    provider: rules.Provider
    status: rules.Status
    health: Health
    frozen: bool
    domains: list[str]
    new_users: rules.NewUsers
    default_role: rules.DefaultRole
    group_ids: list[str]
    service_provider: ServiceProviderView
    metadata_url: str | None
    metadata_read_at: datetime | None
    metadata_problem: str | None
    issuer: str | None
    client_id: str | None
    secret_set: bool
    sso_url: str | None
    sign_out_url: str | None
    allow_idp_initiated: bool
    encrypt_assertions: bool
    sign_requests: bool
    certificates: list[CertificateView]
    created_at: datetime
    verified_at: datetime | None
    verified_by: str | None
    activated_at: datetime | None
    last_success_at: datetime | None


def view_of(ctx: Ctx, connection: Connection, included: bool, proven: Iterable[str]) -> SsoConnectionView:
    saml, oidc, place = connection.saml, connection.oidc, f"{public_url(ctx)}/v1/auth/sso/{connection.connection_id}"
    names = (
        "name",
        "protocol",
        "provider",
        "status",
        "new_users",
        "default_role",
        "metadata_url",
        "created_at",
        "version",
    )
    more = (
        "verified_at",
        "verified_by",
        "activated_at",
        "last_success_at",
        "metadata_read_at",
        "metadata_problem",
    )
    return SsoConnectionView(
        id=connection.connection_id,
        **{name: getattr(connection, name) for name in (*names, *more)},
        health=_health(ctx, connection, proven),
        frozen=not included,
        domains=list(connection.domains),
        group_ids=list(connection.group_ids),
        service_provider=ServiceProviderView(
            redirect_uri=callback_url(ctx, connection.connection_id),
            acs_url=f"{place}/acs",
            entity_id=f"{place}/metadata",
            metadata_url=f"{place}/metadata",
            slo_url=f"{place}/slo",
            backchannel_logout_uri=f"{place}/backchannel-logout",
            post_logout_redirect_uri=f"{public_url(ctx)}{SIGNED_OUT_PAGE}",
        ),
        issuer=oidc.issuer if oidc else saml.entity_id if saml else None,
        client_id=oidc.client_id if oidc else None,
        secret_set=connection.sealed is not None,
        sso_url=saml.sso_url if saml else oidc.authorization_endpoint if oidc else None,
        sign_out_url=saml.slo_url if saml else oidc.end_session_endpoint if oidc else None,
        allow_idp_initiated=saml is not None and saml.allow_idp_initiated,
        encrypt_assertions=saml is not None and saml.encrypt_assertions,
        sign_requests=saml is not None and saml.sign_requests,
        certificates=[
            CertificateView(fingerprint=one.fingerprint, subject=one.subject, expires_at=one.expires_at)
            for one in (saml.certificates if saml else ())
        ],
    )


def _health(ctx: Ctx, connection: Connection, proven: Iterable[str]) -> Health:
    expires_at = connection.certificate_expires_at
    if expires_at is not None and (stage := rules.warning_due(expires_at, None, ctx.now)) is not None:
        return "certificate_expired" if stage == 0 else "certificate_expiring"
    return "domain_lost" if set(connection.domains) - set(proven) else "ok"
