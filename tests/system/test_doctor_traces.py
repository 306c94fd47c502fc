"""`tenantry doctor` says whether the collector of traces would take them, and what to do when it wouldn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.launcher import PRODUCT
from shared.cli.doctor_traces import traces
from shared.cli.findings import Installation
from shared.trace_export import TraceExport
from tests.collector import collecting


def installed(wanted: TraceExport | None) -> Installation:
    return Installation(
        PRODUCT,
        Path("/nowhere"),
        {},
        "memory://",
        "tcp://gateway:1",
        "file:///nowhere",
        Path("/nowhere"),
        traces=wanted,
    )


async def test_nothing_is_said_where_nobody_asked_for_traces() -> None:
    assert await traces(installed(None)) == []


@pytest.mark.parametrize(
    ("status", "sign", "says", "fix"),
    [
        (200, "✓", "takes them", ""),
        (401, "⚠", "answers 401", "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "⚠", "answers 404", "without /v1/traces"),
        (503, "⚠", "answers 503", "the collector's log"),
    ],
)
async def test_a_collector_that_answers(
    monkeypatch: pytest.MonkeyPatch, status: int, sign: str, says: str, fix: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for%20the%20collector")
    async with collecting() as collector:
        collector.status = status
        (finding,) = await traces(installed(collector.wanted))
        assert [headers["api-key"] for headers in collector.headers] == ["for the collector"]
    assert (finding.sign, says in finding.says, fix in finding.fix) == (sign, True, True), str(finding)
    assert "for the collector" not in str(finding)


async def test_a_collector_that_is_away() -> None:
    (finding,) = await traces(installed(TraceExport(endpoint="http://user:secret@127.0.0.1:9/v1/traces")))
    assert (finding.sign, "127.0.0.1:9 doesn't answer" in finding.says) == ("⚠", True)
    assert "secret" not in str(finding)
