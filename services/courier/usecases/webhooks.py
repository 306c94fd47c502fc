"""Webhooks as Admins set them up: set up while the plan includes them, switched off, rotated and deleted on any plan."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from services.courier import rules
from services.courier.rules import Disabled, Plan, Webhook
from services.courier.store import deliveries, heard
from services.courier.store import webhooks as store
from services.courier.usecases.own import own
from shared.capabilities import Suspension
from shared.db import Read, Tx
from shared.errors import invalid
from shared.events.courier import WebhookChanged, WebhookCreated, WebhookDeleted, WebhookSecretRotated
from shared.fields import Composed, Message, Paragraph, View
from shared.ids import WebhookId, new_id
from shared.outbound import LONGEST_URL, Refused
from shared.paging import ListQuery, Page
from shared.service import Ctx

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    Field(description="Begins with `https://`, and leads to a public host."),
]
Description = Annotated[Paragraph, StringConstraints(max_length=200)]
TypePattern = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]*(\.\*)?$", max_length=100)]
Types = Annotated[
    list[TypePattern],
    Field(max_length=50, description="Types of events, or beginnings of some: `org.member.*`. None means everything."),
]


class WebhookItem(View):
    """`disabled_because` is null while it is enabled; `suspended` is null while the plan includes it. `waiting` counts what is to be delivered."""

    id: WebhookId
    url: str
    description: str
    types: list[str]
    enabled: bool
    disabled_because: Disabled | None
    disabled_at: datetime | None
    suspended: Suspension | None
    waiting: int
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    created_by: str | None


class OneWebhook(WebhookItem, Composed):
    """One webhook with its ETag."""


class WebhookWithSecret(OneWebhook):
    """`secret` is shown this once. It signs as Standard Webhooks has it (standardwebhooks.com)."""

    secret: str


class ListWebhooks(ListQuery):
    pass


class CreateWebhook(Message):
    url: Url
    description: Description = ""
    types: Types = Field(default_factory=list)


class WhichWebhook(Message):
    webhook_id: WebhookId


class ChangeWebhook(Message):
    """A merge patch: what isn't named stays as it is."""

    webhook_id: WebhookId
    url: Url = Field(default_factory=str)
    description: Description = Field(default_factory=str)
    types: Types = Field(default_factory=list)
    enabled: bool = Field(default_factory=bool)


