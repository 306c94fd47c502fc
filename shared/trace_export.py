"""Where traces go: the OpenTelemetry project's own environment variables, as its specification has them."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from typing import Annotated, Literal, cast, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Sampler = Literal["always_on", "always_off", "traceidratio"]

PROTOCOL = "http/protobuf"
SAMPLERS = get_args(Sampler)


class TraceExport(BaseModel):
    """A collector that takes OTLP over HTTP, and which share of the traces it gets. The rest (headers, certificates, batches) the exporter reads itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint: str
    name: str = "tenantry"
    sampler: Sampler = "always_on"
    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0

    @property
    def place(self) -> str:
        """Host and port, without what may be secret in the address."""
        parts = urlsplit(self.endpoint)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def trace_export(environ: Mapping[str, str], faults: MutableSequence[str]) -> TraceExport | None:
    """What `OTEL_EXPORTER_OTLP_ENDPOINT` and its like ask for; None where nobody asks."""
    general = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    is_off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_off or environ.get("OTEL_TRACES_EXPORTER", "").strip() == "none" or not (endpoint or general):
        return None
    endpoint = endpoint or f"{general.rstrip('/')}/v1/traces"
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        faults.append(
            "OTEL_EXPORTER_OTLP_ENDPOINT must be a collector's address for OTLP over HTTP, e.g. http://collector:4318"
        )
        return None
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(name, "").strip() not in ("", PROTOCOL):
            faults.append(f"{name} must be {PROTOCOL}: Tenantry speaks no other (a collector's usual port is 4318)")
            return None
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip().removeprefix("parentbased_") or "always_on"
    if sampler not in SAMPLERS:
        faults.append(f"OTEL_TRACES_SAMPLER takes {', '.join(SAMPLERS)}, or one of them with parentbased_ before it")
        return None
    ratio = _ratio(environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1")
    if ratio is None:
        faults.append("OTEL_TRACES_SAMPLER_ARG must be a share between 0 and 1, e.g. 0.1")
        return None
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or "tenantry"
    return TraceExport(endpoint=endpoint, name=name, sampler=cast(Sampler, sampler), ratio=ratio)


def _ratio(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
