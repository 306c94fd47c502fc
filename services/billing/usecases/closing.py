"""Before billing forgets an organization: what was invoiced is put where the law wants it kept, and in time it goes from there too. The payment provider forgets it as well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from services.billing.rules.payments import Refused, UnknownOutcome
from services.billing.store import closing
from services.billing.usecases.own import own
from shared.db import Tx
from shared.fields import Money, Nothing, View
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 20
LONGEST_WAIT = timedelta(hours=12)


class KeptInvoice(View):
    """An invoice of an organization that is no more. `content` is all that stands on it."""

    number: str
    corrects: str | None
    issued_at: datetime
    paid_at: datetime | None
    kept_until: datetime
    total: Money
    customer: str
    content: dict[str, Any]


class KeptInvoices(View):
    data: tuple[KeptInvoice, ...]


async def list_kept_invoices(ctx: Ctx, _: Nothing) -> KeptInvoices:
    """For operators, the oldest first, at most 500."""
    async with ctx.read() as read:
        rows = await closing.kept_invoices(read, 500)
    return KeptInvoices(data=[_kept(dict(row), orjson.loads(row["content"])) for row in rows])


def _kept(row: dict[str, Any], content: dict[str, Any]) -> KeptInvoice:
    return KeptInvoice(
        number=row["name"],
        corrects=row["corrects"],
        issued_at=row["issued_at"],
        paid_at=row["paid_at"],
        kept_until=row["kept_until"],
        total=Money(amount_minor=row["net"] + row["tax"], currency=row["currency"]),
        customer=content["customer"]["company"],
        content=content,
    )


async def keep_what_stays(ctx: Ctx, tx: Tx, org_id: str) -> bool:
    """Its invoices, and who it is at the provider until that has forgotten it."""
    await closing.keep_invoices(tx, org_id)
    await closing.keep_customer(tx, org_id, ctx.now)
    return True


async def forget_customers(ctx: Ctx) -> None:
    """The job: removes customers of erased organizations at the provider, until it says that they are gone."""
    provider = own(ctx).provider
    if not provider.collects:
        return
    async with ctx.read() as read:
        due = await closing.departed_customers(read, ctx.now, AT_ONCE)
    gone, waiting = [], []
    for customer_id, tries in due:
        try:
            await provider.remove_customer(customer_id)
            gone.append(customer_id)
        except (UnknownOutcome, Refused) as why:
            log.warning("a customer can't be removed at the provider yet", customer=customer_id, why=str(why))
            waiting.append((customer_id, ctx.now + min(timedelta(minutes=2**tries), LONGEST_WAIT)))
    async with ctx.tx() as tx:
        for customer_id in gone:
            await closing.forget_customer(tx, customer_id)
        for customer_id, at in waiting:
            await closing.try_again(tx, customer_id, at)


async def forget_kept_invoices(ctx: Ctx) -> None:
    """The job: what nobody has to keep any longer is gone."""
    async with ctx.tx() as tx:
        await closing.forget_kept_invoices(tx, ctx.now)
