"""All of audit's SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from services.audit.rules.entries import Fact, Person
from services.audit.rules.search import Condition
from shared.audit_chain import ADDED, BEGINNING, CONTENT, hash_of
from shared.db import Read, Row, Tx
from shared.ids import new_id
from shared.paging import TOTAL_CAP
from shared.records import Records

COLUMNS = (*CONTENT, "previous_hash", "hash", *ADDED)
RECORDS = (
    Records("audit_entries", "audit_entries", COLUMNS, ("number",), {"number": "bigint"}),
    Records("people", "people", ("user_id", "name", "email", "status"), ("user_id",)),
)
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
KEEP_PERSON = """
insert into people as known (org_id, user_id, name, email, status, joined_at, left_at)
values ($1, $2, $3, $4, $5, $6, case when $5 = 'removed' then $6::timestamptz end)
on conflict (org_id, user_id) do update set name = excluded.name, email = excluded.email, status = excluded.status,
    joined_at = case when known.status = 'removed' and excluded.status <> 'removed' then excluded.joined_at else known.joined_at end,
    left_at = case when excluded.status = 'removed' then coalesce(known.left_at, excluded.left_at) end
"""
ANYWHERE = """(entry.action ilike {0} or entry.target_name ilike {0} or entry.data::text ilike {0} or people.name ilike {0} or people.email ilike {0})"""
WHERE: dict[str, str] = {
    "text": ANYWHERE,
    "actor": "(entry.actor_id = {1} or people.name ilike {0} or people.email ilike {0})",
    "actor_id": "entry.actor_id = {1}",
    "action": "entry.action like {0}",
    "target": "(entry.target_id = {1} or entry.target_name ilike {0})",
    "target_id": "entry.target_id = {1}",
    "ip": "case when pg_input_is_valid(entry.source_ip, 'inet') then entry.source_ip::inet <<= {1}::text::inet end",
    "event": "entry.event_id = {1}",
    "request": "entry.correlation_id = {1}",
    "auth": "{1} = any(entry.actor_amr)",
    "since": "entry.at >= {1}",
    "until": "entry.at < {1}",
}


@dataclass(frozen=True)
class Wanted:
    """Which entries: of an organization, as far back as the plan shows, by conditions that all must hold."""

    org_id: str
    shown_since: datetime
    conditions: Sequence[Condition] = ()

    def sql(self, *more: Any) -> tuple[str, list[Any]]:
        """The `where`, and the values of its parameters; those of `more` come first, from $1 on."""
        values: list[Any] = [*more, self.org_id, self.shown_since]
        parts = [f"entry.org_id = ${len(values) - 1}", f"entry.at >= ${len(values)}"]
        for condition in self.conditions:
            form, places = WHERE[condition.kind], []
            for place, value in enumerate((_pattern(condition), condition.value)):
                if f"{{{place}}}" in form:
                    values.append(value)
                places.append(f"${len(values)}")
            part = form.format(*places)
            parts.append(f"not coalesce({part}, false)" if condition.negated else part)
        return "where " + " and ".join(parts), values


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
    values = [*(stored[name] for name in CONTENT), end["hash"], digest, *(stored[name] for name in ADDED)]
    await tx.run(INSERT, *values)
    await tx.run("update chains set number = $2, hash = $3 where org_id = $1", org_id, content["number"], digest)


async def entries(read: Read, wanted: Wanted, before: int | None, limit: int) -> list[Row]:
    """The newest first, from below a number."""
    where, values = wanted.sql(before, limit)
    return await read.rows(
        f"{SELECT} {JOINED} {where} and ($1::bigint is null or entry.number < $1) order by entry.number desc limit $2",
        *values,
    )


async def entries_from(read: Read, wanted: Wanted, after: int, until: int, limit: int) -> list[Row]:
    """The oldest first, from above a number up to another."""
    where, values = wanted.sql(after, until, limit)
    return await read.rows(
        f"{SELECT} {JOINED} {where} and entry.number > $1 and entry.number <= $2 order by entry.number limit $3",
        *values,
    )


async def count(read: Read, wanted: Wanted) -> int:
    """How many there are; beyond the cap nobody counts."""
    where, values = wanted.sql(TOTAL_CAP + 1)
    return int(
        await read.value(f"select count(*) from (select 1 {JOINED} {where} limit $1) as counted", *values)  # noqa: S608
    )


async def histogram(read: Read, wanted: Wanted, interval: str, limit: int) -> list[Row]:
    """How many there are in each interval that has any, the newest first."""
    where, values = wanted.sql(interval, limit)
    return await read.rows(
        f"select date_trunc($1, entry.at, 'UTC') as begins, count(*) {JOINED} {where} group by begins order by begins desc limit $2",
        *values,
    )


async def end_of(read: Read, org_id: str) -> tuple[int, str]:
    """The last number of the chain, and its hash."""
    row = await read.row("select number, hash from chains where org_id = $1", org_id)
    return (row["number"], row["hash"]) if row else (0, BEGINNING)


async def entry(read: Read, org_id: str, entry_id: str, since: datetime) -> Row | None:
    return await read.row(
        f"{SELECT} {JOINED} where entry.org_id = $1 and entry.id = $2 and entry.at >= $3", org_id, entry_id, since
    )


async def entry_exists(read: Read, org_id: str, entry_id: str) -> bool:
    return bool(await read.value("select true from audit_entries where org_id = $1 and id = $2", org_id, entry_id))


async def unsigned_ends(tx: Tx, limit: int) -> list[tuple[str, int, str]]:
    """Chains of organizations that have grown since their end was signed, locked."""
    rows = await tx.rows(
        "select org_id, number, hash from chains where number > signed and org_id like 'org\\_%' order by org_id limit $1"
        " for update skip locked",
        limit,
    )
    return [(row["org_id"], row["number"], row["hash"]) for row in rows]


async def mark_signed(tx: Tx, org_id: str, number: int) -> None:
    await tx.run("update chains set signed = $2 where org_id = $1", org_id, number)


async def keep_person(tx: Tx, org_id: str, person: Person, at: datetime) -> None:
    await tx.run(KEEP_PERSON, org_id, person.user_id, person.name, person.email, person.status, at)


async def names_of(read: Read, org_id: str, user_ids: Sequence[str]) -> dict[str, str]:
    rows = await read.rows(
        "select user_id, name from people where org_id = $1 and user_id = any($2::text[])", org_id, list(user_ids)
    )
    return {row["user_id"]: row["name"] for row in rows}


async def organizations_of(read: Read, user_id: str, at: datetime) -> list[str]:
    """Where a person was a member at that moment, deactivated or not; always in the same order, which is the order of the locks."""
    rows = await read.rows(
        "select org_id from people where user_id = $1 and (joined_at is null or joined_at <= $2)"
        " and (status <> 'removed' or left_at > $2) order by org_id",
        user_id,
        at,
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


def _pattern(condition: Condition) -> str | None:
    """`org.member.*` as SQL wants it; anything else may stand anywhere."""
    if not isinstance(condition.value, str):
        return None
    escaped = _escaped(condition.value)
    return escaped.replace("*", "%") if condition.kind == "action" else f"%{escaped}%"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
