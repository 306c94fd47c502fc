"""What an Admin types to find entries, how many there are when, and the log as a file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.audit.app import service as audit
from services.audit.usecases import exports
from services.courier.app import service as courier
from shared import audit_chain as chain
from shared.audit_chain import SignedHead
from shared.auth import Actor
from shared.events.identity import SessionStarted
from shared.ids import new_id
from tests.audit.test_log import found, group, joined
from tests.world import Databases, World, an_admin, world_of

GATEWAY = Actor("service", service="gateway")


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([audit, courier], databases, tmp_path) as world:
        yield world


def signed_in(actor: Actor, source_ip: str | None) -> SessionStarted:
    return SessionStarted(
        user_id=actor.person(), session_id=new_id("ses"), org_id=actor.org(), amr=["pwd"], source_ip=source_ip
    )


async def exported(world: World, actor: Actor, **asked: Any) -> tuple[str, str]:
    """The finished file and its media type."""
    begun = (await world.ask("audit", "POST", "/v1/audit-exports", asked, actor=actor)).ok()
    path = f"/internal/operations/{begun['id']}"
    async with asyncio.timeout(60):
        while (await world.ask("audit", "GET", f"{path}?org_id={actor.org()}", actor=GATEWAY)).ok()["state"] != "done":
            await asyncio.sleep(0.01)
    file = await world.ask("audit", "GET", f"{path}/result?org_id={actor.org()}", actor=GATEWAY)
    await world.settle()
    return file.body.decode(), file.headers["content-type"]


# Qualifiers


async def test_qualifiers_find_what_they_name_and_a_minus_leaves_it_out(world: World) -> None:
    ada, ben = an_admin(), an_admin()
    ben = replace(ben, org_id=ada.org_id)
    await world.hear("org", joined(ada), joined(ben, "Ben O'Neil"), group(ada, "Finance"), group(ada, "Field Sales"))
    await world.hear(
        "identity",
        signed_in(ada, "10.1.2.3"),
        signed_in(ada, "2001:db8::7"),
        signed_in(ada, "not an address"),
        signed_in(ada, None),
    )

    async def actions(q: str) -> list[str]:
        return [entry["action"].split(".", 1)[1] for entry in await found(world, ada, f"?q={quote(q)}")]

    joins, groups, sessions = ["member.joined.v1"], ["group.created.v1"], ["session.started.v1"]
    assert await actions("action:org.group.*") == groups * 2
    assert await actions("-action:identity.* -action:org.group.*") == joins * 2
    assert await actions('"field sales"') == groups
    assert await actions("sales field") == groups
    assert await actions("field -sales") == []
    assert await actions("target:fin action:org.*") == groups
    assert await actions(f"target:{ben.user_id}") == joins
    assert await actions('target:"Ben O\'Neil"') == joins
    assert await actions("ip:10.0.0.0/8") == sessions
    assert await actions("ip:2001:db8::/32") == sessions
    assert await actions("ip:10.1.2.3") == sessions
    assert await actions("-ip:10.0.0.0/8 action:identity.*") == sessions * 3
    assert await actions("actor:nobody") == []
    (entry,) = await found(world, ada, "?q=ip:10.1.2.3")
    assert await actions(f"event:{entry['event_id']}") == sessions
    assert await actions("what:ever") == []


async def test_times_are_days_moments_and_ranges(world: World) -> None:
    ada = an_admin()
    await world.hear("org", group(ada, "First"))
    first = world.clock.now()
    world.clock.advance(timedelta(days=2))
    await world.hear("org", group(ada, "Second"))
    second = world.clock.now()

    async def names(q: str) -> list[str]:
        return [entry["target_name"] for entry in await found(world, ada, f"?q={quote(q)}")]

    assert await names(f"created:{first.date()}") == ["First"]
    assert await names(f"created:>{first.date()}") == ["Second"]
    assert await names(f"created:<{second.date()}") == ["First"]
    assert await names(f"created:<={second.date()}") == ["Second", "First"]
    assert await names(f"created:{first.date()}..{second.date()}") == ["Second", "First"]
    assert await names(f"created:>={first.isoformat()} created:<={second.isoformat()}") == ["Second"]


@pytest.mark.parametrize(
    "q", ["action:A'B", "ip:300.1.1.1", "ip:x", "created:>yesterday", "created:..", "-created:2026-01-01", "a " * 21]
)
async def test_a_search_that_means_nothing_is_refused_with_the_reason(world: World, q: str) -> None:
    for path in ("", "/histogram"):
        reply = await world.ask("audit", "GET", f"/v1/audit-entries{path}?q={quote(q)}", actor=an_admin())
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/q")


# The histogram


async def test_the_histogram_counts_what_the_list_shows(world: World) -> None:
    ada, eve = an_admin(), an_admin()
    await world.hear("org", group(ada, "A"), group(ada, "B"), group(eve, "Foreign"))
    world.clock.advance(timedelta(days=3))
    await world.hear("org", group(ada, "Zebra crossings"), joined(ada))

    async def counts(query: str = "") -> list[int]:
        reply = (await world.ask("audit", "GET", f"/v1/audit-entries/histogram{query}", actor=ada)).ok()
        assert [bar["at"] for bar in reply["bars"]] == sorted(bar["at"] for bar in reply["bars"])
        assert not reply["truncated"]
        return [bar["count"] for bar in reply["bars"]]

    assert sum(await counts()) == len(await found(world, ada)) == 4
    assert (await counts())[-1] == 2
    assert sum(await counts("?interval=month")) == 4
    assert sum(await counts("?action=org.group.*&interval=hour")) == 3
    assert sum(await counts("?q=crossings%20-action:org.member.*")) == 1
    world.clock.advance(timedelta(days=28))
    assert sum(await counts()) == 2


async def test_only_admins_count_and_export(world: World) -> None:
    ada = an_admin()
    for role in ("analyst", "viewer"):
        other = replace(ada, role=role)  # type: ignore[arg-type]
        assert (await world.ask("audit", "GET", "/v1/audit-entries/histogram", actor=other)).code == "forbidden"
        assert (await world.ask("audit", "POST", "/v1/audit-exports", {}, actor=other)).code == "forbidden"


# Exports


async def test_an_export_holds_the_chain_and_a_signed_head_and_verifies_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PIECE", 4)
    ada, eve = an_admin(), an_admin()
    await world.hear("org", joined(ada), *(group(ada, f"G{n}") for n in range(11)), group(eve, "Foreign"))
    content, media = await exported(world, ada)
    assert media == "application/x-ndjson"
    *entries, last = (json.loads(line) for line in content.splitlines())
    head = SignedHead(**last["head"])
    assert [entry["number"] for entry in entries] == list(range(1, 13))
    begun, *before = await found(world, ada)
    assert entries == list(reversed(before))
    assert (begun["action"], begun["number"], begun["actor"]["id"]) == ("audit.export.begun.v1", 13, ada.user_id)
    assert (head.org_id, head.number, head.digest) == (ada.org_id, 12, entries[-1]["hash"])
    assert chain.verify(entries, first_previous_hash=chain.BEGINNING, heads=[head]).intact
    assert chain.verify(entries[:-1], heads=[head]).what == "cut off"
    assert "Foreign" not in content


async def test_an_export_shows_what_the_plan_shows_and_its_chain_holds_from_there_on(world: World) -> None:
    ada = an_admin()
    await world.hear("org", group(ada, "Old"))
    world.clock.advance(timedelta(days=31))
    await world.hear("org", group(ada, "New"), group(ada, "Newer"))
    content, _ = await exported(world, ada)
    *entries, last = (json.loads(line) for line in content.splitlines())
    assert [entry["target_name"] for entry in entries] == ["New", "Newer"]
    assert chain.verify(entries, heads=[SignedHead(**last["head"])]).intact


async def test_an_export_as_csv_is_filtered_and_no_spreadsheet_computes_it(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada), group(ada, "=HYPERLINK(1)"), group(ada, 'Fin, "ance"'))
    content, media = await exported(world, ada, format="csv", action="org.group.*")
    assert media == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["target_name"] for row in rows] == ["'=HYPERLINK(1)", 'Fin, "ance"']
    assert json.loads(rows[1]["data"])["group"]["name"] == 'Fin, "ance"'


@pytest.mark.parametrize("body", [{"format": "pdf"}, {"q": "ip:x"}, {"limit": 5}, {"from": "yesterday"}])
async def test_an_export_that_can_not_be_made_is_refused_at_once(world: World, body: Any) -> None:
    assert (await world.ask("audit", "POST", "/v1/audit-exports", body, actor=an_admin())).code == "invalid"
