"""Which organizations require a second factor, who lacks one there, and who was reminded. All but the roster looks across organizations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.identity.rules import Session
from services.identity.store.sessions import NAMES
from shared.db import Read, Tx

HAS_ONE = (
    "(exists (select from totp t where t.user_id = m.user_id and t.active_since is not null)"
    " or exists (select from passkeys k where k.user_id = m.user_id))"
)
DUE = (
    "select from memberships m join two_factor_requirements r using (org_id)"
    " where m.user_id = $1 and m.status = 'active' and r.due_at <= $2"
)
STAGE = (
    "case when r.due_at <= $1 then 'due' when r.due_at - interval '1 day' <= $1 then 'day'"
    " when r.due_at - interval '7 days' <= $1 then 'week' else 'announced' end"
)
END_SESSIONS = """
delete from sessions where session_id in (
    select s.session_id from sessions s join memberships m using (user_id) join two_factor_requirements r on r.org_id = m.org_id
    where m.status = 'active' and r.due_at <= $1 and (s.org_id = m.org_id or s.org_id is null) and not HAS_ONE
    limit $2 for update of s skip locked)
returning *
""".replace("HAS_ONE", HAS_ONE)
REMIND = """
insert into two_factor_reminders (org_id, user_id, due_at, stage)
select m.org_id, m.user_id, r.due_at, STAGE from memberships m join two_factor_requirements r using (org_id)
where m.status = 'active' and not HAS_ONE and not exists (select from two_factor_reminders d
    where d.org_id = m.org_id and d.user_id = m.user_id and d.due_at = r.due_at and d.stage = STAGE)
limit $2
on conflict do nothing
returning org_id, user_id, due_at, stage
""".replace("HAS_ONE", HAS_ONE).replace("STAGE", STAGE)


@dataclass(frozen=True)
class Reminder:
    org_id: str
    user_id: str
    due_at: datetime
    stage: str


@dataclass(frozen=True)
class Listed:
    """A member on the roster."""

    user_id: str
    name: str
    email: str
    two_factor: bool


async def keep(tx: Tx, org_id: str, due_at: datetime | None) -> None:
    """Without `due_at` nothing is required any more."""
    await tx.run("delete from two_factor_requirements where org_id = $1", org_id)
    if due_at is not None:
        await tx.run("insert into two_factor_requirements (org_id, due_at) values ($1, $2)", org_id, due_at)


async def is_due(read: Read, user_id: str, now: datetime) -> bool:
    """Whether any of the person's organizations requires a second factor by now."""
    return bool(await read.value(f"select exists ({DUE})", user_id, now))


async def is_due_in(read: Read, org_id: str, user_id: str, now: datetime) -> bool:
    return bool(await read.value(f"select exists ({DUE} and m.org_id = $3)", user_id, now, org_id))


async def end_sessions(tx: Tx, now: datetime, limit: int) -> list[Session]:
    """Sessions that are, or could be, in an organization that requires what their person lacks."""
    rows = await tx.rows(END_SESSIONS, now, limit)
    return [Session(**{name: row[name] for name in NAMES}) for row in rows]


async def remind(tx: Tx, now: datetime, limit: int) -> list[Reminder]:
    """Notes whom to remind now, once per stage: when it is announced, a week and a day before, and when it is due."""
    rows = await tx.rows(REMIND, now, limit)
    return sorted((Reminder(**dict(row)) for row in rows), key=lambda one: (one.org_id, one.user_id))


async def roster(
    read: Read, org_id: str, two_factor: bool | None, user_ids: Sequence[str] | None, after: str, limit: int
) -> tuple[Sequence[Listed], int]:
    """Active members by id, and how many there are in all."""
    members = (
        "from memberships m join accounts a using (user_id)"
        f" where m.org_id = $1 and m.status = 'active' and ($2::boolean is null or {HAS_ONE} = $2)"
        " and ($3::text[] is null or m.user_id = any($3))"
    )
    rows = await read.rows(
        f"select m.user_id, a.name, a.email, {HAS_ONE} as two_factor {members} and m.user_id > $4 order by m.user_id limit $5",
        org_id,
        two_factor,
        user_ids,
        after,
        limit,
    )
    total = await read.value(f"select count(*) {members}", org_id, two_factor, user_ids)
    return [Listed(**dict(row)) for row in rows], total
