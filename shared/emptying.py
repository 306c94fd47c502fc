"""Events that lose what they say and keep their number, so that sequences have no gaps: of who is erased, and mails that were asked for.

A mail that was asked for is a task. What it says goes when whom it is for closes their account, whoever asked for it, and after a month in any case.
"""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.db import Read, Tx
from shared.events import ERASED_EVENT
from shared.events.courier import MailRequested
from shared.service import Ctx

AT_ONCE = 5000
MAILS_KEPT = timedelta(days=30)

EMPTIED = """
update outbox set type = $1, body = convert_to(json_build_object(
    'specversion', '1.0', 'id', id, 'source', '/services/' || $2::text, 'type', $1::text, 'subject', subject,
    'time', convert_from(body, 'UTF8')::json ->> 'time', 'datacontenttype', 'application/json',
    'dataschema', '/schemas/events/' || $1::text || '.json', 'sequence', sequence, 'orgid', org_id, 'data', json_build_object()
)::text, 'UTF8')
"""
MAIL = f"type = '{MailRequested.TYPE}'"
FOR_THEM = "(reader_of(body) = $3 or recipient_of(body) = any($4::text[]))"
EMPTY_MAILS = f"{EMPTIED} where {MAIL} and {FOR_THEM} and published_at is not null"
UNSAID_MAILS = (
    f"select exists (select from outbox where {MAIL} and {FOR_THEM.replace('$3', '$1').replace('$4', '$2')}"
    " and published_at is null)"
)
EMPTY_OLD_MAILS = f"""{EMPTIED}
where position = any(array(
    select position from outbox where {MAIL} and said_at < now() - $3::interval and published_at is not null order by said_at limit $4
))
"""
HEARD_MAILS = (
    f"update inbox set body = null, error = null where {MAIL} and body is not null and state not in ('waiting', 'dead')"
)
EMPTY_HEARD_MAILS = f"{HEARD_MAILS} and {FOR_THEM.replace('$3', '$1').replace('$4', '$2')}"
EMPTY_OLD_HEARD_MAILS = f"""{HEARD_MAILS}
and id = any(array(
    select id from inbox where {MAIL} and body is not null and state not in ('waiting', 'dead')
        and received_at < now() - $1::interval order by received_at limit $2
))
"""
# Where the last mail to whoever closed their account goes.
LAST_ADDRESS = f"""
select recipient_of(body) as address from outbox
    where subject = $1 and {MAIL} and position('"template":"account_closed"'::bytea in body) > 0
union
select recipient_of(body) from inbox
    where subject = $1 and subject like 'usr\\_%' and {MAIL} and body is not null and position('"template":"account_closed"'::bytea in body) > 0
"""
AS_IN_A_BODY = (
    "select lower(encode(convert_to(address, 'UTF8'), 'escape')) as address from unnest($1::text[]) as address"
)


async def empty_mails(tx: Tx, service: str, user_id: str, addresses: Sequence[str]) -> None:
    """Empties the mails that a person was to get, at their last address or, under their id, at any; at `addresses` that the service knows as well."""
    own = [row["address"] for row in await tx.rows(AS_IN_A_BODY, list(addresses))]
    own += [row["address"] for row in await tx.rows(LAST_ADDRESS, user_id)]
    await tx.run(EMPTY_MAILS, ERASED_EVENT.format(service), service, user_id, own)
    await tx.run(EMPTY_HEARD_MAILS, user_id, own)


async def has_unsaid_mails(read: Read, user_id: str) -> bool:
    """Whether the bus hasn't taken yet what is to be emptied."""
    return bool(await read.value(UNSAID_MAILS, user_id, []))


async def empty_old_mails(ctx: Ctx) -> None:
    """The job: what mails say that were asked for more than a month ago. Courier keeps its own record of what it sent."""
    name = ctx.env.service.name
    async with ctx.tx() as tx:
        await tx.run(EMPTY_OLD_MAILS, ERASED_EVENT.format(name), name, MAILS_KEPT, AT_ONCE)
        await tx.run(EMPTY_OLD_HEARD_MAILS, MAILS_KEPT, AT_ONCE)
