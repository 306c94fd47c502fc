"""The SQL of invoices, payments and billing details."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from shared.db import Read, Row, Tx
from shared.errors import Problem

COUNT = """
insert into invoice_counters as known (seller, last) values ($1, 1)
on conflict (seller) do update set last = known.last + 1 returning last
"""
ISSUE = """
insert into invoices (org_id, id, seller, number, name, corrects, issued_at, due_at, currency, net, tax, content)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
INVOICES = """
select invoices.*, payments.paid_at, payments.reference, notes.net as credited_net, notes.tax as credited_tax,
    (select corrected.name from invoices as corrected where corrected.org_id = invoices.org_id and corrected.id = invoices.corrects) as corrects_name
from invoices left join payments on payments.org_id = invoices.org_id and payments.invoice_id = invoices.id
cross join lateral (
    select coalesce(sum(net), 0)::bigint as net, coalesce(sum(tax), 0)::bigint as tax from invoices as note
    where note.org_id = invoices.org_id and note.corrects = invoices.id
) as notes
"""
PAGE = f"{INVOICES} where invoices.org_id = $1 and ($2::text is null or invoices.id < $2) order by invoices.id desc limit $3"
ONE = f"{INVOICES} where invoices.org_id = $1 and invoices.id = $2"
NAMED = f"{INVOICES} where invoices.name = $1"
ALL = f"{INVOICES} where ($1 = '' or invoices.org_id = $1) and ($4 = '' or invoices.name = $4) and ($2 or payments.paid_at is null and invoices.corrects is null and invoices.net + invoices.tax > notes.net + notes.tax) order by invoices.issued_at, invoices.id limit $3"
KEEP_DETAILS = """
insert into billing_details (org_id, company, address, country, vat_id, email, reference, version, changed_by, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9)
on conflict (org_id) do update set company = excluded.company, address = excluded.address, country = excluded.country,
    vat_id = excluded.vat_id, email = excluded.email, reference = excluded.reference,
    version = billing_details.version + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at
returning version
"""


OVERDUE = """
select invoices.name, invoices.org_id, invoices.net + invoices.tax - coalesce(notes.total, 0) as open, invoices.currency from invoices
left join payments on payments.org_id = invoices.org_id and payments.invoice_id = invoices.id
left join lateral (
    select sum(note.net + note.tax)::bigint as total from invoices as note where note.org_id = invoices.org_id and note.corrects = invoices.id
) as notes on true
where invoices.corrects is null and invoices.due_at <= $1 and payments.paid_at is null
    and invoices.net + invoices.tax > coalesce(notes.total, 0)
"""
OVERDUE_OF = f"{OVERDUE} and invoices.org_id = $2 order by invoices.number"
OWING = f"""
select distinct overdue.org_id from ({OVERDUE}) as overdue
join subscriptions on subscriptions.org_id = overdue.org_id and subscriptions.status = 'active' and subscriptions.price > 0 limit $2
"""  # noqa: S608
PAST_DUE = """
select org_id from subscriptions where past_due_since <= $1 or (past_due_since <= $2 and not past_due_reminded)
order by past_due_since limit $3
"""


@dataclass(frozen=True)
class Details:
    """Who invoices are addressed to. Version 0: nobody has said, so it is the organization itself."""

    company: str
    address: Sequence[str]
    country: str | None
    vat_id: str | None
    email: str
    reference: str | None
    version: int
    changed_by: str | None = None
    changed_at: datetime | None = None


async def details(read: Read, org_id: str) -> Details | None:
    """None when billing doesn't know the organization."""
    row = await read.row(
        "select company, address, country, vat_id, email, reference, version, changed_by, changed_at"
        " from billing_details where org_id = $1",
        org_id,
    )
    if row is not None:
        return Details(**dict(row))
    row = await read.row("select name, contact_email from organizations where org_id = $1", org_id)
    return None if row is None else Details(row["name"], (), None, None, row["contact_email"], None, 0)


