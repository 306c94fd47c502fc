"""The delivery log of a webhook, and sending again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError

from services.courier import rules
from services.courier.rules import Webhook
from services.courier.store import deliveries as store
from services.courier.store import heard, webhooks
from services.courier.store.deliveries import Delivery
from services.courier.usecases.own import own
from shared.db import Tx
from shared.errors import Problem, invalid
from shared.events import Envelope
from shared.events.courier import WebhookRedelivered, WebhookTested
from shared.fields import Message, Moment, View
from shared.ids import DeliveryId, EventId, OrgId, WebhookId, new_event_id, new_id
from shared.paging import TOTAL_CAP, ListQuery, Page
from shared.service import Ctx

State = Literal["waiting", "delivered", "failed"]


class DeliveryItem(View):
    """`status` and `error` are the last attempt's: what the receiver answered, or why there was no answer; `error_code` says it for programs."""

    id: DeliveryId
    event_id: EventId
    type: str
    occurred_at: datetime
    state: State
    attempts: int
    status: int | None
    error: str | None
    error_code: str | None
    delivered_at: datetime | None


class DeliveryAttempt(View):
    number: int
    at: datetime
    status: int | None
    error: str | None
    error_code: str | None
    answer: Annotated[str, Field(description="The first 1,000 letters of the answer.")]
    milliseconds: int


class OneDelivery(DeliveryItem):
    """A delivery with what is sent and every attempt, the oldest first."""

    body: dict[str, Any]
    log: list[DeliveryAttempt]


class ListDeliveries(ListQuery):
    webhook_id: WebhookId
    state: State | None = None


class WhichDelivery(Message):
    webhook_id: WebhookId
    delivery_id: DeliveryId


class SendAgain(Message):
    webhook_id: WebhookId
    since: Annotated[Moment, Field(description="Of events that happened from then on.")]
    until: Annotated[Moment | None, Field(description="Until before then; by default, until now.")] = None


class WhichWebhookTested(Message):
    webhook_id: WebhookId


class TestSent(View):
    """`event_id` is the `webhook-id` that arrives; the delivery's own page tells what came of it."""

    delivery_id: DeliveryId
    event_id: EventId


class Redelivery(View):
    """How many deliveries wait again."""

    deliveries: int


