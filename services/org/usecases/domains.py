"""E-mail domains: registering more of them, proving them by DNS, and what becomes of them when the proof is gone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

import idna
from email_validator import EmailNotValidError
from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from services.org.rules import Plan
from services.org.rules import domains as rules
from services.org.rules.domains import Domain
from services.org.store import domains, organizations
from services.org.usecases.dns import Unanswered
from services.org.usecases.domain_news import as_system, tell_lapsed, tell_looked
from services.org.usecases.holding import Held, administering
from services.org.usecases.own import own
from shared.capabilities import Suspension
from shared.db import EVERY_ORG, Tx
from shared.errors import Problem, invalid
from shared.events.org import DomainClaimed, DomainRemoved, DomainsResumed, DomainsSuspended
from shared.fields import Message, View, domain_of
from shared.ids import DomainId, new_id
from shared.paging import ListQuery, Page
from shared.service import Ctx

MOST_SHOWN = 20


def _ascii(text: str) -> str:
    try:
        return domain_of(f"postmaster@{text.strip().rstrip('.')}")
    except EmailNotValidError as why:
        raise PydanticCustomError("not_a_domain", "{reason}", {"reason": str(why)}) from None


DomainName = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f\"\[\]()<>,;:\\]+$"),
    AfterValidator(_ascii),
    StringConstraints(max_length=rules.LONGEST_NAME),
    Field(description="A domain name, in ASCII or as people write it."),
]


class DnsRecord(View):
    """What to put into DNS to prove the domain."""

    name: str
    type: Literal["TXT"] = "TXT"
    value: str


class DomainView(View):
    """`registered`: addresses can be invited there. A claim waits for its proof until `expires_at`; one at risk lapses at `lapses_at`."""

    id: str
    name: str
    display_name: str
    status: rules.Status
    origin: rules.Origin
    registered: bool
    suspended: Suspension | None
    record: DnsRecord
    created_at: datetime
    expires_at: datetime | None
    verified_at: datetime | None
    checked_at: datetime | None
    next_check_at: datetime | None
    lapses_at: datetime | None


class Verification(View):
    """One look at DNS. `seen` are the texts that were found at the record's name (at most 20 of them)."""

    outcome: rules.Outcome
    seen: tuple[str, ...]
    domain: DomainView


class ListDomains(ListQuery):
    """The registered domains."""


class ClaimDomain(Message):
    """`affirmed`: an Admin's word stands for the proof. Needs a plan that takes it."""

    name: DomainName
    affirmed: bool = False


class WhichDomain(Message):
    domain_id: DomainId


async def list_domains(ctx: Ctx, query: ListDomains) -> Page[DomainView]:
    """The organization's e-mail domains, and which of them let addresses be invited."""
    after = own(ctx).cursors.read(query) or [""]
    async with ctx.read() as read:
        found = await domains.listed(read, ctx.actor.org(), after[0], query.limit + 1)
        plan = await organizations.plan(read, ctx.actor.org())
    return own(ctx).cursors.page([_view(domain, plan) for domain in found], query, lambda shown: [shown.id])


async def read_domain(ctx: Ctx, which: WhichDomain) -> DomainView:
    """One domain, with the DNS record that proves it."""
    async with ctx.read() as read:
        found = await domains.one(read, ctx.actor.org(), which.domain_id)
        return _view(found, await organizations.plan(read, ctx.actor.org()))


async def claim_domain(ctx: Ctx, wanted: ClaimDomain) -> DomainView:
    """Puts a domain on the list. Until it is proven, within 7 days, it counts for nothing and stands in nobody's way.

    Mail providers' domains and those under which anybody registers are refused.
    """
    if not own(ctx).can_be_registered(wanted.name):
        raise invalid(
            "/name", "not_one_organizations", f"{wanted.name} can't be one organization's own.", name=wanted.name
        )
    async with ctx.tx(EVERY_ORG) as tx:
        await domains.hold_name(tx, wanted.name)
        async with administering(ctx, "domains.manage") as held:
            domain = await _claimed(held, wanted)
            if domain.stands and await domains.is_proven(tx, wanted.name):
                raise Problem(
                    "conflict",
                    "Another organization has proven this domain: only a proof by DNS can decide.",
                    meta={"because": "proven_by_another"},
                )
            await domains.add(tx, domain)
            await tx.emit(DomainClaimed(org_id=held.id, domain=domain.state(), claimed_by=held.by_person))
            return _view(domain, held.plan)


async def verify_domain(ctx: Ctx, which: WhichDomain) -> Verification:
    """Looks for the domain's record in DNS, now. Found, the domain is this organization's and no other one's.

    Not found, it answers what was seen instead; a claim can be looked at as often as one likes.
    """
    async with ctx.read() as read:
        asked = await domains.one(read, ctx.actor.org(), which.domain_id)
    outcome, seen = await look(ctx, asked)
    async with ctx.tx(EVERY_ORG) as tx:
        await domains.hold_name(tx, asked.name)
        async with administering(ctx, "domains.manage") as held:
            before = await domains.hold(tx, held.id, which.domain_id)
            if before is None:
                raise Problem("not_found")
            rules.check_may_prove(before, held.plan)
            if outcome == "proven" and not before.proven:
                await _displace(ctx, held, await domains.hold_rivals(tx, before.name, held.id), seen)
            after = rules.after_look(before, outcome, ctx.now)
            await domains.keep(tx, after)
            await tell_looked(tx, held.facts, before, after)
            return Verification(outcome=outcome, seen=seen[:MOST_SHOWN], domain=_view(after, held.plan))


