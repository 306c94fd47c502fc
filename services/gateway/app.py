"""The gateway: its place in the published documents, and how it runs. It stores nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from services.gateway.access_tokens import AccessTokens
from services.gateway.authentication import Authentication
from services.gateway.console import Console
from services.gateway.documents import operations_of
from services.gateway.door import Door, Table
from services.gateway.feed import KEYS, Feed
from services.gateway.own import House
from services.gateway.pages import Pages
from services.gateway.possibilities import Possibilities
from services.gateway.rates import DEFAULT_RATES, Rates
from services.gateway.routes import FROM_CALLER_ALONE, ROUTES
from services.gateway.source_address import address_of
from services.gateway.standing import Standing
from services.gateway.streams import Streams
from shared.bus import Bus
from shared.clock import Clock, SystemClock
from shared.config import Misconfigured, Settings
from shared.internal import Internal
from shared.mailbox import FileMailbox
from shared.published import PublishedDocuments
from shared.service import Service
from shared.tracing import Tracer
from shared.web.address import Address
from shared.web.server import Limits, Listening, serve
from shared.web.traced import traced

GRACE_SECONDS = 15.0
LARGEST_BODY = 10 * 1024 * 1024

service = Service(name="gateway", migrations=Path(__file__).parent / "migrations", routes=ROUTES)


@dataclass
class RunningGateway:
    """A gateway that listens."""

    listening: Listening
    feed: Feed
    draining: bool = field(default=False)

    @property
    def url(self) -> str:
        return self.listening.url

    async def fault(self) -> str | None:
        """Why it should get no requests now; None when it can serve."""
        return "this process is stopping" if self.draining else None

    async def remark(self) -> str | None:
        """What makes it slower, and concerns all gateways alike: none of them leaves service for that."""
        silent = self.feed.silent()
        return f"no heartbeat of {' and '.join(silent)}: each request asks its owners" if silent else None


@asynccontextmanager
async def gateway(
    settings: Settings,
    bus: Bus,
    clock: Clock | None,
    docs: PublishedDocuments,
    *,
    rates: Rates = DEFAULT_RATES,
    monotonic: Callable[[], float] = time.monotonic,
    tracer: Tracer | None = None,
) -> AsyncIterator[RunningGateway]:
    """Hears the news on a bus that was started, then listens. On leaving: finishes what is under way, then closes."""
    clock = clock or SystemClock()
    address = Address.parse(settings.listens["gateway"])
    operations = tuple(operations_of(docs.openapi))
    _check_reachable(settings, {operation.service for operation in operations})
    internal = Internal(
        settings.secrets.keyring("gateway"), {name: Address.parse(url) for name, url in settings.urls.items()}, tracer
    )
    standing = Standing(internal, monotonic)
    possibilities = Possibilities(monotonic)
    feed = Feed(standing, possibilities, monotonic)
    tokens = AccessTokens(internal, clock, settings.public_url, monotonic)
    authentication = Authentication(tokens, standing, feed, settings.secrets.bytes("csrf"), clock)
    house = House(
        settings=settings,
        clock=clock,
        internal=internal,
        docs=docs,
        operations=operations,
        permissions=tuple({route.may.action: route.may for route in ROUTES if not route.may.anyone}.values()),
        pages=Pages(docs),
        console=Console(),
        mailbox=_mailbox(settings, address),
        streams=Streams(),
        possibilities=possibilities,
        feed=feed,
    )
    door = Door(house, Table(operations, ROUTES, FROM_CALLER_ALONE), authentication, standing, rates, monotonic)
    await bus.subscribe(feed.receive, keys=KEYS)
    limits = Limits(body_bytes=LARGEST_BODY)
    listening = await serve(traced(tracer, door.answer), address, limits, reuse_port=settings.reuse_port)
    running = RunningGateway(listening, feed)
    refreshing = asyncio.create_task(tokens.keep_fresh(), name="gateway keeps identity's keys fresh")
    try:
        yield running
    finally:
        running.draining = True
        refreshing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await refreshing
        await listening.drain(GRACE_SECONDS)
        await internal.close()


def _check_reachable(settings: Settings, services: set[str]) -> None:
    missing = sorted(services - settings.urls.keys() - {"gateway"})
    if missing:
        raise Misconfigured(
            [
                f"TENANTRY_{name.upper()}_URL is missing, e.g. tcp://{name}:8081: the gateway has routes of {name}"
                for name in missing
            ]
        )


def _mailbox(settings: Settings, address: Address) -> FileMailbox | None:
    """The mail that was written to files, if only this machine can connect."""
    host = address_of("127.0.0.1" if address.host == "localhost" else address.host)
    if settings.mail.startswith("file://") and host is not None and host.is_loopback:
        return FileMailbox(Path(urlsplit(settings.mail).path))
    return None
