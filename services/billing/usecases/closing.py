"""Before billing forgets an organization: what was invoiced is put where the law wants it kept, and in time it goes from there too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from services.billing.store import closing
from shared.db import Tx
from shared.fields import Money, Nothing, View
from shared.service import Ctx


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
    data: Sequence[KeptInvoice]


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


async def keep_invoices(ctx: Ctx, tx: Tx, org_id: str) -> bool:
    await closing.keep_invoices(tx, org_id)
    return True


async def forget_kept_invoices(ctx: Ctx) -> None:
    """The job: what nobody has to keep any longer is gone."""
    async with ctx.tx() as tx:
        await closing.forget_kept_invoices(tx, ctx.now)
