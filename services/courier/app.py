"""Courier: sends the mails that others asked for in their transactions, and tells webhooks what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.courier import consumers
from services.courier.routes import ROUTES
from services.courier.store.records import RECORDS
from services.courier.usecases.delivering import forget_deliveries
from services.courier.usecases.own import Own, senders
from services.courier.usecases.transports import transport_of
from shared.erasure import Erasing, erase_organization
from shared.events import org
from shared.events.audit import HeadSigned
from shared.events.billing import EntitlementsChanged
from shared.events.courier import WEBHOOKS, MailRequested, OrganizationErased
from shared.events.identity import UserClosed, UserRegistered
from shared.events.refusals import CourierActionRefused
from shared.outbound import Outbound
from shared.service import Environment, Job, Service, on, on_everything


@asynccontextmanager
async def at_work(env: Environment) -> AsyncIterator[Own]:
    async with senders(env, transport_of(env.settings.mail), Outbound()) as own:
        yield own


service = Service(
    name="courier",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*WEBHOOKS, OrganizationErased, CourierActionRefused),
    sources=("identity", "org", "sharing", "billing", "audit"),
    consumers=(
        on(MailRequested, consumers.store_mail),
        on(UserRegistered, consumers.keep_reader),
        on(UserClosed, consumers.forget_reader),
        on(org.MemberJoined, consumers.keep_member),
        on(org.MemberRoleChanged, consumers.keep_member),
        on(org.MemberRenamed, consumers.keep_member),
        on(org.MemberEmailChanged, consumers.keep_member),
        on(org.MemberDeactivated, consumers.keep_member),
        on(org.MemberReactivated, consumers.keep_member),
        on(org.MemberRemoved, consumers.keep_member),
        on(EntitlementsChanged, consumers.keep_entitlements),
        on(HeadSigned, consumers.keep_head),
        on_everything(consumers.store_deliveries),
        on(org.OrganizationErasureStarted, erase_organization),
    ),
    jobs=(Job(forget_deliveries, every_seconds=600),),
    erasing=Erasing(OrganizationErased),
    records=RECORDS,
    opens=at_work,
)
