"""What sharing says: dashboards, who they are shared with, links, and embed secrets (never a secret, a token or a password). Ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent, Shape
from shared.events.exports import Export
from shared.events.refusals import Refusal
from shared.ids import GroupId, LinkId, SecretId, UserId


class Dashboard(Shape):
    """A dashboard of the analytics product, under that product's own id."""

    dashboard_id: str
    title: str
    owner_id: UserId
    parameters: list[str]


class SharedWith(Shape):
    """`groups` lists the selected groups when `mode` is `groups`, and is empty otherwise."""

    mode: Literal["nobody", "all_users", "all_analysts", "groups"]
    group_ids: list[GroupId]


class DashboardRegistered(OrgEvent):
    """A dashboard is known here; at first only its owner sees it."""

    TYPE: ClassVar[str] = "sharing.dashboard.registered.v1"
    dashboard: Dashboard


class DashboardChanged(OrgEvent):
    """A dashboard has another title or other parameters; `previous` holds what was different."""

    TYPE: ClassVar[str] = "sharing.dashboard.changed.v1"
    dashboard: Dashboard
    previous: dict[str, str | list[str]]


class DashboardRemoved(OrgEvent):
    """A dashboard is no longer known here; whatever gave access to it is gone with it."""

    TYPE: ClassVar[str] = "sharing.dashboard.removed.v1"
    dashboard: Dashboard


class DashboardShared(OrgEvent):
    """Who a dashboard is shared with changed; so many people get a mail about it."""

    TYPE: ClassVar[str] = "sharing.dashboard.shared.v1"
    dashboard: Dashboard
    shared_with: SharedWith
    previous: SharedWith
    mails: int = 0


class DashboardTransferred(OrgEvent):
    """A dashboard has another owner."""

    TYPE: ClassVar[str] = "sharing.dashboard.transferred.v1"
    dashboard: Dashboard
    previous_owner_id: UserId


class EmbedSecretReset(OrgEvent):
    """A new embed secret is in force; `expiring` lists older ones that are valid until their time. `first` is the one that an organization begins with."""

    TYPE: ClassVar[str] = "sharing.embed_secret.reset.v1"
    secret_id: SecretId
    created_at: datetime
    expiring: dict[SecretId, datetime]
    first: bool = False


class EmbedSecretExpired(OrgEvent):
    """The overlap of an older embed secret is over: tokens that it signed are refused from its moment on."""

    TYPE: ClassVar[str] = "sharing.embed_secret.expired.v1"
    secret_id: SecretId


class EmbedSecretRevoked(OrgEvent):
    """An Admin ended an embed secret before its time. When it was the one in force, another one is told of in the same transaction."""

    TYPE: ClassVar[str] = "sharing.embed_secret.revoked.v1"
    secret_id: SecretId
    revoked_at: datetime


class EmbedSecretRevealed(OrgEvent):
    """An Admin looked at an embed secret."""

    TYPE: ClassVar[str] = "sharing.embed_secret.revealed.v1"
    secret_id: SecretId


class EmbedTokenRefused(OrgEvent):
    """Somebody was refused at a link: told once per link, reason and hour, however often it happens. The log counts all."""

    TYPE: ClassVar[str] = "sharing.embed_token.refused.v1"
    link_id: LinkId
    dashboard_id: str
    reason: str


class Link(Shape):
    """A sharing link without its token. `frozen_filters` is null when it follows the dashboard's defaults; an empty list of networks is no list."""

    link_id: LinkId
    dashboard_id: str
    report_id: str | None
    name: str
    description: str
    created_by: UserId
    expires_at: datetime | None
    has_password: bool
    networks: list[str]
    origins: list[str]
    requires_secret: bool
    allow_parameters: bool
    tv_mode: bool
    dark_mode: bool
    toolbar: bool
    csv: bool
    excel: bool
    frozen_filters: dict[str, str | list[str]] | None
    paused: bool
    token_version: int


class LinkCreated(OrgEvent):
    """A dashboard, or a report of it, has one more sharing link."""

    TYPE: ClassVar[str] = "sharing.link.created.v1"
    link: Link


class LinkChanged(OrgEvent):
    """A link is another, was paused or goes on; `changed` names the fields. A new password names `password`."""

    TYPE: ClassVar[str] = "sharing.link.changed.v1"
    link: Link
    changed: list[str]
    previous: Link


class LinkTokenRotated(OrgEvent):
    """A link has a new token, and its old one is dead; `revived` when it had been switched off with all others."""

    TYPE: ClassVar[str] = "sharing.link.token_rotated.v1"
    link: Link
    revived: bool


class LinkRemoved(OrgEvent):
    """A link is gone. Links of a dashboard that is removed are gone with it, without a word of their own."""

    TYPE: ClassVar[str] = "sharing.link.removed.v1"
    link: Link


class LinksSuspended(OrgEvent):
    """No link of the organization opens any more: the plan doesn't include them (they return as they were), or an Admin switched them off for good."""

    TYPE: ClassVar[str] = "sharing.link.suspended.v1"
    cause: Literal["plan", "switch"]


class LinksResumed(OrgEvent):
    """Links are possible again. After a switch each of them stays dead until it gets a new token."""

    TYPE: ClassVar[str] = "sharing.link.resumed.v1"
    cause: Literal["plan", "switch"]


class LinkPolicy(Shape):
    """What an organization allows of its links. `longest_days`: for so long a link opens after it got the token that it has."""

    links_allowed: bool
    password_required: bool
    longest_days: int | None


class LinkPolicyChanged(OrgEvent):
    """An Admin allows other sharing links than before, at once and for those that there are too. No link is changed by it."""

    TYPE: ClassVar[str] = "sharing.link_policy.changed.v1"
    policy: LinkPolicy
    previous: LinkPolicy


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left in sharing. `rows` counts what was erased."""

    TYPE: ClassVar[str] = "sharing.organization.erased.v1"
    rows: int


class ActionRefused(Refusal):
    """A member or a key wanted to change something that it may not; the first time within an hour, or all others of it together (`times`)."""

    TYPE: ClassVar[str] = "sharing.action.refused.v1"


class ExportBegun(Export):
    """A file of who sees which dashboard, and why, was ordered."""

    TYPE: ClassVar[str] = "sharing.export.begun.v1"


PUBLISHED = (
    OrganizationErased,
    ActionRefused,
    ExportBegun,
    DashboardRegistered,
    DashboardChanged,
    DashboardRemoved,
    DashboardShared,
    DashboardTransferred,
    EmbedSecretReset,
    EmbedSecretExpired,
    EmbedSecretRevoked,
    EmbedSecretRevealed,
    EmbedTokenRefused,
    LinkCreated,
    LinkChanged,
    LinkTokenRotated,
    LinkRemoved,
    LinksSuspended,
    LinksResumed,
    LinkPolicyChanged,
)
