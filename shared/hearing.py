"""How a service hears: its queue, and its consumers as the inbox runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.auth import Actor
from shared.bus import Queue
from shared.db import EVERY_ORG, Tx
from shared.events import Envelope
from shared.inbox import EVERY_TYPE, Handler, Inbox
from shared.outbox import Relay, queue_name
from shared.service import Consumer, Ctx, Environment, RequestFacts, Service
from shared.web.server import Listening


@dataclass
class Running:
    """One service at work."""

    env: Environment
    inbox: Inbox
    relay: Relay
    listening: Listening | None = None
    draining: bool = False

    @property
    def name(self) -> str:
        return self.env.service.name


def topology(services: Sequence[Service]) -> list[Queue]:
    """Every queue of every service: who starts first declares them all."""
    return [
        Queue(
            queue_name(service.name),
            tuple(key for source in service.sources for key in (f"{source}.#", f"probe.{source}")),
        )
        for service in services
    ]


def handler_of(env: Environment, consumer: Consumer) -> Handler:
    """A consumer as the inbox runs it: inside the inbox's transaction, with a context whose cause is the event."""
    types = frozenset({consumer.event.TYPE if consumer.event else EVERY_TYPE})

    def context(envelope: Envelope) -> Ctx:
        actor = Actor(
            "system",
            user_id=envelope.actor_id if (envelope.actor_id or "").startswith("usr_") else None,
            org_id=envelope.org_id,
            amr=envelope.actor_amr,
            service=env.service.name,
        )
        facts = RequestFacts(source_ip=envelope.source_ip, traceparent=envelope.traceparent)
        return Ctx(env, actor, cause=envelope, correlation_id=envelope.correlation_id, request=facts)

    async def handle(tx: Tx, envelope: Envelope) -> None:
        ctx = context(envelope)
        ctx.adopt(tx, envelope.org_id or EVERY_ORG)
        await consumer.use_case(ctx, consumer.event.read(envelope) if consumer.event else envelope)

    def say(envelope: Envelope) -> Callable[[Any], Envelope]:
        return context(envelope).say

    return Handler(consumer.name, types, handle, say)
