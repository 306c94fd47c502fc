"""Pure decisions about domains: which of them count, what the plan suspends, and what a look at DNS makes of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from services.org.rules import Plan
from shared.errors import Problem
from shared.events import org as said

Status = Literal["claimed", "verified", "at_risk", "lapsed", "removed"]
Origin = Literal["sign_up", "claimed", "affirmed"]
Outcome = Literal["proven", "not_found", "unanswered"]

CLAIM_LIFE = timedelta(days=7)
CHECK_EVERY = timedelta(days=30)
CHECK_AT_RISK_EVERY = timedelta(days=1)
ASK_AGAIN_AFTER = timedelta(hours=1)
GRACE = timedelta(days=7)
MOST_DOMAINS = 100
RECORD = "_tenantry-challenge"
LONGEST_NAME = 253 - len(RECORD) - 1


@dataclass(frozen=True)
class Domain:
    """A domain as stored. `expires_at` is set while a claim waits for its proof: until then it counts for nothing."""

    org_id: str
    domain_id: str
    name: str
    origin: Origin
    status: Status
    nonce: str
    created_at: datetime
    expires_at: datetime | None = None
    verified_at: datetime | None = None
    checked_at: datetime | None = None
    next_check_at: datetime | None = None
    lapses_at: datetime | None = None

    @property
    def proven(self) -> bool:
        return self.status in ("verified", "at_risk")

    @property
    def stands(self) -> bool:
        """Whether it is the organization's, whatever the plan makes of it."""
        return self.proven or (self.status == "claimed" and self.expires_at is None)

    @property
    def record_name(self) -> str:
        return f"{RECORD}.{self.name}"

    @property
    def record_value(self) -> str:
        return f"tenantry-domain={self.nonce}"

    def state(self) -> said.Domain:
        return said.Domain(
            domain_id=self.domain_id, name=self.name, status=self.status, origin=self.origin, stands=self.stands
        )


def is_included(domain: Domain, plan: Plan) -> bool:
    """Whether the plan lets this domain count: the first one always does, others by how they were shown to be the organization's."""
    allowed = plan.entitlements.additional_domains
    return domain.origin == "sign_up" or allowed == "any" or (allowed == "proven" and domain.origin != "affirmed")


def is_registered(domain: Domain, plan: Plan) -> bool:
    """Whether addresses of the domain can be invited."""
    return domain.stands and is_included(domain, plan)


def suspended_since(domain: Domain, plan: Plan) -> datetime | None:
    return plan.affirmed_lost_at if domain.origin == "affirmed" else plan.proven_lost_at


def check_may_claim(plan: Plan, *, affirmed: bool) -> None:
    """Refuses more domains than the plan lets an organization set up."""
    allowed = plan.entitlements.additional_domains
    if allowed == "none" or (affirmed and allowed != "any"):
        needed = "business" if affirmed else "pro"
        raise Problem(
            "plan_required",
            meta={"plan": needed, "current": plan.entitlements.plan, "for": "additional_domains"},
        )


def check_may_prove(domain: Domain, plan: Plan) -> None:
    """A proof that would set something up needs the plan for it; a fresh look at what is proven never does."""
    if domain.origin != "sign_up" and not domain.proven:
        check_may_claim(plan, affirmed=False)


def check_not_another_s(values: Collection[str], rivals: Collection[Domain]) -> None:
    """Whose record still stands keeps the domain: two proofs at once decide nothing."""
    if any(rival.proven and rival.record_value in values for rival in rivals):
        raise Problem(
            "conflict",
            "Another organization has proven this domain, and its record is still in DNS. Take that record out first.",
            meta={"because": "proven_by_another"},
        )


def after_proof(domain: Domain, now: datetime) -> Domain:
    origin: Origin = "claimed" if domain.origin == "affirmed" else domain.origin
    return replace(
        domain,
        status="verified",
        origin=origin,
        expires_at=None,
        verified_at=domain.verified_at if domain.proven else now,
        checked_at=now,
        next_check_at=now + CHECK_EVERY,
        lapses_at=None,
    )


def after_look(domain: Domain, outcome: Outcome, now: datetime) -> Domain:
    """What one look at DNS makes of a domain. Silence makes nothing of it, however long it lasts."""
    if outcome == "proven":
        return after_proof(domain, now)
    if outcome == "unanswered":
        return replace(domain, next_check_at=now + ASK_AGAIN_AFTER) if domain.proven else domain
    looked = replace(domain, checked_at=now)
    if domain.status == "verified":
        return replace(looked, status="at_risk", next_check_at=now + CHECK_AT_RISK_EVERY, lapses_at=now + GRACE)
    if domain.status == "at_risk" and domain.lapses_at is not None:
        if domain.lapses_at <= now:
            return lapsed(looked)
        return replace(looked, next_check_at=min(now + CHECK_AT_RISK_EVERY, domain.lapses_at))
    return looked


def lapsed(domain: Domain) -> Domain:
    return replace(domain, status="lapsed", next_check_at=None, lapses_at=None, expires_at=None)