async def remove_domain(ctx: Ctx, which: WhichDomain) -> None:
    """Takes a domain off the list; possible on any plan. Nobody new can be invited there; members stay."""
    async with administering(ctx, "domains.remove") as held:
        domain = await domains.hold(held.tx, held.id, which.domain_id)
        if domain is None:
            raise Problem("not_found")
        await remove(held, domain, "by_admin")


async def remove(held: Held, domain: Domain, reason: Literal["by_admin", "unproven"]) -> None:
    removed = replace(domain, status="removed", next_check_at=None, lapses_at=None, expires_at=None)
    await domains.keep(held.tx, removed)
    await held.tx.emit(DomainRemoved(org_id=held.id, domain=removed.state(), reason=reason))


async def look(ctx: Ctx, domain: Domain) -> tuple[rules.Outcome, Sequence[str]]:
    try:
        seen = await own(ctx).look_up(domain.record_name)
    except Unanswered:
        return "unanswered", ()
    return ("proven" if domain.record_value in seen else "not_found"), seen


async def register_first(ctx: Ctx, tx: Tx, org_id: str, name: str) -> None:
    """The domain of the address that signed up. When another organization has proven it, this is a mere claim."""
    if not own(ctx).can_be_registered(name):
        return
    async with ctx.tx(EVERY_ORG):
        await domains.hold_name(tx, name)
        taken = await domains.is_proven(tx, name)
    async with ctx.tx(org_id):
        domain = _new(org_id, name, "sign_up", ctx.now, ctx.now + rules.CLAIM_LIFE if taken else None)
        await domains.add(tx, domain)
        await tx.emit(DomainClaimed(org_id=org_id, domain=domain.state()))


async def tell_plan_change(held: Held, before: Plan) -> None:
    """One event for all domains that the plan suspends, one for those that it brings back."""
    standing = [domain for domain in await domains.every(held.tx, held.id) if domain.stands]
    had = {domain.domain_id for domain in standing if rules.is_included(domain, before)}
    has = {domain.domain_id for domain in standing if rules.is_included(domain, held.plan)}
    plan = held.plan.entitlements.plan
    if resumed := sorted(has - had):
        await held.tx.emit(DomainsResumed(org_id=held.id, domain_ids=resumed, plan=plan))
    if suspended := sorted(had - has):
        await held.tx.emit(
            DomainsSuspended(org_id=held.id, domain_ids=suspended, cause="plan", plan=plan, suspended_at=held.now)
        )


async def _claimed(held: Held, wanted: ClaimDomain) -> Domain:
    if len(await domains.every(held.tx, held.id)) >= rules.MOST_DOMAINS:
        raise Problem(
            "conflict",
            f"An organization has at most {rules.MOST_DOMAINS} domains.",
            meta={"because": "too_many_domains", "limit": rules.MOST_DOMAINS},
        )
    if await domains.was_first(held.tx, held.id, wanted.name):
        return _new(held.id, wanted.name, "sign_up", held.now, held.now + rules.CLAIM_LIFE)
    rules.check_may_claim(held.plan, affirmed=wanted.affirmed)
    if wanted.affirmed:
        return _new(held.id, wanted.name, "affirmed", held.now, None)
    return _new(held.id, wanted.name, "claimed", held.now, held.now + rules.CLAIM_LIFE)


def _new(org_id: str, name: str, origin: rules.Origin, now: datetime, expires_at: datetime | None) -> Domain:
    return Domain(
        org_id=org_id,
        domain_id=new_id("dom"),
        name=name,
        origin=origin,
        status="claimed",
        nonce=secrets.token_hex(16),
        created_at=now,
        expires_at=expires_at,
    )


async def _displace(ctx: Ctx, held: Held, rivals: Sequence[Domain], seen: Sequence[str]) -> None:
    """Ends what the proof disproves in other organizations. They are told, but not who proved it."""
    rules.check_not_another_s(seen, rivals)
    with as_system(ctx):
        for rival in rivals:
            if rival.stands:
                gone = rules.lapsed(rival)
                await domains.keep(held.tx, gone)
                facts = await organizations.one(held.tx, rival.org_id)
                await tell_lapsed(held.tx, facts, gone, "proven_by_another")


def _view(domain: Domain, plan: Plan) -> DomainView:
    suspended = None
    if domain.stands and not rules.is_included(domain, plan):
        suspended = Suspension(plan=plan.entitlements.plan, since=rules.suspended_since(domain, plan))
    told = vars(domain) | {
        "id": domain.domain_id,
        "display_name": _as_written(domain.name),
        "registered": rules.is_registered(domain, plan),
        "suspended": suspended,
        "record": DnsRecord(name=domain.record_name, value=domain.record_value),
    }
    return DomainView(**{name: told[name] for name in DomainView.model_fields})


def _as_written(name: str) -> str:
    try:
        return idna.decode(name)
    except idna.IDNAError:
        return name
