"""All of audit's SQL."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from services.audit.rules import BEGINNING, CONTENT, Fact, Person, hash_of
from shared.db import Read, Row, Tx
from shared.ids import new_id
from shared.paging import TOTAL_CAP

COLUMNS = (*CONTENT, "previous_hash", "hash")
PLACES = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
INSERT = f"insert into audit_entries ({', '.join(COLUMNS)}) values ({PLACES})"  # noqa: S608
END = """
insert into chains (org_id, number, hash) values ($1, 0, $2)
on conflict (org_id) do update set number = chains.number returning number, hash
"""
SELECT = (
    f"select {', '.join(f'entry.{name}' for name in COLUMNS)}, people.name as actor_name, people.email as actor_email"
)
JOINED = """
from audit_entries as entry left join people on people.org_id = entry.org_id and people.user_id = entry.actor_id
"""
WANTED = """
where entry.org_id = $1 and entry.at >= $2
    and ($3::text is null or entry.action like $3) and ($4::text is null or entry.actor_id = $4)
    and ($5::text is null or entry.target_id = $5) and ($6::timestamptz is null or entry.at >= $6)
    and ($7::timestamptz is null or entry.at < $7)
    and ($8::text is null or entry.action ilike $8 or entry.data::text ilike $8 or people.name ilike $8 or people.email ilike $8)
"""

Filter = tuple[datetime, str | None, str | None, str | None, datetime | None, datetime | None, str | None]


async def append(tx: Tx, org_id: str, fact: Fact) -> None:
    """Adds an entry to the end of the organization's chain; whoever comes next waits for this transaction."""
    end = await tx.row(END, org_id, BEGINNING)
    if end is None:
        raise RuntimeError(f"the chain of {org_id} can't be seen from here")
    content: dict[str, Any] = {
        **asdict(fact),
        "org_id": org_id,
        "number": end["number"] + 1,
        "id": new_id("aud", now=fact.at.timestamp()),
    }
    digest = hash_of(end["hash"], content)
    stored = {**content, "data": orjson.dumps(fact.data).decode()}
    await tx.run(INSERT, *(stored[name] for name in CONTENT), end["hash"], digest)
    await tx.run("update chains set number = $2, hash = $3 where org_id = $1", org_id, content["number"], digest)


async def entries(read: Read, org_id: str, wanted: Filter, before: int | None, limit: int) -> list[Row]:
    """The newest first, from below a number."""
    return await read.rows(
        f"{SELECT} {JOINED} {WANTED} and ($9::bigint is null or entry.number < $9) order by entry.number desc limit $10",
        org_id,
        *wanted,
        before,
        limit,
    )


async def count(read: Read, org_id: str, wanted: Filter) -> int:
    """How many there are; beyond the cap nobody counts."""
    return int(
        await read.value(
            f"select count(*) from (select 1 {JOINED} {WANTED} limit {TOTAL_CAP + 1}) as counted",  # noqa: S608
            org_id,
            *wanted,
        )
    )


async def entry(read: Read, org_id: str, entry_id: str, since: datetime) -> Row | None:
    return await read.row(
        f"{SELECT} {JOINED} where entry.org_id = $1 and entry.id = $2 and entry.at >= $3", org_id, entry_id, since
    )


async def entry_exists(read: Read, org_id: str, entry_id: str) -> bool:
    return bool(await read.value("select true from audit_entries where org_id = $1 and id = $2", org_id, entry_id))


async def keep_person(tx: Tx, org_id: str, person: Person) -> None:
    await tx.run(
        "insert into people (org_id, user_id, name, email, status) values ($1, $2, $3, $4, $5)"
        " on conflict (org_id, user_id) do update set name = excluded.name, email = excluded.email, status = excluded.status",
        org_id,
        person.user_id,
        person.name,
        person.email,
        person.status,
    )


async def organizations_of(read: Read, user_id: str) -> list[str]:
    """Where a person is a member, deactivated or not; always in the same order, which is the order of the locks."""
    rows = await read.rows(
        "select org_id from people where user_id = $1 and status <> 'removed' order by org_id", user_id
    )
    return [row["org_id"] for row in rows]


async def keep_retention(tx: Tx, org_id: str, version: int, days: int) -> None:
    await tx.run(
        "insert into retention as known (org_id, version, days) values ($1, $2, $3)"
        " on conflict (org_id) do update set version = excluded.version, days = excluded.days where excluded.version > known.version",
        org_id,
        version,
        days,
    )


async def days_shown(read: Read, org_id: str) -> int | None:
    days: int | None = await read.value("select days from retention where org_id = $1", org_id)
    return days


def pattern_of(action: str | None) -> str | None:
    """`org.member.*` as SQL wants it."""
    return None if action is None else _escaped(action).replace("*", "%")


def containing(text: str | None) -> str | None:
    return None if text is None else f"%{_escaped(text)}%"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
