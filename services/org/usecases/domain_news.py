"""What is said when a look at DNS changed something: the events, and the mails to the Admins who have to act."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from services.org.rules.domains import Domain
from services.org.store.organizations import Organization
from services.org.usecases.admins_mail import tell_admins
from shared.auth import Actor
from shared.db import Tx
from shared.events.org import DomainAtRisk, DomainLapsed, DomainVerified
from shared.service import Ctx


@contextmanager
def as_system(ctx: Ctx) -> Iterator[None]:
    """What another organization is told inside this block doesn't name who caused it."""
    acting, ctx.actor = ctx.actor, Actor("system", service=ctx.env.service.name)
    try:
        yield
    finally:
        ctx.actor = acting


async def tell_looked(tx: Tx, facts: Organization, before: Domain, after: Domain) -> None:
    """Says what a look made of the domain, if it made anything."""
    if after.status == before.status:
        return
    if after.status == "verified":
        await tx.emit(DomainVerified(org_id=facts.org_id, domain=after.state()))
    elif after.status == "lapsed":
        await tell_lapsed(tx, facts, after, "proof_gone")
    elif after.status == "at_risk" and after.lapses_at is not None:
        await tx.emit(DomainAtRisk(org_id=facts.org_id, domain=after.state(), lapses_at=after.lapses_at))
        await tell_admins(tx, facts, "domain_at_risk", domain=after.name, lapses_at=after.lapses_at.isoformat())


async def tell_lapsed(
    tx: Tx, facts: Organization, domain: Domain, reason: Literal["proof_gone", "proven_by_another"]
) -> None:
    await tx.emit(DomainLapsed(org_id=facts.org_id, domain=domain.state(), reason=reason))
    by_another = {"by_another": "yes"} if reason == "proven_by_another" else {}
    await tell_admins(tx, facts, "domain_lapsed", domain=domain.name, **by_another)
