"""The delivery log of a webhook, and sending again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, Field

from services.courier import rules
from services.courier.store import deliveries as store
from services.courier.store import heard, webhooks
from services.courier.store.deliveries import Delivery
from services.courier.usecases.own import own
from shared.db import Tx
from shared.errors import Problem, invalid
from shared.events.courier import WebhookRedelivered, WebhookTested
from shared.fields import Message, View
from shared.ids import DeliveryId, EventId, WebhookId, new_id
from shared.paging import TOTAL_CAP, ListQuery, Page
from shared.service import Ctx

State = Literal["waiting", "delivered", "failed"]


class DeliveryItem(View):
    """`status` and `error` are the last attempt's: what the receiver answered, or why there was no answer."""

    id: DeliveryId
    event_id: EventId
    type: str
    occurred_at: datetime
    state: State
    attempts: int
    status: int | None
    error: str | None
    delivered_at: datetime | None


class DeliveryAttempt(View):
    number: int
    at: datetime
    status: int | None
    error: str | None
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
    since: Annotated[AwareDatetime, Field(description="Of events that happened from then on.")]
    until: Annotated[AwareDatetime | None, Field(description="Until before then; by default, until now.")] = None


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
            number=a.number, at=a.at, status=a.status, error=a.error, answer=a.answer, milliseconds=a.milliseconds
        )
        for a in attempts
    ]
    return OneDelivery(**_view(one), body=orjson.loads(body), log=log)


async def retry_delivery(ctx: Ctx, which: WhichDelivery) -> Redelivery:
    """Sends one delivery again, under the same `webhook-id`; before everything that came after it and still waits."""
    async with ctx.tx() as tx:
        await webhooks.lock(tx, ctx.actor.org(), which.webhook_id)
        if not await store.send_again(tx, ctx.actor.org(), which.webhook_id, which.delivery_id):
            raise Problem("conflict", "This delivery is waiting to be sent already.")
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
        hook = await webhooks.lock(tx, org_id, which.webhook_id)
        rules.check_plan(await heard.plan(tx, org_id))
        if hook.disabled_because is not None:
            raise Problem("conflict", "The webhook is off: switch it on first.")
        said = await tx.emit(WebhookTested(org_id=org_id, webhook=hook.state()))
        delivery_id = new_id("dlv", now=ctx.now.timestamp())
        await store.add(tx, org_id, hook.webhook_id, delivery_id, said.id, said.type, rules.body_of(said), ctx.now)
        tx.after_commit(own(ctx).webhooks.wake)
    return TestSent(delivery_id=delivery_id, event_id=said.id)


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
        "delivered_at": one.delivered_at,
    }
