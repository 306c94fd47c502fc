"""Audit: hears everything, and keeps it so that nobody can change it unnoticed."""

from __future__ import annotations

from pathlib import Path

from services.audit.consumers import keep_retention, record
from services.audit.routes import ROUTES
from services.audit.usecases.exports import OPERATIONS
from shared.events.billing import EntitlementsChanged
from shared.service import Service, on, on_everything

service = Service(
    name="audit",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    operations=OPERATIONS,
    sources=("identity", "org", "sharing", "billing", "courier"),
    consumers=(on_everything(record), on(EntitlementsChanged, keep_retention)),
)
