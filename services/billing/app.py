"""Billing: plans, subscriptions, and what an organization may set up because of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.billing import store
from services.billing.catalogue import DEFAULT, Catalogue, read_catalogue
from services.billing.consumers import keep_organization, start_subscription
from services.billing.routes import ROUTES
from services.billing.usecases.time import follow_catalogue, keep_time
from shared.config import Misconfigured
from shared.db import EVERY_ORG
from shared.events import Envelope, billing
from shared.events.courier import MailRequested
from shared.events.org import OrganizationChanged, OrganizationCreated
from shared.service import Environment, Job, Service, on


@asynccontextmanager
async def the_catalogue(env: Environment) -> AsyncIterator[Catalogue]:
    """The catalogue, once it fits what was sold under it."""
    catalogue = read_catalogue()
    async with env.database.tx(EVERY_ORG, _says_nothing) as tx:
        first_seen = await store.digest_of_catalogue(tx, catalogue.version, catalogue.digest)
        used = await store.plans_in_use(tx)
    faults = [
        f"the plan catalogue {DEFAULT}: {count} subscriptions are on the plan {plan!r}: keep it"
        for plan, count in sorted(used.items())
        if plan not in catalogue.by_id
    ]
    if first_seen != catalogue.digest:
        faults.append(
            f"the plan catalogue {DEFAULT} changed but its version is still {catalogue.version}: raise `version`"
        )
    if faults:
        raise Misconfigured(faults)
    yield catalogue


def _says_nothing(event: Any) -> Envelope:
    raise TypeError("starting has nothing to say")


service = Service(
    name="billing",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*billing.PUBLISHED, MailRequested),
    sources=("org",),
    consumers=(on(OrganizationCreated, start_subscription), on(OrganizationChanged, keep_organization)),
    jobs=(Job(keep_time, every_seconds=1), Job(follow_catalogue, every_seconds=5)),
    opens=the_catalogue,
)
