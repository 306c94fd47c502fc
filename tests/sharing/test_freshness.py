"""Nobody is told yes from a picture that may be out of date: silence is no proof, and neither is what can't be applied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.sharing.app import service
from services.sharing.usecases.freshness import Freshness
from shared.db import EVERY_ORG
from shared.service import Service
from tests.sharing.company import Company
from tests.sharing.conftest import listener
from tests.sharing.embedding import Embedder, shut
from tests.world import Databases, Reply, World, world_of

# Neighbours who answer how much they have said; what they say is said for them.
OWNERS = [Service(name=name, migrations=Path(__file__).parent) for name in ("org", "billing")]


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([service, listener, *OWNERS], databases, tmp_path) as world:
        yield world


@pytest.fixture
async def silent(company: Company) -> Company:
    """Ben's board-1 is for Sales; the bus is believed to have been silent for long."""
    await company.register("ben", "board-1")
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    believe(company.world, silent_seconds=-1)
    return company


def believe(world: World, silent_seconds: float) -> None:
    env = world.started["sharing"].env
    env.own = replace(env.own, freshness=Freshness(silent_seconds))


async def said(company: Company, source: str, sequence: int) -> None:
    """As many events of this organization the source has said, whether or not they arrived."""
    async with company.world.started[source].env.database.tx(EVERY_ORG, lambda event: event) as tx:
        await tx.run(
            "insert into outbox_subjects (subject, sequence) values ($1, $2)"
            " on conflict (subject) do update set sequence = excluded.sequence",
            company.org_id,
            sequence,
        )


async def everything(company: Company) -> list[Reply]:
    """Each way of asking what Dan sees."""
    dan = {"type": "user", "id": company.id_of("dan")}
    view, board = {"name": "dashboard.view"}, {"type": "dashboard", "id": "board-1"}
    a_moment_ago = (company.world.clock.now() - timedelta(milliseconds=1)).isoformat()
    asked: list[tuple[str, Any]] = [
        ("/access/v1/evaluation", {"subject": dan, "action": view, "resource": board}),
        ("/access/v1/evaluations", {"subject": dan, "action": view, "evaluations": [{"resource": board}]}),
        ("/access/v1/search/resource", {"subject": dan, "action": view, "resource": {"type": "dashboard"}}),
        ("/access/v1/search/subject", {"subject": {"type": "user"}, "action": view, "resource": board}),
        ("/access/v1/search/action", {"subject": dan, "resource": board}),
        ("/v1/access-explanations", {"subject_id": dan["id"], "dashboard_id": "board-1"}),
        ("/v1/access-explanations", {"subject_id": dan["id"], "dashboard_id": "board-1", "as_of": a_moment_ago}),
    ]
    return [await company.ask("ana", "POST", path, body) for path, body in asked]


async def test_while_the_bus_is_silent_owners_prove_that_nothing_is_missing(silent: Company) -> None:
    assert {reply.status for reply in await everything(silent)} == {200}
    assert await silent.may("dan", "board-1")


@pytest.mark.parametrize("source", ["org", "billing"])
async def test_what_was_said_and_has_not_arrived_shuts_every_way_of_asking(silent: Company, source: str) -> None:
    await said(silent, source, 1000)
    for reply in await everything(silent):
        assert (reply.status, reply.code) == (503, "not_yet_consistent")
        assert "retry-after" in reply.headers
    other = await Company(silent.world).found()
    await other.register("ana", "board-2")
    assert await other.may("ana", "board-2"), "another organization is as fresh as ever"


async def test_an_owner_who_can_not_be_asked_proves_nothing(databases: Databases, tmp_path: Path) -> None:
    async with world_of([service, listener, OWNERS[0]], databases, tmp_path) as world:
        company = await Company(world).found()
        await company.register("ana", "board-1")
        believe(world, silent_seconds=-1)
        reply = await company.ask("ana", "POST", "/access/v1/evaluation", company.question("ana", "board-1"))
        assert (reply.status, reply.code) == (503, "not_yet_consistent")


async def test_a_link_opens_by_what_was_heard_last_and_is_shut_by_its_owner_whatever_is_away(
    databases: Databases, tmp_path: Path
) -> None:
    async with world_of([service, listener], databases, tmp_path) as world:
        company = await Company(world).found()
        await company.join(ben="analyst")
        embedder = await Embedder.of(company)
        link = await embedder.link()
        believe(world, silent_seconds=-1)
        undecided = await company.ask("ana", "POST", "/access/v1/evaluation", company.question("ben", "board-1"))
        assert undecided.code == "not_yet_consistent"
        assert (await embedder.open(link)).ok()["verdict"] == "open"
        await embedder.change(link, paused=True)
        assert shut(await embedder.open(link))


async def test_while_signs_of_life_come_nobody_is_asked(databases: Databases, tmp_path: Path) -> None:
    async with world_of([service, listener, *OWNERS], databases, tmp_path) as world:
        company = await Company(world).found()
        await company.register("ana", "board-1")
        async with asyncio.timeout(60):
            while await probes(world) < 2:
                await asyncio.sleep(0.02)
        await said(company, "org", 1000)
        believe(world, silent_seconds=60)
        assert await company.may("ana", "board-1")


async def probes(world: World) -> int:
    async with world.started["sharing"].env.database.read("") as read:
        count: int = await read.value("select count(*) from inbox_probes where source in ('org', 'billing')")
    return count


@pytest.mark.parametrize("state", ["waiting", "dead"])
async def test_an_event_that_can_not_be_applied_shuts_its_organization_alone(silent: Company, state: str) -> None:
    """Dan leaves the group, and the event that says so fails: nobody may go on letting him in."""
    other = await Company(silent.world).found()
    await other.register("ana", "board-2")
    await silent.take_out("Sales", "dan")
    database = silent.world.started["sharing"].env.database
    async with database.tx(EVERY_ORG, lambda event: event) as tx:
        await tx.run(
            "update inbox set state = $2, not_before = now() + interval '1 day', received_at = now() - interval '1 minute'"
            " where (id, handler) = (select id, handler from inbox where subject = $1 and source = 'org' order by sequence desc limit 1)",
            silent.org_id,
            state,
        )
    believe(silent.world, silent_seconds=60)
    for reply in await everything(silent):
        assert (reply.status, reply.code) == (503, "not_yet_consistent")
    assert await other.may("ana", "board-2")


async def test_a_revocation_that_completed_is_seen_by_every_decision_after_it(silent: Company) -> None:
    """Whoever asks, on however many connections: once the change is applied no answer is older."""
    believe(silent.world, silent_seconds=60)
    question = silent.question("dan", "board-1")
    stop = asyncio.Event()
    answers: list[tuple[float, bool]] = []
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        while not stop.is_set():
            began = loop.time()
            reply = await silent.ask("dan", "POST", "/access/v1/evaluation", question)
            answers.append((began, bool(reply.ok()["decision"])))

    async def all_say(decision: bool) -> None:
        """Every answer that begins from here on, until there are some."""
        completed = loop.time()
        async with asyncio.timeout(60):
            while len(after := [said for began, said in answers if began > completed]) < 16:
                await asyncio.sleep(0.002)
        assert set(after) == {decision}

    asking = [asyncio.create_task(ask()) for _ in range(8)]
    for _ in range(2):
        await silent.take_out("Sales", "dan")
        await all_say(False)
        await silent.add("Sales", "dan")
        await all_say(True)
    (await silent.share("ben", "board-1", "nobody")).ok()
    await all_say(False)
    stop.set()
    await asyncio.gather(*asking)