async def keep_details(tx: Tx, org_id: str, new: Details, by: str | None, now: datetime) -> int:
    """The version that it has now."""
    version: int = await tx.value(
        KEEP_DETAILS, org_id, new.company, list(new.address), new.country, new.vat_id, new.email, new.reference, by, now
    )
    return version


async def lock_details(tx: Tx, org_id: str) -> None:
    """Nobody else changes the details, even where there are none yet, until this transaction ends."""
    await tx.value("select org_id from organizations where org_id = $1 for update", org_id)


async def location(read: Read, org_id: str) -> str:
    return str(await read.value("select location from organizations where org_id = $1", org_id) or "eu")


async def next_number(tx: Tx, seller: str) -> int:
    """Taken from whoever waits behind this transaction only when it commits: there are no gaps."""
    number: int = await tx.value(COUNT, seller)
    return number


async def issue(tx: Tx, org_id: str, invoice: dict[str, Any]) -> None:
    await tx.run(
        ISSUE,
        org_id,
        *(
            invoice[name]
            for name in (
                "id",
                "seller",
                "number",
                "name",
                "corrects",
                "issued_at",
                "due_at",
                "currency",
                "net",
                "tax",
            )
        ),
        orjson.dumps(invoice["content"]).decode(),
    )


async def page(read: Read, org_id: str, before: str | None, limit: int) -> list[Row]:
    """Invoices and credit notes, the newest first."""
    return await read.rows(PAGE, org_id, before, limit)


async def count(read: Read, org_id: str) -> int:
    number: int = await read.value("select count(*) from invoices where org_id = $1", org_id)
    return number


async def one(read: Read, org_id: str, invoice_id: str) -> Row | None:
    return await read.row(ONE, org_id, invoice_id)


async def notes_on(read: Read, org_id: str, invoice_id: str) -> list[Row]:
    """The credit notes that correct an invoice, the oldest first."""
    return await read.rows(
        "select id, name, issued_at, net + tax as total from invoices where org_id = $1 and corrects = $2 order by id",
        org_id,
        invoice_id,
    )


async def exists(read: Read, org_id: str, invoice_id: str) -> bool:
    return bool(await read.value("select true from invoices where org_id = $1 and id = $2", org_id, invoice_id))


async def named(read: Read, name: str) -> Row | None:
    """The invoice with that number, whosever it is: for operators."""
    return await read.row(NAMED, name)


async def lock(tx: Tx, org_id: str) -> None:
    """Payments and credit notes of an organization are recorded one after the other."""
    await tx.value("select org_id from organizations where org_id = $1 for update", org_id)


async def every(read: Read, org_id: str, number: str, settled: bool, limit: int) -> list[Row]:
    return await read.rows(ALL, org_id, settled, limit, number)


async def overdue(read: Read, org_id: str, now: datetime) -> list[Row]:
    """What the organization should have paid by now."""
    return await read.rows(OVERDUE_OF, now, org_id)


async def owing(read: Read, now: datetime, limit: int) -> list[str]:
    """Organizations on a paid plan with something overdue that they weren't told of yet."""
    return [row["org_id"] for row in await read.rows(OWING, now, limit)]


async def past_due(read: Read, grace_over: datetime, remind: datetime, limit: int) -> list[str]:
    """Those whose grace began so long ago that it is over, or that they are to be reminded."""
    return [row["org_id"] for row in await read.rows(PAST_DUE, grace_over, remind, limit)]


async def pay(tx: Tx, org_id: str, invoice_id: str, paid_at: datetime, reference: str, by: str) -> None:
    try:
        await tx.run(
            "insert into payments (org_id, invoice_id, paid_at, reference, recorded_by) values ($1, $2, $3, $4, $5)",
            org_id,
            invoice_id,
            paid_at,
            reference,
            by,
        )
    except asyncpg.UniqueViolationError:
        raise Problem("already_exists", "This invoice is paid already.", meta={"because": "paid"}) from None
