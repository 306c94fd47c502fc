"""Pure decisions about an organization: who has a slot, what the plan suspends, and what is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Literal

from shared.errors import Problem, invalid
from shared.events import org as said
from shared.events.billing import Entitlements
from shared.events.org import Role as Role

Status = Literal["active", "inactive", "removed"]
Kind = Literal["author", "viewer"]
GroupKind = Literal["all_users", "all_analysts", "custom"]
InvitationStatus = Literal["open", "accepted", "revoked", "expired"]

AUTHORS: frozenset[str] = frozenset({"admin", "analyst"})
VARIATIONS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
INVITATION_LIFE = timedelta(days=14)
MOST_MEMBERS = 10_000_000
PLAN_WITH_GROUPS = "business"
BUILT_IN_GROUPS: Mapping[GroupKind, tuple[str, str]] = {
    "all_users": ("All Users", "Every active member."),
    "all_analysts": ("All Analysts", "Every active Admin and Analyst."),
}

# Every action on an organization and the roles it is open to: the routes and the capabilities both read it.
ADMINS = frozenset({"admin"})
EVERYBODY = frozenset({"admin", "analyst", "viewer"})
ACTIONS: Mapping[str, frozenset[str]] = {
    "organization.read": ADMINS,
    "organization.manage": ADMINS,
    "organization.close": ADMINS,
    "organization.export": ADMINS,
    "security_policy.read": ADMINS,
    "security_policy.manage": ADMINS,
    "preferences.read": EVERYBODY,
    "legal.read": ADMINS,
    "legal.accept": ADMINS,
    "domains.read": ADMINS,
    "domains.manage": ADMINS,
    "domains.remove": ADMINS,
    "users.read": ADMINS,
    "users.filter_by_group": ADMINS,
    "users.manage": ADMINS,
    "invitations.read": ADMINS,
    "invitations.manage": ADMINS,
    "invitations.invite_author": ADMINS,
    "invitations.invite_viewer": ADMINS,
    "invitations.revoke": ADMINS,
    "groups.read": AUTHORS,
    "groups.read_members": ADMINS,
    "groups.manage": ADMINS,
    "groups.edit": ADMINS,
    "provisioning.read": ADMINS,
    "provisioning.manage": ADMINS,
}
NEEDS_DOMAINS = frozenset({"domains.manage"})
PLAN_WITH_DOMAINS = "pro"
NEEDS_GROUPS = frozenset({"groups.manage", "users.filter_by_group"})
NEEDS_SLOT: Mapping[str, tuple[Kind, ...]] = {
    "invitations.manage": ("author", "viewer"),
    "invitations.invite_author": ("author",),
    "invitations.invite_viewer": ("viewer",),
}

# What an organization may set up while billing hasn't been heard: nothing.
NOTHING_KNOWN = Entitlements(
    version=0,
    plan="unknown",
    plan_name="Unknown",
    author_slots=0,
    viewer_slots=0,
    share_all_analysts=False,
    custom_groups=False,
    additional_domains="none",
    single_sign_on=False,
    scim=False,
    sharing_links=False,
    interactive_embedding=False,
    api_keys=False,
    audit_days=0,
)


@dataclass(frozen=True)
class Member:
    """A member as stored: the role given, whatever the plan makes of it. `seen`: they were ever here themselves."""

    user_id: str
    email: str
    name: str
    role: Role
    status: Status
    joined_at: datetime
    deactivated_at: datetime | None
    version: int
    changed_by: str | None
    changed_at: datetime
    last_active_at: datetime | None = None
    two_factor: bool = False
    seen: bool = False

    @property
    def is_active_admin(self) -> bool:
        return self.role == "admin" and self.status == "active"


@dataclass(frozen=True)
class Group:
    """A group as stored, without its members. With origin `scim` it is the identity provider's."""

    group_id: str
    kind: GroupKind
    name: str
    description: str
    created_at: datetime
    version: int
    changed_by: str | None
    changed_at: datetime
    name_key: str
    origin: Literal["hand", "scim"] = "hand"

    def state(self) -> said.Group:
        return said.Group(group_id=self.group_id, kind=self.kind, name=self.name, description=self.description)


