"""What org says of people who signed in at the organization's identity provider and aren't members yet."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent, Shape
from shared.ids import ConnectionId, GroupId, UserId


class Approval(Shape):
    """Who waits, with the role and groups that they would get; `reason` is why they weren't taken in at once."""

    user_id: UserId
    email: str
    name: str
    role: Literal["admin", "analyst", "viewer"]
    group_ids: list[GroupId]
    connection_id: ConnectionId
    reason: Literal["approval", "slots", "plan", "removed"]
    requested_at: datetime


class MemberApprovalRequested(OrgEvent):
    """Somebody signed in at the organization's identity provider and waits for an Admin."""

    TYPE: ClassVar[str] = "org.member.approval_requested.v1"
    approval: Approval


class MemberApproved(OrgEvent):
    """An Admin let somebody in; `org.member.joined` follows."""

    TYPE: ClassVar[str] = "org.member.approved.v1"
    approval: Approval


class MemberDeclined(OrgEvent):
    """An Admin didn't let somebody in. They can sign in, and see nothing; an invitation still brings them in."""

    TYPE: ClassVar[str] = "org.member.declined.v1"
    approval: Approval


APPROVALS = (MemberApprovalRequested, MemberApproved, MemberDeclined)
