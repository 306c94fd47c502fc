"""From a request to another service's projection, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.auth import Actor
from shared.idempotency import forget_old_answers
from shared.ids import new_id
from tests.kernel.toy import NoteWritten, counter, notes
from tests.world import Databases, World, an_admin, world_of


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([notes, counter], databases, tmp_path) as world:
        yield world


async def heard(world: World, actor: Actor, after: str | None = None) -> list[str]:
    reply = await world.ask(
        "sharing", "GET", "/v1/heard", actor=actor, headers={"Tenantry-After": after} if after else None
    )
    return reply.ok()["heard"]  # type: ignore[no-any-return]


async def test_a_read_after_a_write_never_answers_from_an_older_state(world: World) -> None:
    ana = an_admin()
    for number in range(20):
        written = await world.ask("org", "POST", "/v1/notes", {"text": f"note {number}"}, actor=ana)
        assert written.status == 201
        assert (await heard(world, ana, after=written.change))[-1] == f"note {number}"


async def test_concurrent_writes_are_heard_once_each_without_gap_or_inversion(world: World) -> None:
    ana, ben = an_admin(), an_admin()

    async def write(actor: Actor, first: int) -> None:
        for n in range(first, 40, 4):
            (await world.ask("org", "POST", "/v1/notes", {"text": f"n{n}"}, actor=actor)).ok()

    await asyncio.gather(*(write(actor, first) for first in range(4) for actor in (ana, ben)))
    await world.settle()
    for actor in (ana, ben):
        said = [e for e in await world.said("org", NoteWritten) if e.subject == actor.org_id]
        assert [e.sequence for e in sorted(said, key=lambda e: e.sequence)] == list(range(1, 41))
        assert await heard(world, actor) == [e.data["text"] for e in sorted(said, key=lambda e: e.sequence)]


async def test_what_was_rolled_back_was_never_said(world: World) -> None:
    refused = await world.ask("org", "POST", "/v1/notes", {"text": "fail after saying"}, actor=an_admin())
    assert (refused.status, refused.code) == (409, "conflict")
    await world.settle()
    assert await world.said("org") == []


async def test_a_poison_event_is_parked_and_holds_back_only_its_own_organization(world: World) -> None:
    ana, ben = an_admin(), an_admin()
    await world.ask("org", "POST", "/v1/notes", {"text": "poison"}, actor=ana)
    await world.ask("org", "POST", "/v1/notes", {"text": "behind"}, actor=ana)
    other = await world.ask("org", "POST", "/v1/notes", {"text": "free"}, actor=ben)
    assert await heard(world, ben, after=other.change) == ["free"]
    assert await heard(world, ana) == []
    database = world.started["sharing"].env.database
    async with database.tx("", lambda e: e) as tx:
        await tx.run(
            "update inbox set state = 'dead', attempts = 8 where attempts >= 0 and sequence = 1 and org_id = $1",
            ana.org_id,
        )
    dead = (await world.ask("sharing", "GET", "/internal/dead-events", actor=Actor("service", service="gateway"))).ok()
    assert [event["type"] for event in dead] == ["org.note.written.v1"]


async def test_the_same_key_gives_one_effect_and_the_same_bytes(world: World) -> None:
    ana = an_admin()
    replies = await asyncio.gather(
        *(
            world.ask("org", "POST", "/v1/notes", {"text": "once"}, actor=ana, headers={"Idempotency-Key": "k1"})
            for _ in range(20)
        )
    )
    done = [r for r in replies if r.status == 201]
    assert {r.status for r in replies} <= {201, 409}
    assert {r.code for r in replies if r.status == 409} <= {"idempotency_running"}
    again = await world.ask("org", "POST", "/v1/notes", {"text": "once"}, actor=ana, headers={"Idempotency-Key": "k1"})
    assert again.headers["idempotency-replayed"] == "true"
    assert {r.body for r in done} == {again.body}
    other = await world.ask("org", "POST", "/v1/notes", {"text": "twice"}, actor=ana, headers={"Idempotency-Key": "k1"})
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len(await world.said("org")) == 1


async def test_a_foreign_note_answers_like_one_that_does_not_exist(world: World) -> None:
    ana, eve = an_admin(), an_admin()
    note = (await world.ask("org", "POST", "/v1/notes", {"text": "mine"}, actor=ana)).ok()
    for method, body in (("GET", None), ("PATCH", {"text": "yours"})):
        foreign = await world.ask(
            "org", method, f"/v1/notes/{note['id']}", body, actor=eve, headers={"If-Match": '"1"'}
        )
        missing = await world.ask(
            "org", method, f"/v1/notes/{new_id('grp')}", body, actor=eve, headers={"If-Match": '"1"'}
        )
        assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")


async def test_checks_come_in_the_published_order(world: World) -> None:
    ana = an_admin()
    viewer = replace(ana, role="viewer", user_id=new_id("usr"))
    note = (await world.ask("org", "POST", "/v1/notes", {"text": "mine"}, actor=ana)).ok()
    path = f"/v1/notes/{note['id']}"
    assert (await world.ask("org", "PATCH", path, {})).code == "unauthenticated"
    assert (await world.ask("org", "PATCH", f"/v1/notes/{new_id('grp')}", raw=b"{", actor=viewer)).code == "not_found"
    assert (await world.ask("org", "PATCH", path, raw=b"{", actor=viewer)).code == "forbidden"
    assert (
        await world.ask("org", "PATCH", path, raw=b"{", actor=ana, headers={"Content-Type": "text/plain"})
    ).code == "unsupported_media_type"
    assert (await world.ask("org", "PATCH", path, raw=b"{", actor=ana)).code == "malformed_request"
    assert (await world.ask("org", "PATCH", path, {"text": "", "x": 1}, actor=ana)).code == "invalid"
    assert (await world.ask("org", "PATCH", path, {"text": "new"}, actor=ana)).code == "precondition_required"
    assert (
        await world.ask("org", "PATCH", path, {"text": "new"}, actor=ana, headers={"If-Match": '"7"'})
    ).code == "precondition_failed"
    changed = await world.ask("org", "PATCH", path, {"text": "new"}, actor=ana, headers={"If-Match": '"1"'})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')


async def test_a_write_takes_its_fields_from_the_body_alone_and_no_text_with_a_nul(world: World) -> None:
    ana = an_admin()
    astray = await world.ask("org", "POST", "/v1/notes?text=secret", {"text": "note"}, actor=ana)
    assert (astray.status, astray.json["errors"][0]["code"]) == (422, "not_in_query")
    nul = await world.ask("org", "POST", "/v1/notes", {"text": "a\x00b"}, actor=ana)
    assert (nul.status, nul.json["errors"][0]) == (
        422,
        {"pointer": "/text", "code": "nul", "detail": "must not contain a NUL character"},
    )
    for name, value, pointer in (("a\x00b", 1, "/a\x00b"), ("texts", ["a", {"b": "\x00"}], "/texts/1/b")):
        nul = await world.ask("org", "POST", "/v1/notes", {"text": "note", name: value}, actor=ana)
        assert (nul.status, nul.json["errors"][0]["pointer"], nul.json["errors"][0]["code"]) == (422, pointer, "nul")
    assert await world.said("org") == []


async def test_a_write_never_answers_that_nothing_was_modified(world: World) -> None:
    ana = an_admin()
    note = (await world.ask("org", "POST", "/v1/notes", {"text": "mine"}, actor=ana)).ok()
    headers = {"If-Match": '"1"', "If-None-Match": '"2"'}
    changed = await world.ask("org", "PATCH", f"/v1/notes/{note['id']}", {"text": "new"}, actor=ana, headers=headers)
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    read = await world.ask("org", "GET", f"/v1/notes/{note['id']}", actor=ana, headers={"If-None-Match": '"2"'})
    assert (read.status, read.body) == (304, b"")


async def test_an_answer_is_forgotten_after_seven_days_and_not_before(world: World) -> None:
    ana = an_admin()
    key = {"Idempotency-Key": "weekly"}
    await world.ask("org", "POST", "/v1/notes", {"text": "note"}, actor=ana, headers=key)
    world.clock.advance(timedelta(days=6, hours=23))
    await world.run("org", forget_old_answers)
    again = await world.ask("org", "POST", "/v1/notes", {"text": "note"}, actor=ana, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    world.clock.advance(timedelta(hours=2))
    await world.run("org", forget_old_answers)
    fresh = await world.ask("org", "POST", "/v1/notes", {"text": "note"}, actor=ana, headers=key)
    assert "idempotency-replayed" not in fresh.headers
