"""Live sessions. Ending one is deleting its row: what is not there proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import Session
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(Session)]
INSERT = """
insert into sessions (session_id, user_id, org_id, kind, root, generation, rotated_at, amr, authenticated_at, started_at, last_used_at,
    expires_at, ends_at, source_ip, user_agent)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


async def begin(tx: Tx, session: Session) -> None:
    await tx.run(INSERT, *astuple(session))


async def live(read: Read, session_id: str, now: datetime) -> Session | None:
    row = await read.row("select * from sessions where session_id = $1 and ends_at > $2", session_id, now)
    return _session(row)


async def lock(tx: Tx, session_id: str, now: datetime) -> Session | None:
    row = await tx.row(
        "select * from sessions where session_id = $1 and ends_at > $2 for no key update", session_id, now
    )
    return _session(row)


async def keep(tx: Tx, session: Session) -> None:
    """Writes what may change in the course of a session."""
    await tx.run(
        "update sessions set org_id = $2, generation = $3, rotated_at = $4, authenticated_at = $5, last_used_at = $6,"
        " ends_at = $7, source_ip = $8, user_agent = $9, amr = $10 where session_id = $1",
        session.session_id,
        session.org_id,
        session.generation,
        session.rotated_at,
        session.authenticated_at,
        session.last_used_at,
        session.ends_at,
        session.source_ip,
        session.user_agent,
        list(session.amr),
    )


async def touch(tx: Tx, session: Session) -> None:
    """Notes that a session was used, without ever shortening it."""
    await tx.run(
        "update sessions set last_used_at = greatest(last_used_at, $2), ends_at = greatest(ends_at, $3) where session_id = $1",
        session.session_id,
        session.last_used_at,
        session.ends_at,
    )


async def of_person(
    read: Read, user_id: str, now: datetime, before: str | None, limit: int
) -> tuple[list[Session], int]:
    """The newest first (ids sort by time), and how many there are in all."""
    rows = await read.rows(
        "select * from sessions where user_id = $1 and ends_at > $2 and ($3::text is null or session_id < $3)"
        " order by session_id desc limit $4",
        user_id,
        now,
        before,
        limit,
    )
    total = await read.value("select count(*) from sessions where user_id = $1 and ends_at > $2", user_id, now)
    return [session for row in rows if (session := _session(row))], total


async def end(tx: Tx, user_id: str, session_id: str) -> Session | None:
    row = await tx.row("delete from sessions where session_id = $1 and user_id = $2 returning *", session_id, user_id)
    return _session(row)


async def end_these(tx: Tx, session_ids: Sequence[str]) -> list[Session]:
    """Those of them that still lived."""
    return _sessions(await tx.rows("delete from sessions where session_id = any($1) returning *", list(session_ids)))


async def end_others(tx: Tx, user_id: str, session_id: str) -> int:
    return await tx.run("delete from sessions where user_id = $1 and session_id <> $2", user_id, session_id)


async def end_in_org(tx: Tx, user_id: str, org_id: str) -> list[Session]:
    rows = await tx.rows("delete from sessions where user_id = $1 and org_id = $2 returning *", user_id, org_id)
    return _sessions(rows)


async def end_some_in_org(tx: Tx, org_id: str, limit: int) -> list[Session]:
    """Some of everybody's sessions in an organization, in the order in which accounts are locked elsewhere too."""
    rows = await tx.rows(
        "delete from sessions where session_id in"
        " (select session_id from sessions where org_id = $1 order by user_id, session_id limit $2 for update)"
        " returning *",
        org_id,
        limit,
    )
    return _sessions(rows)


async def enter(tx: Tx, user_id: str, org_id: str) -> list[Session]:
    """Puts the person's sessions that are in no organization yet into this one."""
    rows = await tx.rows(
        "update sessions set org_id = $2 where user_id = $1 and org_id is null returning *", user_id, org_id
    )
    return _sessions(rows)


async def take_expired(tx: Tx, now: datetime, limit: int) -> list[Session]:
    rows = await tx.rows(
        "delete from sessions where session_id in"
        " (select session_id from sessions where ends_at <= $1 order by ends_at limit $2 for update skip locked)"
        " returning *",
        now,
        limit,
    )
    return _sessions(rows)


def _session(row: Row | None) -> Session | None:
    return Session(**{name: row[name] for name in NAMES}) if row is not None else None


def _sessions(rows: Sequence[Row]) -> list[Session]:
    return sorted((session for row in rows if (session := _session(row))), key=lambda session: session.session_id)
