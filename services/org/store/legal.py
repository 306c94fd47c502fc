"""The legal record: added to, read, and nothing else."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from datetime import datetime

from services.org.rules.legal import Document, DpaStatus, Kind, Record
from shared.db import Read, Tx
from shared.errors import Problem

NAMES = tuple(field.name for field in fields(Record))
COLUMNS = ", ".join(NAMES)


async def add(tx: Tx, org_id: str, record: Record) -> None:
    values = ", ".join(f"${place}" for place in range(2, len(NAMES) + 2))
    await tx.run(f"insert into legal_acceptances (org_id, {COLUMNS}) values ($1, {values})", org_id, *astuple(record))


async def find(read: Read, org_id: str, acceptance_id: str) -> Record | None:
    row = await read.row(
        f"select {COLUMNS} from legal_acceptances where org_id = $1 and acceptance_id = $2", org_id, acceptance_id
    )
    return Record(**dict(row)) if row else None


async def one(read: Read, org_id: str, acceptance_id: str) -> Record:
    found = await find(read, org_id, acceptance_id)
    if found is None:
        raise Problem("not_found")
    return found


async def exists(read: Read, org_id: str, acceptance_id: str) -> bool:
    return await find(read, org_id, acceptance_id) is not None


async def listed(read: Read, org_id: str, after: str, limit: int) -> list[Record]:
    """In the order in which they were given."""
    rows = await read.rows(
        f"select {COLUMNS} from legal_acceptances where org_id = $1 and acceptance_id > $2 order by acceptance_id limit $3",
        org_id,
        after,
        limit,
    )
    return [Record(**dict(row)) for row in rows]


async def latest(read: Read, org_id: str) -> Mapping[Kind, Record]:
    """The last entry for each kind of document: what holds."""
    rows = await read.rows(
        f"select distinct on (document) {COLUMNS} from legal_acceptances where org_id = $1"
        " order by document, accepted_at desc, acceptance_id desc",
        org_id,
    )
    return {row["document"]: Record(**dict(row)) for row in rows}


async def receipt(read: Read, org_id: str, acceptance_id: str) -> bytes | None:
    """The receipt that was given out; None before the first."""
    given: bytes | None = await read.value(
        "select pdf from legal_receipts where org_id = $1 and acceptance_id = $2", org_id, acceptance_id
    )
    return given


async def keep_receipt(tx: Tx, org_id: str, acceptance_id: str, pdf: bytes) -> None:
    await tx.run(
        "insert into legal_receipts (org_id, acceptance_id, pdf) values ($1, $2, $3) on conflict do nothing",
        org_id,
        acceptance_id,
        pdf,
    )


async def set_dpa(tx: Tx, org_id: str, status: DpaStatus) -> None:
    await tx.run("update organizations set dpa = $2 where org_id = $1", org_id, status)


async def is_told(read: Read, document: Document) -> bool:
    """Whether everybody who accepted an earlier version was told of this one."""
    return bool(
        await read.value(
            "select true from legal_versions_told where document = $1 and version = $2", document.kind, document.version
        )
    )


async def note_told(tx: Tx, document: Document, now: datetime) -> None:
    await tx.run(
        "insert into legal_versions_told (document, version, told_at) values ($1, $2, $3) on conflict do nothing",
        document.kind,
        document.version,
        now,
    )


async def untold(read: Read, document: Document, limit: int) -> list[str]:
    """Organizations whose last answer to this kind of text was to accept an earlier version, and who weren't told of this one."""
    rows = await read.rows(
        "select org_id from (select distinct on (org_id) org_id, decision, version from legal_acceptances where document = $1"
        " order by org_id, accepted_at desc, acceptance_id desc) as latest where decision = 'accepted' and version <> $2"
        " and not exists (select from legal_news where legal_news.org_id = latest.org_id and document = $1"
        " and legal_news.version = $2) order by org_id limit $3",
        document.kind,
        document.version,
        limit,
    )
    return [row["org_id"] for row in rows]


async def note_news(tx: Tx, org_id: str, document: Document, now: datetime) -> bool:
    """False when the organization was told before."""
    return bool(
        await tx.run(
            "insert into legal_news (org_id, document, version, told_at) values ($1, $2, $3, $4) on conflict do nothing",
            org_id,
            document.kind,
            document.version,
            now,
        )
    )
