"""Erasing an organization in a service: in pieces, once, past interruptions, with nothing coming back and no gap in what was said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared import erasure, host
from shared.auth import Actor
from shared.erasure import Erasing, begin_erasing, erase_organization
from shared.events import sharing
from shared.events.org import OrganizationErased, OrganizationErasureStarted
from shared.fields import Nothing
from shared.hearing import Running
from shared.service import Ctx, Job, admin, on, post
from tests.kernel.toy import NoteWritten, counter, notes
from tests.world import Databases, World, an_admin, world_of

MANY = 12


async def end_organization(ctx: Ctx, _: Nothing) -> None:
    """Says that the organization is to be erased, and begins here."""
    async with ctx.tx() as tx:
        await tx.emit(OrganizationErasureStarted(org_id=ctx.actor.org(), closed_at=ctx.now))
        await begin_erasing(ctx, tx, ctx.actor.org())


WRITING = replace(
    notes,
    routes=[*notes.routes, post("/v1/ends", end_organization, admin("notes.write"))],
    publishes=[NoteWritten, OrganizationErasureStarted, OrganizationErased],
    sources=["sharing"],
    erasing=Erasing(OrganizationErased),
)
HEARING = replace(
    counter,
    consumers=[*counter.consumers, on(OrganizationErasureStarted, erase_organization)],
    erasing=Erasing(sharing.OrganizationErased),
)


@pytest.fixture
async def world(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The job doesn't run by itself: each test takes the steps."""
    monkeypatch.setattr(erasure, "AT_ONCE", 5)
    monkeypatch.setattr(erasure, "PIECES_AT_ONCE", 1)
    monkeypatch.setattr(host, "ERASING", Job(erasure.erase_what_waits, 3600))
    async with world_of([WRITING, HEARING], databases, tmp_path) as world:
        yield world


async def take_steps(world: World, name: str, most: int = 1000) -> bool:
    """Erases piece by piece, at most so many; whether it is done."""
    running = world.started[name]
    for _ in range(most):
        await erasure.erase_what_waits(Ctx(running.env, Actor("system", service=name)))
        await world.settle()
        if await count(running, "select count(*) from erasures where finished_at is not null"):
            return True
    return False


async def count(running: Running, sql: str, *args: object) -> int:
    async with running.env.database.read("*") as read:
        return int(await read.value(sql, *args))


async def full(world: World, ada: Actor) -> None:
    for number in range(MANY):
        (await world.ask("org", "POST", "/v1/notes", {"text": f"secret {number}"}, actor=ada)).ok()
    await world.settle()


async def test_all_rows_go_in_pieces_and_another_organizations_stay(world: World) -> None:
    ada, bob = an_admin(), an_admin()
    await full(world, ada)
    await full(world, bob)
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await world.settle()
    org = world.started["org"]
    assert not await take_steps(world, "org", most=2)
    assert await count(org, "select count(*) from notes where org_id = $1", ada.org_id) == MANY - 10, (
        "two pieces of five"
    )
    assert await take_steps(world, "org")
    assert await take_steps(world, "sharing")
    for name, table in (("org", "notes"), ("sharing", "heard")):
        assert await count(world.started[name], f"select count(*) from {table} where org_id = $1", ada.org_id) == 0
        assert await count(world.started[name], f"select count(*) from {table} where org_id = $1", bob.org_id) == MANY
    [told] = await world.said("org", OrganizationErased)
    assert told.data == {"rows": MANY}


async def test_a_piece_that_is_interrupted_is_undone_whole_and_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = an_admin()
    await full(world, ada)
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await take_steps(world, "org", most=1)
    counted = erasure.COUNTED
    monkeypatch.setattr(erasure, "COUNTED", "this is where the process died, $1 $2 $3")
    with pytest.raises(Exception, match="syntax"):
        await take_steps(world, "org", most=1)
    monkeypatch.setattr(erasure, "COUNTED", counted)
    assert await count(world.started["org"], "select count(*) from notes") == MANY - 5
    assert await take_steps(world, "org")
    [told] = await world.said("org", OrganizationErased)
    assert told.data == {"rows": MANY}, "each row is counted once"


async def test_what_is_said_of_it_afterwards_leaves_nothing(world: World) -> None:
    ada = an_admin()
    await full(world, ada)
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await world.settle()
    assert await take_steps(world, "sharing")
    late = await world.ask("org", "POST", "/v1/notes", {"text": "secret and late"}, actor=ada)
    await world.settle()
    hearing = world.started["sharing"]
    assert await count(hearing, "select count(*) from heard") == 0
    assert await count(hearing, "select count(*) from inbox where id = $1 and body is null", late.change) == 1
    assert await count(hearing, "select count(*) from inbox where position('secret'::bytea in body) > 0") == 0


async def test_its_events_keep_their_numbers_and_lose_their_content(world: World) -> None:
    ada = an_admin()
    await full(world, ada)
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await world.settle()
    assert await take_steps(world, "org")
    said = [one for one in await world.said("org") if one.org_id == ada.org_id]
    assert [one.sequence for one in said] == list(range(1, MANY + 3))
    assert {one.type for one in said[:MANY]} == {"org.event.erased.v1"}
    assert not any(one.data for one in said[:MANY])
    hearing = world.started["sharing"]
    async with hearing.env.database.tx("*", lambda event: event) as tx:
        await tx.run("delete from inbox")
        await tx.run("delete from inbox_cursors")
        await tx.run("delete from erasures")
    async with world.started["org"].env.database.tx("*", lambda event: event) as tx:
        await tx.run("update outbox set published_at = null")
    world.started["org"].relay._woken.set()
    await world.settle()
    assert await count(hearing, "select sequence from inbox_cursors where subject = $1", ada.org_id) == MANY + 2


async def test_whoever_is_asked_again_says_it_again(world: World) -> None:
    ada = an_admin()
    await full(world, ada)
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await world.settle()
    assert await take_steps(world, "sharing")
    (await world.ask("org", "POST", "/v1/ends", actor=ada)).ok()
    await world.settle()
    first, again = await world.said("sharing", sharing.OrganizationErased)
    assert first.data == again.data == {"rows": MANY}
