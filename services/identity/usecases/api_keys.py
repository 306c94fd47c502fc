"""API keys as Admins keep them: made while the plan includes them, rotated and revoked on any plan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from services.identity.store import accounts, plans, projections
from services.identity.store import api_keys as store
from services.identity.store.api_keys import Key
from services.identity.store.plans import Plan
from shared.api_keys import NEWEST_VERSION, VIEW_ONLY, Access, ApiVersion, Area, new_token, scopes_of
from shared.capabilities import Suspension
from shared.db import Tx
from shared.errors import Problem, invalid
from shared.events.courier import MailRequested
from shared.events.identity import ApiKeyChanged, ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated
from shared.events.identity_shapes import ApiKey
from shared.fields import Composed, Message, Moment, Name, View
from shared.ids import ApiKeyId, new_id
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

PLAN_WITH_API_KEYS = "pro"
MOST_KEYS = 100
USUAL_LIFE = timedelta(days=90)
LONGEST_OVERLAP_HOURS = 168
HINT_LETTERS = 4

KeyName = Annotated[Name, Field(max_length=80)]
Areas = Annotated[
    list[Area], Field(min_length=1, max_length=20, description="What the key is for; nothing else is open to it.")
]
Template = Literal["api_key_created", "api_key_expiring", "scim_token_created"]


class ApiKeyItem(View):
    """`scopes` is what `access` and `areas` come to. `hint` is how the token ends. `suspended` is null while the plan includes keys.

    `last_used_at` is known to the minute. `previous_token_until`: until then the token before the last rotation works as well.
    """

    id: ApiKeyId
    name: str
    access: Access
    areas: list[Area]
    scopes: list[str]
    api_version: str
    hint: str
    state: Literal["active", "expired", "suspended"]
    suspended: Suspension | None
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None
    previous_token_until: datetime | None
    created_at: datetime
    created_by: str


class OneApiKey(ApiKeyItem, Composed):
    """One API key with its ETag."""


class ApiKeyWithToken(OneApiKey):
    """`token` is shown this once. Send it as `Authorization: Bearer`."""

    token: str


class ListApiKeys(ListQuery):
    pass


class WhichApiKey(Message):
    key_id: ApiKeyId


class CreateApiKey(Message):
    """`view` only looks; `manage` also changes. `expires_at` is in 90 days when it isn't named, and null for a key without end."""

    name: KeyName
    access: Access
    areas: Areas
    expires_at: Moment | None = Field(default_factory=lambda: None)
    api_version: ApiVersion = NEWEST_VERSION


class ChangeApiKey(Message):
    """A merge patch. What a key may do never changes: make another one for that."""

    key_id: ApiKeyId
    name: KeyName = Field(default_factory=str)
    api_version: ApiVersion = Field(default_factory=lambda: NEWEST_VERSION)


class RotateApiKey(Message):
    """For how many hours the present token works as well; 0 ends it at once."""

    key_id: ApiKeyId
    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24


async def list_api_keys(ctx: Ctx, query: ListApiKeys) -> Page[ApiKeyItem]:
    """The organization's API keys, the newest first: which they are and what they may, never their tokens."""
    org_id, cursors = ctx.actor.org(), Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read() as read:
        found = await store.listed(read, org_id, str(position[0]) if position else None, query.limit + 1)
        total = await store.counted(read, org_id)
        plan = await plans.find(read, org_id)
    page = cursors.page(found, query, lambda last: [last.key_id], total)
    return Page(data=[ApiKeyItem(**_view(ctx, key, plan)) for key in page.data], page=page.page)


async def create_api_key(ctx: Ctx, wanted: CreateApiKey) -> ApiKeyWithToken:
    """Makes a key by which a program acts for the organization, within the areas named and nowhere else. All Admins are told.

    The key is the organization's: it stays when whoever made it leaves.
    """
    org_id, key_id = ctx.actor.org(), new_id("key", now=ctx.now.timestamp())
    areas = _checked_areas(wanted)
    token = new_token(key_id)
    state = ApiKey(
        key_id=key_id,
        name=wanted.name,
        access=wanted.access,
        areas=areas,
        api_version=wanted.api_version,
        expires_at=_end(ctx, wanted),
    )
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        plan = await plans.hold(tx, org_id)
        if plan is None or not plan.api_keys:
            raise no_plan(plan)
        if await store.count_in_line(tx, org_id) >= MOST_KEYS:
            raise Problem(
                "conflict",
                f"An organization has at most {MOST_KEYS} API keys.",
                meta={"because": "too_many_api_keys", "limit": MOST_KEYS},
            )
        key = await store.add(tx, org_id, state, digest_of(token), token[-HINT_LETTERS:], ctx.actor.person(), ctx.now)
        await tx.emit(ApiKeyCreated(org_id=org_id, key=key.state()))
        await tell_admins(
            tx, ctx, org_id, "api_key_created", key=key.name, scopes=", ".join(scopes_of(key.access, key.areas))
        )
        return ApiKeyWithToken(**_view(ctx, key, plan), version=key.version, token=token)


async def read_api_key(ctx: Ctx, which: WhichApiKey) -> OneApiKey:
    """One API key, and when and from where it was last used."""
    async with ctx.read() as read:
        key = await store.find(read, ctx.actor.org(), which.key_id)
        plan = await plans.find(read, ctx.actor.org())
    if key is None:
        raise Problem("not_found")
    return OneApiKey(**_view(ctx, key, plan), version=key.version)


