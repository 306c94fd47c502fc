"""The doctor's look at the collector of traces: a request without spans says whether it would take them."""

from __future__ import annotations

import os

import aiohttp

from shared.cli.findings import Finding, Installation, doubtful, well

ANSWER_SECONDS = 5.0
RISK = "traces have holes; nothing else suffers"


async def traces(it: Installation) -> list[Finding]:
    """Nothing where nobody asked for traces."""
    if it.traces is None:
        return []
    headers = {"Content-Type": "application/x-protobuf", **_headers()}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.post(it.traces.endpoint, data=b"", headers=headers, allow_redirects=False) as answer,
        ):
            return [_judged(it.traces.place, answer.status)]
    except (aiohttp.ClientError, TimeoutError, OSError) as why:
        return [
            doubtful(
                "traces",
                f"the collector at {it.traces.place} doesn't answer: {type(why).__name__}",
                risk=RISK,
                fix="start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP, usually port 4318)",
            )
        ]


def _judged(place: str, status: int) -> Finding:
    if status < 300:
        return well("traces", f"the collector at {place} takes them")
    fixes = {
        401: "correct OTEL_EXPORTER_OTLP_HEADERS",
        403: "correct OTEL_EXPORTER_OTLP_HEADERS",
        404: "OTEL_EXPORTER_OTLP_ENDPOINT is the address without /v1/traces; another path goes into OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    }
    fix = fixes.get(status, "look into the collector's log: does it have a receiver for OTLP over HTTP?")
    return doubtful("traces", f"the collector at {place} answers {status}", risk=RISK, fix=fix)


def _headers() -> dict[str, str]:
    from opentelemetry.util.re import parse_env_headers

    given = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    return dict(parse_env_headers(given, liberal=True))
