"""Whole states of what org owns, as its events carry them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.events import Shape
from shared.ids import DomainId, GroupId, InvitationId, UserId

Role = Literal["admin", "analyst", "viewer"]


class Organization(Shape):
    name: str
    location: Literal["eu", "us"]
    contact_email: str
    product_mails: bool
    time_zone: str = "UTC"
    week_start: Literal["monday", "saturday", "sunday"] = "monday"
    country: str | None = None
    number_format: str = "1,234.56"
    date_format: str = "YYYY-MM-DD"


class Member(Shape):
    """A member's full state. `effective_role` is lower than `role` while the plan has no author slot for them."""

    user_id: UserId
    email: str
    name: str
    role: Role
    effective_role: Role
    status: Literal["active", "inactive", "removed"]
    joined_at: datetime
    deactivated_at: datetime | None = None


class Group(Shape):
    """A group's full state without its members. Membership in built-in groups follows from member events."""

    group_id: GroupId
    kind: Literal["all_users", "all_analysts", "custom"]
    name: str
    description: str


class Invitation(Shape):
    """An invitation's state; `link_version` counts how often its mail was sent, and only the last link works."""

    invitation_id: InvitationId
    email: str
    role: Role
    group_ids: list[GroupId]
    status: Literal["open", "accepted", "revoked", "expired"]
    expires_at: datetime
    link_version: int


class Domain(Shape):
    """An e-mail domain's state. `stands`: it is the organization's, whatever the plan makes of it; only `verified` and `at_risk` are proven."""

    domain_id: DomainId
    name: str
    status: Literal["claimed", "verified", "at_risk", "lapsed", "removed"]
    origin: Literal["sign_up", "claimed", "affirmed"]
    stands: bool


class SecurityPolicy(Shape):
    """What an organization asks of its members' accounts; with `two_factor_required` from `two_factor_deadline` on."""

    two_factor_required: bool
    two_factor_deadline: datetime | None = None
