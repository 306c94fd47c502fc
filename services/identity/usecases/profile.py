"""What a person says about themselves, and what they may do with their own account."""

from __future__ import annotations

from dataclasses import replace

from services.identity.rules import Language
from services.identity.rules.sso import SMALLEST_PLAN
from services.identity.store import accounts, plans, projections
from services.identity.usecases.api_keys import PLAN_WITH_API_KEYS
from services.identity.usecases.scim_tokens import PLAN_WITH_SCIM
from shared.auth import Role
from shared.capabilities import Because, Capabilities, Capability
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.identity import Person, UserLanguageChanged, UserNameChanged
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
    "users.send_password_reset",
    "api_keys.read",
    "api_keys.edit",
    "sso.read",
    "sso.switch_off",
    "sso.unlink",
    "scim_tokens.read",
    "scim_tokens.edit",
)
SWITCH = "active_organization.choose"


class ChangeProfile(Message):
    """What is left out stays."""

    name: Name | None = None
    language: Language | None = None


class Profile(Versioned):
    """`language` is the one that the person is written to in."""

    user_id: str
    email: str
    name: str
    language: Language


async def change_profile(ctx: Ctx, wanted: ChangeProfile) -> Profile:
    """Changes the name that one goes by, and the language that one's mails are written in."""
    async with ctx.tx("") as tx:
        account = await accounts.lock(tx, ctx.actor.person())
        if account is None:
            raise Problem("session_ended")
        ctx.check_version(account.version)
        now = account
        if wanted.name is not None and wanted.name != now.name:
            await accounts.set_name(tx, now.user_id, wanted.name)
            now = replace(now, name=wanted.name, version=now.version + 1)
            person = Person(email=now.email, name=now.name)
            await tx.emit(UserNameChanged(user_id=now.user_id, person=person, previous_name=account.name))
        if wanted.language is not None and wanted.language != now.language:
            await accounts.set_language(tx, now.user_id, wanted.language)
            now = replace(now, language=wanted.language, version=now.version + 1)
            told = UserLanguageChanged(user_id=now.user_id, language=now.language, previous=account.language)
            await tx.emit(told)
    return Profile(user_id=now.user_id, email=now.email, name=now.name, language=now.language, version=now.version)


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
        _by_plan("scim_tokens.create", role, plan is not None and plan.scim, PLAN_WITH_SCIM, "provisioning"),
        _by_plan("sso.manage", role, plan is not None and plan.single_sign_on, SMALLEST_PLAN, "single sign-on"),
    ]
    if any(org_id != ctx.actor.org_id for org_id in orgs):
        return Capabilities(capabilities=[*listed, Capability(action=SWITCH)])
    alone = Because(
        kind="state", code="no_other_organization", detail="There is no other organization that you are a member of."
    )
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
    if role:
        because = Because(kind="role", roles=["admin"], detail=detail)
    else:
        because = Because(kind="state", code="no_organization", detail=detail)
    return Capability(action=action, allowed=False, because=because)
