"""What a process remembers of how things hang together: spans, where an operator asked for traces, and otherwise nothing.

Nothing here imports OpenTelemetry; `shared.otlp` does, and only what runs with traces imports that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

import structlog

from shared.errors import Problem

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Facts = Mapping[str, str | int | float | bool]

NOTHING: Facts = {}

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
IN_AN_ENVELOPE = re.compile(rb'"traceparent": ?"([0-9a-f-]{55})"')


class Recorded(Protocol):
    """A span as OpenTelemetry's library has it."""

    def update_name(self, name: str) -> None: ...

    def set_attribute(self, key: str, value: str | int | float | bool) -> None: ...

    def end(self) -> None: ...


class Span:
    """One stretch of work. A quiet one is told of only when something in it is worth it: whatever `keep` is called for."""

    def __init__(self, recorded: Recorded, traceparent: str, parent: Span | None, *, quiet: bool) -> None:
        self.recorded = recorded
        self.traceparent = traceparent
        self._parent = parent
        self._kept = False
        if not quiet:
            self.keep()

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def is_quiet(self) -> bool:
        return not self._kept

    def keep(self) -> None:
        """It is told of, and so is what it happened in."""
        span: Span | None = self
        while span is not None and not span._kept:
            span._kept = True
            span = span._parent

    def note(self, facts: Facts) -> None:
        """Attributes by their names in OpenTelemetry's semantic conventions, or `tenantry.…`."""
        for name, fact in facts.items():
            self.recorded.set_attribute(name, fact)

    def end(self) -> None:
        if self._kept:
            self.recorded.end()


class Tracer(Protocol):
    """Begins the spans of one service."""

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
        """Within a span of this process, or of the `parent` that a traceparent names; otherwise it begins a trace. `link` names another's."""

    def failed(self, span: Span, why: str) -> None:
        """The work failed; `why` is a kind of failure, never a text that may hold data."""


def _note_failure(tracer: Tracer, span: Span, failed: Exception) -> None:
    """A refusal is an outcome like others."""
    if not isinstance(failed, Problem) or failed.status >= 500:
        tracer.failed(span, type(failed).__name__)


CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)


@contextmanager
def recording(
    tracer: Tracer | None,
    name: str,
    kind: Kind,
    *,
    parent: str | None = None,
    link: str | None = None,
    quiet: bool = False,
    facts: Facts = NOTHING,
) -> Iterator[Span | None]:
    """A span around a block, in whose log lines its trace is named; within the span of now, if there is one.

    A refusal is an outcome like others; any other exception marks the span as failed, and goes on.
    """
    if tracer is None:
        yield None
        return
    span = tracer.begin(name, kind, within=CURRENT.get(), parent=parent, link=link, quiet=quiet)
    span.note(facts)
    now = CURRENT.set(span)
    logged = structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
    try:
        yield span
    except Exception as failed:
        _note_failure(tracer, span, failed)
        raise
    finally:
        structlog.contextvars.reset_contextvars(**logged)
        CURRENT.reset(now)
        span.end()


@contextmanager
def measuring(tracer: Tracer | None, name: str, kind: Kind, facts: Facts = NOTHING) -> Iterator[Span | None]:
    """A span within the one of now, as quiet as that; none where there is none. Nothing begins within it, so it may end in another task."""
    now = CURRENT.get()
    if tracer is None or now is None:
        yield None
        return
    span = tracer.begin(name, kind, within=now, quiet=now.is_quiet)
    span.note(facts)
    try:
        yield span
    except Exception as failed:
        _note_failure(tracer, span, failed)
        raise
    finally:
        span.end()


def current_traceparent() -> str | None:
    """Of the span of now; None where nothing is recorded."""
    span = CURRENT.get()
    return span.traceparent if span is not None else None


def name_span(name: str, facts: Facts = NOTHING) -> None:
    """What the span of now turned out to be; nothing where nothing is recorded."""
    span = CURRENT.get()
    if span is not None:
        span.recorded.update_name(name)
        span.note(facts)


def read_traceparent(text: str | None) -> str | None:
    """A `traceparent` header as W3C Trace Context (level 2) has it; None for anything else."""
    return text if text is not None and TRACEPARENT.fullmatch(text) else None


def unsampled(traceparent: str | None) -> str | None:
    """What is passed on of a client's `traceparent` by who records nothing: the ids, and that nobody has decided to record it."""
    known = read_traceparent(traceparent)
    return f"{known[:-2]}00" if known is not None else None


def traceparent_of(envelope: bytes) -> str | None:
    """That of an event as it is on the wire, without reading the rest."""
    found = IN_AN_ENVELOPE.search(envelope)
    return read_traceparent(found[1].decode()) if found else None
