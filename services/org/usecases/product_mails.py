"""Product mails: a digest of each month for the organization's contact, and how whoever gets it ends them with one click."""

from __future__ import annotations

from dataclasses import replace

import structlog

from services.org.rules.digests import month_before, next_at
from services.org.store import digests, members, organizations
from services.org.usecases.holding import Held, holding
from services.org.usecases.own import own
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.events.org import OrganizationChanged
from shared.fields import Message
from shared.links import read_link_token
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 100
BY_MAIL = "mail"  # nobody who is signed in


class WhichMail(Message):
    token: str


async def send_digests(ctx: Ctx) -> None:
    """The job: on the first of a month, in the organization's morning. Who wants none, or is closed, gets none."""
    async with ctx.read(EVERY_ORG) as read:
        due = await digests.due(read, ctx.now, AT_ONCE)
    for org_id in due:
        mine = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
        try:
            async with mine.finishing(), mine.tx() as tx, holding(mine, tx, org_id) as held:
                if await digests.is_due(tx, org_id, ctx.now):
                    await digests.schedule(tx, org_id, next_at(ctx.now, held.facts.time_zone))
                    if held.facts.product_mails and held.facts.closed_at is None:
                        await _send(mine, held)
        except Exception:
            log.exception("a digest isn't sent", org_id=org_id)


async def _send(ctx: Ctx, held: Held) -> None:
    facts = held.facts
    begin, end = month_before(ctx.now, facts.time_zone)
    month = await digests.month(held.tx, held.id, begin, end)
    used = await members.slots_used(held.tx, held.id, ctx.now)
    limit = held.plan.limit("author")
    await held.tx.emit(
        MailRequested(
            about=held.id,
            org_id=held.id,
            to=facts.contact_email,
            template="monthly_digest",
            values={
                "organization": facts.name,
                "month": begin.date().isoformat(),
                **{name: str(number) for name, number in vars(month).items()},
                "authors": str(used["author"]),
                "slots": "" if limit is None else str(limit),
            },
            unsubscribe=MailLink(purpose="unsubscribe", id=held.id, version=1),
        )
    )


async def unsubscribe(ctx: Ctx, which: WhichMail) -> None:
    """Ends the product mails of the organization that a mail was about: what a mail program posts at a click (RFC 8058)."""
    made_for = read_link_token(own(ctx).links, "unsubscribe", which.token)
    if made_for is None:
        raise Problem("gone")
    org_id = made_for[0]
    async with ctx.tx(org_id) as tx:
        if await organizations.lock(tx, org_id) is None:
            raise Problem("gone")
        async with holding(ctx, tx, org_id) as held:
            if held.facts.product_mails:
                facts = await organizations.change(tx, org_id, {"product_mails": False}, BY_MAIL, ctx.now)
                previous: dict[str, str | bool | None] = {"product_mails": True}
                await tx.emit(OrganizationChanged(org_id=org_id, organization=facts.state(), previous=previous))
