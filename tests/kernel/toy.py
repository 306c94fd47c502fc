"""Two small services for the kernel's own tests: `notes` says, `counter` hears. (Their names stand in for real sources.)"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from shared.errors import Problem
from shared.events import OrgEvent
from shared.fields import Message, Name, Versioned
from shared.ids import new_id
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.service import Ctx, Service, admin, get, member, on, patch, post

NOTES = Path(__file__).parent / "toy_notes"
COUNTER = Path(__file__).parent / "toy_counter"


class NoteWritten(OrgEvent):
    """A note was written."""

    TYPE: ClassVar[str] = "org.note.written.v1"
    note_id: str
    text: str


class WriteNote(Message):
    text: Name


class Note(Versioned):
    id: str
    text: str


class WhichNote(Message):
    note_id: str


class ChangeNote(Message):
    note_id: str
    text: Name


async def write_note(ctx: Ctx, wanted: WriteNote) -> Note:
    """Writes a note."""
    async with ctx.tx() as tx:
        note = Note(id=new_id("grp"), text=wanted.text, version=1)
        await tx.run("insert into notes (org_id, id, text) values ($1, $2, $3)", ctx.actor.org(), note.id, note.text)
        await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id=note.id, text=note.text))
        if wanted.text == "fail after saying":
            raise Problem("conflict")
        return note


async def change_note(ctx: Ctx, wanted: ChangeNote) -> Note:
    """Changes a note."""
    async with ctx.tx() as tx:
        row = await tx.row("select version from notes where id = $1 for update", wanted.note_id)
        assert row is not None
        ctx.check_version(row["version"])
        await tx.run("update notes set text = $2, version = version + 1 where id = $1", wanted.note_id, wanted.text)
        await tx.emit(NoteWritten(org_id=ctx.actor.org(), note_id=wanted.note_id, text=wanted.text))
        return Note(id=wanted.note_id, text=wanted.text, version=row["version"] + 1)


async def read_note(ctx: Ctx, which: WhichNote) -> Note:
    """One note."""
    async with ctx.read() as read:
        row = await read.row("select id, text, version from notes where id = $1", which.note_id)
    if row is None:
        raise Problem("not_found")
    return Note(**dict(row))


async def note_exists(read: object, org_id: str, note_id: str) -> bool:
    return bool(await read.value("select true from notes where id = $1", note_id))  # type: ignore[attr-defined]


class WriteNotes(Message):
    texts: list[Name]


async def write_notes(ctx: Ctx, wanted: WriteNotes) -> Accepted:
    """Writes many notes, three in a piece, and lists them in a file."""
    async with ctx.tx() as tx:
        return await begin(ctx, tx, MANY_NOTES, {"texts": wanted.texts}, len(wanted.texts))


async def write_three(ctx: Ctx, piece: Piece) -> Progress:
    texts = piece.input["texts"][piece.done : piece.done + 3]
    async with ctx.tx() as tx:
        for text in texts:
            if text == "refuse":
                raise Problem("conflict", "This can't be written.")
            if text == "break":
                raise ValueError("broken")
            await tx.run("insert into notes (org_id, id, text) values ($1, $2, $3)", piece.org_id, new_id("grp"), text)
            await tx.emit(NoteWritten(org_id=piece.org_id, note_id=new_id("grp"), text=text))
    done = piece.done + len(texts)
    pieces = piece.memory.get("pieces", 0) + 1
    over = {"pieces": pieces} if done == piece.total else None
    return Progress(
        done, memory={"pieces": pieces}, content="".join(f"{text}\n" for text in texts).encode(), result=over
    )


MANY_NOTES = Operation("notes", write_three, media="text/plain", file_name="notes.txt")


class CountQuery(Message):
    pass


async def count_note(ctx: Ctx, told: NoteWritten) -> None:
    """Counts; texts that begin with "poison" can't be."""
    async with ctx.tx() as tx:
        await tx.run(
            "insert into heard (org_id, event_id, text) values ($1, $2, $3)",
            told.org_id,
            ctx.cause.id if ctx.cause else "",
            told.text,
        )
        if told.text.startswith("poison"):
            raise ValueError("poison")


async def heard_notes(ctx: Ctx, _: CountQuery) -> dict[str, list[str]]:
    """What was heard, in order."""
    async with ctx.read() as read:
        rows = await read.rows("select text from heard order by place")
    return {"heard": [row["text"] for row in rows]}


notes = Service(
    name="org",
    migrations=NOTES,
    routes=[
        post("/v1/notes", write_note, admin("notes.write"), status=201),
        post("/v1/notes/batches", write_notes, admin("notes.write"), status=202),
        get("/v1/notes/{note_id}", read_note, member("notes.read")),
        patch("/v1/notes/{note_id}", change_note, admin("notes.write"), if_match=True, known_by=note_exists),
    ],
    publishes=[NoteWritten],
    operations=[MANY_NOTES],
)
counter = Service(
    name="sharing",
    migrations=COUNTER,
    routes=[get("/v1/heard", heard_notes, member("notes.read"))],
    consumers=[on(NoteWritten, count_note)],
    sources=["org"],
)
