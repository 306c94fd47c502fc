"""Erasing an organization in one service, or a person who closed their account: all rows that carry the id, in pieces, and then the content of their events.

Which tables there are is read from the database, so a new one is erased without anybody thinking of it. What stays is a row in
`erasures`, by which late events of the organization are passed over, and events without content, so that sequences have no gaps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import structlog

from shared.auth import Actor
from shared.db import Row, Tx
from shared.emptying import EMPTIED, empty_mails, has_unsaid_mails
from shared.events import ERASED_EVENT, OrgEvent
from shared.events.identity import UserClosed
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
OPEN = """
select subject from erasures where finished_at is null and not subject = any($1::text[]) order by begun_at limit 1
"""
HELD = "select * from erasures where subject = $1 and finished_at is null for update"
COUNTED = "update erasures set erased = erased + $2, heard_until = coalesce($3, heard_until) where subject = $1"
FINISHED = "update erasures set finished_at = $2 where subject = $1"
# What was said of the organization keeps its id and its number, and loses everything else. Orders and confirmations say nothing of it anyway.
EMPTY_OUTBOX = f"""{EMPTIED}
where position = any(array(
    select position from outbox where (org_id = $3 or subject = $3) and published_at is not null and type <> $1
        and type !~ '\\.(organization\\.(erased|erasure_started)|user\\.closed)\\.' limit $4
))
"""  # noqa: S608 - a constant
UNSAID = "select exists (select from outbox where (org_id = $1 or subject = $1) and published_at is null)"
# A walk along the inbox from the organization's birth on, as ids begin with their time.
HEARD = "select id from inbox where id > $1 order by id limit $2"
EMPTY_INBOX = """
update inbox set body = null, error = null, state = case when state = 'dead' then 'skipped' else state end
where id > $1 and id <= $2 and (org_id = $3 or subject = $3) and state <> 'waiting' and body is not null
"""
EMPTY_INBOX_OF_PERSON = """
update inbox set body = null, error = null
where subject = $1 and subject like 'usr\\_%' and state not in ('waiting', 'dead') and body is not null
"""
# The last thing that is said of a person says nothing but that; from where they asked for it, it tells no more.
LAST_WORD = """
update outbox set body = convert_to((convert_from(body, 'UTF8')::jsonb - '{sourceip,actoramr,correlationid,traceparent}'::text[])::text, 'UTF8')
where subject = $1 and type ~ '\\.user\\.closed\\.'
"""
UNHEARD = "select exists (select from inbox where state = 'waiting' and (org_id = $1 or subject = $1))"
# What died on its way is the operator's to revive: that the person is gone may be just what it says.
UNHEARD_OF_PERSON = "select exists (select from inbox where state in ('waiting', 'dead') and subject = $1)"
UNPARK = "delete from inbox_parked where position(convert_to($1, 'UTF8') in body) > 0"
OTHERS_ENDED = "select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8"


@dataclass(frozen=True)
class Erasing:
    """How a service erases: `said` is the event by which it confirms that nothing of an organization is left.

    `first(ctx, tx, org_id)` does what has to be said or kept before rows go, bounded, until it answers True. `last` runs when nothing
    else is left, and may still read the tables in `until_last`. `person(ctx, tx, user_id)` forgets what it keeps of a person under no
    organization's id, and answers False while that has to wait. `addresses(ctx, tx, user_id)` are those at which it wrote to them.
    """

    said: type[OrgEvent]
    first: Step | None = None
    last: Step | None = None
    person: Step | None = None
    addresses: Callable[[Ctx, Tx, str], Awaitable[Sequence[str]]] | None = None
    until_last: frozenset[str] = field(default_factory=frozenset)


async def erase_organization(ctx: Ctx, told: OrganizationErasureStarted) -> None:
    """Begins to erase all that this service holds of the organization. Asked again, a service that has done it says so again."""
    async with ctx.tx() as tx:
        await begin_erasing(ctx, tx, told.org_id)


async def erase_person(ctx: Ctx, told: UserClosed) -> None:
    """Begins to empty what this service has heard and kept of a person by themselves. What organizations say of their members stays theirs."""
    async with ctx.tx() as tx:
        await begin_erasing(ctx, tx, told.user_id)


async def begin_erasing(ctx: Ctx, tx: Tx, subject: str) -> None:
    if not await tx.run(BEGIN, subject, ctx.now) and not is_person(subject):
        known = await tx.row("select erased, finished_at from erasures where subject = $1", subject)
        if known is not None and known["finished_at"] is not None:
            await _confirm(ctx, tx, subject, known["erased"])


def is_person(subject: str) -> bool:
    return subject.startswith("usr_")


async def erase_what_waits(ctx: Ctx) -> None:
    """Some pieces of what is to be erased here, each in a transaction of its own. What has to wait for others holds nobody up."""
    wait: list[str] = []
    for _ in range(PIECES_AT_ONCE):
        async with ctx.env.database.read("") as read:
            subject = await read.value(OPEN, wait)
        if subject is None:
            return
        own = Ctx(ctx.env, Actor("system", org_id=subject, service=ctx.env.service.name))
        async with own.finishing(), own.tx(subject) as tx:
            row = await tx.row(HELD, subject)
            if row is not None and not await _erase_piece(own, tx, row):
                wait.append(subject)


async def _erase_piece(ctx: Ctx, tx: Tx, row: Row) -> bool:
    """False when it has to wait for others."""
    erasing, subject = ctx.env.service.erasing, row["subject"]
    assert erasing is not None
    await tx.value("select set_config('tenantry.erasing', $1, true)", subject)
    if erasing.first is not None and not is_person(subject) and not await erasing.first(ctx, tx, subject):
        return True
    for table in await _tables(tx, erasing.until_last):
        if gone := await _delete(tx, table, subject):
            await tx.run(COUNTED, subject, gone, None)
            return True
    name = ctx.env.service.name
    if is_person(subject):
        await empty_mails(tx, name, subject, await _addresses(ctx, tx, subject))
    if await tx.run(EMPTY_OUTBOX, ERASED_EVENT.format(name), name, subject, AT_ONCE):
        return True
    if is_person(subject):
        await tx.run(EMPTY_INBOX_OF_PERSON, subject)
    elif await _empty_inbox(tx, subject, row["heard_until"] or f"evt_{subject[4:13]}"):
        return True
    if await tx.value(UNSAID, subject) or await tx.value(UNHEARD_OF_PERSON if is_person(subject) else UNHEARD, subject):
        return False
    if is_person(subject) and await has_unsaid_mails(tx, subject):
        return False
    if not await tx.value(OTHERS_ENDED, row["begun_in"]):
        return False
    if is_person(subject):
        return await _finish_person(ctx, tx, subject)
    await _finish(ctx, tx, subject, row["erased"])
    return True


async def _finish_person(ctx: Ctx, tx: Tx, user_id: str) -> bool:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    if erasing.person is not None and not await erasing.person(ctx, tx, user_id):
        return False
    await tx.run(EMPTY_INBOX_OF_PERSON, user_id)
    await tx.run(LAST_WORD, user_id)
    await tx.run(FINISHED, user_id, ctx.now)
    log.info("forgot a person", service=ctx.env.service.name, user_id=user_id)
    return True


async def _addresses(ctx: Ctx, tx: Tx, user_id: str) -> Sequence[str]:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    return [] if erasing.addresses is None else await erasing.addresses(ctx, tx, user_id)


async def _finish(ctx: Ctx, tx: Tx, org_id: str, erased: int) -> None:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    await tx.run(UNPARK, org_id)
    tables = await _tables(tx, frozenset())
    last = sum([await _count(tx, table, org_id) for table in tables])
    await tx.run(COUNTED, org_id, last, "")  # before the last word, which tells how many rows went
    if erasing.last is not None:
        await erasing.last(ctx, tx, org_id)
    for table in tables:
        await _delete(tx, table, org_id)
    await tx.run(FINISHED, org_id, ctx.now)
    await _confirm(ctx, tx, org_id, erased + last)
    log.info("erased an organization", service=ctx.env.service.name, org_id=org_id, rows=erased + last)


async def _confirm(ctx: Ctx, tx: Tx, org_id: str, erased: int) -> None:
    erasing = ctx.env.service.erasing
    assert erasing is not None
    await tx.emit(erasing.said(org_id=org_id, rows=erased))


async def _count(tx: Tx, table: str, org_id: str) -> int:
    return int(await tx.value(f'select count(*) from "{table}" where org_id = $1', org_id))  # noqa: S608


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