@dataclass(frozen=True)
class Invitation:
    """An invitation as stored."""

    invitation_id: str
    email: str
    role: Role
    group_ids: tuple[str, ...]
    status: InvitationStatus
    link_version: int
    invited_by: str
    invited_at: datetime
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    renewal_requested_at: datetime | None = None

    def at(self, now: datetime) -> Invitation:
        """As it is at this moment: what is overdue has expired, whether or not the job has been by."""
        return replace(self, status="expired") if self.status == "open" and self.expires_at <= now else self

    def state(self) -> said.Invitation:
        return said.Invitation(
            invitation_id=self.invitation_id,
            email=self.email,
            role=self.role,
            group_ids=list(self.group_ids),
            status=self.status,
            expires_at=self.expires_at,
            link_version=self.link_version,
        )


@dataclass(frozen=True)
class Author:
    """What decides who keeps an author slot."""

    user_id: str
    role: str
    joined_at: datetime


@dataclass(frozen=True)
class Plan:
    """The entitlements as last heard, and since when custom groups and additional domains have been suspended."""

    entitlements: Entitlements = NOTHING_KNOWN
    groups_lost_at: datetime | None = None
    proven_lost_at: datetime | None = None
    affirmed_lost_at: datetime | None = None

    @property
    def known(self) -> bool:
        return self.entitlements.version > 0

    def followed_by(self, entitlements: Entitlements, at: datetime) -> Plan:
        had, has = self.entitlements, entitlements
        return Plan(
            entitlements,
            self._lost(had.custom_groups, has.custom_groups, self.groups_lost_at, at),
            self._lost(had.additional_domains != "none", has.additional_domains != "none", self.proven_lost_at, at),
            self._lost(had.additional_domains == "any", has.additional_domains == "any", self.affirmed_lost_at, at),
        )

    def _lost(self, had: bool, has: bool, since: datetime | None, at: datetime) -> datetime | None:
        if has:
            return None
        return since if self.known and not had else at

    def limit(self, kind: Kind) -> int | None:
        return self.entitlements.author_slots if kind == "author" else self.entitlements.viewer_slots


@dataclass(frozen=True)
class Overlay:
    """What the plan lays over the facts, computed whenever it is needed and never stored."""

    plan: Plan
    slotless: frozenset[str] = frozenset()

    @property
    def groups_suspended(self) -> bool:
        return not self.plan.entitlements.custom_groups

    def effective_role(self, member: Member) -> Role:
        return "viewer" if member.user_id in self.slotless and member.status == "active" else member.role

    def state(self, member: Member) -> said.Member:
        return said.Member(
            user_id=member.user_id,
            email=member.email,
            name=member.name,
            role=member.role,
            effective_role=self.effective_role(member),
            status=member.status,
            joined_at=member.joined_at,
            deactivated_at=member.deactivated_at,
        )


def overlay(plan: Plan, authors: Iterable[Author]) -> Overlay:
    """Admins keep their slots first, then Analysts in the order they joined; the first Admin keeps theirs on any plan."""
    limit = plan.entitlements.author_slots
    if limit is None or not plan.known:
        return Overlay(plan)
    in_order = sorted(authors, key=lambda author: (author.role != "admin", author.joined_at, author.user_id))
    return Overlay(plan, frozenset(author.user_id for author in in_order[max(limit, 1) :]))


def kind_of(role: str) -> Kind:
    return "author" if role in AUTHORS else "viewer"


def is_in_built_in(kind: GroupKind, status: Status, effective_role: Role) -> bool:
    """Whether a member is in a built-in group: All Users have every active one, All Analysts those who act as Admin or Analyst."""
    return status == "active" and (kind == "all_users" or effective_role in AUTHORS)


def key_of(name: str) -> str:
    """The form in which names are compared: regardless of case and of how an accent is composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def group_key_of(name: str) -> str:
    """The form in which names of groups are compared: what looks alike is alike, so nobody's group passes for another."""
    return " ".join(VARIATIONS.sub("", key_of(name)).split())


