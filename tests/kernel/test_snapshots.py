"""Snapshots: the newest state of each thing, in pieces that adjoin, and then every event from the next on."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from shared import snapshots
from shared.events import Envelope, audit, billing, courier, identity, org, sharing
from shared.events.states import STATES
from shared.hearing import topology
from shared.ids import new_id
from shared.service import Ctx
from shared.snapshots import Stretch
from shared.subscriber import Subscriber
from shared.testkit import sample
from tests.kernel.pieces import DeafBus, database_of, event_of, inbox_of, note_it, value
from tests.kernel.pieces import texts as heard_texts
from tests.kernel.toy import counter, notes
from tests.world import Databases, an_admin, world_of


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are states, and everything comes in small pieces."""
    monkeypatch.setitem(STATES, r"^org\.note\.", ("note_id",))
    monkeypatch.setattr(snapshots, "EVENTS_IN_A_MESSAGE", 7)
    monkeypatch.setattr("shared.replay.PIECE", 20)
    monkeypatch.setattr("shared.outbox.HEARTBEAT_SECONDS", 0.05)


@pytest.mark.usefixtures("small")
async def test_a_snapshot_has_the_newest_of_each_thing_and_no_gap_to_what_happens_meanwhile(
    databases: Databases, tmp_path: Path
) -> None:
    sub = Subscriber("memory://", service="reader", database=await databases.empty("reader"), snapshot=True)
    heard: list[Envelope] = []

    @sub.on("org.note.*.v1")
    async def note(ctx: Ctx, told: Envelope) -> None:
        heard.append(told)

    bus = DeafBus([*topology([notes, counter]), sub.queue])
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world, sub.hearing(bus):
        ana = an_admin()
        bus.is_deaf = True

        async def change(note_id: str, version: int) -> int:
            path, body = f"/v1/notes/{note_id}", {"text": f"text {version}"}
            reply = await world.ask("org", "PATCH", path, body, actor=ana, headers={"If-Match": f'"{version}"'})
            reply.ok()
            return version + 1

        made = [(await world.ask("org", "POST", "/v1/notes", {"text": "new"}, actor=ana)).ok()["id"] for _ in range(30)]
        versions = dict.fromkeys(made, 1)
        for note_id in made * 3:
            versions[note_id] = await change(note_id, versions[note_id])
        assert heard == []
        bus.is_deaf = False
        for note_id in made[:10]:
            versions[note_id] = await change(note_id, versions[note_id])
        newest = {note_id: f"text {version - 1}" for note_id, version in versions.items()}
        async with asyncio.timeout(60):
            while {e.data["note_id"]: e.data["text"] for e in heard} != newest:
                await asyncio.sleep(0.01)
        numbers = [envelope.sequence for envelope in heard]
        assert numbers == sorted(set(numbers))
        assert len(heard) < 30 + 10 + 20, "of 130 events"
        assert {number for number in numbers if number > 120} <= set(range(121, 131))


@pytest.mark.usefixtures("small")
async def test_what_no_list_names_is_kept_whole(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(STATES, r"^org\.note\.")
    async with world_of([notes, counter], databases, tmp_path) as world:
        ana = an_admin()
        for number in range(10):
            await world.ask("org", "POST", "/v1/notes", {"text": f"n{number}"}, actor=ana)
        async with world.started["org"].env.database.read("") as read:
            pieces = await snapshots.stretches(read, "org", ana.org(), 2, 1000)
    assert [(piece.after, piece.until, len(piece.bodies)) for piece in pieces] == [(2, 9, 7), (9, 10, 1)]


async def test_a_snapshot_is_taken_only_where_it_follows_and_only_of_its_own_subject(databases: Databases) -> None:
    mine, other = new_id("org"), new_id("org")

    def stretch(after: int, until: int, *events: Envelope) -> bytes:
        return Stretch("org", mine, after, until, [event.body() for event in events]).message("sharing.events").body

    async with database_of(databases, counter) as database, inbox_of(database, note_it) as inbox:
        for wrong in (
            stretch(5, 9, event_of("org", mine, 9)),
            stretch(0, 9, event_of("org", other, 9)),
            stretch(0, 9, event_of("billing", mine, 9)),
            stretch(0, 9, event_of("org", mine, 9), event_of("org", mine, 8)),
            stretch(0, 9, event_of("org", mine, 10)),
            b'{"tenantry": "snapshot", "source": "org", "subject": 1}',
        ):
            await inbox.receiver.receive([wrong])
        assert await value(database, "select count(*) from inbox") == 0
        first, newest = event_of("org", mine, 4, "four"), event_of("org", mine, 9, "nine")
        await inbox.receiver.receive([stretch(0, 9, first, newest)])
        await inbox.receiver.receive([stretch(0, 9, first, newest), event_of("org", mine, 2, "left out").body()])
        await inbox.receiver.receive([stretch(4, 10, newest, event_of("org", mine, 10, "ten"))])
        async with asyncio.timeout(60):
            while await heard_texts(database) != ["four", "nine", "ten"]:
                await asyncio.sleep(0.01)
        assert await value(database, "select count(*) from inbox_parked") == 0
        await inbox.receiver.receive([event_of("org", mine, 10, "another ten").body()])
        assert await value(database, "select count(*) from inbox_parked") == 0
        await inbox.receiver.receive([event_of("org", mine, 11, "eleven").body(), event_of("org", mine, 11).body()])
        assert await value(database, "select count(*) from inbox_parked") == 1, "behind the snapshot a false one shows"


def test_the_ids_of_states_are_where_they_are_said_to_be_and_no_type_is_named_twice() -> None:
    named = set()
    for module in (identity, org, sharing, billing, audit, courier):
        for event in module.PUBLISHED:
            patterns = [pattern for pattern in STATES if re.search(pattern, event.TYPE)]
            assert len(patterns) < 2, event.TYPE
            named.update(patterns)
            for path in STATES[patterns[0]] if patterns else ():
                found = sample(event).data()
                for name in path.split("."):
                    found = found[name]
                assert isinstance(found, str), f"{event.TYPE} has no {path}"
    assert named == set(STATES)
