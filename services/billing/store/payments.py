"""The SQL of what a provider collects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from services.billing.rules.payments import Attempt, Method
from shared.db import Read, Row, Tx

PAYER = """
insert into payers (org_id, customer_id, looked_at) values ($1, $2, $3)
on conflict (org_id) do update set customer_id = payers.customer_id returning customer_id
"""
COLLECT = """
insert into collections (org_id, invoice_id, try_at) values ($1, $2, $3)
on conflict (org_id, invoice_id) do update set try_at = excluded.try_at
"""
COLLECT_ALL = """
insert into collections (org_id, invoice_id, try_at)
select invoices.org_id, invoices.id, $2 from invoices
left join payments on payments.org_id = invoices.org_id and payments.invoice_id = invoices.id
where invoices.org_id = $1 and invoices.corrects is null and payments.paid_at is null and invoices.net + invoices.tax > (
    select coalesce(sum(note.net + note.tax), 0) from invoices as note where note.org_id = invoices.org_id and note.corrects = invoices.id
)
on conflict (org_id, invoice_id) do update set try_at = excluded.try_at, tries = 0
"""
BEGIN = """
insert into attempts (org_id, id, invoice_id, kind, customer_id, method_id, amount, currency, state, started_at, look_at, page_until)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'started', $9, $10, $11) on conflict do nothing
"""
ATTEMPTS = """
select attempts.*, invoices.name as invoice from attempts
join invoices on invoices.org_id = attempts.org_id and invoices.id = attempts.invoice_id
"""
KEEP_METHOD = """
update payers set method_id = $2, brand = $3, last4 = $4, expires = $5, looked_at = $6 where org_id = $1
"""
LAST_FAILED = """
select newest.ended_at as at, coalesce(newest.reason, '') as reason, collections.try_at as next_try_at from (
    select * from attempts where org_id = $1 and invoice_id = $2 order by started_at desc limit 1
) as newest
left join collections on collections.org_id = newest.org_id and collections.invoice_id = newest.invoice_id
where newest.state = 'failed'
"""
UNSEEN = f"""{ATTEMPTS} where attempts.state = 'succeeded' and attempts.started_at >= $1 and attempts.ended_at < $2
and (attempts.seen_at is null or attempts.seen_at < $3)
"""


@dataclass(frozen=True)
class Kept:
    """An attempt and how far it came. `page_until` and `page_url` are of a hosted page."""

    attempt: Attempt
    kind: str
    state: str
    payment_id: str | None
    page_url: str | None
    page_until: datetime | None
    looks: int

    @property
    def under_way(self) -> bool:
        return self.state in ("started", "waiting")


def _kept(row: Row) -> Kept:
    attempt = Attempt(
        id=row["id"],
        org_id=row["org_id"],
        invoice_id=row["invoice_id"],
        invoice=row["invoice"],
        customer_id=row["customer_id"],
        method_id=row["method_id"],
        amount=row["amount"],
        currency=row["currency"],
        started_at=row["started_at"],
    )
    rest = {name: row[name] for name in ("kind", "state", "payment_id", "page_url", "page_until", "looks")}
    return Kept(attempt, **rest)


# What organizations pay by


async def payer(read: Read, org_id: str) -> Row | None:
    return await read.row("select customer_id, method_id, brand, last4, expires from payers where org_id = $1", org_id)


async def payer_of_customer(tx: Tx, customer_id: str) -> Row | None:
    """With the organization, which nobody else changes the method of until this transaction ends."""
    return await tx.row(
        "select org_id, method_id, brand, last4, expires from payers where customer_id = $1 for update", customer_id
    )


async def keep_customer(tx: Tx, org_id: str, customer_id: str, now: datetime) -> str:
    """The customer that counts: the first that was kept."""
    kept: str = await tx.value(PAYER, org_id, customer_id, now)
    return kept


async def keep_method(tx: Tx, org_id: str, method: Method | None, now: datetime) -> None:
    facts = (method.id, method.brand, method.last4, method.expires) if method else (None, None, None, None)
    await tx.run(KEEP_METHOD, org_id, *facts, now)


# What is to be collected


async def collect(tx: Tx, org_id: str, invoice_id: str, at: datetime) -> None:
    await tx.run(COLLECT, org_id, invoice_id, at)


async def collect_all_open(tx: Tx, org_id: str, at: datetime) -> None:
    """Every invoice that is to be paid, from the first try on."""
    await tx.run(COLLECT_ALL, org_id, at)


async def due(read: Read, now: datetime, limit: int) -> list[tuple[str, str]]:
    rows = await read.rows(
        "select org_id, invoice_id from collections where try_at <= $1 order by try_at limit $2", now, limit
    )
    return [(row["org_id"], row["invoice_id"]) for row in rows]


async def tried(tx: Tx, org_id: str, invoice_id: str) -> int:
    """Nothing is due until something says so; how often it was tried, this time included."""
    tries: int | None = await tx.value(
        "update collections set try_at = null, tries = tries + 1 where org_id = $1 and invoice_id = $2 returning tries",
        org_id,
        invoice_id,
    )
    return tries or 0


async def tries(read: Read, org_id: str, invoice_id: str) -> int:
    count: int | None = await read.value(
        "select tries from collections where org_id = $1 and invoice_id = $2", org_id, invoice_id
    )
    return count or 0


async def wait_for_method(tx: Tx, org_id: str, invoice_id: str) -> None:
    await tx.run("update collections set try_at = null where org_id = $1 and invoice_id = $2", org_id, invoice_id)


# Attempts


async def begin(tx: Tx, attempt: Attempt, kind: str, look_at: datetime, page_until: datetime | None = None) -> bool:
    """False when another one for the same invoice is under way."""
    added = await tx.run(
        BEGIN,
        attempt.org_id,
        attempt.id,
        attempt.invoice_id,
        kind,
        attempt.customer_id,
        attempt.method_id,
        attempt.amount,
        attempt.currency,
        attempt.started_at,
        look_at,
        page_until,
    )
    return added == 1


async def under_way(read: Read, org_id: str, invoice_id: str) -> Kept | None:
    row = await read.row(
        f"{ATTEMPTS} where attempts.org_id = $1 and attempts.invoice_id = $2 and attempts.look_at is not null",
        org_id,
        invoice_id,
    )
    return None if row is None else _kept(row)


async def last_failed(read: Read, org_id: str, invoice_id: str) -> Row | None:
    """How the newest attempt failed, and when the next one is due by itself; None unless the newest failed."""
    return await read.row(LAST_FAILED, org_id, invoice_id)


async def lock_attempt(tx: Tx, attempt_id: str) -> Kept | None:
    row = await tx.row(f"{ATTEMPTS} where attempts.id = $1 for update of attempts", attempt_id)
    return None if row is None else _kept(row)


async def unclear(read: Read, now: datetime, limit: int) -> list[Kept]:
    """Attempts whose end isn't known and that it is time to look after."""
    rows = await read.rows(f"{ATTEMPTS} where attempts.look_at <= $1 order by attempts.look_at limit $2", now, limit)
    return [_kept(row) for row in rows]


