"""What becomes of a closed organization here: time stands still, and of what was, the invoices stay."""

from __future__ import annotations

from datetime import datetime

from shared.db import Read, Row, Tx

# Ten years after the year they were issued in: what the strictest tax laws that it is sold under demand.
KEEP = """
insert into kept_invoices (seller, number, name, corrects, issued_at, due_at, currency, net, tax, content, paid_at, kept_until)
select one.seller, one.number, one.name, corrected.name, one.issued_at, one.due_at, one.currency, one.net, one.tax, one.content,
    payments.paid_at, (date_trunc('year', one.issued_at, 'UTC') + interval '11 years')
from invoices as one left join invoices as corrected on corrected.org_id = one.org_id and corrected.id = one.corrects
left join payments on payments.org_id = one.org_id and payments.invoice_id = one.id
where one.org_id = $1 on conflict do nothing
"""
KEEP_CUSTOMER = """
insert into departed_customers (customer_id, try_at) select customer_id, $2 from payers where org_id = $1 on conflict do nothing
"""


async def set_closed(tx: Tx, org_id: str, *, closed: bool) -> None:
    await tx.run("update organizations set closed = $2 where org_id = $1", org_id, closed)


async def keep_invoices(tx: Tx, org_id: str) -> None:
    """Writes all invoices down where they belong to no organization, once, before they go with everything else."""
    await tx.run(KEEP, org_id)


async def kept_invoices(read: Read, limit: int) -> list[Row]:
    return await read.rows("select * from kept_invoices order by issued_at, number limit $1", limit)


async def forget_kept_invoices(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from kept_invoices where kept_until < least($1, now())", now)


async def keep_customer(tx: Tx, org_id: str, now: datetime) -> None:
    """By whom the organization is known at the provider, before that is forgotten here."""
    await tx.run(KEEP_CUSTOMER, org_id, now)


async def departed_customers(read: Read, now: datetime, limit: int) -> list[tuple[str, int]]:
    """Who is to be removed at the provider, and how often that was tried."""
    rows = await read.rows(
        "select customer_id, tries from departed_customers where try_at <= $1 order by try_at limit $2", now, limit
    )
    return [(row["customer_id"], row["tries"]) for row in rows]


async def try_again(tx: Tx, customer_id: str, at: datetime) -> None:
    await tx.run("update departed_customers set try_at = $2, tries = tries + 1 where customer_id = $1", customer_id, at)


async def forget_customer(tx: Tx, customer_id: str) -> None:
    await tx.run("delete from departed_customers where customer_id = $1", customer_id)
