"""What identity says of single sign-on. Connections are ordered by organization, who signed in how by person."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent, PersonEvent, Shape
from shared.ids import ConnectionId, GroupId, OrgId, UserId


class SsoConnection(Shape):
    """A connection's state, without what only its provider and we may know. `issuer` is SAML's entity id as well."""

    connection_id: ConnectionId
    name: str
    protocol: Literal["oidc", "saml"]
    provider: Literal["google", "okta", "entra", "generic"]
    status: Literal["draft", "verified", "active", "off"]
    domains: list[str]
    new_users: Literal["at_once", "approval", "refused"]
    default_role: Literal["viewer", "analyst"]
    group_ids: list[GroupId]
    issuer: str | None = None


class SsoConnectionCreated(OrgEvent):
    """Somebody began to set up single sign-on. Until it is verified and activated it does nothing."""

    TYPE: ClassVar[str] = "identity.sso_connection.created.v1"
    connection: SsoConnection


class SsoConnectionChanged(OrgEvent):
    """A connection has other settings; `changed` names them."""

    TYPE: ClassVar[str] = "identity.sso_connection.changed.v1"
    connection: SsoConnection
    changed: list[str]


class SsoConnectionVerified(OrgEvent):
    """An Admin signed in at the provider with their own address, so the configuration works."""

    TYPE: ClassVar[str] = "identity.sso_connection.verified.v1"
    connection: SsoConnection
    verified_by: UserId


class SsoConnectionActivated(OrgEvent):
    """People of these domains sign in at the provider from now on."""

    TYPE: ClassVar[str] = "identity.sso_connection.activated.v1"
    connection: SsoConnection


class SsoConnectionSwitchedOff(OrgEvent):
    """Nobody signs in by this connection any more; people of its domains use a password, or set one."""

    TYPE: ClassVar[str] = "identity.sso_connection.switched_off.v1"
    connection: SsoConnection


class SsoConnectionsSuspended(OrgEvent):
    """The plan no longer includes single sign-on: nothing of it can be set up, only switched off. Signing in goes on as it was."""

    TYPE: ClassVar[str] = "identity.sso_connection.suspended.v1"
    connection_ids: list[ConnectionId]
    cause: Literal["plan"]
    plan: str


class SsoConnectionsResumed(OrgEvent):
    """The plan includes single sign-on again."""

    TYPE: ClassVar[str] = "identity.sso_connection.resumed.v1"
    connection_ids: list[ConnectionId]
    plan: str


class SsoConnectionRemoved(OrgEvent):
    """A connection is gone, and with it whom the provider's subjects stood for."""

    TYPE: ClassVar[str] = "identity.sso_connection.removed.v1"
    connection: SsoConnection


class SsoEnforcementChanged(OrgEvent):
    """Whether passwords are refused to people of the domains that sign in at a provider."""

    TYPE: ClassVar[str] = "identity.sso_enforcement.changed.v1"
    enforced: bool
    previous: bool


class SsoSignInFailed(OrgEvent):
    """A sign-in at a provider came to nothing; `step` is where."""

    TYPE: ClassVar[str] = "identity.sso_sign_in.failed.v1"
    connection_id: ConnectionId
    step: str
    source_ip: str | None = None


class SsoIdentityLinked(PersonEvent):
    """From now on a subject of the provider signs in to this account. `opened`: the account was opened for it."""

    TYPE: ClassVar[str] = "identity.sso_identity.linked.v1"
    org_id: OrgId
    connection_id: ConnectionId
    opened: bool


class SsoIdentityUnlinked(PersonEvent):
    """The provider's subject no longer signs in to this account; the next one with its address may."""

    TYPE: ClassVar[str] = "identity.sso_identity.unlinked.v1"
    org_id: OrgId
    connection_ids: list[ConnectionId]


class SsoUserArrived(PersonEvent):
    """Somebody signed in at an organization's provider without being its member; the connection says what is to become of that."""

    TYPE: ClassVar[str] = "identity.sso_user.arrived.v1"
    org_id: OrgId
    connection_id: ConnectionId
    email: str
    name: str
    new_users: Literal["at_once", "approval", "refused"]
    default_role: Literal["viewer", "analyst"]
    group_ids: list[GroupId]


class BreakGlassAsked(PersonEvent):
    """An Admin asked for the mailed sign-in by which a broken single sign-on is repaired."""

    TYPE: ClassVar[str] = "identity.break_glass.asked.v1"
    org_id: OrgId
    expires_at: datetime
    source_ip: str | None = None


class BreakGlassUsed(PersonEvent):
    """An Admin used it. The session that began may change sign-in configuration only."""

    TYPE: ClassVar[str] = "identity.break_glass.used.v1"
    org_id: OrgId
    source_ip: str | None = None


PUBLISHED_SSO = (
    SsoConnectionCreated,
    SsoConnectionChanged,
    SsoConnectionVerified,
    SsoConnectionActivated,
    SsoConnectionSwitchedOff,
    SsoConnectionsSuspended,
    SsoConnectionsResumed,
    SsoConnectionRemoved,
    SsoEnforcementChanged,
    SsoSignInFailed,
    SsoIdentityLinked,
    SsoIdentityUnlinked,
    SsoUserArrived,
    BreakGlassAsked,
    BreakGlassUsed,
)
