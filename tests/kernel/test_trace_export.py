"""Traces are switched on by OpenTelemetry's own environment variables, and by nothing else."""

from __future__ import annotations

import pytest

from shared.trace_export import TraceExport, trace_export
from shared.tracing import read_traceparent, traceparent_of

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, None),
        (HERE, TraceExport(endpoint="http://collector:4318/v1/traces")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example/otlp/"}, TraceExport(endpoint="https://c.example/otlp/v1/traces")),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/mine"}, TraceExport(endpoint="http://c:1/mine")),
        (HERE | {"OTEL_SDK_DISABLED": "true"}, None),
        (HERE | {"OTEL_TRACES_EXPORTER": "none"}, None),
        (HERE | {"OTEL_SERVICE_NAME": "backoffice"}, TraceExport(endpoint="http://collector:4318/v1/traces", name="backoffice")),
        (
            HERE | {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
            TraceExport(endpoint="http://collector:4318/v1/traces", sampler="traceidratio", ratio=0.1),
        ),
    ],
)  # fmt: skip
def test_what_the_variables_ask_for(environ: dict[str, str], wanted: TraceExport | None) -> None:
    faults: list[str] = []
    assert (trace_export(environ, faults), faults) == (wanted, [])


@pytest.mark.parametrize(
    ("environ", "because"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "e.g. http://collector:4318"),
        (HERE | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "must be http/protobuf"),
        (HERE | {"OTEL_TRACES_SAMPLER": "sometimes"}, "always_on, always_off, traceidratio"),
        (HERE | {"OTEL_TRACES_SAMPLER_ARG": "10%"}, "between 0 and 1"),
        (HERE | {"OTEL_TRACES_SAMPLER_ARG": "nan"}, "between 0 and 1"),
    ],
)
def test_what_can_not_be_is_a_fault_of_the_configuration(environ: dict[str, str], because: str) -> None:
    faults: list[str] = []
    assert trace_export(environ, faults) is None
    assert [because in fault for fault in faults] == [True], faults


def test_a_place_is_shown_without_what_may_be_secret_in_its_address() -> None:
    assert TraceExport(endpoint="https://user:secret@c.example/v1/traces?key=secret").place == "c.example:443"


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00-1-1-00", GOOD.upper(), GOOD + " ", GOOD + "-more", "ff" + GOOD[2:], f"{GOOD}\n",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_passed_over(text: str | None) -> None:
    assert read_traceparent(text) is None


def test_a_traceparent_is_found_on_an_envelope_and_nowhere_else() -> None:
    assert read_traceparent(GOOD) == GOOD
    assert traceparent_of(b'{"id":"evt_1","traceparent":"%b","data":{}}' % GOOD.encode()) == GOOD
    assert traceparent_of(b'{"id":"evt_1","data":{"text":"\\"traceparent\\":\\"%b\\""}}' % GOOD.encode()) is None
    assert traceparent_of(b'{"id":"evt_1","traceparent":null}') is None
