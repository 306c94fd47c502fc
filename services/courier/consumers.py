"""What courier does when others speak: a request becomes a mail, an event a delivery to each webhook that selects it.

Both are stored in the transaction that takes the event from the inbox, so there is one per cause.
"""

from __future__ import annotations

import structlog

from services.courier import rules
from services.courier.store import deliveries, heads, heard, product_mails, readers, webhooks
from services.courier.store import mails as store
from services.courier.usecases.own import own
from shared.events import Envelope
from shared.events.audit import HeadSigned
from shared.events.billing import EntitlementsChanged, TestClockStarted
from shared.events.courier import MailRequested
from shared.events.identity import UserClosed, UserLanguageChanged, UserRegistered
from shared.events.org import (
    MemberDeactivated,
    MemberEmailChanged,
    MemberJoined,
    MemberReactivated,
    MemberRemoved,
    MemberRenamed,
    MemberRoleChanged,
    OrganizationChanged,
    OrganizationCreated,
)
from shared.ids import new_id
from shared.service import Ctx

log = structlog.get_logger()

MemberTold = (
    MemberJoined
    | MemberRoleChanged
    | MemberRenamed
    | MemberEmailChanged
    | MemberDeactivated
    | MemberReactivated
    | MemberRemoved
)


async def store_mail(ctx: Ctx, asked: MailRequested) -> None:
    """Keeps the mail, and wakes the sender once that is certain."""
    if ctx.cause is None:
        raise RuntimeError("a mail is asked for by an event")
    async with ctx.tx() as tx:
        if await store.add(tx, new_id("mail"), ctx.cause.id, asked, ctx.now, again=ctx.cause.replayed):
            tx.after_commit(own(ctx).mails.wake)


async def keep_reader(ctx: Ctx, told: UserRegistered | UserLanguageChanged) -> None:
    """In which language this person is written to."""
    if told.language is not None:
        async with ctx.tx() as tx:
            await readers.keep(tx, told.user_id, told.language)


async def forget_reader(ctx: Ctx, told: UserClosed) -> None:
    async with ctx.tx() as tx:
        await readers.forget(tx, told.user_id)


async def keep_wish(ctx: Ctx, told: OrganizationCreated | OrganizationChanged) -> None:
    """Whether the organization wants product mails."""
    async with ctx.tx() as tx:
        await product_mails.keep(tx, told.org_id, wanted=told.organization.product_mails)


async def store_deliveries(ctx: Ctx, told: Envelope) -> None:
    """Puts an event in line for every webhook of its organization that selects it; also for one that is off, where it waits."""
    if told.org_id is None or told.type not in rules.EVENT_TYPES:
        return
    async with ctx.tx(told.org_id) as tx:
        for webhook_id, types in await webhooks.selecting(tx, told.org_id):
            if rules.is_selected(types, told.type):
                await deliveries.add(
                    tx,
                    told.org_id,
                    webhook_id,
                    new_id("dlv", now=ctx.now.timestamp()),
                    told.id,
                    told.type,
                    rules.body_of(told),
                    told.time,
                )
                tx.after_commit(own(ctx).webhooks.wake)


async def keep_member(ctx: Ctx, told: MemberTold) -> None:
    async with ctx.tx() as tx:
        await heard.keep_member(tx, told.org_id, told.member)


async def keep_entitlements(ctx: Ctx, told: EntitlementsChanged) -> None:
    """A plan without webhooks stops them, one with webhooks lets them go on: what waited meanwhile is due."""
    async with ctx.tx() as tx:
        await heard.keep_entitlements(tx, told.org_id, told.entitlements, ctx.now)
        tx.after_commit(own(ctx).webhooks.wake)


async def keep_test_organization(ctx: Ctx, told: TestClockStarted) -> None:
    async with ctx.tx() as tx:
        await heard.keep_test_organization(tx, told.org_id)


async def keep_head(ctx: Ctx, told: HeadSigned) -> None:
    """Keeps how far an audit log has come. A log that reaches less far than it did was cut off or restored: what was known stays."""
    assert ctx.cause is not None
    async with ctx.tx() as tx:
        known = await heads.furthest(tx, told.org_id)
        if known is not None and (
            told.number < known["number"] or _contradicts(told, known["number"], known["digest"])
        ):
            log.error("an audit log isn't what it was", org_id=told.org_id, had=known["number"], has=told.number)
        await heads.keep(tx, told, ctx.cause.time.date())


def _contradicts(told: HeadSigned, number: int, digest: str) -> bool:
    return told.number == number and told.digest != digest
