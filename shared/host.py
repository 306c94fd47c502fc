"""Running services: one process runs a list of them, each with its own database, outbox, inbox and listener."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from shared.bus import Bus
from shared.clock import Clock, SystemClock
from shared.config import Settings
from shared.db import Database
from shared.emptying import empty_old_mails
from shared.endpoint import Endpoints
from shared.erasure import erase_what_waits
from shared.hearing import Running, handler_of
from shared.idempotency import forget_old_answers
from shared.inbox import Inbox
from shared.internal import Internal
from shared.jobs import keep_running
from shared.operations import forget_old_operations, keep_working
from shared.outbox import Relay
from shared.refusals import tell_refusals
from shared.service import Environment, Job, Service
from shared.web.address import Address
from shared.web.server import Limits, serve
from shared.web.traced import traced

if TYPE_CHECKING:
    from shared.otlp import Traces

log = structlog.get_logger()

GRACE_SECONDS = 15.0
START_AT_ONCE = 2  # jobs: each takes a connection, which the first requests need more
KERNEL_JOBS = (
    Job(forget_old_answers, 3600),
    Job(forget_old_operations, 3600),
    Job(empty_old_mails, 3600),
    Job(tell_refusals, 60),
)
ERASING = Job(erase_what_waits, 1)


@asynccontextmanager
async def running(
    services: Sequence[Service],
    settings: Settings,
    bus: Bus,
    *,
    clock: Clock | None = None,
    traces: Traces | None = None,
    own: Mapping[str, Bus] | None = None,
) -> AsyncIterator[Mapping[str, Running]]:
    """Starts the services on a bus that was started, or on one of their `own`; everyone listens before anyone speaks. On leaving: drains and closes."""
    clock = clock or SystemClock()
    buses = {service.name: (own or {}).get(service.name, bus) for service in services}
    async with AsyncExitStack() as stack:
        started: dict[str, Running] = {}
        for service in services:
            started[service.name] = await _open(service, settings, buses[service.name], clock, traces, stack)
        for one in started.values():
            await one.inbox.start()
            stack.push_async_callback(one.inbox.stop)
        for one in started.values():
            one.relay.start()
            stack.push_async_callback(one.relay.stop)
        for one in started.values():
            await _listen(one, settings, stack)
            _start_jobs(one, stack)
        for each in {id(each): each for each in (bus, *buses.values())}.values():
            stack.push_async_callback(each.stop_receiving)
        stack.push_async_callback(_drain, list(started.values()))
        yield started


async def _open(
    service: Service, settings: Settings, bus: Bus, clock: Clock, traces: Traces | None, stack: AsyncExitStack
) -> Running:
    keyring = settings.secrets.keyring(service.name)
    tracer = traces.of(service.name) if traces is not None else None
    dsn = settings.database_urls[service.name]
    database = Database(dsn, size=settings.pool_size, name=f"tenantry {service.name}", tracer=tracer)
    await database.open()
    stack.push_async_callback(database.close)
    internal = Internal(keyring, {name: Address.parse(url) for name, url in settings.urls.items()}, tracer)
    stack.push_async_callback(internal.close)
    env = Environment(service, database, clock, settings, internal, tracer=tracer)
    if service.opens is not None:
        env.own = await stack.enter_async_context(service.opens(env))
    handlers = [handler_of(env, consumer) for consumer in service.consumers]
    inbox = Inbox(service.name, database, bus, service.sources, handlers, tracer=tracer)
    return Running(env, inbox, Relay(service.name, database, bus, tracer))


async def _listen(one: Running, settings: Settings, stack: AsyncExitStack) -> None:
    address = settings.listens.get(one.name)
    if address is None:
        return
    endpoints = Endpoints(one.env, settings.secrets.keyring(one.name), one.inbox)
    one.listening = await serve(
        traced(one.env.tracer, endpoints.answer),
        Address.parse(address),
        Limits(body_bytes=10 * 1024 * 1024),
        accept_request_ids=True,
        reuse_port=settings.reuse_port,
    )
    stack.push_async_callback(one.listening.close)


def _start_jobs(one: Running, stack: AsyncExitStack) -> None:
    erasing = (ERASING,) if one.env.service.erasing is not None else ()
    starting = asyncio.Semaphore(START_AT_ONCE)
    tasks = [
        asyncio.create_task(keep_running(one.env, job, starting), name=f"job {job.use_case.__name__}")
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
