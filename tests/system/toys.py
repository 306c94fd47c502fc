"""Small services that run as processes of their own: `org` says, `sharing` hears and says on, `audit` hears both.

`python -m tests.system.toys SETTINGS` runs the services that a settings file names. The environment variable
TOY_BROKEN, which nothing else reads, breaks the kernel in one of the ways that the checker must notice.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from shared.config import Settings
from shared.errors import Problem
from shared.events import Envelope, OrgEvent
from shared.fields import Message, View
from shared.ids import new_id
from shared.log import set_up_logging
from shared.process import Product, process
from shared.service import Ctx, Service, admin, on, on_everything, post
from shared.stopping import until_told_to_stop

HERE = Path(__file__).parent


class NoteWritten(OrgEvent):
    """A note was written."""

    TYPE: ClassVar[str] = "org.note.written.v1"
    note_id: str


class NoteCounted(OrgEvent):
    """A note was counted."""

    TYPE: ClassVar[str] = "sharing.note.counted.v1"
    note_id: str


class WriteNotes(Message):
    count: Annotated[int, Field(ge=1, le=10)] = 1
    regret: bool = False


class Written(View):
    ids: list[str]


async def write_notes(ctx: Ctx, wanted: WriteNotes) -> Written:
    """Writes some notes; regretted ones are taken back after everything was said."""
    ids = [new_id("grp") for _ in range(wanted.count)]
    async with ctx.tx() as tx:
        for one in ids:
            await tx.run("insert into notes (org_id, id) values ($1, $2)", ctx.actor.org(), one)
            await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id=one))
        if wanted.regret:
            from shared.outbox import write_outbox

            await write_outbox(tx)
            raise Problem("conflict")
    return Written(ids=ids)


async def keep(ctx: Ctx, told: Envelope) -> None:
    """Notes what was heard, in the order of hearing."""
    async with ctx.tx() as tx:
        await tx.run(
            "insert into heard (source, subject, sequence, event_id) values ($1, $2, $3, $4)",
            told.source,
            told.subject,
            told.sequence,
            told.id,
        )


async def count_note(ctx: Ctx, told: NoteWritten) -> None:
    """Notes what was heard, and says so."""
    assert ctx.cause is not None
    await keep(ctx, ctx.cause)
    async with ctx.tx() as tx:
        await tx.emit(NoteCounted(org_id=told.org_id, note_id=told.note_id))


org = Service(
    name="org",
    migrations=HERE / "toy_writer",
    routes=[post("/v1/notes", write_notes, admin("notes.write"), status=201)],
    publishes=[NoteWritten],
)
sharing = Service(
    name="sharing",
    migrations=HERE / "toy_listener",
    consumers=[on(NoteWritten, count_note)],
    publishes=[NoteCounted],
    sources=["org"],
)
audit = Service(
    name="audit", migrations=HERE / "toy_listener", consumers=[on_everything(keep)], sources=["org", "sharing"]
)
billing = Service(name="billing", migrations=HERE / "toy_listener", consumers=[on_everything(keep)], sources=["org"])
SERVICES = {service.name: service for service in (org, sharing, audit, billing)}


def product(names: list[str]) -> Product:
    """The house of these services: what exists at all, not what one process runs."""
    return Product(storing=tuple(names), service=SERVICES.__getitem__, gateway=lambda: None)


def end_with(parent: int) -> None:
    """Nobody is left over when the tests are killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


async def main(settings: Settings, names: list[str]) -> None:
    async with process(product(names), settings):
        await until_told_to_stop()


if __name__ == "__main__":
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    given = Settings.model_validate_json(Path(sys.argv[1]).read_bytes())
    set_up_logging(level="info")
    if broken := os.environ.get("TOY_BROKEN"):
        from tests.system import broken_kernel

        getattr(broken_kernel, broken)()
    asyncio.run(main(given, sys.argv[2].split(",")))
