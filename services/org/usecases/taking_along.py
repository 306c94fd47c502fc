"""Everything an organization has here, as one file to take along: every service's records as JSON and CSV, under a signed manifest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.org.rules.closing import CONFIRMING
from services.org.store import organizations
from shared.archives import MANIFEST, Entry, directory, packed
from shared.auth import private_key
from shared.events.org import ExportBegun
from shared.fields import Nothing
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.records import RecordsPage, WhoseRecords, count_records, read_records
from shared.service import Ctx
from shared.spreadsheets import csv_lines

PAGE = 1000
WORDS = b"""Everything that this organization had in Tenantry.

One folder a service; each set of records as JSON and as CSV (UTF-8; a cell that begins like a formula has an apostrophe
before it), in files of at most 1000 rows. manifest.json names every file with its SHA-256 and its rows; manifest.sig is the
Ed25519 signature (base64url) by the manifest's `key` over the line "tenantry export manifest" and the bytes of manifest.json.
"""


async def export_organization(ctx: Ctx, _: Nothing) -> Accepted:
    """Gathers everything that the organization has in every service into one ZIP file with a signed manifest.

    Secrets, passwords and tokens aren't in it. Also in a closed organization.
    """
    sets: list[dict[str, Any]] = [
        {"service": "org", **one} for one in await count_records(ctx, WhoseRecords(org_id=ctx.actor.org()))
    ]
    for service in CONFIRMING:
        query = {"org_id": ctx.actor.org()}
        counted = await ctx.env.internal.call(service, "GET", "/internal/organization-records", query=query)
        sets += [{"service": service, **one} for one in counted]
    async with ctx.tx() as tx:
        begun = await begin(ctx, tx, TAKING_ALONG, {"sets": sets}, sum(one["rows"] for one in sets))
        await tx.emit(ExportBegun(org_id=ctx.actor.org(), operation_id=begun.body.id, of="organization"))
        return begun


async def pack_a_page(ctx: Ctx, piece: Piece) -> Progress:
    """The next page of records, as two files; after the last the manifest, its signature and the archive's directory."""
    memory = {"set": 0, "part": 1, "after": None, "files": [], "offset": 0, **piece.memory}
    archive = _Archive(ctx, memory)
    sets = piece.input["sets"]
    if memory["set"] == len(sets):
        await _close(ctx, piece, archive)
        result = {"files": len(memory["files"]), "rows": piece.done}
        return Progress(piece.done, total=piece.done, content=archive.content, result=result)
    one = sets[memory["set"]]
    page = await _page(ctx, piece.org_id, one, memory["after"])
    _add_rows(archive, f"{one['service']}/{one['name']}", memory["part"], page["rows"])
    if page["next"] is None:
        memory |= {"set": memory["set"] + 1, "part": 1, "after": None}
    else:
        memory |= {"part": memory["part"] + 1, "after": orjson.dumps(page["next"]).decode()}
    return Progress(piece.done + len(page["rows"]), memory=memory, content=archive.content)


class _Archive:
    """What a piece adds to the archive. `memory` is what the next piece has to know."""

    def __init__(self, ctx: Ctx, memory: dict[str, Any]) -> None:
        self.memory = memory
        self.content = b""
        self._at = ctx.now

    def add(self, name: str, content: bytes, rows: int | None = None) -> None:
        data, entry = packed(name, content, self._at, self.memory["offset"])
        self.content += data
        digest = hashlib.sha256(content).hexdigest()
        self.memory["files"].append({"entry": asdict(entry), "sha256": digest, "rows": rows})
        self.memory["offset"] += len(data)

    def close(self) -> None:
        entries = [Entry(**one["entry"]) for one in self.memory["files"]]
        self.content += directory(entries, self.memory["offset"])


async def _page(ctx: Ctx, org_id: str, one: Mapping[str, Any], after: str | None) -> dict[str, Any]:
    if one["service"] == "org":
        wanted = RecordsPage(name=one["name"], org_id=org_id, after=after, limit=PAGE)
        return await read_records(ctx, wanted)
    query = {"org_id": org_id, "limit": str(PAGE)} | ({"after": after} if after else {})
    path = f"/internal/organization-records/{one['name']}"
    page: dict[str, Any] = await ctx.env.internal.call(one["service"], "GET", path, query=query)
    return page


def _add_rows(archive: _Archive, name: str, part: int, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows and part > 1:
        return
    place = name if part == 1 else f"{name}-{part}"
    archive.add(f"{place}.json", orjson.dumps(rows, option=orjson.OPT_INDENT_2), len(rows))
    columns = list(rows[0]) if rows else []
    lines = [[_cell(row[column]) for column in columns] for row in rows]
    archive.add(f"{place}.csv", csv_lines([columns, *lines] if columns else []), len(rows))


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


async def _close(ctx: Ctx, piece: Piece, archive: _Archive) -> None:
    async with ctx.read(piece.org_id) as read:
        facts = await organizations.one(read, piece.org_id)
    key = private_key(ctx.env.settings.secrets.signing[ctx.env.service.name])
    archive.add("README.txt", WORDS)
    manifest = {
        "organization": {"id": piece.org_id, "name": facts.name},
        "exported_at": ctx.now.isoformat(),
        "exported_by": ctx.actor.user_id,
        "key": _text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        "files": list(_listed(archive.memory["files"])),
    }
    content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    archive.add("manifest.json", content)
    archive.add("manifest.sig", _text(key.sign(MANIFEST + content)).encode())
    archive.close()


def _listed(files: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for one in files:
        entry = one["entry"]
        yield {"name": entry["name"], "sha256": one["sha256"], "bytes": entry["size"], "rows": one["rows"]}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


TAKING_ALONG = Operation("organization.export", pack_a_page, media="application/zip", file_name="organization.zip")
