"""`tenantry events replay`: one subscriber hears the past again, marked as such; nobody else does, and what is new goes on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.bus import connect
from shared.hearing import topology
from shared.service import Ctx, Service
from shared.subscriber import Subscriber
from tests.kernel.pieces import value
from tests.kernel.toy import NoteWritten, counter, notes
from tests.system.commands import Said, product_of, tenantry
from tests.system.subscribing import until
from tests.world import Databases, World, an_admin, world_of

PRODUCT = product_of([notes, counter])


@dataclass
class Stage:
    """A product on which a subscriber hears all notes: their texts, and whether it had heard them before."""

    world: World
    sub: Subscriber
    heard: list[tuple[str, bool]] = field(default_factory=list)

    async def replay(self, *how: str) -> Said:
        return await tenantry(PRODUCT, "events", "replay", "--database", self.sub.database, *how)

    async def write(self, actor: object, *texts: str) -> None:
        for text in texts:
            (await self.world.ask("org", "POST", "/v1/notes", {"text": text}, actor=actor)).ok()  # type: ignore[arg-type]

    async def has_heard(self, count: int) -> None:
        await until(lambda: len(self.heard) >= count, f"{count} notes")


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr("shared.outbox.HEARTBEAT_SECONDS", 0.05)
    sub = Subscriber("memory://", service="reports", database=await databases.empty("reports"))
    bus = connect("memory://", topology([notes, counter, Service("reports", None, sources=["org"])]))
    async with world_of([notes, counter], databases, tmp_path, bus=bus) as world:
        stage = Stage(world, sub)

        @sub.on(NoteWritten)
        async def note(ctx: Ctx, told: NoteWritten) -> None:
            assert ctx.cause is not None
            await asyncio.sleep(0.1 if ctx.cause.replayed else 0)
            stage.heard.append((told.text, ctx.cause.replayed))

        async with sub.hearing(bus):
            yield stage


async def test_it_hears_all_again_and_is_told_so_and_nobody_else_hears_anything(stage: Stage) -> None:
    ana, ben = an_admin(), an_admin()
    await stage.write(ana, *(f"a{n}" for n in range(9)))
    await stage.write(ben, "b0")
    await stage.has_heard(10)
    first = list(stage.heard)
    replaying = asyncio.create_task(stage.replay())
    await stage.has_heard(11)
    await stage.write(ben, "new")
    said = await replaying
    assert said.code == 0, said.output
    lines = said.output.splitlines()
    assert (lines[0], lines[-1]) == ("Set back 2 subjects: 10 events come again.", "All of it was handled.")
    assert re.search(
        r"\d+ have still to come, \d+ wait for their function; [\d.,]+ a second, about [\d,]+ s left", said.output
    )
    await stage.has_heard(21)
    again = stage.heard[10:]
    assert [text for text, was_heard in again if was_heard and text[0] == "a"] == [f"a{n}" for n in range(9)]
    assert sorted(again) == sorted([*((text, True) for text, _ in first), ("new", False)])
    await stage.world.settle()
    assert await value(stage.world.started["sharing"].env.database, "select count(*) from heard") == 11


async def test_of_one_organization_behind_a_number_only_that_is_heard(stage: Stage) -> None:
    ana, ben = an_admin(), an_admin()
    await stage.write(ana, "a0", "a1", "a2")
    await stage.write(ben, "b0")
    await stage.has_heard(4)
    said = await stage.replay("--source", "org", "--subject", ana.org(), "--after", "1")
    assert (said.code, said.output.splitlines()[0]) == (0, "Set back 1 subjects: 2 events come again.")
    assert stage.heard[4:] == [("a1", True), ("a2", True)]
    for beyond in (("--source", "billing"), ("--after", "99")):
        said = await stage.replay(*beyond)
        assert (said.code, "nothing to hear again" in said.output) == (1, True)