async def change_api_key(ctx: Ctx, wanted: ChangeApiKey) -> OneApiKey:
    """Gives a key another name, or pins it to another version of the API."""
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        key = await store.lock(tx, ctx.actor.org(), wanted.key_id)
        ctx.check_version(key.version, key.changed_by, key.changed_at)
        asked = {name: getattr(wanted, name) for name in wanted.model_fields_set - {"key_id"}}
        previous = {name: getattr(key, name) for name, value in asked.items() if getattr(key, name) != value}
        if previous:
            new = {"name": key.name, "api_version": key.api_version} | asked
            key = await store.change(tx, key, new["name"], new["api_version"], ctx.actor.person(), ctx.now)
            await tx.emit(ApiKeyChanged(org_id=key.org_id, key=key.state(), previous=previous))
        return OneApiKey(**_view(ctx, key, await plans.find(tx, key.org_id)), version=key.version)


async def rotate_api_key(ctx: Ctx, wanted: RotateApiKey) -> ApiKeyWithToken:
    """Gives a key another token; the present one works on for some hours, so that programs can change over. Possible on any plan."""
    token = new_token(wanted.key_id)
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        key = await store.lock(tx, ctx.actor.org(), wanted.key_id)
        ctx.check_version(key.version, key.changed_by, key.changed_at)
        both_until = ctx.now + timedelta(hours=wanted.overlap_hours)
        key = await store.rotate(
            tx, key, digest_of(token), token[-HINT_LETTERS:], both_until, ctx.actor.person(), ctx.now
        )
        await tx.emit(ApiKeyRotated(org_id=key.org_id, key=key.state(), both_until=both_until))
        plan = await plans.find(tx, key.org_id)
        return ApiKeyWithToken(**_view(ctx, key, plan), version=key.version, token=token)


async def revoke_api_key(ctx: Ctx, which: WhichApiKey) -> None:
    """Ends a key at once and for good; possible on any plan."""
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        key = await store.lock(tx, ctx.actor.org(), which.key_id)
        ctx.check_version(key.version, key.changed_by, key.changed_at)
        await store.revoke(tx, key)
        await tx.emit(ApiKeyRevoked(org_id=key.org_id, key=key.state()))


async def check_still_admin(tx: Tx, ctx: Ctx) -> None:
    """The Admin of the token must still be one."""
    if not await projections.acts_as_admin(tx, ctx.actor.org(), ctx.actor.person()):
        raise Problem("forbidden", "You no longer act as an Admin.", meta={"because": "role", "roles": ["admin"]})


async def tell_admins(tx: Tx, ctx: Ctx, org_id: str, template: Template, **values: str) -> None:
    name = await projections.organization_name(tx, org_id)
    by = await accounts.by_id(tx, ctx.actor.user_id or "")
    for admin in await accounts.by_ids(tx, await projections.admins(tx, org_id)):
        await tx.emit(
            MailRequested(
                about=org_id,
                org_id=org_id,
                to=admin.email,
                reader=admin.user_id,
                template=template,
                values={"name": admin.name, "organization": name or "", "by": by.name if by else "", **values},
                language=admin.language,
            )
        )


def digest_of(token: str) -> bytes:
    """What is kept of a token. It has 256 random bits, so a plain digest can't be guessed back."""
    return hashlib.sha256(token.encode()).digest()


def no_plan(plan: Plan | None) -> Problem:
    meta = {"plan": PLAN_WITH_API_KEYS, "current": plan.plan if plan else None, "for": "api_keys"}
    return Problem("plan_required", meta=meta)


def _checked_areas(wanted: CreateApiKey) -> list[Area]:
    areas: Sequence[Area] = sorted(set(wanted.areas))
    if wanted.access == "manage" and VIEW_ONLY.issuperset(areas):
        raise invalid("/access", "nothing_to_manage", "these areas can only be looked at: choose `view`")
    return list(areas)


def _end(ctx: Ctx, wanted: CreateApiKey) -> datetime | None:
    if "expires_at" not in wanted.model_fields_set:
        return ctx.now + USUAL_LIFE
    if wanted.expires_at is not None and wanted.expires_at <= ctx.now:
        raise invalid("/expires_at", "in_the_past", "must be in the future")
    return wanted.expires_at


def _view(ctx: Ctx, key: Key, plan: Plan | None) -> dict[str, Any]:
    suspended = None
    if plan is None or not plan.api_keys:
        suspended = Suspension(plan=plan.plan if plan else None, since=plan.api_keys_since if plan else None)
    expired = key.expires_at is not None and key.expires_at <= ctx.now
    both = key.previous_until if key.previous_until is not None and key.previous_until > ctx.now else None
    return {
        "id": key.key_id,
        "name": key.name,
        "access": key.access,
        "areas": key.areas,
        "scopes": list(scopes_of(key.access, key.areas)),
        "api_version": key.api_version,
        "hint": key.hint,
        "state": "expired" if expired else "suspended" if suspended else "active",
        "suspended": suspended,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
        "previous_token_until": both,
        "created_at": key.created_at,
        "created_by": key.created_by,
    }
