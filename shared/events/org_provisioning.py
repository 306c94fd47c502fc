"""What org says of provisioning: what an identity provider asked for, and what an Admin decided. Part of what org says."""

from __future__ import annotations

from typing import ClassVar, Literal

from shared.events import OrgEvent
from shared.events.org_shapes import Group
from shared.ids import UserId


class GroupHandedOver(OrgEvent):
    """A group is managed by the identity provider from now on, or by hand again."""

    TYPE: ClassVar[str] = "org.group.handed_over.v1"
    group: Group
    managed_by: Literal["provider", "hand"]


class ProvisionedNameChanged(OrgEvent):
    """The identity provider says that a user goes by another name. Identity takes it where the account is the organization's own."""

    TYPE: ClassVar[str] = "org.provisioning.name_changed.v1"
    user_id: UserId
    name: str


class RemovalHeld(OrgEvent):
    """The identity provider asks to remove more users than it may within an hour: this one keeps their access until an Admin decides."""

    TYPE: ClassVar[str] = "org.provisioning.removal_held.v1"
    user_id: UserId
    kind: Literal["deactivation", "deletion"]


class RemovalsDecided(OrgEvent):
    """An Admin approved or rejected removals that were held; or the identity provider took one back."""

    TYPE: ClassVar[str] = "org.provisioning.removals_decided.v1"
    user_ids: list[UserId]
    decision: Literal["approved", "rejected", "taken_back"]


class ProvisioningChanged(OrgEvent):
    """What new users become, and how many an identity provider may remove within an hour."""

    TYPE: ClassVar[str] = "org.provisioning.changed.v1"
    default_role: Literal["analyst", "viewer"]
    removals_per_hour: int


PROVISIONING = (
    GroupHandedOver,
    ProvisionedNameChanged,
    RemovalHeld,
    RemovalsDecided,
    ProvisioningChanged,
)
