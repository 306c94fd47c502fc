"""The slot ledger: who took a slot of which kind from when to when. Triggers write it, so that no path goes unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.org.rules import Kind, SlotStep
from shared.db import Read, Row

# A spell ends with the holder's next entry, or when an invitation expires that nobody has swept yet.
SPELLS = """
select spell.position, spell.at as since, spell.kind, spell.holder, spell.holder_id, spell.email, members.name, coalesce(
    (select freed.at from slot_entries freed where freed.org_id = $1 and freed.holder_id = spell.holder_id
        and freed.position > spell.position and not freed.taken order by freed.position limit 1),
    (select expires_at from invitations where org_id = $1 and invitation_id = spell.holder_id and expires_at <= $2)
) as until
from slot_entries spell left join members on members.org_id = $1 and members.user_id = spell.holder_id
where spell.org_id = $1 and spell.taken and ($3::text is null or spell.kind = $3)
    and ($4::timestamptz is null or (spell.at, spell.position) < ($4, $5))
order by spell.at desc, spell.position desc limit $6
"""
# What the ledger says, and the ends of invitations that nobody has swept yet.
STEPS = """
select at, kind, taken from (
    select at, kind, taken, position from slot_entries where org_id = $1 and at >= $2 and at < $3
    union all
    select expires_at, case when role = 'viewer' then 'viewer' else 'author' end, false, 0 from invitations
    where org_id = $1 and status = 'open' and expires_at <= $4 and expires_at >= $2 and expires_at < $3
) as steps order by at, taken, position
"""
BEFORE = """
select kind, sum(case when taken then 1 else -1 end) as held from (
    select kind, taken from slot_entries where org_id = $1 and at < $2
    union all
    select case when role = 'viewer' then 'viewer' else 'author' end, false from invitations
    where org_id = $1 and status = 'open' and expires_at <= $3 and expires_at < $2
) as steps group by kind
"""


@dataclass(frozen=True)
class Spell:
    """Somebody's time in a slot. `name` is null for invitations; `until` while it lasts."""

    position: int
    since: datetime
    until: datetime | None
    kind: Kind
    holder: str
    holder_id: str
    email: str
    name: str | None


async def spells(
    read: Read, org_id: str, kind: Kind | None, now: datetime, after: Sequence[Any] | None, limit: int
) -> list[Spell]:
    """The last begun first, after a position (since, position)."""
    since, position = (datetime.fromisoformat(after[0]), after[1]) if after else (None, None)
    rows: list[Row] = await read.rows(SPELLS, org_id, now, kind, since, position, limit)
    return [Spell(**dict(row)) for row in rows]


async def held_before(read: Read, org_id: str, at: datetime, now: datetime) -> dict[Kind, int]:
    """How many slots of each kind were held at the moment before."""
    rows = await read.rows(BEFORE, org_id, at, now)
    held: dict[Kind, int] = {"author": 0, "viewer": 0}
    return held | {row["kind"]: int(row["held"]) for row in rows}


async def steps(read: Read, org_id: str, first: datetime, end: datetime, now: datetime) -> list[SlotStep]:
    rows = await read.rows(STEPS, org_id, first, end, now)
    return [SlotStep(row["at"], row["kind"], row["taken"]) for row in rows]
