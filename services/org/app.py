"""org: organizations, their legal record, domains, members, invitations and groups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from services.org import consumers
from services.org.routes import ROUTES
from services.org.store.records import RECORDS
from services.org.usecases.arrivals import take_in
from services.org.usecases.dns import LookUp, txt_records
from services.org.usecases.domain_checks import check_domains, end_unproven_claims
from services.org.usecases.erasing import ERASING, mind_closures
from services.org.usecases.exporting import EXPORT
from services.org.usecases.importing import IMPORT
from services.org.usecases.invitations import expire_invitations
from services.org.usecases.legal_news import tell_new_versions
from services.org.usecases.legal_texts import LegalTexts
from services.org.usecases.own import Own
from services.org.usecases.product_mails import send_digests
from services.org.usecases.restoring import forget_deleted_groups
from services.org.usecases.taking_along import TAKING_ALONG
from shared.erasure import erase_person
from shared.events import audit, billing, courier, identity, sharing
from shared.events.billing import EntitlementsChanged
from shared.events.courier import MailRequested
from shared.events.identity import (
    SessionChanged,
    SessionStarted,
    TwoFactorEnabled,
    TwoFactorRemoved,
    UserClosed,
    UserEmailChanged,
    UserNameChanged,
    UserRegistered,
)
from shared.events.identity_sso import SsoUserArrived
from shared.events.org import PUBLISHED
from shared.service import Environment, Job, Service, on


def opening(
    look_up: LookUp, legal_texts: LegalTexts | None = None
) -> Callable[[Environment], AbstractAsyncContextManager[Own]]:
    """How org opens when DNS is asked this way, and the legal texts are these."""

    @asynccontextmanager
    async def opened(env: Environment) -> AsyncIterator[Own]:
        yield Own.open(env.settings.secrets.bytes("cursors"), env.settings.secrets.bytes("links"), look_up, legal_texts)

    return opened


service = Service(
    name="org",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*PUBLISHED, MailRequested),
    consumers=(
        on(UserRegistered, consumers.know_person),
        on(SessionStarted, consumers.note_activity),
        on(SessionChanged, consumers.note_activity),
        on(TwoFactorEnabled, consumers.keep_two_factor),
        on(TwoFactorRemoved, consumers.keep_two_factor),
        on(UserNameChanged, consumers.rename_person),
        on(UserEmailChanged, consumers.readdress_person),
        on(UserClosed, consumers.let_person_go),
        on(UserClosed, erase_person),
        on(EntitlementsChanged, consumers.apply_entitlements),
        *(
            on(one.OrganizationErased, consumers.note_confirmation)
            for one in (identity, sharing, billing, audit, courier)
        ),
        on(SsoUserArrived, take_in),
    ),
    sources=("identity", "billing", "sharing", "audit", "courier"),
    jobs=(
        Job(expire_invitations, every_seconds=60),
        Job(check_domains, every_seconds=60),
        Job(end_unproven_claims, every_seconds=60),
        Job(forget_deleted_groups, every_seconds=3600),
        Job(mind_closures, every_seconds=2),
        Job(send_digests, every_seconds=60),
        Job(tell_new_versions, every_seconds=60),
    ),
    operations=(IMPORT, EXPORT, TAKING_ALONG),
    records=RECORDS,
    erasing=ERASING,
    opens=opening(txt_records),
)
