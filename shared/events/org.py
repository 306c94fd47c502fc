"""What org says: organizations, their legal record, domains, members, invitations and groups. Ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import OrgEvent
from shared.events.org_approvals import APPROVALS
from shared.events.org_oversight import OVERSIGHT
from shared.events.org_oversight import ActionRefused as ActionRefused
from shared.events.org_oversight import ExportBegun as ExportBegun
from shared.events.org_provisioning import PROVISIONING
from shared.events.org_provisioning import GroupHandedOver as GroupHandedOver
from shared.events.org_provisioning import ProvisionedNameChanged as ProvisionedNameChanged
from shared.events.org_provisioning import ProvisioningChanged as ProvisioningChanged
from shared.events.org_provisioning import RemovalHeld as RemovalHeld
from shared.events.org_provisioning import RemovalsDecided as RemovalsDecided
from shared.events.org_shapes import Domain as Domain
from shared.events.org_shapes import Group as Group
from shared.events.org_shapes import Invitation as Invitation
from shared.events.org_shapes import Member as Member
from shared.events.org_shapes import Organization as Organization
from shared.events.org_shapes import Role as Role
from shared.events.org_shapes import SecurityPolicy as SecurityPolicy
from shared.ids import AcceptanceId, DomainId, GroupId, InvitationId, UserId


class OrganizationCreated(OrgEvent):
    """An organization exists; its first member follows as `org.member.joined`."""

    TYPE: ClassVar[str] = "org.organization.created.v1"
    organization: Organization
    created_by: UserId


class OrganizationChanged(OrgEvent):
    """Company details or preferences changed; `previous` holds what was different."""

    TYPE: ClassVar[str] = "org.organization.changed.v1"
    organization: Organization
    previous: dict[str, str | bool | None]


class OrganizationClosed(OrgEvent):
    """An Admin closed the organization: nobody works in it, and it is erased at `erased_at` unless an Admin takes it back."""

    TYPE: ClassVar[str] = "org.organization.closed.v1"
    closed_by: UserId
    closed_at: datetime
    erased_at: datetime


class OrganizationReopened(OrgEvent):
    """An Admin took the closing back: everything is as it was."""

    TYPE: ClassVar[str] = "org.organization.reopened.v1"
    reopened_by: UserId


class OrganizationErasureStarted(OrgEvent):
    """The grace is over: whoever holds anything of the organization erases it. Said again to those who haven't confirmed."""

    TYPE: ClassVar[str] = "org.organization.erasure_started.v1"
    closed_at: datetime


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left, here and in every service that confirmed. `rows` counts what was erased here."""

    TYPE: ClassVar[str] = "org.organization.erased.v1"
    rows: int


class DomainClaimed(OrgEvent):
    """An e-mail domain was registered for the organization, or waits for its proof."""

    TYPE: ClassVar[str] = "org.domain.claimed.v1"
    domain: Domain
    claimed_by: UserId | None = None


class DomainVerified(OrgEvent):
    """DNS proves that the domain is the organization's; so it is no other one's."""

    TYPE: ClassVar[str] = "org.domain.verified.v1"
    domain: Domain


class DomainAtRisk(OrgEvent):
    """The proof is no longer in DNS. The domain lapses then unless the proof is back."""

    TYPE: ClassVar[str] = "org.domain.at_risk.v1"
    domain: Domain
    lapses_at: datetime


class DomainLapsed(OrgEvent):
    """The domain is no longer the organization's: nobody can be invited there. Who is a member stays one."""

    TYPE: ClassVar[str] = "org.domain.lapsed.v1"
    domain: Domain
    reason: Literal["proof_gone", "proven_by_another"]


class DomainRemoved(OrgEvent):
    """The domain was taken off the list, by an Admin or because its claim was never proven."""

    TYPE: ClassVar[str] = "org.domain.removed.v1"
    domain: Domain
    reason: Literal["by_admin", "unproven"]


