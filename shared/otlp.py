"""Spans by OpenTelemetry's own library, sent by OTLP over HTTP. Imported only where traces are wanted: it costs 0.3 s and some memory."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.util.types import Attributes

from shared.trace_export import TraceExport
from shared.tracing import Kind, Recorded, Span

KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
FLUSH_SECONDS = 3.0
EDGE = "gateway"  # strangers choose ids and flags there


class ByDice(Sampler):
    """Decides as another sampler would of an id that nobody could choose: a ratio of ids is one that whoever sends them has in hand."""

    def __init__(self, other: Sampler) -> None:
        self._other = other
        self._dice = random.Random(secrets.token_bytes(32))  # noqa: S311

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        thrown = self._dice.getrandbits(128)
        return self._other.should_sample(parent_context, thrown, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"ByDice{{{self._other.get_description()}}}"


class Traces:
    """What a process records, whichever services run in it. Spans are sent in batches by a thread of their own, and dropped when nobody takes them."""

    def __init__(self, wanted: TraceExport) -> None:
        self._wanted = wanted
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=wanted.endpoint))

    def of(self, service: str) -> ServiceTracer:
        """Records as this service, which is its own in the traces also when others run in the same process."""
        resource = Resource.create({"service.name": f"{self._wanted.name}-{service}", "service.namespace": "tenantry"})
        dice = ByDice(self._sampler())
        sampler = ParentBased(dice, dice, dice) if service == EDGE else ParentBased(self._sampler())
        provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return ServiceTracer(provider)

    def _sampler(self) -> Sampler:
        if self._wanted.sampler == "traceidratio":
            return TraceIdRatioBased(self._wanted.ratio)
        return ALWAYS_OFF if self._wanted.sampler == "always_off" else ALWAYS_ON

    async def close(self) -> None:
        """Sends what waits, for a moment; a collector that doesn't answer keeps nobody from stopping."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def shut_down() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await done.wait()
        except TimeoutError:
            return


class ServiceTracer:
    """Begins the spans of one service."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("tenantry")

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        within: Span | None = None,
        parent: str | None = None,
        link: str | None = None,
        quiet: bool = False,
    ) -> Span:
        context = Context()  # not the library's own "current" one: nobody else sets that
        if within is not None:
            context = set_span_in_context(_otel(within.recorded), context)
        elif parent is not None:
            context = set_span_in_context(NonRecordingSpan(_remote(parent)), context)
        links = [Link(_remote(link))] if link is not None else []
        span = self._tracer.start_span(name, context, KINDS[kind], links=links)
        mine = span.get_span_context()
        shown = f"00-{mine.trace_id:032x}-{mine.span_id:016x}-{mine.trace_flags:02x}"
        return Span(span, shown, within, quiet=quiet)

    def failed(self, span: Span, why: str) -> None:
        span.keep()
        span.note({"error.type": why})
        _otel(span.recorded).set_status(Status(StatusCode.ERROR, why))


def _otel(recorded: Recorded) -> OtelSpan:
    assert isinstance(recorded, OtelSpan)
    return recorded


def _remote(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")[:4]
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
