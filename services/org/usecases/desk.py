"""The desk at which invitations are judged, one after the other: before they are sent, and while they are still typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from services.org import rules
from services.org.rules import Role
from services.org.store import groups, invitations, members, organizations
from shared.db import Read
from shared.errors import Problem
from shared.fields import Email, Message, canonical_email, faults_of
from shared.ids import GroupId


class Invite(Message):
    """An address in one of the organization's domains, and what it is to become."""

    email: Email
    role: Role
    group_ids: Annotated[list[GroupId], Field(max_length=100, default_factory=list)]


class InviteRow(Message):
    """One line of a batch, taken as it comes: what is wrong with it is answered for this line alone."""

    email: Annotated[str, StringConstraints(max_length=1000)]
    role: Annotated[str, StringConstraints(max_length=100)] = "viewer"
    group_ids: Annotated[list[str], Field(max_length=100, default_factory=list)]


@dataclass
class Desk:
    """What new invitations are checked against; grows with each one that is let through."""

    domains: frozenset[str]
    members: dict[str, rules.Status]
    invited: dict[str, str | None]
    groups: dict[str, rules.Group]
    plan: rules.Plan
    used: dict[rules.Kind, int]
    wanted: dict[rules.Kind, int] = field(default_factory=lambda: {"author": 0, "viewer": 0})

    def judge(self, row: Invite | Problem) -> Invite | Problem:
        """The row itself when it is let through."""
        if isinstance(row, Problem):
            return row
        email_key = canonical_email(row.email)
        try:
            self._check(row, email_key)
        except Problem as problem:
            return problem
        self.invited[email_key] = None
        self.used[rules.kind_of(row.role)] += 1
        self.wanted[rules.kind_of(row.role)] += 1
        return row

    def _check(self, wanted: Invite, email_key: str) -> None:
        rules.check_registered(email_key.rpartition("@")[2], self.domains)
        rules.check_groups_known(wanted.group_ids, self.groups)
        rules.check_by_hand(self.groups[group_id] for group_id in wanted.group_ids)
        rules.check_may_gain_members([self.groups[group_id].kind for group_id in wanted.group_ids], self.plan)
        if (status := self.members.get(email_key)) is not None:
            way_out = (
                "They are a member already."
                if status == "active"
                else "They are a deactivated member: reactivate them."
            )
            raise Problem(
                "already_exists",
                way_out,
                meta={"because": "member" if status == "active" else "deactivated", "as": "member", "status": status},
            )
        if email_key in self.invited:
            invitation_id = self.invited[email_key]
            raise Problem(
                "already_exists",
                "They are invited already: send it again." if invitation_id else "This address is here twice.",
                meta={"because": "invited", "as": "invitation", "invitation_id": invitation_id}
                if invitation_id
                else {"because": "twice", "as": "row"},
            )
        kind = rules.kind_of(wanted.role)
        rules.check_slot(self.plan, kind, self.used[kind])


async def desk_for(read: Read, org_id: str, plan: rules.Plan, now: datetime, rows: Sequence[Invite | Problem]) -> Desk:
    """A desk that knows all that these rows can be judged by."""
    asked = [row for row in rows if isinstance(row, Invite)]
    keys = [canonical_email(row.email) for row in asked]
    return Desk(
        domains=await organizations.registered_domains(read, org_id),
        members=await members.known_addresses(read, org_id, keys),
        invited=dict(await invitations.open_addresses(read, org_id, keys, now)),
        groups=await groups.some(read, org_id, [group_id for row in asked for group_id in row.group_ids]),
        plan=plan,
        used=await members.slots_used(read, org_id, now),
    )


def row_of(pointer: str, row: Mapping[str, Any]) -> Invite | Problem:
    """A row as it came, checked; what is wrong with it is answered for it alone."""
    try:
        return Invite.model_validate(dict(row))
    except ValidationError as wrong:
        return Problem("invalid", errors=faults_of(wrong, pointer))
