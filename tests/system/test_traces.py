"""One trace from a browser's click through gateway, service, outbox, bus and the consumers that hear of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.log import SECRET_VALUES
from tests.collector import Told, collecting
from tests.system.whole import a_cast, whole_product
from tests.world import Databases

BROWSER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"  # not sampled, says the client, whom the gateway doesn't believe
TRACE = BROWSER[3:35]
AN_ID = re.compile(r"\b(?:org|usr|ses|grp|inv|key|sgn|dsh|whk)_[0-9a-z]{20,}")


def path_to(span: Told, spans: list[Told]) -> list[str]:
    """How it hangs together, from the browser to this span."""
    by_id = {one.id: one for one in spans}
    steps = [span]
    while steps[0].parent in by_id:
        steps.insert(0, by_id[steps[0].parent])
    assert steps[0].parent == "b7ad6b7169203331"
    return [f"{one.service} {one.name}" for one in steps]


async def test_a_click_is_one_trace_to_the_last_consumer(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=for-the-collector")
    async with collecting() as collector, whole_product(databases, tmp_path, traces=collector.wanted) as product:
        cast = await a_cast(product.gateway)
        admin = cast.admin
        made = await admin.write(
            "POST", "/v1/groups", {"name": "Finance"}, after=cast.trial, headers={"traceparent": BROWSER}
        )
        made.ok()

        def heard(_: object) -> bool:
            return {one.service for one in collector.of(TRACE) if one.kind == "consumer"} >= {
                "tenantry-audit",
                "tenantry-sharing",
            }

        await collector.has(heard, "two services that heard of it")
        await collector.has(
            lambda _: any(one.service == "tenantry-gateway" for one in collector.of(TRACE)), "the gateway's own"
        )
        spans = collector.of(TRACE)
        in_audit = next(one for one in spans if one.service == "tenantry-audit" and one.kind == "consumer")
        assert path_to(in_audit, spans) == [
            "tenantry-gateway POST /v1/groups",
            "tenantry-gateway POST org",
            "tenantry-org POST /v1/groups",
            "tenantry-audit handle org.group.created.v1",
        ]
        assert {one.name for one in spans} >= {"transaction", "publish org.group.created.v1"}
        (at_the_gateway,) = (one for one in spans if one.service == "tenantry-gateway" and one.kind == "server")
        assert at_the_gateway.facts["tenantry.request_id"] == made.headers["request-id"]
        assert {headers["api-key"] for headers in collector.headers} == {"for-the-collector"}
        everything = str(collector.spans)
        assert not AN_ID.findall(everything), "no organization, no person"
        assert "@" not in everything
        assert not SECRET_VALUES.findall(everything)
        assert "for-the-collector" not in everything


async def test_an_event_that_causes_others_stays_in_the_trace(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with collecting() as collector, whole_product(databases, tmp_path, traces=collector.wanted) as product:
        cast = await a_cast(product.gateway)
        domain = cast.admin.email.partition("@")[2]
        invited = {"email": f"late@{domain}", "role": "viewer", "group_ids": []}
        (
            await cast.admin.write(
                "POST", "/v1/invitations", invited, after=cast.trial, headers={"traceparent": BROWSER}
            )
        ).ok()
        await collector.has(
            lambda _: any(one.service == "tenantry-courier" and one.kind == "consumer" for one in collector.of(TRACE)),
            "courier, who was asked for a mail",
        )