class DomainsSuspended(OrgEvent):
    """The plan no longer includes these domains: nobody new can be invited there until it does. One event for all of them."""

    TYPE: ClassVar[str] = "org.domain.suspended.v1"
    domain_ids: list[DomainId]
    cause: Literal["plan"]
    plan: str
    suspended_at: datetime


class DomainsResumed(OrgEvent):
    """The plan includes these domains again."""

    TYPE: ClassVar[str] = "org.domain.resumed.v1"
    domain_ids: list[DomainId]
    plan: str


class SecurityPolicyChanged(OrgEvent):
    """The organization asks something else of its members' accounts than before."""

    TYPE: ClassVar[str] = "org.security_policy.changed.v1"
    policy: SecurityPolicy
    previous: SecurityPolicy


class TermsAccepted(OrgEvent):
    """A person accepted a version of Terms & Conditions or Privacy Policy."""

    TYPE: ClassVar[str] = "org.legal.accepted.v1"
    document: Literal["terms", "privacy"]
    version: str
    accepted_by: UserId
    acceptance_id: AcceptanceId | None = None
    sha256: str | None = None


class DpaAccepted(OrgEvent):
    """The organization accepted the Data Processing Amendment electronically; the hash is of the text that was signed."""

    TYPE: ClassVar[str] = "org.legal.dpa_accepted.v1"
    acceptance_id: AcceptanceId
    version: str
    sha256: str
    accepted_by: UserId
    signatory_name: str
    signatory_title: str


class DpaNotApplicable(OrgEvent):
    """The organization said why it needs no Data Processing Amendment."""

    TYPE: ClassVar[str] = "org.legal.dpa_not_applicable.v1"
    acceptance_id: AcceptanceId
    version: str
    sha256: str
    decided_by: UserId
    reason: str


class InvitationSent(OrgEvent):
    """Somebody was invited, with role and groups chosen; the invitation takes a slot while it is open. The identity provider invites without a person."""

    TYPE: ClassVar[str] = "org.invitation.sent.v1"
    invitation: Invitation
    invited_by: UserId | None


class InvitationResent(OrgEvent):
    """A new link was mailed; the ones before no longer work."""

    TYPE: ClassVar[str] = "org.invitation.resent.v1"
    invitation: Invitation


class InvitationRevoked(OrgEvent):
    """The invitation was taken back; its link no longer works and its slot is free."""

    TYPE: ClassVar[str] = "org.invitation.revoked.v1"
    invitation: Invitation


class InvitationRenewalRequested(OrgEvent):
    """The invited person came too late and asks for a new mail; an Admin decides."""

    TYPE: ClassVar[str] = "org.invitation.renewal_requested.v1"
    invitation: Invitation


class InvitationExpired(OrgEvent):
    """Nobody accepted in time; the invitation stays listed and can be sent again."""

    TYPE: ClassVar[str] = "org.invitation.expired.v1"
    invitation: Invitation


class InvitationAccepted(OrgEvent):
    """The invited person is a member now; `org.member.joined` and the group memberships follow."""

    TYPE: ClassVar[str] = "org.invitation.accepted.v1"
    invitation: Invitation
    user_id: UserId


class MemberJoined(OrgEvent):
    """A person is a member now; custom groups follow as `org.group.member_added`."""

    TYPE: ClassVar[str] = "org.member.joined.v1"
    member: Member
    invitation_id: InvitationId | None = None


class MemberRoleChanged(OrgEvent):
    """A member has another role."""

    TYPE: ClassVar[str] = "org.member.role_changed.v1"
    member: Member
    previous_role: Role


class MemberSlotSuspended(OrgEvent):
    """The plan has no author slot for this member at present: they act as Viewer, and keep their role."""

    TYPE: ClassVar[str] = "org.member.slot_suspended.v1"
    member: Member


class MemberSlotResumed(OrgEvent):
    """The member has their author slot again."""

    TYPE: ClassVar[str] = "org.member.slot_resumed.v1"
    member: Member


