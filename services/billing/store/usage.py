"""The SQL of slots over time."""

from __future__ import annotations

from datetime import date, datetime

from services.billing.rules.usage import SlotKind, Turn
from shared.db import Read, Row, Tx

FREE = """
update slot_spans set freed_at = greatest($3, taken_at), freed_by = $4
where org_id = $1 and holder_id = $2 and freed_at is null and kind is distinct from $5
"""
TAKE = """
insert into slot_spans (org_id, holder_id, taken_at, taken_by, kind)
select $1, $2, $3, $4, $5 where not exists (select from slot_spans where org_id = $1 and holder_id = $2 and freed_at is null)
on conflict do nothing
"""
TURNS = """
select day, coalesce(sum(turn) filter (where kind = 'author'), 0)::int as author,
    coalesce(sum(turn) filter (where kind = 'viewer'), 0)::int as viewer
from (
    select (taken_at at time zone 'UTC')::date as day, kind, 1 as turn from slot_spans where org_id = $1 and taken_at < $3
    union all
    select (freed_at at time zone 'UTC')::date, kind, -1 from slot_spans where org_id = $1 and freed_at < $3
) as turns
where day >= $2::date group by day order by day
"""
HELD = """
select count(*) filter (where kind = 'author') as author, count(*) filter (where kind = 'viewer') as viewer
from slot_spans where org_id = $1 and taken_at < $2 and (freed_at is null or freed_at >= $2)
"""
BEGAN = "select min(taken_at) from slot_spans where org_id = $1"
HOLDERS = """
select holder_id, kind, taken_at, taken_by, freed_at, freed_by from slot_spans
where org_id = $1 and taken_at < $2 and (freed_at is null or freed_at >= $2) and ($3::text is null or kind = $3)
    and ($4::text is null or holder_id > $4)
order by holder_id limit $5
"""


async def hold(tx: Tx, org_id: str, holder_id: str, kind: SlotKind | None, at: datetime, event_id: str) -> None:
    """From now on the holder has a slot of this kind, or none; nothing happens where that is so already."""
    await tx.run(FREE, org_id, holder_id, at, event_id, kind)
    if kind is not None:
        await tx.run(TAKE, org_id, holder_id, at, event_id, kind)


async def turns(read: Read, org_id: str, first: date, before: datetime) -> list[Turn]:
    return [Turn(**dict(row)) for row in await read.rows(TURNS, org_id, first, before)]


async def held_before(read: Read, org_id: str, moment: datetime) -> tuple[int, int]:
    """Author and viewer slots that were held at a moment."""
    row = await read.row(HELD, org_id, moment)
    return (row["author"], row["viewer"]) if row else (0, 0)


async def began(read: Read, org_id: str) -> datetime | None:
    """When the first slot was taken."""
    found: datetime | None = await read.value(BEGAN, org_id)
    return found


async def holders(
    read: Read, org_id: str, moment: datetime, kind: SlotKind | None, after: str | None, limit: int
) -> list[Row]:
    """Who held a slot at a moment, and by which event."""
    return await read.rows(HOLDERS, org_id, moment, kind, after, limit)
