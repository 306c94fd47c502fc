"""Whether restored databases are of one piece: what was heard was said, no number is missing, audit chains hold, sealed secrets open."""

# ruff: noqa: S608 - only declared names of tables and columns are put into statements; values are always bound
from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.audit_chain import BEGINNING, SignedHead, verify
from shared.auth import private_key
from shared.backups.taking import Connection, connected
from shared.config import Secrets
from shared.sealed_columns import SealedColumn
from shared.sealing import LostKey, Sealer
from shared.service import Service

AT_ONCE = 5000
EVERYTHING = "select set_config('tenantry.org_id', '*', false)"
NUMBERS = """
select subject from outbox_subjects as known left join (
    select subject, count(*) as said, max(sequence) as last from outbox group by subject
) as counted using (subject) where counted is null or counted.last <> known.sequence or counted.said <> known.sequence
"""
HEADS = "select subject, sequence from outbox_subjects where subject > $1 order by subject limit $2"
AHEAD = """
select cursor.subject, cursor.sequence, coalesce(said.sequence, 0) as said from inbox_cursors as cursor
left join unnest($2::text[], $3::bigint[]) as said (subject, sequence) using (subject)
where cursor.source = $1 and cursor.sequence > coalesce(said.sequence, 0) order by cursor.subject limit 5
"""
CHAINS = "select org_id, number, hash from chains order by org_id"
ENTRIES = "select * from audit_entries where org_id = $1 and number > $2 order by number limit $3"
KEPT_HEADS = (
    "select org_id, number, digest, signed_at, signature, key from audit_heads where org_id = $1 order by number"
)


@dataclass
class Examined:
    """What was looked at and is well, and what isn't; a line each."""

    well: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, faults: list[str], otherwise: str) -> None:
        if faults:
            self.wrong += faults[:20]
        else:
            self.well.append(otherwise)


async def examine(databases: Mapping[str, str], services: Mapping[str, Service], secrets: Secrets | None) -> Examined:
    """Looks at all of it. Without secrets it isn't known whether sealed secrets open."""
    found = Examined()
    async with AsyncExitStack() as stack:
        opened = {name: await stack.enter_async_context(connected(url)) for name, url in databases.items()}
        for connection in opened.values():
            await connection.execute(EVERYTHING)
        await _numbers(found, opened)
        await _heard(found, opened, services)
        if {"audit", "courier"} <= set(opened):
            await _chains(found, opened["audit"], opened["courier"], secrets)
        if secrets is not None:
            await _secrets(found, opened, services, Sealer(secrets.master))
    return found


async def _numbers(found: Examined, opened: Mapping[str, Connection]) -> None:
    faults = []
    for name, connection in opened.items():
        faults += [f"{name}: events of {row['subject']} are missing" for row in await connection.fetch(NUMBERS)]
    found.note(faults, "every event that was said is there, without a gap")


async def _heard(found: Examined, opened: Mapping[str, Connection], services: Mapping[str, Service]) -> None:
    faults, pairs = [], 0
    for name, connection in opened.items():
        for source in services[name].sources:
            if source in opened:
                pairs += 1
                heads = await _heads(opened[source])
                rows = await connection.fetch(AHEAD, source, list(heads), list(heads.values()))
                faults += [
                    f"{name} has heard {row['sequence']} events of {row['subject']} from {source}, which said {row['said']}"
                    for row in rows
                ]
    found.note(faults, f"nobody has heard what wasn't said ({pairs} pairs of services)")


async def _heads(connection: Connection) -> dict[str, int]:
    heads: dict[str, int] = {}
    last = ""
    while rows := await connection.fetch(HEADS, last, AT_ONCE):
        heads |= {row["subject"]: row["sequence"] for row in rows}
        last = rows[-1]["subject"]
    return heads


async def _chains(found: Examined, audit: Connection, courier: Connection, secrets: Secrets | None) -> None:
    """Each organization's log against its own hashes, its end, and the signed heads that courier keeps."""
    key = _public_key(secrets.signing["audit"]) if secrets else None
    faults, entries, heads, chains = [], 0, 0, await audit.fetch(CHAINS)
    for chain in chains:
        org_id = chain["org_id"]
        kept = [SignedHead(**dict(row)) for row in await courier.fetch(KEPT_HEADS, org_id)]
        heads += len(kept)
        number, digest = 0, BEGINNING
        async for some in _entries(audit, org_id):
            if some[0]["number"] == number + 1:
                within = [head for head in kept if number < head.number <= some[-1]["number"]]
                verdict = verify(some, first_previous_hash=digest, heads=within, key=key)
                reason = (
                    ""
                    if verdict.intact
                    else f"number {some[min(verdict.checked, len(some) - 1)]['number']}: {verdict.reason}"
                )
            else:
                reason = f"number {some[0]['number']} follows {number}"
            if reason:
                faults.append(f"the audit log of {org_id} isn't intact, {reason}")
                break
            number, digest = some[-1]["number"], some[-1]["hash"]
            entries += len(some)
        else:
            if (number, digest) != (chain["number"], chain["hash"]) or any(head.number > number for head in kept):
                faults.append(f"the audit log of {org_id} was cut off at its end, after number {number}")
    found.note(
        faults,
        f"the audit logs of {len(chains)} subjects are intact: {entries} entries, held against {heads} signed heads",
    )


async def _entries(audit: Connection, org_id: str) -> AsyncIterator[list[dict[str, Any]]]:
    after = 0
    while rows := await audit.fetch(ENTRIES, org_id, after, AT_ONCE):
        yield [{**dict(row), "data": orjson.loads(row["data"])} for row in rows]
        after = rows[-1]["number"]


def _public_key(seed: str) -> str:
    public = private_key(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.urlsafe_b64encode(public).decode().rstrip("=")


async def _secrets(
    found: Examined, opened: Mapping[str, Connection], services: Mapping[str, Service], sealer: Sealer
) -> None:
    faults, count = [], 0
    for name, connection in opened.items():
        for column in services[name].sealed:
            rows = await connection.fetch(
                f"select {', '.join(column.key)}, {column.column} as sealed from {column.table} where {column.column} is not null"
            )
            count += len(rows)
            if lost := sum(not _opens(sealer, column, row) for row in rows):
                faults.append(f"{name}: {lost} of {len(rows)} secrets in `{column.table}` can't be opened")
    found.note(faults, f"all {count} sealed secrets open")


def _opens(sealer: Sealer, column: SealedColumn, row: Any) -> bool:
    try:
        sealer.open(bytes(row["sealed"]), *column.place(row))
    except (LostKey, InvalidTag):
        return False
    return True
