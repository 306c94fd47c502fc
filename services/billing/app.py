"""Billing: plans, subscriptions, and what an organization may set up because of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from services.billing import store
from services.billing.catalogue import DEFAULT, Shelf, read_catalogue
from services.billing.consumers import (
    close_organization,
    count_invitation,
    count_member,
    keep_organization,
    reopen_organization,
    start_subscription,
)
from services.billing.routes import ROUTES
from services.billing.store.records import RECORDS
from services.billing.usecases.closing import forget_customers, forget_kept_invoices, keep_what_stays
from services.billing.usecases.collecting import collect
from services.billing.usecases.own import Own, provider_of
from services.billing.usecases.providers import Provider
from services.billing.usecases.reconciling import reconcile
from services.billing.usecases.time import dun, keep_time
from shared.config import Misconfigured
from shared.db import EVERY_ORG
from shared.erasure import Erasing, erase_organization
from shared.events import Envelope, billing, org
from shared.events.courier import MailRequested
from shared.service import Environment, Job, Service, on


async def apply_first_catalogue(env: Environment) -> None:
    """The file that comes along is the first."""
    async with env.database.tx(EVERY_ORG, _says_nothing) as tx:
        if await store.newest_catalogue(tx) is None:
            first = read_catalogue()
            if not await store.apply_catalogue(
                tx, first.version, first.digest, first.content, "installation", env.clock.now()
            ):
                raise Misconfigured(
                    [f"the plan catalogue {DEFAULT} isn't the one that version {first.version} was sold by: restore it"]
                )


def opening(provider: Callable[[Environment], Provider]) -> Callable[[Environment], AbstractAsyncContextManager[Own]]:
    """How billing opens when this provider collects."""

    @asynccontextmanager
    async def opened(env: Environment) -> AsyncIterator[Own]:
        await apply_first_catalogue(env)
        kept = Own(Shelf(), provider(env))
        try:
            yield kept
        finally:
            await kept.provider.close()

    return opened


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
        on(org.OrganizationClosed, close_organization),
        on(org.OrganizationReopened, reopen_organization),
        on(org.OrganizationErasureStarted, erase_organization),
    ),
    jobs=(
        Job(keep_time, every_seconds=1),
        Job(dun, every_seconds=60),
        Job(collect, every_seconds=5),
        Job(reconcile, every_seconds=60),
        Job(forget_kept_invoices, every_seconds=3600),
        Job(forget_customers, every_seconds=60),
    ),
    erasing=Erasing(billing.OrganizationErased, first=keep_what_stays),
    records=RECORDS,
    opens=opening(lambda env: provider_of(env.settings)),
)
