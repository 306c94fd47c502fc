"""What sharing says: dashboards, who they are shared with, and embed secrets (never the secret itself). Ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent, Shape
from shared.ids import GroupId, SecretId, UserId


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
    """Who a dashboard is shared with changed."""

    TYPE: ClassVar[str] = "sharing.dashboard.shared.v1"
    dashboard: Dashboard
    shared_with: SharedWith
    previous: SharedWith


class DashboardTransferred(OrgEvent):
    """A dashboard has another owner."""

    TYPE: ClassVar[str] = "sharing.dashboard.transferred.v1"
    dashboard: Dashboard
    previous_owner_id: UserId


class EmbedSecretReset(OrgEvent):
    """A new embed secret is in force; `expiring` lists older ones that are valid until their time."""

    TYPE: ClassVar[str] = "sharing.embed_secret.reset.v1"
    secret_id: SecretId
    created_at: datetime
    expiring: dict[SecretId, datetime]


PUBLISHED = (
    DashboardRegistered,
    DashboardChanged,
    DashboardRemoved,
    DashboardShared,
    DashboardTransferred,
    EmbedSecretReset,
)
