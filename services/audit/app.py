"""Audit: hears everything, and keeps it so that nobody can change it unnoticed."""

from __future__ import annotations

from pathlib import Path

from services.audit.consumers import keep_retention, record
from services.audit.routes import ROUTES
from services.audit.store import RECORDS
from services.audit.usecases.exports import OPERATIONS
from services.audit.usecases.heads import sign_heads
from shared.erasure import Erasing, erase_organization, erase_person
from shared.events.audit import PUBLISHED, OrganizationErased
from shared.events.billing import EntitlementsChanged
from shared.events.identity import UserClosed
from shared.events.org import OrganizationErasureStarted
from shared.service import Job, Service, on, on_everything

service = Service(
    name="audit",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=PUBLISHED,
    jobs=(Job(sign_heads, every_seconds=60),),
    operations=OPERATIONS,
    sources=("identity", "org", "sharing", "billing", "courier", "audit"),
    consumers=(
        on_everything(record),
        on(EntitlementsChanged, keep_retention),
        on(OrganizationErasureStarted, erase_organization),
        on(UserClosed, erase_person),
    ),
    erasing=Erasing(OrganizationErased),
    records=RECORDS,
)
