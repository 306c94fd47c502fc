"""One operating-system process: the services it was told to run, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from shared.admin import Readiness, serve_admin, watch_loop
from shared.bus import Bus, connect
from shared.clock import Clock
from shared.config import Settings
from shared.hearing import topology
from shared.host import running
from shared.published import published_documents
from shared.service import Service

if TYPE_CHECKING:
    from shared.otlp import Traces

log = structlog.get_logger()


@dataclass(frozen=True)
class Product:
    """What can be run: the services that store something, by name, and the gateway."""

    storing: tuple[str, ...]
    service: Callable[[str], Service]
    gateway: Callable[[], Any]

    def all(self) -> list[Service]:
        """Every storing service."""
        return [self.service(name) for name in self.storing]

    def documented(self) -> list[Service]:
        """Every service with a place in the published documents."""
        return [self.service("gateway"), *self.all()]


@asynccontextmanager
async def process(product: Product, settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Readiness]:
    """Runs the services that the settings name. On leaving: stops receiving, finishes what is in flight, closes."""
    async with AsyncExitStack() as stack:
        traces = _traces(settings)
        if traces is not None:
            stack.push_async_callback(traces.close)
        bus, own = _buses(product, settings)
        buses = tuple({id(each): each for each in (bus, *own.values())}.values())
        for each in buses:
            await each.start()
            stack.push_async_callback(each.close)
        readiness = Readiness(*buses)
        admin = await serve_admin(settings.admin_listen, readiness, reuse_port=settings.reuse_port)
        stack.push_async_callback(admin.close)
        mine = [product.service(name) for name in settings.services if name in product.storing]
        started = await stack.enter_async_context(running(mine, settings, bus, clock=clock, traces=traces, own=own))
        faulty, remarkable = {}, {}
        if "gateway" in settings.services:
            tracer = traces.of("gateway") if traces is not None else None
            gateway = product.gateway()(settings, own.get("gateway", bus), clock, published_documents(), tracer=tracer)
            door = await stack.enter_async_context(gateway)
            faulty["gateway"], remarkable["gateway"] = door.fault, door.remark
        readiness.serves(started, faulty, remarkable)
        watch = asyncio.create_task(watch_loop())
        stack.callback(watch.cancel)
        yield readiness


def spare_the_collector() -> None:
    """What a start makes lives as long as the process, and most of what a request makes ends with it: the collector needn't look so often, nor at so much."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _traces(settings: Settings) -> Traces | None:
    """What only those import who want it."""
    if settings.traces is None:
        return None
    from shared.otlp import Traces

    return Traces(settings.traces)


def _buses(product: Product, settings: Settings) -> tuple[Bus, dict[str, Bus]]:
    """That of all services, which declares every queue; and of those with a user of their own, who may declare their own alone."""
    own = {
        name: connect(url, topology([product.service(name)] if name in product.storing else []))
        for name, url in settings.bus_urls.items()
        if name in settings.services
    }
    if own.keys() >= set(settings.services):
        return next(iter(own.values())), own
    return connect(settings.bus_url, topology(product.all())), own
