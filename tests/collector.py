"""A collector of traces for tests: takes OTLP over HTTP as the real ones do, and shows what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.trace_export import TraceExport
from shared.web.address import Address
from shared.web.server import Limits, Listening, Request, serve

PATIENCE = 60.0
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class Told:
    """One span as it arrived; ids in hexadecimal, no parent as an empty text."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    facts: dict[str, Any]
    links: tuple[str, ...]


@dataclass
class Collector:
    """What arrived; `status` is what it answers."""

    spans: list[Told] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    listening: Listening | None = None

    @property
    def wanted(self) -> TraceExport:
        assert self.listening is not None
        return TraceExport(endpoint=f"{self.listening.url}/v1/traces")

    def of(self, trace: str) -> list[Told]:
        return [span for span in self.spans if span.trace == trace]

    async def has(self, seen: Callable[[Sequence[Told]], object], what: str) -> None:
        """Waits until what has arrived fulfils the condition."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not seen(self.spans):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            names = sorted(f"{span.service}: {span.name}" for span in self.spans)
            raise AssertionError(f"never came: {what}; but\n" + "\n".join(names)) from None

    async def take(self, request: Request) -> web.StreamResponse:
        body = await request.body()
        self.headers.append(dict(request.headers))
        if request.safe_path != "/v1/traces" or request.headers["Content-Type"] != "application/x-protobuf":
            return web.Response(status=404)
        if self.status == 200:
            self.spans += _read(ExportTraceServiceRequest.FromString(body))
        return web.Response(status=self.status)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    collector.listening = await serve(collector.take, Address.parse("tcp://127.0.0.1:0"), Limits())
    try:
        yield collector
    finally:
        await collector.listening.close()


def _read(told: ExportTraceServiceRequest) -> list[Told]:
    return [
        Told(
            service=_facts(of_one.resource.attributes)["service.name"],
            name=span.name,
            kind=KINDS[span.kind],
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            facts=_facts(span.attributes),
            links=tuple(link.trace_id.hex() for link in span.links),
        )
        for of_one in told.resource_spans
        for scope in of_one.scope_spans
        for span in scope.spans
    ]


def _facts(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
