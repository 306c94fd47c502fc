"""The timer of domains: proofs are looked at again every 30 days, daily while one is missing, and unproven claims end."""

from __future__ import annotations

import asyncio

from services.org.rules import domains as rules
from services.org.store import domains
from services.org.usecases.domain_news import tell_looked
from services.org.usecases.domains import look, remove
from services.org.usecases.holding import holding
from shared.db import EVERY_ORG
from shared.service import Ctx

CHECKS_AT_ONCE = 20
CLAIMS_AT_ONCE = 100


async def check_domains(ctx: Ctx) -> None:
    """The job: looks at the proofs whose time has come, all at once and before anything is held."""
    async with ctx.read(EVERY_ORG) as read:
        due = await domains.to_check(read, ctx.now, CHECKS_AT_ONCE)
    outcomes = await asyncio.gather(*(look(ctx, domain) for domain in due))
    for domain, (outcome, _) in sorted(zip(due, outcomes, strict=True), key=lambda one: one[0].org_id):
        async with ctx.tx(domain.org_id) as tx, holding(ctx, tx, domain.org_id) as held:
            before = await domains.hold(tx, held.id, domain.domain_id)
            if before is None or before.next_check_at is None or before.next_check_at > ctx.now:
                continue
            after = rules.after_look(before, outcome, ctx.now)
            await domains.keep(tx, after)
            await tell_looked(tx, held.facts, before, after)


async def end_unproven_claims(ctx: Ctx) -> None:
    """The job: a claim that nobody proved in time is taken off the list."""
    async with ctx.read(EVERY_ORG) as read:
        over = await domains.unproven(read, ctx.now, CLAIMS_AT_ONCE)
    for org_id, domain_id in sorted(over):
        async with ctx.tx(org_id) as tx, holding(ctx, tx, org_id) as held:
            domain = await domains.hold(tx, org_id, domain_id)
            if domain is not None and domain.status == "claimed":
                await remove(held, domain, "unproven")
