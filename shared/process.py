"""One operating-system process: the services it was told to run, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from shared.admin import Readiness, serve_admin, watch_loop
from shared.bus import connect
from shared.clock import Clock
from shared.config import Settings
from shared.hearing import topology
from shared.host import running
from shared.published import published_documents
from shared.service import Service

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
        bus = connect(settings.bus_url, topology(product.all()))
        await bus.start()
        stack.push_async_callback(bus.close)
        readiness = Readiness(bus)
        admin = await serve_admin(settings.admin_listen, readiness)
        stack.push_async_callback(admin.close)
        mine = [product.service(name) for name in settings.services if name in product.storing]
        started = await stack.enter_async_context(running(mine, settings, bus, clock=clock))
        faulty, remarkable = {}, {}
        if "gateway" in settings.services:
            door = await stack.enter_async_context(product.gateway()(settings, bus, clock, published_documents()))
            faulty["gateway"], remarkable["gateway"] = door.fault, door.remark
        readiness.serves(started, faulty, remarkable)
        watch = asyncio.create_task(watch_loop())
        stack.callback(watch.cancel)
        yield readiness