def check_slot(plan: Plan, kind: Kind, used: int, more: int = 1) -> None:
    """Refuses when `more` slots of this kind don't fit beside those in use."""
    limit = plan.limit(kind)
    if limit is not None and used + more > limit:
        raise Problem(
            "slots_exhausted",
            f"All {limit} {kind} slots are taken."
            if plan.known
            else "The plan of this organization isn't known here yet.",
            meta={
                "because": kind if plan.known else "plan_unknown",
                "kind": kind,
                "used": used,
                "limit": limit,
                "plan": plan.entitlements.plan,
            },
        )


def check_may_have_groups(plan: Plan) -> None:
    """Refuses to set up custom groups on a plan without them."""
    if not plan.entitlements.custom_groups:
        raise Problem(
            "plan_required", meta={"plan": PLAN_WITH_GROUPS, "current": plan.entitlements.plan, "for": "custom_groups"}
        )


def check_may_gain_members(group_kinds: Collection[GroupKind], plan: Plan) -> None:
    """Refuses to add anybody to built-in groups, and to any group while the plan suspends them."""
    if any(kind != "custom" for kind in group_kinds):
        raise Problem("built_in")
    if group_kinds and not plan.entitlements.custom_groups:
        since = plan.groups_lost_at
        raise Problem(
            "suspended",
            "Nobody can be added to a group while the plan suspends it.",
            meta={
                "because": "joining",
                "cause": "plan",
                "plan": plan.entitlements.plan,
                "since": since.isoformat() if since else None,
                "plan_required": PLAN_WITH_GROUPS,
            },
        )


def check_by_hand(groups: Iterable[Group]) -> None:
    """Refuses to change by hand what the identity provider manages."""
    for group in groups:
        if group.origin == "scim":
            raise Problem(
                "managed_by_provider",
                f"{group.name} is managed by the identity provider.",
                meta={"because": "group", "name": group.name, "group_id": group.group_id},
            )


def check_groups_known(asked: Collection[str], known: Collection[str]) -> None:
    """A group of another organization is as unknown as one that never was."""
    for place, group_id in enumerate(asked):
        if group_id not in known:
            raise unknown_group(f"/group_ids/{place}")


def unknown_group(pointer: str) -> Problem:
    return invalid(pointer, "unknown_group", "There is no such group.")


def check_keeps_an_admin(member: Member, other_admins: int) -> None:
    """Refuses to take the role or the standing of an Admin from the last one."""
    if member.is_active_admin and other_admins == 0:
        raise Problem("last_admin")


def check_registered(domain: str, registered: Collection[str]) -> None:
    """Only addresses in the organization's own domains can be invited."""
    if domain not in registered:
        known = ", ".join(sorted(registered)) or "none yet"
        raise invalid(
            "/email",
            "domain_not_registered",
            f"{domain} isn't a registered domain of this organization ({known}).",
            domain=domain,
            domains=sorted(registered),
        )


def check_role(role: str | None, action: str) -> None:
    """The Admin of the token must still be one."""
    if role != "admin":
        raise Problem("forbidden", meta={"action": action, "because": "role", "role": role, "roles": ["admin"]})


@dataclass(frozen=True)
class SlotStep:
    """A slot was taken, or given back."""

    at: datetime
    kind: Kind
    taken: bool


def most_held(held: Mapping[Kind, int], steps: Iterable[SlotStep], days: Iterable[date]) -> list[dict[Kind, int]]:
    """For each day (UTC) the most slots of each kind that were held at one moment of it.

    `held` are those held when the first day begins; `steps` are in the order of time. What is given back and taken
    at the same moment, as when an invitation is accepted, was never held twice.
    """
    by_day: dict[date, list[SlotStep]] = {}
    for step in steps:
        by_day.setdefault(step.at.astimezone(UTC).date(), []).append(step)
    now, found = dict(held), []
    for day in days:
        most = dict(now)
        at_once = groupby(by_day.get(day, ()), key=lambda step: step.at)
        for _, together in at_once:
            for step in together:
                now[step.kind] += 1 if step.taken else -1
            most = {kind: max(most[kind], now[kind]) for kind in most}
        found.append(most)
    return found
