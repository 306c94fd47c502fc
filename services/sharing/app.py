"""Sharing: dashboards, who may see them and why, sharing links, and the organization's embed secrets."""

from __future__ import annotations

from pathlib import Path

from services.sharing import consumers
from services.sharing.routes import ROUTES
from services.sharing.store.records import RECORDS
from services.sharing.store.secrets import SEALED
from services.sharing.usecases.embed_secrets import seal_secrets_anew, tell_expired_secrets, warn_of_expiring_secrets
from services.sharing.usecases.embedding import forget_refusals
from services.sharing.usecases.link_usage import forget_link_days
from services.sharing.usecases.notices import send_notices
from services.sharing.usecases.opened import opens
from services.sharing.usecases.reviews import OPERATIONS
from shared.erasure import Erasing, erase_organization
from shared.events import billing, org
from shared.events.courier import MailRequested
from shared.events.sharing import PUBLISHED, OrganizationErased
from shared.service import Job, Service, on

service = Service(
    name="sharing",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*PUBLISHED, MailRequested),
    consumers=(
        on(org.OrganizationCreated, consumers.welcome_organization),
        on(org.OrganizationChanged, consumers.keep_organization),
        on(org.MemberJoined, consumers.keep_member),
        on(org.MemberRoleChanged, consumers.keep_member),
        on(org.MemberRenamed, consumers.keep_member),
        on(org.MemberEmailChanged, consumers.keep_member),
        on(org.MemberSlotSuspended, consumers.keep_member),
        on(org.MemberSlotResumed, consumers.keep_member),
        on(org.MemberDeactivated, consumers.keep_member),
        on(org.MemberReactivated, consumers.keep_member),
        on(org.MemberRemoved, consumers.let_member_go),
        on(org.GroupCreated, consumers.keep_group),
        on(org.GroupChanged, consumers.keep_group),
        on(org.GroupDeleted, consumers.delete_group),
        on(org.GroupRestored, consumers.restore_group),
        on(org.GroupMemberAdded, consumers.add_to_group),
        on(org.GroupMemberRemoved, consumers.take_from_group),
        on(billing.EntitlementsChanged, consumers.keep_entitlements),
        on(org.OrganizationClosed, consumers.close_organization),
        on(org.OrganizationReopened, consumers.reopen_organization),
        on(org.OrganizationErasureStarted, erase_organization),
    ),
    sources=("org", "billing"),
    jobs=(
        Job(send_notices, every_seconds=1),
        Job(tell_expired_secrets, every_seconds=5),
        Job(warn_of_expiring_secrets, every_seconds=60),
        Job(seal_secrets_anew, every_seconds=60),
        Job(forget_refusals, every_seconds=3600),
        Job(forget_link_days, every_seconds=3600),
    ),
    erasing=Erasing(OrganizationErased),
    records=RECORDS,
    sealed=SEALED,
    operations=OPERATIONS,
    opens=opens,
)