async def list_webhooks(ctx: Ctx, query: ListWebhooks) -> Page[WebhookItem]:
    """The organization's webhooks, the newest first."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    position = cursors.read(query)
    async with ctx.read() as read:
        found = await store.listed(read, org_id, str(position[0]) if position else None, query.limit + 1)
        page = cursors.page(found, query, lambda last: [last.webhook_id], await store.counted(read, org_id))
        plan = await heard.plan(read, org_id)
        waiting = await deliveries.waiting(read, org_id, [hook.webhook_id for hook in page.data])
    views = [WebhookItem(**_view(hook, plan, waiting.get(hook.webhook_id, 0))) for hook in page.data]
    return Page(data=views, page=page.page)


async def create_webhook(ctx: Ctx, wanted: CreateWebhook) -> WebhookWithSecret:
    """Tells an address what happens from now on: every event, or the types that were selected, in order.

    A delivery that isn't answered with 2xx within 5 seconds is sent again for three days, under the same `webhook-id`.
    """
    _check_url(ctx, wanted.url)
    types = rules.check_types(wanted.types)
    org_id, webhook_id = ctx.actor.org(), new_id("whk", now=ctx.now.timestamp())
    secret, sealed = _new_secret(ctx, webhook_id)
    async with ctx.tx() as tx:
        rules.check_plan(await heard.plan(tx, org_id))
        rules.check_room(await store.count_in_line(tx, org_id))
        text = {"url": wanted.url, "description": wanted.description, "types": list(types)}
        hook = await store.add(tx, org_id, webhook_id, text, sealed, ctx.actor.id, ctx.now)
        await tx.emit(WebhookCreated(org_id=org_id, webhook=hook.state()))
        return WebhookWithSecret(**await _one(tx, hook), secret=secret)


async def read_webhook(ctx: Ctx, which: WhichWebhook) -> OneWebhook:
    """One webhook, how many deliveries wait for it, and since when its receiver fails."""
    async with ctx.read() as read:
        return OneWebhook(**await _one(read, await store.one(read, ctx.actor.org(), which.webhook_id)))


async def change_webhook(ctx: Ctx, wanted: ChangeWebhook) -> OneWebhook:
    """Changes address, description or selection, or switches the webhook on or off. What happens while it is off waits for it, for 30 days."""
    asked = {name: getattr(wanted, name) for name in wanted.model_fields_set - {"webhook_id"}}
    if "url" in asked:
        _check_url(ctx, wanted.url)
    if "types" in asked:
        asked["types"] = list(rules.check_types(wanted.types))
    async with ctx.tx() as tx:
        hook = await store.lock(tx, ctx.actor.org(), wanted.webhook_id)
        ctx.check_version(hook.version, hook.changed_by, hook.changed_at)
        before = hook.state()
        known = {"url": hook.url, "description": hook.description, "types": list(hook.types), "enabled": before.enabled}
        new = {name: value for name, value in asked.items() if known[name] != value}
        if set(new) - {"description"} and new != {"enabled": False}:
            rules.check_plan(await heard.plan(tx, hook.org_id))
        if new:
            hook = await _changed(ctx, tx, hook, new)
            previous: dict[str, Any] = {name: known[name] for name in new if name != "url"}
            if "url" in new:
                previous["host"] = before.host
            await tx.emit(WebhookChanged(org_id=hook.org_id, webhook=hook.state(), previous=previous))
            tx.after_commit(own(ctx).webhooks.wake)
        return OneWebhook(**await _one(tx, hook))


async def rotate_secret(ctx: Ctx, which: WhichWebhook) -> WebhookWithSecret:
    """Signs with a new secret from now on, and for 24 hours with the one before as well, so that the receiver can change over."""
    secret, sealed = _new_secret(ctx, which.webhook_id)
    async with ctx.tx() as tx:
        hook = await store.lock(tx, ctx.actor.org(), which.webhook_id)
        ctx.check_version(hook.version, hook.changed_by, hook.changed_at)
        both_until = ctx.now + rules.BOTH_SECRETS
        hook = await store.rotate(tx, hook, sealed, both_until, ctx.actor.id, ctx.now)
        await tx.emit(WebhookSecretRotated(org_id=hook.org_id, webhook=hook.state(), both_until=both_until))
        return WebhookWithSecret(**await _one(tx, hook), secret=secret)


async def delete_webhook(ctx: Ctx, which: WhichWebhook) -> None:
    """Deletes a webhook and its log; what waited for it is never sent."""
    async with ctx.tx() as tx:
        hook = await store.lock(tx, ctx.actor.org(), which.webhook_id)
        ctx.check_version(hook.version, hook.changed_by, hook.changed_at)
        await store.remove(tx, hook)
        await tx.emit(WebhookDeleted(org_id=hook.org_id, webhook=hook.state()))


async def _changed(ctx: Ctx, tx: Tx, hook: Webhook, new: dict[str, Any]) -> Webhook:
    text = {name: value for name, value in new.items() if name != "enabled"}
    if text:
        hook = await store.change(tx, hook, text, ctx.actor.id, ctx.now)
    if "enabled" not in new:
        return hook
    if new["enabled"]:
        return await store.enable(tx, hook, ctx.actor.id, ctx.now)
    return await store.disable(tx, hook, "admin", ctx.actor.id, ctx.now)


def _check_url(ctx: Ctx, url: str) -> None:
    try:
        own(ctx).outbound.check(url)
    except Refused as why:
        raise invalid("/url", "not_public", str(why), reason=str(why)) from None


def _new_secret(ctx: Ctx, webhook_id: str) -> tuple[str, bytes]:
    """A secret, and the same sealed for its row."""
    secret = rules.new_secret(secrets.token_bytes(rules.SECRET_BYTES))
    return secret, own(ctx).sealer.seal(secret, store.TABLE, webhook_id, ctx.actor.org())


async def _one(read: Read, hook: Webhook) -> dict[str, Any]:
    waiting = await deliveries.waiting(read, hook.org_id, [hook.webhook_id])
    plan = await heard.plan(read, hook.org_id)
    return {**_view(hook, plan, waiting.get(hook.webhook_id, 0)), "version": hook.version}


def _view(hook: Webhook, plan: Plan | None, waiting: int) -> dict[str, Any]:
    suspended = None
    if plan is None or not plan.webhooks:
        suspended = Suspension(plan=plan.plan if plan else None, since=plan.webhooks_since if plan else None)
    return {
        "id": hook.webhook_id,
        "url": hook.url,
        "description": hook.description,
        "types": list(hook.types),
        "enabled": hook.disabled_because is None,
        "disabled_because": hook.disabled_because,
        "disabled_at": hook.disabled_at,
        "suspended": suspended,
        "waiting": waiting,
        "failing_since": hook.failing_since,
        "previous_secret_until": hook.previous_until,
        "created_at": hook.created_at,
        "created_by": hook.created_by,
    }
