"""Commands about invoices: list, paid, credit. All of them ask billing, which decides and says so."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from babel.numbers import get_currency_precision

from shared.cli.asking import asking
from shared.cli.place import Refused
from shared.cli.plans import operator
from shared.cli.run import Data, finish
from shared.process import Product

Number = Annotated[str, typer.Argument(help="The invoice's number, e.g. TN-000042.")]


def add_to(app: typer.Typer, product: Product) -> None:
    invoices = typer.Typer(no_args_is_help=True, help="Invoices, and what was paid.")
    app.add_typer(invoices, name="invoices")

    @invoices.command("list")
    def list_them(
        org: Annotated[str | None, typer.Option(help="One organization's id.")] = None,
        settled: Annotated[bool, typer.Option("--all", help="Those that are paid as well, and credit notes.")] = False,
        data: Data = None,
    ) -> None:
        """Lists what is to be paid, the oldest first."""
        finish(_list(data, org, settled))

    @invoices.command("kept")
    def kept(data: Data = None) -> None:
        """Lists invoices of organizations that were erased, which the law demands to keep."""
        finish(_kept(data))

    @invoices.command("paid")
    def paid(
        number: Number,
        reference: Annotated[str, typer.Option(help="Where it can be seen, e.g. of the bank statement.")],
        data: Data = None,
    ) -> None:
        """Records that an invoice was paid."""
        finish(_paid(data, number, reference))

    @invoices.command("credit")
    def credit(
        number: Number,
        reason: Annotated[str, typer.Option(help="Why; it stands on the credit note.")],
        net: Annotated[
            str | None, typer.Option(help="How much without tax, e.g. 20.00 (default: all that is left).")
        ] = None,
        data: Data = None,
    ) -> None:
        """Corrects an invoice by a credit note; the invoice itself is never changed."""
        finish(_credit(data, number, reason, net))


async def _list(data: Path | None, org: str | None, settled: bool) -> None:
    query = f"?settled={str(settled).lower()}" + (f"&org_id={org}" if org else "")
    async with asking(data, "billing") as ask:
        found = (await ask("GET", f"/internal/invoices{query}"))["data"]
    for one in found:
        print(
            f"{one['number']:14} {one['status']:8} due {one['due_at'][:10]}  {written(one['open']):>16} of"
            f" {written(one['total']):>16}  {one['org_id']}  {one['customer']}"
        )


async def _kept(data: Path | None) -> None:
    async with asking(data, "billing") as ask:
        found = (await ask("GET", "/internal/kept-invoices"))["data"]
    for one in found:
        print(
            f"{one['number']:14} {one['issued_at'][:10]}  {written(one['total']):>16}  until {one['kept_until'][:10]}  {one['customer']}"
        )


async def _paid(data: Path | None, number: str, reference: str) -> None:
    async with asking(data, "billing") as ask:
        done = await ask("POST", "/internal/payments", {"number": number, "reference": reference, "by": operator()})
    print(f"{done['number']} of {done['customer']} is paid.")


async def _credit(data: Path | None, number: str, reason: str, net: str | None) -> None:
    async with asking(data, "billing") as ask:
        body: dict[str, Any] = {"number": number, "reason": reason, "by": operator()}
        if net is not None:
            body["net_minor"] = await _minor(ask, number, net)
        note = await ask("POST", "/internal/credit-notes", body)
    print(f"{note['number']} corrects {number} by {written(note['net'])} and {written(note['tax'])} of tax.")


async def _minor(ask: Any, number: str, net: str) -> int:
    """An amount as people write it, in the smallest unit of the invoice's currency."""
    found = (await ask("GET", f"/internal/invoices?settled=true&number={quote(number)}"))["data"]
    if not found:
        raise Refused(f"There is no invoice {number}.")
    currency = found[0]["total"]["currency"]
    try:
        minor = Decimal(net).scaleb(get_currency_precision(currency))
        whole = int(minor)
    except (InvalidOperation, ValueError, OverflowError):
        raise Refused(f"{net} isn't an amount.") from None
    if minor != whole:
        raise Refused(f"{net} is finer than {currency} can be.")
    return whole


def written(money: dict[str, Any]) -> str:
    digits = get_currency_precision(money["currency"])
    return f"{Decimal(money['amount_minor']).scaleb(-digits):,.{digits}f} {money['currency']}"
