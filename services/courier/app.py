"""Courier: sends the mails that others asked for in their transactions, and tells webhooks what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.courier import consumers
from services.courier.routes import ROUTES
from services.courier.store.records import RECORDS
from services.courier.store.sealed import SEALED
from services.courier.usecases.bounces import forget_dead_addresses, read_bounces
from services.courier.usecases.delivering import forget_deliveries
from services.courier.usecases.own import Own, senders
from services.courier.usecases.sending import forget_mails
from services.courier.usecases.transports import transport_of
from shared.erasure import Erasing, erase_organization, erase_person
from shared.events import org
from shared.events.audit import HeadSigned
from shared.events.billing import EntitlementsChanged, TestClockStarted
from shared.events.courier import MAIL, WEBHOOKS, ActionRefused, MailRequested, OrganizationErased
from shared.events.identity import UserClosed, UserLanguageChanged, UserRegistered
from shared.outbound import Outbound
from shared.sealed_columns import sealing_anew
from shared.service import Environment, Job, Service, on, on_everything


@asynccontextmanager
async def at_work(env: Environment) -> AsyncIterator[Own]:
    async with senders(env, transport_of(env.settings.mail), Outbound()) as own:
        yield own


service = Service(
    name="courier",
    migrations=Path(__file__).parent / "migrations",
    routes=ROUTES,
    publishes=(*WEBHOOKS, *MAIL, ActionRefused, OrganizationErased),
    sources=("identity", "org", "sharing", "billing", "audit"),
    consumers=(
        on(MailRequested, consumers.store_mail),
        on(UserRegistered, consumers.keep_reader),
        on(UserLanguageChanged, consumers.keep_reader),
        on(UserClosed, consumers.forget_reader),
        on(UserClosed, erase_person),
        on(org.OrganizationCreated, consumers.keep_wish),
        on(org.OrganizationChanged, consumers.keep_wish),
        on(org.MemberJoined, consumers.keep_member),
        on(org.MemberRoleChanged, consumers.keep_member),
        on(org.MemberRenamed, consumers.keep_member),
        on(org.MemberEmailChanged, consumers.keep_member),
        on(org.MemberDeactivated, consumers.keep_member),
        on(org.MemberReactivated, consumers.keep_member),
        on(org.MemberRemoved, consumers.keep_member),
        on(EntitlementsChanged, consumers.keep_entitlements),
        on(HeadSigned, consumers.keep_head),
        on(TestClockStarted, consumers.keep_test_organization),
        on_everything(consumers.store_deliveries),
        on(org.OrganizationErasureStarted, erase_organization),
    ),
    jobs=(
        Job(forget_deliveries, every_seconds=600),
        Job(read_bounces, every_seconds=60),
        Job(forget_dead_addresses, every_seconds=3600),
        Job(sealing_anew(SEALED), every_seconds=60),
    ),
    erasing=Erasing(OrganizationErased, person=forget_mails),
    records=RECORDS,
    sealed=SEALED,
    opens=at_work,
)
