"""What identity decides about single sign-on: when a connection may be used and changed, for whose addresses, and what is told of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from services.identity.rules import Limit
from shared.errors import Problem
from shared.events.identity_sso import SsoConnection

Protocol = Literal["oidc", "saml"]
Provider = Literal["google", "okta", "entra", "generic"]
Status = Literal["draft", "verified", "active", "off"]
NewUsers = Literal["at_once", "approval", "refused"]
DefaultRole = Literal["viewer", "analyst"]

SMALLEST_PLAN = "pro"
MOST_CONNECTIONS = 20
ATTEMPTS_SHOWN = 20
CERTIFICATE_WARNINGS = (30, 7, 1, 0)
BREAK_GLASS_LIFE = timedelta(minutes=15)
BREAK_GLASS_SESSION_LIFE = timedelta(hours=1)
SSO_BY_SOURCE = Limit("sso source", 300, timedelta(hours=1))
# A provider tells of all its people from one address.
SIGN_OUTS_BY_SOURCE = Limit("sso sign-out source", 30_000, timedelta(hours=1))
PROVIDER_SESSION_WAITS = timedelta(hours=1)
BREAK_GLASS_BY_ADDRESS = Limit("break-glass address", 3, BREAK_GLASS_LIFE)  # as long as asking rests, a link is good
BREAK_GLASS_BY_SOURCE = Limit("break-glass source", 30, timedelta(hours=1))


@dataclass(frozen=True)
class OidcSettings:
    """What the provider's discovery document said, and who we are there. URLs are https."""

    issuer: str
    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    names_issuer: bool = False
    client_secret_post: bool = False
    end_session_endpoint: str | None = None


@dataclass(frozen=True)
class Certificate:
    """A provider's signing certificate: PEM, SHA-256 fingerprint in hexadecimal, and until when it is valid."""

    pem: str
    fingerprint: str
    subject: str
    expires_at: datetime


@dataclass(frozen=True)
class SamlSettings:
    """What the provider's metadata said. `sso_url` takes the HTTP-Redirect binding, and so does `slo_url`, where it signs people out. Certificates may overlap.

    `slo_response_url`: where it wants to be answered, if elsewhere.
    """

    entity_id: str
    sso_url: str
    certificates: tuple[Certificate, ...]
    allow_idp_initiated: bool = False
    encrypt_assertions: bool = False
    sign_requests: bool = False
    slo_url: str | None = None
    slo_response_url: str | None = None


@dataclass(frozen=True)
class Connection:
    """A connection as stored. `oidc` or `saml` is there once metadata was imported; `sealed` is the OIDC client secret."""

    org_id: str
    connection_id: str
    name: str
    protocol: Protocol
    provider: Provider
    status: Status
    domains: tuple[str, ...]
    new_users: NewUsers
    default_role: DefaultRole
    group_ids: tuple[str, ...]
    metadata_url: str | None
    oidc: OidcSettings | None
    saml: SamlSettings | None
    sealed: bytes | None
    version: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str
    verified_at: datetime | None = None
    verified_by: str | None = None
    activated_at: datetime | None = None
    last_success_at: datetime | None = None
    metadata_read_at: datetime | None = None
    metadata_problem: str | None = None

    @property
    def is_configured(self) -> bool:
        return self.saml is not None or (self.oidc is not None and self.sealed is not None)

    @property
    def provider_known_as(self) -> tuple[str, str] | None:
        """Who the provider is, and whom it knows us as: its subjects are its own."""
        if self.oidc is not None:
            return self.oidc.issuer, self.oidc.client_id
        return (self.saml.entity_id, "") if self.saml is not None else None

    @property
    def certificate_expires_at(self) -> datetime | None:
        """When the last of its certificates ends; nothing for OpenID Connect."""
        return max((one.expires_at for one in self.saml.certificates), default=None) if self.saml else None

    def state(self) -> SsoConnection:
        return SsoConnection(
            connection_id=self.connection_id,
            name=self.name,
            protocol=self.protocol,
            provider=self.provider,
            status=self.status,
            domains=list(self.domains),
            new_users=self.new_users,
            default_role=self.default_role,
            group_ids=list(self.group_ids),
            issuer=self.oidc.issuer if self.oidc else self.saml.entity_id if self.saml else None,
        )


