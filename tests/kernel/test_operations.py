"""Long work: done piece by piece, each once, by whichever replica is there, and seen by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.auth import Actor
from shared.ids import may_come_from, new_id, new_operation_id
from shared.jobs import run_job
from shared.operations import forget_old_operations, work_once
from shared.service import Job
from tests.kernel.toy import NoteWritten, notes
from tests.world import Databases, World, an_admin, world_of

GATEWAY = Actor("service", service="gateway")


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([notes], databases, tmp_path) as world:
        yield world


async def begun(world: World, actor: Actor, *texts: str) -> dict[str, Any]:
    reply = await world.ask("org", "POST", "/v1/notes/batches", {"texts": list(texts)}, actor=actor)
    assert reply.status == 202
    begun = reply.ok()
    assert reply.headers["location"] == f"/v1/operations/{begun['id']}"
    return begun  # type: ignore[no-any-return]


async def progress(world: World, operation_id: str, org_id: str | None, **query: str) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in {"org_id": org_id, **query}.items())
    return (await world.ask("org", "GET", f"/internal/operations/{operation_id}?{asked}", actor=GATEWAY)).ok()  # type: ignore[no-any-return]


async def finished(world: World, operation_id: str, org_id: str | None) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (now := await progress(world, operation_id, org_id))["finished_at"] is None:
            await asyncio.sleep(0.01)
    return now


async def test_long_work_is_done_piece_by_piece_and_says_each_thing_once(world: World) -> None:
    ana = an_admin()
    texts = [f"note {number}" for number in range(10)]
    operation = await begun(world, ana, *texts)
    assert (operation["state"], operation["done"], operation["total"]) == ("waiting", 0, 10)
    over = await finished(world, operation["id"], ana.org_id)
    assert (over["state"], over["done"], over["total"], over["result"]) == ("done", 10, 10, {"pieces": 4})
    said = await world.said("org", NoteWritten)
    assert [one.data["text"] for one in said] == texts
    assert {(one.actor_id, one.org_id, one.correlation_id) for one in said} == {
        (ana.user_id, ana.org_id, operation["id"])
    }
    file = await world.ask(
        "org", "GET", f"/internal/operations/{operation['id']}/result?org_id={ana.org_id}", actor=GATEWAY
    )
    assert file.body.decode().splitlines() == texts
    assert file.headers["content-disposition"] == 'attachment; filename="notes.txt"'


async def test_several_workers_share_the_work_and_do_no_piece_twice(world: World) -> None:
    ana, env = an_admin(), world.started["org"].env
    operations = [await begun(world, ana, *(f"{which} {number}" for number in range(9))) for which in range(4)]

    async def work() -> None:
        while await work_once(env):
            pass

    await asyncio.gather(*(work() for _ in range(4)))
    for operation in operations:
        assert (await finished(world, operation["id"], ana.org_id))["result"] == {"pieces": 3}
    said = [one.data["text"] for one in await world.said("org", NoteWritten)]
    assert sorted(said) == sorted(f"{which} {number}" for which in range(4) for number in range(9))


async def test_a_refusal_ends_the_work_and_what_was_done_before_stays(world: World) -> None:
    ana = an_admin()
    operation = await begun(world, ana, "a", "b", "c", "d", "refuse", "e")
    over = await finished(world, operation["id"], ana.org_id)
    assert (over["state"], over["done"], over["result"]) == ("failed", 3, None)
    assert over["problem"] == {"code": "conflict", "detail": "This can't be written.", "meta": {}}
    assert [one.data["text"] for one in await world.said("org", NoteWritten)] == ["a", "b", "c"]
    path = f"/internal/operations/{operation['id']}/result?org_id={ana.org_id}"
    assert (await world.ask("org", "GET", path, actor=GATEWAY)).code == "conflict"


async def test_a_piece_that_breaks_is_tried_again_with_pauses_and_given_up_in_the_end(world: World) -> None:
    ana, database = an_admin(), world.started["org"].env.database
    operation = await begun(world, ana, "break")
    async with asyncio.timeout(60):
        while (now := await progress(world, operation["id"], ana.org_id))["finished_at"] is None:
            async with database.tx("*", lambda event: event) as tx:
                await tx.run("update operations set not_before = now() where state <> 'failed'")
            world.started["org"].env.work_waits.set()
            await asyncio.sleep(0.01)
    assert (now["state"], now["problem"]["code"]) == ("failed", "internal")
    assert "broken" not in str(now)
    async with database.read("*") as read:
        assert await read.value("select attempts from operations") == 5


async def test_work_of_another_organization_or_person_answers_like_work_that_does_not_exist(world: World) -> None:
    ana, eve = an_admin(), an_admin()
    operation = await begun(world, ana, "mine")
    await finished(world, operation["id"], ana.org_id)
    missing = new_operation_id("org")
    for known, org_id, user_id in (
        (operation["id"], eve.org_id, None),
        (operation["id"], ana.org_id, new_id("usr")),
        (missing, ana.org_id, None),
    ):
        for rest in ("", "/result"):
            path = f"/internal/operations/{known}{rest}?org_id={org_id}" + (f"&user_id={user_id}" if user_id else "")
            reply = await world.ask("org", "GET", path, actor=GATEWAY)
            assert (reply.status, reply.code) == (404, "not_found")
            assert (await world.ask("org", "GET", path, actor=eve)).status == 404
    demoted = f"/internal/operations/{operation['id']}/result?org_id={ana.org_id}&user_id={ana.user_id}&role=viewer"
    assert (await world.ask("org", "GET", demoted, actor=GATEWAY)).code == "not_found"
    assert (await progress(world, operation["id"], ana.org_id, user_id=ana.person(), role="admin"))["state"] == "done"


async def test_finished_work_is_forgotten_after_seven_days_with_its_file(world: World) -> None:
    ana, env = an_admin(), world.started["org"].env
    operation = await begun(world, ana, "old")
    await finished(world, operation["id"], ana.org_id)
    world.clock.advance(timedelta(days=6, hours=23))
    await run_job(env, Job(forget_old_operations, 3600))
    assert (await progress(world, operation["id"], ana.org_id))["state"] == "done"
    world.clock.advance(timedelta(hours=2))
    await run_job(env, Job(forget_old_operations, 3600))
    async with env.database.read("*") as read:
        assert (
            await read.value("select (select count(*) from operations) + (select count(*) from operation_files)") == 0
        )


def test_the_id_of_long_work_says_who_does_it() -> None:
    one = new_operation_id("org")
    assert may_come_from(one, "org", "op")
    assert not may_come_from(one, "billing", "op")
    assert not may_come_from(one, "org")
