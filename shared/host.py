"""Running services: one process runs a list of them, each with its own database, outbox, inbox and listener."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from shared.auth import Actor
from shared.bus import Bus, Queue
from shared.clock import Clock, SystemClock
from shared.config import Settings
from shared.db import EVERY_ORG, Database, Tx
from shared.endpoint import Endpoints
from shared.erasure import erase_what_waits
from shared.events import Envelope
from shared.idempotency import forget_old_answers
from shared.inbox import EVERY_TYPE, Handler, Inbox
from shared.internal import Internal
from shared.jobs import keep_running
from shared.operations import forget_old_operations, keep_working
from shared.outbox import Relay, queue_name
from shared.service import Consumer, Ctx, Environment, Job, Service
from shared.web.address import Address
from shared.web.server import Limits, Listening, serve

log = structlog.get_logger()

GRACE_SECONDS = 15.0
KERNEL_JOBS = (Job(forget_old_answers, 3600), Job(forget_old_operations, 3600))
ERASING = Job(erase_what_waits, 1)


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


@asynccontextmanager
async def running(
    services: Sequence[Service], settings: Settings, bus: Bus, *, clock: Clock | None = None
) -> AsyncIterator[Mapping[str, Running]]:
    """Starts the services on a bus that was started; everyone listens before anyone speaks. On leaving: drains and closes."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        started: dict[str, Running] = {}
        for service in services:
            started[service.name] = await _open(service, settings, bus, clock, stack)
        for one in started.values():
            await one.inbox.start()
            stack.push_async_callback(one.inbox.stop)
        for one in started.values():
            one.relay.start()
            stack.push_async_callback(one.relay.stop)
        for one in started.values():
            await _listen(one, settings, stack)
            _start_jobs(one, stack)
        stack.push_async_callback(bus.stop_receiving)
        stack.push_async_callback(_drain, list(started.values()))
        yield started


async def _open(service: Service, settings: Settings, bus: Bus, clock: Clock, stack: AsyncExitStack) -> Running:
    keyring = settings.secrets.keyring(service.name)
    database = Database(settings.database_urls[service.name], size=settings.pool_size, name=f"tenantry {service.name}")
    await database.open()
    stack.push_async_callback(database.close)
    internal = Internal(keyring, {name: Address.parse(url) for name, url in settings.urls.items()})
    stack.push_async_callback(internal.close)
    env = Environment(service, database, clock, settings, internal)
    if service.opens is not None:
        env.own = await stack.enter_async_context(service.opens(env))
    inbox = Inbox(
        service.name, database, bus, service.sources, [handler_of(env, consumer) for consumer in service.consumers]
    )
    return Running(env, inbox, Relay(service.name, database, bus))


def handler_of(env: Environment, consumer: Consumer) -> Handler:
    """A consumer as the inbox runs it: inside the inbox's transaction, with a context whose cause is the event."""
    types = frozenset({consumer.event.TYPE if consumer.event else EVERY_TYPE})

    def context(envelope: Envelope) -> Ctx:
        actor = Actor(
            "system",
            user_id=envelope.actor_id if (envelope.actor_id or "").startswith("usr_") else None,
            org_id=envelope.org_id,
            service=env.service.name,
        )
        return Ctx(env, actor, cause=envelope, correlation_id=envelope.correlation_id)

    async def handle(tx: Tx, envelope: Envelope) -> None:
        ctx = context(envelope)
        ctx.adopt(tx, envelope.org_id or EVERY_ORG)
        await consumer.use_case(ctx, consumer.event.read(envelope) if consumer.event else envelope)

    def say(envelope: Envelope) -> Callable[[Any], Envelope]:
        return context(envelope).say

    return Handler(consumer.name, types, handle, say)


async def _listen(one: Running, settings: Settings, stack: AsyncExitStack) -> None:
    address = settings.listens.get(one.name)
    if address is None:
        return
    endpoints = Endpoints(one.env, settings.secrets.keyring(one.name), one.inbox)
    one.listening = await serve(
        endpoints.answer,
        Address.parse(address),
        Limits(body_bytes=10 * 1024 * 1024),
        accept_request_ids=True,
        reuse_port=settings.reuse_port,
    )
    stack.push_async_callback(one.listening.close)


def _start_jobs(one: Running, stack: AsyncExitStack) -> None:
    erasing = (ERASING,) if one.env.service.erasing is not None else ()
    tasks = [
        asyncio.create_task(keep_running(one.env, job), name=f"job {job.use_case.__name__}")
        for job in (*KERNEL_JOBS, *erasing, *one.env.service.jobs)
    ]
    if one.env.service.operations:
        tasks.append(asyncio.create_task(keep_working(one.env), name=f"long work of {one.name}"))

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(stop)


async def _drain(started: Sequence[Running]) -> None:
    waits: list[Awaitable[Any]] = []
    for one in started:
        one.draining = True
        if one.listening is not None:
            waits.append(one.listening.drain(GRACE_SECONDS))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), GRACE_SECONDS + 2)
