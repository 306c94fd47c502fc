"""What the organization asks of its members' accounts: a second factor, from a day on."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from services.org.store import security_policies
from services.org.store.security_policies import Policy
from services.org.usecases.holding import administering
from shared.errors import Problem, invalid
from shared.events.org import SecurityPolicyChanged
from shared.fields import Message, Moment, Nothing, Versioned
from shared.service import Ctx

FARTHEST = timedelta(days=180)


class SecurityPolicyView(Versioned):
    """From `two_factor_deadline` on, members without a second factor are asked to set one up when they sign in."""

    two_factor_required: bool
    two_factor_deadline: datetime | None
    changed_by: str | None
    changed_at: datetime | None


class ChangeSecurityPolicy(Message):
    """A merge patch: what isn't named stays as it is. Required without a deadline is required at once."""

    two_factor_required: bool = Field(default_factory=bool)
    two_factor_deadline: Moment | None = None


async def read_security_policy(ctx: Ctx, _: Nothing) -> SecurityPolicyView:
    """What the organization asks of its members' accounts."""
    async with ctx.read() as read:
        return _view(await security_policies.one(read, ctx.actor.org()))


async def change_security_policy(ctx: Ctx, wanted: ChangeSecurityPolicy) -> SecurityPolicyView:
    """Requires a second factor of all members from a deadline on, or no longer. Nobody loses their membership by it.

    Whoever requires it has one, and has signed in with it.
    """
    async with administering(ctx, "security_policy.manage") as held:
        before = await security_policies.one(held.tx, held.id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        required, deadline = _decided(before, wanted, ctx.now)
        if (required, deadline) == (before.two_factor_required, before.two_factor_deadline):
            return _view(before)
        if required and "mfa" not in ctx.actor.amr:
            raise Problem(
                "conflict",
                "Sign in with a second factor of your own before you require one of others.",
                meta={"because": "no_own_factor"},
            )
        after = Policy(required, deadline, before.version + 1, held.by_person, ctx.now)
        await security_policies.keep(held.tx, held.id, after)
        await held.tx.emit(SecurityPolicyChanged(org_id=held.id, policy=after.state(), previous=before.state()))
    return _view(after)


def _decided(before: Policy, wanted: ChangeSecurityPolicy, now: datetime) -> tuple[bool, datetime | None]:
    named = wanted.model_fields_set
    required = wanted.two_factor_required if "two_factor_required" in named else before.two_factor_required
    if not required:
        if wanted.two_factor_deadline is not None:
            raise invalid("/two_factor_deadline", "not_required", "goes with two_factor_required alone")
        return False, None
    if "two_factor_deadline" not in named:
        return True, before.two_factor_deadline or now
    deadline = wanted.two_factor_deadline or now
    if deadline != before.two_factor_deadline and not now <= deadline <= now + FARTHEST:
        raise invalid(
            "/two_factor_deadline", "not_soon", f"must lie within the next {FARTHEST.days} days", days=FARTHEST.days
        )
    return True, deadline


def _view(policy: Policy) -> SecurityPolicyView:
    return SecurityPolicyView(**vars(policy))
