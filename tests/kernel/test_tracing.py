"""What two services record of a request, an event, a failure and a job; and that without an operator who asks, nothing is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import structlog
from structlog.testing import capture_logs

import shared.inbox as inbox_module
from shared.events import Envelope
from shared.jobs import run_job
from shared.otlp import Traces
from shared.rewinding import rewind
from shared.service import Ctx, Job
from shared.trace_export import TraceExport
from tests.collector import Collector, Told, collecting
from tests.contracts.source import ROOT
from tests.kernel.toy import NoteWritten, counter, notes
from tests.world import Databases, World, an_admin, world_of

BROWSER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = BROWSER[3:35]


@dataclass
class Stage:
    world: World
    collector: Collector


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setattr(inbox_module, "BACKOFF_SECONDS", (0.01,))
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.05)
    async with collecting() as collector:
        traces = Traces(collector.wanted)
        async with world_of([notes, counter], databases, tmp_path, traces=traces) as world:
            yield Stage(world, collector)
        await traces.close()


def named(spans: list[Told], name: str) -> Told:
    (found,) = (span for span in spans if span.name == name)
    return found


async def test_a_request_its_transaction_its_event_and_who_hears_it_are_one_trace(stage: Stage) -> None:
    world, collector = stage.world, stage.collector
    ana = an_admin()
    asked = await world.ask("org", "POST", "/v1/notes", {"text": "hello"}, actor=ana, headers={"traceparent": BROWSER})
    await collector.has(lambda _: {span.kind for span in collector.of(TRACE)} >= {"producer", "consumer"}, "the event")
    spans = collector.of(TRACE)
    request = named(spans, "POST /v1/notes")
    assert (request.service, request.kind, request.parent) == ("tenantry-org", "server", "b7ad6b7169203331")
    assert request.facts == {
        "http.request.method": "POST",
        "http.route": "/v1/notes",
        "http.response.status_code": 201,
        "tenantry.request_id": asked.headers["request-id"],
    }
    said = named([span for span in spans if span.service == "tenantry-org"], "transaction")
    assert (said.kind, said.parent, said.facts["tenantry.events"]) == ("client", request.id, 1)
    published = named(spans, "publish org.note.written.v1")
    assert (published.service, published.kind, published.parent) == ("tenantry-org", "producer", request.id)
    handled = named(spans, "handle org.note.written.v1")
    assert (handled.service, handled.kind, handled.parent) == ("tenantry-sharing", "consumer", request.id)
    assert (handled.facts["messaging.message.id"], handled.facts["tenantry.handler"]) == (asked.change, "count_note")
    (envelope,) = await world.said("org", NoteWritten)
    assert envelope.traceparent == f"00-{TRACE}-{request.id}-{envelope.traceparent[-2:]}"  # type: ignore[index]
    assert ana.org() not in str(spans)
    assert str(ana.user_id) not in str(spans)


async def test_a_refusal_is_an_outcome_and_a_fault_a_failure(stage: Stage) -> None:
    world, collector = stage.world, stage.collector
    ana = an_admin()
    (await world.ask("org", "GET", "/v1/notes/none", actor=ana))
    (await world.ask("org", "GET", "/v1/no-such-thing", actor=ana))
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        await world.ask("org", "POST", "/v1/notes", {"text": "poison"}, actor=ana, headers={"traceparent": BROWSER})
        await collector.has(
            lambda spans: any(span.facts.get("tenantry.attempt", 0) > 1 for span in spans), "another attempt"
        )
    failed = [span for span in collector.spans if span.name.startswith("handle")]
    assert all(span.failed and span.facts["error.type"] == "ValueError" for span in failed)
    attempts = {span.facts["tenantry.attempt"] for span in failed}  # two workers may both make the first one
    assert min(attempts) == 1 < max(attempts)
    assert {span.trace for span in failed} == {TRACE}
    assert "poison" not in str(collector.spans)
    refused = [span for span in collector.spans if span.facts.get("http.response.status_code") == 404]
    assert [(span.name, span.failed) for span in refused] == [("GET /v1/notes/{note_id}", False), ("GET", False)]
    told = [line for line in logs if line["event"] == "an event can't be applied"]
    assert {line["trace_id"] for line in told} == {TRACE}, "the log names the trace"


async def test_a_job_is_told_of_when_it_did_something(stage: Stage) -> None:
    async def idle(ctx: Ctx) -> None:
        async with ctx.tx() as tx:
            await tx.value("select 1")

    async def busy(ctx: Ctx) -> None:
        async with ctx.tx() as tx:
            await tx.emit(NoteWritten(org_id=an_admin().org(), note_id="note", text="by a job"))

    env = stage.world.started["org"].env
    for use_case in (idle, busy):
        assert await run_job(env, Job(use_case, 1))
    await stage.collector.has(lambda spans: any(span.kind == "consumer" for span in spans), "what the job said")
    job = named(stage.collector.spans, "job org busy")
    assert (job.parent, named(stage.collector.of(job.trace), "handle org.note.written.v1").parent) == ("", job.id)
    assert not [span for span in stage.collector.spans if "idle" in span.name]


async def test_what_is_heard_again_is_a_trace_of_its_own_that_names_the_other(stage: Stage) -> None:
    world, collector = stage.world, stage.collector
    ana = an_admin()
    await world.ask("org", "POST", "/v1/notes", {"text": "hello"}, actor=ana, headers={"traceparent": BROWSER})
    await world.settle()
    database = world.started["sharing"].env.database
    async with database.tx("", _says_nothing) as tx:
        await rewind(tx.connection, source="org", subject=None, after=0)
    await collector.has(lambda spans: sum(span.kind == "consumer" for span in spans) == 2, "the second hearing")
    again = next(span for span in collector.spans if span.links)
    assert (again.links, again.parent, again.trace != TRACE) == ((TRACE,), "", True)


def _says_nothing(_: object) -> Envelope:
    raise AssertionError


async def test_who_is_never_sampled_is_told_of_nowhere_and_passes_that_on(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with collecting() as collector:
        wanted = collector.wanted.model_copy(update={"sampler": "always_off"})
        traces = Traces(wanted)
        async with world_of([notes, counter], databases, tmp_path, traces=traces) as world:
            await world.ask("org", "POST", "/v1/notes", {"text": "hello"}, actor=an_admin())
            await world.settle()
            (envelope,) = await world.said("org", NoteWritten)
        await traces.close()
        assert str(envelope.traceparent)[-2:] in ("00", "02"), "others are told that it isn't sampled"
        assert not collector.spans


@pytest.mark.parametrize("flag", ["00", "01"])
@pytest.mark.parametrize("half", ["0" * 15 + "1", "f" * 16])
async def test_strangers_choose_neither_by_ids_nor_by_flags_whether_the_gateway_records(half: str, flag: str) -> None:
    """Of 2,000 requests a tenth is 200; 120 to 280 are six standard deviations either way."""
    traces = Traces(TraceExport(endpoint="http://127.0.0.1:9/v1/traces", sampler="traceidratio", ratio=0.1))
    chosen = f"00-{'a' * 16}{half}-b7ad6b7169203331-{flag}"
    gateway, org = traces.of("gateway"), traces.of("org")
    recorded = 0
    for _ in range(2000):
        request = gateway.begin("request", "server", parent=chosen, quiet=True)
        hop = gateway.begin("hop", "client", within=request, quiet=True)
        behind = org.begin("request", "server", parent=hop.traceparent, quiet=True)
        flags = {int(span.traceparent[-2:], 16) & 1 for span in (request, hop, behind)}
        assert len(flags) == 1, "what is recorded is recorded whole"
        assert behind.trace_id == chosen[3:35]
        recorded += flags.pop()
    await traces.close()
    assert 120 < recorded < 280


@pytest.mark.parametrize(("sampler", "recorded"), [("always_on", {1}), ("always_off", {0})])
async def test_all_or_nothing_is_not_left_to_the_dice(
    sampler: Literal["always_on", "always_off"], recorded: set[int]
) -> None:
    traces = Traces(TraceExport(endpoint="http://127.0.0.1:9/v1/traces", sampler=sampler))
    gateway = traces.of("gateway")
    spans = [gateway.begin("request", "server", parent=parent, quiet=True) for parent in (None, BROWSER) * 50]
    assert {int(span.traceparent[-2:], 16) & 1 for span in spans} == recorded
    await traces.close()


async def test_a_collector_that_is_away_costs_nobody_anything(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    traces = Traces(TraceExport(endpoint="http://127.0.0.1:9/v1/traces"))
    async with world_of([notes, counter], databases, tmp_path, traces=traces) as world:
        ana = an_admin()
        (await world.ask("org", "POST", "/v1/notes", {"text": "hello"}, actor=ana)).ok()
        await world.settle()
        assert (await world.ask("sharing", "GET", "/v1/heard", actor=ana)).ok() == {"heard": ["hello"]}
    await traces.close()


async def test_without_traces_what_a_client_says_still_travels_along_the_chain(
    databases: Databases, tmp_path: Path
) -> None:
    async with world_of([notes, counter], databases, tmp_path) as world:
        for traceparent in (BROWSER, "00-nonsense"):
            await world.ask(
                "org", "POST", "/v1/notes", {"text": "x"}, actor=an_admin(), headers={"traceparent": traceparent}
            )
        assert [each.traceparent for each in await world.said("org", NoteWritten)] == [BROWSER, None]


def test_without_traces_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from services.launcher import PRODUCT; import shared.subscriber, shared.testkit;"
        "PRODUCT.documented(); PRODUCT.gateway(); from shared.cli import command_line; command_line(PRODUCT);"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf', 'shared.otlp'))])"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert said.stdout.strip() == "[]"
