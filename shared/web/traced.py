"""A span around every request of a listener, where traces are wanted."""

from __future__ import annotations

from aiohttp import web

from shared.tracing import Tracer, read_traceparent, recording
from shared.web.server import Handler, Request

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def traced(tracer: Tracer | None, handler: Handler) -> Handler:
    """The handler itself where nothing is recorded. It names the span by its route once it has found one (`name_span`)."""
    if tracer is None:
        return handler

    async def answer(request: Request) -> web.StreamResponse:
        method = request.method if request.method in KNOWN_METHODS else "_OTHER"
        facts = {"http.request.method": method, "tenantry.request_id": request.id}
        parent = read_traceparent(request.headers.get("traceparent"))
        with recording(tracer, method, "server", parent=parent, facts=facts) as span:
            response = await handler(request)
            if span is not None:
                span.note({"http.response.status_code": response.status})
                if response.status >= 500:
                    tracer.failed(span, str(response.status))
            return response

    return answer
