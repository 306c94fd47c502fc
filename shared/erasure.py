"""Erasing an organization in one service: all rows that carry its id, in pieces, and then the content of its events.

Which tables there are is read from the database, so a new one is erased without anybody thinking of it. What stays is a row in
`erasures`, by which late events of the organization are passed over, and events without content, so that sequences have no gaps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import structlog

from shared.auth import Actor
from shared.db import Row, Tx
from shared.events import ERASED_EVENT, OrgEvent
from shared.events.org import OrganizationErasureStarted
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 5000
PIECES_AT_ONCE = 40

Step = Callable[[Ctx, Tx, str], Awaitable[bool]]

TABLES = """
select relname from pg_class join pg_attribute on attrelid = pg_class.oid
where relkind = 'r' and relnamespace = 'public'::regnamespace and attname = 'org_id' and not attisdropped
    and relname not in ('inbox', 'outbox') order by relname
"""
POINTING = """
select child.relname as child, parent.relname as parent from pg_constraint
join pg_class as child on child.oid = conrelid join pg_class as parent on parent.oid = confrelid
where contype = 'f' and conrelid <> confrelid
"""
BEGIN = "insert into erasures (subject, begun_at) values ($1, $2) on conflict do nothing"
OPEN = "select subject from erasures where finished_at is null order by begun_at limit 1"
HELD = "select * from erasures where subject = $1 and finished_at is null for update"
COUNTED = "update erasures set erased = erased + $2, heard_until = coalesce($3, heard_until) where subject = $1"
FINISHED = "update erasures set finished_at = $2 where subject = $1"
# What was said of the organization keeps its id and its number, and loses everything else. Orders and confirmations say nothing of it anyway.
EMPTY_OUTBOX = """
update outbox set type = $2, body = convert_to(json_build_object(
    'specversion', '1.0', 'id', id, 'source', '/services/' || $3::text, 'type', $2::text, 'subject', subject,
    'time', convert_from(body, 'UTF8')::json ->> 'time', 'datacontenttype', 'application/json',
    'dataschema', '/schemas/events/' || $2::text || '.json', 'sequence', sequence, 'orgid', org_id, 'data', json_build_object()
)::text, 'UTF8')
where position = any(array(
    select position from outbox where (org_id = $1 or subject = $1) and published_at is not null and type <> $2
        and type !~ '\\.organization\\.(erased|erasure_started)\\.' limit $4
))
"""
UNSAID = "select exists (select from outbox where (org_id = $1 or subject = $1) and published_at is null)"
# A walk along the inbox from the organization's birth on, as ids begin with their time.
HEARD = "select id from inbox where id > $1 order by id limit $2"
EMPTY_INBOX = """
update inbox set body = null, error = null, state = case when state = 'dead' then 'skipped' else state end
where id > $1 and id <= $2 and (org_id = $3 or subject = $3) and state <> 'waiting' and body is not null
"""
UNHEARD = "select exists (select from inbox where state = 'waiting' and (org_id = $1 or subject = $1))"
UNPARK = "delete from inbox_parked where position(convert_to($1, 'UTF8') in body) > 0"
OTHERS_ENDED = "select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8"


@dataclass(frozen=True)
class Erasing:
    """How a service erases: `said` is the event by which it confirms.

    `first(ctx, tx, org_id)` does what has to be said or kept before rows go, bounded, until it answers True. `last` runs when nothing
    else is left, and may still read the tables in `until_last`.
    """

    said: type[OrgEvent]
    first: Step | None = None
    last: Step | None = None
    until_last: frozenset[str] = field(default_factory=frozenset)


async def erase_organization(ctx: Ctx, told: OrganizationErasureStarted) -> None:
    """Begins to erase all that this service holds of the organization. Asked again, a service that has done it says so again."""
    async with ctx.tx() as tx:
        await begin_erasing(ctx, tx, told.org_id)


async def begin_erasing(ctx: Ctx, tx: Tx, org_id: str) -> None:
    if not await tx.run(BEGIN, org_id, ctx.now):
        known = await tx.row("select erased, finished_at from erasures where subject = $1", org_id)
        if known is not None and known["finished_at"] is not None:
            await _confirm(ctx, tx, org_id, known["erased"])


async def erase_what_waits(ctx: Ctx) -> None:
    """Some pieces of what is to be erased here, each in a transaction of its own."""
    for _ in range(PIECES_AT_ONCE):
        async with ctx.env.database.read("") as read:
            org_id = await read.value(OPEN)
        if org_id is None:
            return
        own = Ctx(ctx.env, Actor("system", org_id=org_id, service=ctx.env.service.name))
        async with own.finishing(), own.tx(org_id) as tx:
            row = await tx.row(HELD, org_id)
            if row is not None and not await _erase_piece(own, tx, row):
                return


async def _erase_piece(ctx: Ctx, tx: Tx, row: Row) -> bool:
    """False when it has to wait for others."""
    erasing, org_id = ctx.env.service.erasing, row["subject"]
    assert erasing is not None
    await tx.value("select set_config('tenantry.erasing', $1, true)", org_id)
    if erasing.first is not None and not await erasing.first(ctx, tx, org_id):
        return True
    for table in await _tables(tx, erasing.until_last):
        if gone := await _delete(tx, table, org_id):
            await tx.run(COUNTED, org_id, gone, None)
            return True
    name = ctx.env.service.name
    if await tx.run(EMPTY_OUTBOX, org_id, ERASED_EVENT.format(name), name, AT_ONCE):
        return True
    if await _empty_inbox(tx, org_id, row["heard_until"] or f"evt_{org_id[4:13]}"):
        return True
    if await tx.value(UNSAID, org_id) or await tx.value(UNHEARD, org_id):
        return False
    if not await tx.value(OTHERS_ENDED, row["begun_in"]):
        return False
    await _finish(ctx, tx, org_id, row["erased"])
    return True


async def _finish(ctx: Ctx, tx: Tx, org_id: str, erased: int) -> None:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    await tx.run(UNPARK, org_id)
    if erasing.last is not None:
        await erasing.last(ctx, tx, org_id)
    last = sum([await _delete(tx, table, org_id) for table in await _tables(tx, frozenset())])
    await tx.run(COUNTED, org_id, last, "")
    await tx.run(FINISHED, org_id, ctx.now)
    await _confirm(ctx, tx, org_id, erased + last)
    log.info("erased an organization", service=ctx.env.service.name, org_id=org_id, rows=erased + last)


async def _confirm(ctx: Ctx, tx: Tx, org_id: str, erased: int) -> None:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    await tx.emit(erasing.said(org_id=org_id, rows=erased))


async def _delete(tx: Tx, table: str, org_id: str) -> int:
    chosen = f'select ctid from "{table}" where org_id = $1 limit {AT_ONCE}'  # noqa: S608
    return await tx.run(f'delete from "{table}" where ctid = any(array({chosen}))', org_id)  # noqa: S608


async def _empty_inbox(tx: Tx, org_id: str, after: str) -> bool:
    """False when the walk is at its end."""
    rows = await tx.rows(HEARD, after, AT_ONCE)
    if not rows:
        return False
    await tx.run(EMPTY_INBOX, after, rows[-1]["id"], org_id)
    await tx.run(COUNTED, org_id, 0, rows[-1]["id"])
    return True


async def _tables(tx: Tx, without: frozenset[str]) -> list[str]:
    """The tables that carry an organization's id, those that point at others first."""
    tables = {row["relname"] for row in await tx.rows(TABLES)}
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(sorted(tables), ()))
    for row in await tx.rows(POINTING):
        if {row["child"], row["parent"]} <= tables:
            order.add(row["parent"], row["child"])
    return [table for table in order.static_order() if table not in without]
