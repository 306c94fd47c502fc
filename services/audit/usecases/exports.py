"""The log as a file: made piece by piece, and closed with a signed head, so that nobody needs more than the file to verify it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import orjson
from pydantic_core import to_json

from services.audit import store
from services.audit.usecases.entries import AuditEntry, Filter, views_of, wanted
from shared.audit_chain import Head, sign
from shared.auth import private_key
from shared.events.audit import ExportBegun
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.service import Ctx

PIECE = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "number", "at", "action", "actor_id", "actor_name", "actor_email", "target_id", "target_name", "source_ip", "source",
    "subject", "sequence", "event_id", "correlation_id", "causation_id", "data", "previous_hash", "hash", "id", "org_id",
    "actor_amr",
)  # fmt: skip


class ExportEntries(Filter):
    """Without a filter it is all that the plan shows, without a gap: what a verifier wants."""

    format: Literal["ndjson", "csv"] = "ndjson"


async def export_audit_entries(ctx: Ctx, asked: ExportEntries) -> Accepted:
    """Makes a file of the log, the oldest entry first: NDJSON, with the signed head of the chain in its last line, or CSV.

    Entries of the NDJSON are what `GET /v1/audit-entries/{entry_id}` answers.
    """
    async with ctx.tx() as tx:
        found = await wanted(ctx, tx, asked)
        number, digest = await store.end_of(tx, ctx.actor.org())
        narrowed = asked.model_dump(mode="json", by_alias=True, exclude={"format"})
        given = {"filter": narrowed, "until": number, "digest": digest}
        kind = CSV if asked.format == "csv" else NDJSON
        begun = await begin(ctx, tx, kind, given, await store.count(tx, found))
        told = {name: value for name, value in narrowed.items() if value is not None}
        await tx.emit(ExportBegun(org_id=ctx.actor.org(), operation_id=begun.body.id, of="audit_entries", filter=told))
        return begun


async def export_ndjson(ctx: Ctx, piece: Piece) -> Progress:
    """Some more lines, and the signed head as the last."""
    entries = await _next(ctx, piece)
    content = b"".join(to_json(entry) + b"\n" for entry in entries)
    if len(entries) == PIECE:
        return _more(piece, entries, content)
    head = Head(piece.org_id, piece.input["until"], piece.input["digest"], ctx.now.isoformat())
    signed = sign(head, private_key(ctx.env.settings.secrets.signing[ctx.env.service.name]))
    return _end(piece, entries, content + orjson.dumps({"head": asdict(signed)}) + b"\n")


async def export_csv(ctx: Ctx, piece: Piece) -> Progress:
    """Some more rows."""
    entries = await _next(ctx, piece)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if piece.done == 0:
        writer.writerow(COLUMNS)
    for entry in entries:
        fields = entry.model_dump(mode="json")
        actor = fields.pop("actor") or {}
        fields |= {"actor_name": actor.get("name"), "actor_email": actor.get("email")}
        fields["data"] = orjson.dumps(fields["data"]).decode()
        fields["actor_amr"] = " ".join(fields["actor_amr"] or ())
        writer.writerow([_cell(fields[name]) for name in COLUMNS])
    content = out.getvalue().encode()
    return _more(piece, entries, content) if len(entries) == PIECE else _end(piece, entries, content)


async def _next(ctx: Ctx, piece: Piece) -> list[AuditEntry]:
    async with ctx.tx() as tx:
        found = await wanted(ctx, tx, Filter(**piece.input["filter"]))
        rows = await store.entries_from(tx, found, piece.memory.get("number", 0), piece.input["until"], PIECE)
        return await views_of(tx, piece.org_id, rows)


def _more(piece: Piece, entries: Sequence[AuditEntry], content: bytes) -> Progress:
    return Progress(piece.done + len(entries), memory={"number": entries[-1].number}, content=content)


def _end(piece: Piece, entries: Sequence[AuditEntry], content: bytes) -> Progress:
    done = piece.done + len(entries)
    return Progress(done, total=done, content=content, result={"entries": done})


def _cell(value: Any) -> Any:
    """What a spreadsheet would take for a formula is text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


NDJSON = Operation("audit.export.ndjson", export_ndjson, "application/x-ndjson", "audit.ndjson")
CSV = Operation("audit.export.csv", export_csv, "text/csv; charset=utf-8", "audit.csv")
OPERATIONS = (NDJSON, CSV)