async def list_deliveries(ctx: Ctx, query: ListDeliveries) -> Page[DeliveryItem]:
    """What a webhook was told, or is to be, the newest first; kept for 30 days."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    position = cursors.read(query)
    before = int(position[0]) if position else None
    async with ctx.read() as read:
        found = await store.listed(read, org_id, query.webhook_id, query.state, before, query.limit + 1)
        total = await store.counted(read, org_id, query.webhook_id, query.state, TOTAL_CAP)
    page = cursors.page(found, query, lambda last: [last.position], total)
    return Page(data=[DeliveryItem(**_view(one)) for one in page.data], page=page.page)


async def read_delivery(ctx: Ctx, which: WhichDelivery) -> OneDelivery:
    """One delivery: what is sent, and what came of every attempt."""
    org_id = ctx.actor.org()
    async with ctx.read() as read:
        one = await store.one(read, org_id, which.webhook_id, which.delivery_id)
        body = await store.body(read, org_id, which.delivery_id)
        attempts = await store.attempts(read, org_id, which.delivery_id)
    log = [
        DeliveryAttempt(
            number=a.number,
            at=a.at,
            status=a.status,
            error=a.error,
            error_code=a.error_code,
            answer=a.answer,
            milliseconds=a.milliseconds,
        )
        for a in attempts
    ]
    return OneDelivery(**_view(one), body=orjson.loads(body), log=log)


async def retry_delivery(ctx: Ctx, which: WhichDelivery) -> Redelivery:
    """Sends one delivery again, under the same `webhook-id`; before everything that came after it and still waits."""
    async with ctx.tx() as tx:
        await webhooks.lock(tx, ctx.actor.org(), which.webhook_id)
        if not await store.send_again(tx, ctx.actor.org(), which.webhook_id, which.delivery_id):
            raise Problem("conflict", "This delivery is waiting to be sent already.", meta={"because": "waiting"})
        return await _again(ctx, tx, which.webhook_id, 1)


async def retry_deliveries(ctx: Ctx, wanted: SendAgain) -> Redelivery:
    """Sends again, in order, what a webhook was told of a range of time, delivered or not."""
    until = wanted.until or ctx.now
    if until <= wanted.since:
        raise invalid("/until", "before_since", "must be after since")
    async with ctx.tx() as tx:
        await webhooks.lock(tx, ctx.actor.org(), wanted.webhook_id)
        count = await store.send_range_again(tx, ctx.actor.org(), wanted.webhook_id, wanted.since, until)
        return await _again(ctx, tx, wanted.webhook_id, count)


async def send_test(ctx: Ctx, which: WhichWebhookTested) -> TestSent:
    """Sends a `courier.webhook.tested.v1` to this webhook, whatever it selects: signed, in line behind what waits, and in the log like everything else.

    Its `sequence` is 0: it stands outside the order of events.
    """
    org_id = ctx.actor.org()
    async with ctx.tx() as tx:
        hook = await _open_hook(tx, org_id, which.webhook_id)
        return await _send(ctx, tx, hook, await tx.emit(WebhookTested(org_id=org_id, webhook=hook.state())))


class SendSample(Message):
    """An event of a webhook's organization that didn't happen."""

    org_id: OrgId
    webhook_id: WebhookId
    type: str
    data: dict[str, Any]


async def send_sample(ctx: Ctx, wanted: SendSample) -> TestSent:
    """Sends a made-up event to a webhook of a test organization, as a test is sent."""
    kind = rules.EVENTS.get(wanted.type)
    if kind is None:
        raise invalid("/type", "unknown_type", "is no type of event that webhooks are told")
    try:
        event = kind.model_validate({**wanted.data, "org_id": wanted.org_id})
    except ValidationError as wrong:
        raise invalid("/data", "invalid_event", f"isn't valid: {wrong.error_count()} of its fields aren't") from None
    async with ctx.tx(wanted.org_id) as tx:
        if not await heard.is_test_organization(tx, wanted.org_id):
            raise Problem(
                "conflict",
                "Only webhooks of test organizations are told what didn't happen.",
                meta={"because": "test_organizations_only"},
            )
        hook = await _open_hook(tx, wanted.org_id, wanted.webhook_id)
        await tx.emit(WebhookTested(org_id=wanted.org_id, webhook=hook.state(), sample=wanted.type))
        source = wanted.type.partition(".")[0]
        made_up = replace(ctx.say(event), id=new_event_id(source), source=source, actor_id=None)
        return await _send(ctx, tx, hook, made_up)


async def _open_hook(tx: Tx, org_id: str, webhook_id: str) -> Webhook:
    hook = await webhooks.lock(tx, org_id, webhook_id)
    rules.check_plan(await heard.plan(tx, org_id))
    if hook.disabled_because is not None:
        raise Problem("conflict", "The webhook is off: switch it on first.", meta={"because": "off"})
    return hook


async def _send(ctx: Ctx, tx: Tx, hook: Webhook, told: Envelope) -> TestSent:
    delivery_id = new_id("dlv", now=ctx.now.timestamp())
    await store.add(tx, hook.org_id, hook.webhook_id, delivery_id, told.id, told.type, rules.body_of(told), ctx.now)
    tx.after_commit(own(ctx).webhooks.wake)
    return TestSent(delivery_id=delivery_id, event_id=told.id)


async def _again(ctx: Ctx, tx: Tx, webhook_id: str, count: int) -> Redelivery:
    if count:
        hook = await webhooks.one(tx, ctx.actor.org(), webhook_id)
        await tx.emit(WebhookRedelivered(org_id=hook.org_id, webhook=hook.state(), deliveries=count))
        tx.after_commit(own(ctx).webhooks.wake)
    return Redelivery(deliveries=count)


def _view(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.delivery_id,
        "event_id": one.event_id,
        "type": one.type,
        "occurred_at": one.at,
        "state": one.state,
        "attempts": one.attempts,
        "status": one.status,
        "error": one.error,
        "error_code": one.error_code,
        "delivered_at": one.delivered_at,
    }
