"""The deliverer: tells webhooks what happened, each in its order, signed as Standard Webhooks has it.

What can't be delivered is tried again for three days, and everything after it waits; then the webhook is switched off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from standardwebhooks.webhooks import Webhook as Signer

from services.courier import rules
from services.courier.rules import Attempt, Webhook
from services.courier.store import deliveries, heard, mails
from services.courier.store import webhooks as store
from services.courier.store.webhooks import Turn
from services.courier.usecases.working import Workers, until_noted
from shared.auth import Actor
from shared.db import EVERY_ORG, Tx
from shared.events.courier import MailRequested, WebhookDisabled
from shared.ids import new_id
from shared.outbound import NotFetched, Outbound
from shared.sealing import Sealer
from shared.service import Ctx, Environment

log = structlog.get_logger()

AT_ONCE = 8
LEASE = timedelta(seconds=60)  # longer than a request may take, so that no two senders have one webhook


class Deliverer:
    """A few tasks that deliver; each has one webhook at a time, so that its deliveries leave one after the other."""

    def __init__(self, env: Environment, outbound: Outbound, sealer: Sealer, wake_mails: Callable[[], None]) -> None:
        self._env = env
        self._outbound = outbound
        self._sealer = sealer
        self._wake_mails = wake_mails
        self._workers = Workers("webhook deliverer", self.deliver_next, AT_ONCE)

    def start(self) -> None:
        self._workers.start()

    def wake(self) -> None:
        self._workers.wake()

    async def stop(self) -> None:
        await self._workers.stop()

    async def deliver_next(self) -> bool:
        """Sends what the webhook that is due longest waits for; False when none is due."""
        ctx = self._ctx()
        async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
            turn = await store.lease_next(tx, ctx.now, LEASE)
        if turn is None:
            return False
        attempt = await self._attempt(turn)
        await until_noted(lambda: self._given_back(turn, attempt), LEASE)
        log.info(
            "sent to a webhook" if attempt.well else "a webhook didn't take a delivery",
            webhook_id=turn.webhook.webhook_id,
            delivery_id=turn.delivery_id,
            status=attempt.status,
            why=attempt.error,
        )
        return True

    async def _given_back(self, turn: Turn, attempt: Attempt) -> None:
        ctx = self._ctx()
        async with ctx.finishing(), ctx.tx(turn.webhook.org_id) as tx:
            hook = await store.give_back(tx, turn)
            if hook is not None:
                await self._note(ctx, tx, hook, turn, attempt)

    async def _attempt(self, turn: Turn) -> Attempt:
        now, began = self._env.clock.now(), time.perf_counter()
        status, error, code, answer = None, None, None, ""
        try:
            got = await self._outbound.post(turn.webhook.url, turn.body.encode(), self._headers(turn))
            status = got.status
            answer = got.body[: 4 * rules.ANSWER_LETTERS].decode(errors="replace").replace("\x00", "\ufffd")
        except NotFetched as why:
            error, code = str(why), why.code
        took = round((time.perf_counter() - began) * 1000)
        return Attempt(now, status, error, answer[: rules.ANSWER_LETTERS], took, error_code=code)

    def _headers(self, turn: Turn) -> Mapping[str, str]:
        hook, now = turn.webhook, self._env.clock.now()
        secrets = [hook.secret]
        if hook.previous_secret is not None and hook.previous_until is not None and now < hook.previous_until:
            secrets.append(hook.previous_secret)
        signed = [
            Signer(self._sealer.open(sealed, store.TABLE, hook.webhook_id, hook.org_id)).sign(
                turn.event_id, now, turn.body
            )
            for sealed in secrets
        ]
        return {
            "Content-Type": "application/json",
            "User-Agent": "Tenantry-Webhooks/1",
            "webhook-id": turn.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signed),
        }

    async def _note(self, ctx: Ctx, tx: Tx, hook: Webhook, turn: Turn, attempt: Attempt) -> None:
        """What came of it, in one transaction with what follows from it."""
        if attempt.well:
            await deliveries.note(tx, hook.org_id, turn.delivery_id, attempt, "delivered")
            await store.mark_well(tx, hook, ctx.now)
            return
        since = hook.failing_since or attempt.at
        due_at = None if attempt.gone else rules.webhook_due_again(since, ctx.now, hook.attempts + 1)
        await deliveries.note(tx, hook.org_id, turn.delivery_id, attempt, "waiting" if due_at else "failed")
        if due_at is not None:
            await store.mark_failing(tx, hook, since, due_at)
        elif hook.disabled_because is None:
            await self._disable(ctx, tx, hook, attempt)

    async def _disable(self, ctx: Ctx, tx: Tx, hook: Webhook, attempt: Attempt) -> None:
        """Switches a webhook off, and tells every Admin, once."""
        reason = "gone" if attempt.gone else "failing"
        hook = await store.disable(tx, hook, reason, None, ctx.now)
        said = await tx.emit(
            WebhookDisabled(
                org_id=hook.org_id,
                webhook=hook.state(),
                reason="gone" if attempt.gone else "failing",
                failing_since=hook.failing_since or attempt.at,
            )
        )
        for admin in await heard.admins(tx, hook.org_id):
            asked = MailRequested(
                about=hook.org_id,
                org_id=hook.org_id,
                to=admin.email,
                reader=admin.user_id,
                template="webhook_disabled",
                values={
                    "name": admin.name,
                    "host": rules.host_of(hook.url),
                    "reason": reason,
                    "error_code": attempt.error_code or "",
                    "status": str(attempt.status or ""),
                    "why": attempt.error or f"it answered with status {attempt.status}",
                    "since": (hook.failing_since or attempt.at).isoformat(),
                },
            )
            await mails.add(tx, new_id("mail"), f"{said.id} {admin.user_id}", asked, ctx.now)
        tx.after_commit(self._wake_mails)

    def _ctx(self) -> Ctx:
        return Ctx(self._env, Actor("system", service=self._env.service.name), correlation_id="webhook deliverer")


async def forget_deliveries(ctx: Ctx) -> None:
    """The delivery log is kept for thirty days."""
    async with ctx.tx() as tx:
        await deliveries.forget(tx, ctx.now - rules.KEPT)
