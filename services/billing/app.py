"""Billing: plans, subscriptions, and what an organization may set up because of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.billing import store
from services.billing.catalogue import DEFAULT, Shelf, read_catalogue
from services.billing.consumers import count_invitation, count_member, keep_organization, start_subscription
from services.billing.routes import ROUTES
from services.billing.usecases.time import dun, keep_time
from shared.config import Misconfigured
from shared.db import EVERY_ORG
from shared.events import Envelope, billing, org
from shared.events.courier import MailRequested
from shared.service import Environment, Job, Service, on


@asynccontextmanager
async def the_catalogues(env: Environment) -> AsyncIterator[Shelf]:
    """What was applied so far; the file that comes along is the first."""
    async with env.database.tx(EVERY_ORG, _says_nothing) as tx:
        if await store.newest_catalogue(tx) is None:
            first = read_catalogue()
            if not await store.apply_catalogue(
                tx, first.version, first.digest, first.content, "installation", env.clock.now()
            ):
                raise Misconfigured(
                    [f"the plan catalogue {DEFAULT} isn't the one that version {first.version} was sold by: restore it"]
                )
    yield Shelf()


def _says_nothing(event: Any) -> Envelope:
    raise TypeError("starting has nothing to say")


service = Service(
    name="billing",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*billing.PUBLISHED, MailRequested),
    sources=("org",),
    consumers=(
        on(org.OrganizationCreated, start_subscription),
        on(org.OrganizationChanged, keep_organization),
        on(org.MemberJoined, count_member),
        on(org.MemberRoleChanged, count_member),
        on(org.MemberDeactivated, count_member),
        on(org.MemberReactivated, count_member),
        on(org.MemberRemoved, count_member),
        on(org.InvitationSent, count_invitation),
        on(org.InvitationResent, count_invitation),
        on(org.InvitationAccepted, count_invitation),
        on(org.InvitationRevoked, count_invitation),
        on(org.InvitationExpired, count_invitation),
    ),
    jobs=(Job(keep_time, every_seconds=1), Job(dun, every_seconds=60)),
    opens=the_catalogues,
)