@dataclass(frozen=True)
class Shown:
    """What a provider has said of a person, once everything about its answer was found right. `name` may be empty.

    `session` is what it calls the person's session there; `hint` is what it wants to be shown when that is to end.
    """

    subject: str
    email: str | None
    name: str = ""
    authenticated_at: datetime | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    hint: Mapping[str, str] = field(default_factory=dict)


class StepFailed(Exception):
    """A sign-in at a provider ended at this step; `cause` says why, for an Admin, without secrets; `code` and `facts` say the same for programs."""

    def __init__(self, step: str, cause: str, code: str | None = None, **facts: str | int) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause
        self.code = code
        self.facts = facts


def check_plan(included: bool, plan: str | None) -> None:
    """Setting up and widening needs the plan; switching off and removing never does."""
    if not included:
        meta = {"plan": SMALLEST_PLAN, "current": plan, "for": "single_sign_on"}
        raise Problem("plan_required", "The plan doesn't include single sign-on.", meta=meta)


def check_may_be_verified(connection: Connection, proven: Iterable[str]) -> None:
    if not connection.is_configured:
        raise Problem("conflict", "Import the provider's metadata first.", meta={"because": "not_configured"})
    check_domains(connection, proven)


def check_may_be_activated(connection: Connection, proven: Iterable[str], others: Sequence[Connection]) -> None:
    if connection.verified_at is None:
        raise Problem("conflict", "Verify the configuration first.", meta={"because": "not_verified"})
    check_domains(connection, proven)
    for other in others:
        if other.status == "active" and (shared := sorted(set(other.domains) & set(connection.domains))):
            raise Problem(
                "conflict",
                f"{', '.join(shared)} signs in by {other.name} already. Switch that off first.",
                meta={"because": "domain_in_use", "connection_id": other.connection_id, "domains": shared},
            )


def check_domains(connection: Connection, proven: Iterable[str]) -> None:
    missing = sorted(set(connection.domains) - set(proven))
    if missing or not connection.domains:
        raise Problem(
            "conflict",
            f"Not proven by DNS: {', '.join(missing)}." if missing else "Choose a domain first.",
            meta={"because": "domain_not_proven", "domains": missing},
        )


def plain_name(said: str) -> str:
    """A name as a provider says it, without what can't be seen; empty when nothing is left."""
    return " ".join("".join(c for c in said if unicodedata.category(c)[0] != "C").split())[:200]


def masked(email: str) -> str:
    """An address by which its owner can be recognised, and which nobody can write to."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"


def warning_due(expires_at: datetime, warned: int | None, now: datetime) -> int | None:
    """The number of days of the next warning that is due; None when there is none, or it was given."""
    left = expires_at - now
    due = [days for days in CERTIFICATE_WARNINGS if left <= timedelta(days=days)]
    stage = min(due, default=None)
    return None if stage is None or (warned is not None and warned <= stage) else stage


def settings_of(stored: Mapping[str, Any]) -> tuple[OidcSettings | None, SamlSettings | None]:
    """Settings as the database keeps them."""
    oidc = OidcSettings(**stored["oidc"]) if stored.get("oidc") else None
    saml = None
    if stored.get("saml"):
        facts = dict(stored["saml"])
        certificates = tuple(
            Certificate(**{**one, "expires_at": datetime.fromisoformat(one["expires_at"])})
            for one in facts.pop("certificates")
        )
        saml = SamlSettings(**facts, certificates=certificates)
    return oidc, saml
