"""Identity: accounts, credentials and sessions."""

from __future__ import annotations

from pathlib import Path

from services.identity import consumers
from services.identity.routes import ROUTES
from services.identity.store.records import RECORDS
from services.identity.store.sealed import SEALED
from services.identity.usecases.api_key_endings import tell_of_endings
from services.identity.usecases.erasing import let_everybody_out
from services.identity.usecases.housekeeping import end_expired_sessions, forget_the_past
from services.identity.usecases.opened import opening
from services.identity.usecases.plans import project_closing, project_entitlements
from services.identity.usecases.provisioned import take_name
from services.identity.usecases.requirements import require_two_factor
from services.identity.usecases.saml_metadata_again import read_metadata_again
from services.identity.usecases.sso_warnings import warn_of_certificates
from shared.erasure import Erasing, erase_organization
from shared.events import billing, org
from shared.events.courier import MailRequested
from shared.events.identity import PUBLISHED, OrganizationErased
from shared.outbound import Outbound
from shared.sealed_columns import sealing_anew
from shared.service import Job, Service, on

service = Service(
    name="identity",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=[*PUBLISHED, MailRequested],
    consumers=[
        on(billing.EntitlementsChanged, project_entitlements),
        on(org.ProvisionedNameChanged, take_name),
        on(org.OrganizationCreated, consumers.project_organization),
        on(org.OrganizationChanged, consumers.project_organization),
        on(org.MemberJoined, consumers.project_joined),
        on(org.MemberReactivated, consumers.project_reactivated),
        on(org.MemberDeactivated, consumers.project_deactivated),
        on(org.MemberRemoved, consumers.project_removed),
        on(org.MemberRoleChanged, consumers.project_role_changed),
        on(org.MemberSlotSuspended, consumers.project_slot_suspended),
        on(org.MemberSlotResumed, consumers.project_slot_resumed),
        on(org.SecurityPolicyChanged, consumers.project_security_policy),
        on(org.DomainClaimed, consumers.project_domain),
        on(org.DomainVerified, consumers.project_domain),
        on(org.DomainAtRisk, consumers.project_domain),
        on(org.DomainLapsed, consumers.project_domain),
        on(org.DomainRemoved, consumers.project_domain),
        on(org.InvitationSent, consumers.project_invitation_sent),
        on(org.InvitationResent, consumers.project_invitation_resent),
        on(org.InvitationRevoked, consumers.project_invitation_revoked),
        on(org.InvitationExpired, consumers.project_invitation_expired),
        on(org.InvitationAccepted, consumers.project_invitation_accepted),
        on(org.OrganizationClosed, project_closing),
        on(org.OrganizationReopened, project_closing),
        on(org.OrganizationErasureStarted, erase_organization),
    ],
    sources=["org", "billing"],
    erasing=Erasing(OrganizationErased, first=let_everybody_out),
    records=RECORDS,
    sealed=SEALED,
    jobs=[
        Job(warn_of_certificates, every_seconds=3600),
        Job(read_metadata_again, every_seconds=60),
        Job(end_expired_sessions, every_seconds=30),
        Job(require_two_factor, every_seconds=30),
        Job(forget_the_past, every_seconds=600),
        Job(tell_of_endings, every_seconds=60),
        Job(sealing_anew(SEALED), every_seconds=60),
    ],
    opens=opening(Outbound()),
)
