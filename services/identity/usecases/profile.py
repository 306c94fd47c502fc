"""What a person says about themselves, and what they may do with their own account."""

from __future__ import annotations

from services.identity.rules.sso import SMALLEST_PLAN
from services.identity.store import accounts, plans, projections
from services.identity.usecases.api_keys import PLAN_WITH_API_KEYS
from shared.auth import Role
from shared.capabilities import Because, Capabilities, Capability
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.identity import Person, UserNameChanged
from shared.fields import Message, Name, Nothing, Versioned
from shared.service import Ctx

ON_ONESELF = (
    "me.read",
    "profile.change",
    "password.change",
    "email.change",
    "account.close",
    "reauthentication.answer",
    "two_factor.read",
    "two_factor.change",
    "sessions.read",
    "sessions.end",
)
ON_OTHERS = (
    "users.remove_two_factor",
    "two_factor.roster",
    "users.end_sessions",
    "api_keys.read",
    "api_keys.edit",
    "sso.read",
    "sso.switch_off",
    "sso.unlink",
)
SWITCH = "active_organization.choose"


class ChangeProfile(Message):
    name: Name


class Profile(Versioned):
    user_id: str
    email: str
    name: str


async def change_profile(ctx: Ctx, wanted: ChangeProfile) -> Profile:
    """Changes the name that one goes by."""
    async with ctx.tx("") as tx:
        account = await accounts.lock(tx, ctx.actor.person())
        if account is None:
            raise Problem("session_ended")
        ctx.check_version(account.version)
        if wanted.name == account.name:
            return Profile(user_id=account.user_id, email=account.email, name=account.name, version=account.version)
        await accounts.set_name(tx, account.user_id, wanted.name)
        person = Person(email=account.email, name=wanted.name)
        await tx.emit(UserNameChanged(user_id=account.user_id, person=person, previous_name=account.name))
    return Profile(user_id=account.user_id, email=account.email, name=wanted.name, version=account.version + 1)


async def capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """What the acting person may do with their own account."""
    async with ctx.read(EVERY_ORG) as read:
        orgs = await projections.active_organizations(read, ctx.actor.person())
        plan = await plans.find(read, ctx.actor.org_id or "")
    role = ctx.actor.role
    listed = [
        *(Capability(action=action) for action in ON_ONESELF),
        *(_of_admins(action, role) for action in ON_OTHERS),
        _by_plan("api_keys.create", role, plan is not None and plan.api_keys, PLAN_WITH_API_KEYS, "API keys"),
        _by_plan("sso.manage", role, plan is not None and plan.single_sign_on, SMALLEST_PLAN, "single sign-on"),
    ]
    if any(org_id != ctx.actor.org_id for org_id in orgs):
        return Capabilities(capabilities=[*listed, Capability(action=SWITCH)])
    alone = Because(kind="state", detail="There is no other organization that you are a member of.")
    return Capabilities(capabilities=[*listed, Capability(action=SWITCH, allowed=False, because=alone)])


def _by_plan(action: str, role: Role | None, included: bool, smallest: str, what: str) -> Capability:
    may = _of_admins(action, role)
    if not may.allowed or included:
        return may
    because = Because(kind="plan", plan=smallest, detail=f"The plan doesn't include {what}.")
    return Capability(action=action, allowed=False, because=because)


def _of_admins(action: str, role: Role | None) -> Capability:
    if role == "admin":
        return Capability(action=action)
    detail = f"Only for Admins; you act as {role}." if role else "No organization is active."
    because = Because(kind="role" if role else "state", detail=detail)
    return Capability(action=action, allowed=False, because=because)