class MemberRenamed(OrgEvent):
    """A member goes by another name."""

    TYPE: ClassVar[str] = "org.member.renamed.v1"
    member: Member


class MemberEmailChanged(OrgEvent):
    """A member has another address."""

    TYPE: ClassVar[str] = "org.member.email_changed.v1"
    member: Member
    previous_email: str


class MemberDeactivated(OrgEvent):
    """The member can do nothing in this organization until reactivated; their groups are kept."""

    TYPE: ClassVar[str] = "org.member.deactivated.v1"
    member: Member


class MemberReactivated(OrgEvent):
    """The member is active again, with the groups they had."""

    TYPE: ClassVar[str] = "org.member.reactivated.v1"
    member: Member


class MemberRemoved(OrgEvent):
    """The person is no longer a member; group memberships end with it."""

    TYPE: ClassVar[str] = "org.member.removed.v1"
    member: Member


class GroupCreated(OrgEvent):
    """A group exists; custom ones begin empty."""

    TYPE: ClassVar[str] = "org.group.created.v1"
    group: Group


class GroupChanged(OrgEvent):
    """A group has another name or description; `previous` holds what was different."""

    TYPE: ClassVar[str] = "org.group.changed.v1"
    group: Group
    previous: dict[str, str]


class GroupDeleted(OrgEvent):
    """The group is gone, and its memberships with it."""

    TYPE: ClassVar[str] = "org.group.deleted.v1"
    group: Group


class GroupRestored(OrgEvent):
    """A deleted group is back under its own id, with these people in it; what was shared with it is shared again."""

    TYPE: ClassVar[str] = "org.group.restored.v1"
    group: Group
    user_ids: list[UserId]


class GroupMemberAdded(OrgEvent):
    """A person is in a custom group."""

    TYPE: ClassVar[str] = "org.group.member_added.v1"
    group: Group
    user_id: UserId


class GroupMemberRemoved(OrgEvent):
    """A person is no longer in a custom group."""

    TYPE: ClassVar[str] = "org.group.member_removed.v1"
    group: Group
    user_id: UserId


class GroupsSuspended(OrgEvent):
    """The plan no longer includes custom groups: they grant nothing until it does again. One event for all of them.

    For people and logs: who decides access derives the same from `billing.entitlements.changed`.
    """

    TYPE: ClassVar[str] = "org.group.suspended.v1"
    group_ids: list[GroupId]
    cause: Literal["plan"]
    plan: str
    suspended_at: datetime


class GroupsResumed(OrgEvent):
    """The plan includes custom groups again: all of them grant as before."""

    TYPE: ClassVar[str] = "org.group.resumed.v1"
    group_ids: list[GroupId]
    plan: str


PUBLISHED = (
    *OVERSIGHT,
    SecurityPolicyChanged,
    OrganizationCreated,
    OrganizationChanged,
    OrganizationClosed,
    OrganizationReopened,
    OrganizationErasureStarted,
    OrganizationErased,
    DomainClaimed,
    DomainVerified,
    DomainAtRisk,
    DomainLapsed,
    DomainRemoved,
    DomainsSuspended,
    DomainsResumed,
    TermsAccepted,
    DpaAccepted,
    DpaNotApplicable,
    InvitationSent,
    InvitationResent,
    InvitationRenewalRequested,
    InvitationRevoked,
    InvitationExpired,
    InvitationAccepted,
    MemberJoined,
    MemberRoleChanged,
    MemberSlotSuspended,
    MemberSlotResumed,
    MemberRenamed,
    MemberEmailChanged,
    MemberDeactivated,
    MemberReactivated,
    MemberRemoved,
    GroupCreated,
    GroupChanged,
    GroupDeleted,
    GroupRestored,
    GroupMemberAdded,
    GroupMemberRemoved,
    GroupsSuspended,
    GroupsResumed,
    *APPROVALS,
    *PROVISIONING,
)