async def look_again(tx: Tx, attempt: Attempt, state: str, payment_id: str | None, at: datetime) -> None:
    await tx.run(
        "update attempts set state = $3, payment_id = coalesce($4, payment_id), look_at = $5, looks = looks + 1"
        " where org_id = $1 and id = $2 and look_at is not null",
        attempt.org_id,
        attempt.id,
        state,
        payment_id,
        at,
    )


async def keep_page(tx: Tx, attempt: Attempt, url: str) -> None:
    await tx.run(
        "update attempts set page_url = $3, state = 'waiting' where org_id = $1 and id = $2 and look_at is not null",
        attempt.org_id,
        attempt.id,
        url,
    )


async def end(tx: Tx, attempt: Attempt, state: str, payment_id: str | None, reason: str, now: datetime) -> None:
    await tx.run(
        "update attempts set state = $3, payment_id = coalesce($4, payment_id), reason = $5, ended_at = $6, look_at = null"
        " where org_id = $1 and id = $2",
        attempt.org_id,
        attempt.id,
        state,
        payment_id or None,
        reason or None,
        now,
    )


async def hear(tx: Tx, message_id: str, kind: str, now: datetime) -> bool:
    """False when the message was heard before."""
    return (
        await tx.run(
            "insert into provider_messages (id, type, received_at) values ($1, $2, $3) on conflict do nothing",
            message_id,
            kind,
            now,
        )
        == 1
    )


async def heard(read: Read, message_id: str) -> bool:
    return bool(await read.value("select true from provider_messages where id = $1", message_id))


# Reconciliation


async def reconciliation(tx: Tx, now: datetime, since: datetime) -> Row:
    """Today's, begun if it wasn't."""
    await tx.run(
        "insert into reconciliations (day, since, began_at) values ($1, $2, $3) on conflict do nothing",
        now.date(),
        since,
        now,
    )
    row = await tx.row(
        "select day, since, began_at, next_page, compared, ended_at from reconciliations where day = $1", now.date()
    )
    if row is None:
        raise RuntimeError("a reconciliation was begun and isn't there")
    return row


async def last_reconciliation(read: Read) -> Row | None:
    return await read.row("select day, since, compared, ended_at from reconciliations order by day desc limit 1")


async def turn_page(tx: Tx, day: date, next_page: str | None, compared: int, ended_at: datetime | None) -> None:
    await tx.run(
        "update reconciliations set next_page = $2, compared = compared + $3, ended_at = $4 where day = $1",
        day,
        next_page,
        compared,
        ended_at,
    )


async def mark_seen(tx: Tx, attempts: list[str], now: datetime) -> None:
    await tx.run("update attempts set seen_at = $2 where id = any($1::text[])", attempts, now)


async def unseen(read: Read, since: datetime, until: datetime, began_at: datetime) -> list[Kept]:
    """Attempts of that time that succeeded here, and that the comparison which began then didn't come across."""
    return [_kept(row) for row in await read.rows(UNSEEN, since, until, began_at)]


async def note_drift(tx: Tx, subject: str, kind: str, detail: str, now: datetime) -> None:
    await tx.run(
        "insert into drift (subject, kind, detail, found_at) values ($1, $2, $3, $4)"
        " on conflict (subject, kind) do update set detail = excluded.detail",
        subject,
        kind,
        detail,
        now,
    )


async def keep_drift_only(tx: Tx, subject: str, kinds: list[str]) -> None:
    """What was found before and isn't any more is settled."""
    await tx.run("delete from drift where subject = $1 and kind <> all($2::text[])", subject, kinds)


async def drift(read: Read) -> list[Row]:
    return await read.rows(
        "select subject, kind, detail, found_at, accepted_by, accepted_because from drift order by found_at, subject, kind"
    )


async def accept_drift(tx: Tx, subject: str, by: str, because: str) -> int:
    return await tx.run(
        "update drift set accepted_by = $2, accepted_because = $3 where subject = $1", subject, by, because
    )
