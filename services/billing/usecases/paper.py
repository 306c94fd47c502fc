"""An invoice on paper: one PDF, made of what was kept when it was issued and of nothing else, so the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from shared.lettering import drawable

FONTS = Path(__file__).parents[3] / "shared" / "fonts"
LOCALE = "en_GB"
WIDTH = 170.0
AMOUNT = 40.0


class Sheet(FPDF):
    """An A4 page with margins of 20 mm; the seller stands at the foot of each."""

    def __init__(self, number: str, foot: str, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.foot, self.number = foot, number
        self.add_font("sans", "", FONTS / "DejaVuSans.ttf")
        self.add_font("sans", "B", FONTS / "DejaVuSans-Bold.ttf")
        self.set_creation_date(made_at)
        self.set_margins(20, 20, 20)
        self.set_auto_page_break(True, 30)
        self.set_lang("en")
        self.add_page()

    def footer(self) -> None:
        self.set_y(-24)
        self.say(self.foot, size=7)
        self.say(f"{self.number} · page {self.page_no()}/{{nb}}", size=7)

    def say(self, text: str, *, size: float = 9, bold: bool = False, width: float = WIDTH) -> None:
        """A paragraph; the next stands below."""
        self.set_font("sans", "B" if bold else "", size)
        self.multi_cell(width, size * 0.5, drawable(self, text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def row(self, text: str, amount: str, *, bold: bool = False) -> None:
        """Words at the left, an amount at the right."""
        self.set_font("sans", "B" if bold else "", 9)
        if self.will_page_break(22):
            self.add_page()
            self.set_font("sans", "B" if bold else "", 9)
        top = self.get_y()
        self.multi_cell(WIDTH - AMOUNT, 5.5, drawable(self, text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        bottom = self.get_y()
        self.set_xy(20 + WIDTH - AMOUNT, top)
        self.cell(AMOUNT, 5.5, amount, align="R")
        self.set_xy(20, bottom)

    def rule(self) -> None:
        self.ln(1.5)
        self.line(20, self.get_y(), 20 + WIDTH, self.get_y())
        self.ln(1.5)


def draw(row: Mapping[str, Any]) -> bytes:
    """The PDF of an invoice's row."""
    content: dict[str, Any] = orjson.loads(row["content"])
    seller, corrected = content["seller"], content.get("corrects")
    facts = [seller["name"], *seller["address"], *([f"VAT id {seller['vat_id']}"] if seller["vat_id"] else [])]
    sheet = Sheet(row["name"], " · ".join([*facts, *filter(None, [seller["registration"]])]), row["issued_at"])
    title = f"{'Credit note' if corrected else 'Invoice'} {row['name']}"
    sheet.set_title(title)
    sheet.set_author(seller["name"])
    _heading(sheet, title, content)
    _facts(sheet, row, content, corrected)
    _lines(sheet, row, content)
    _sums(sheet, row, content, corrected)
    return bytes(sheet.output())


def _heading(sheet: Sheet, title: str, content: Mapping[str, Any]) -> None:
    customer = content["customer"]
    sheet.say(content["seller"]["name"], size=11, bold=True)
    sheet.ln(14)
    for line in (customer["company"], *customer["address"], customer["country"]):
        if line:
            sheet.say(line)
    if customer["vat_id"]:
        sheet.say(f"VAT id {customer['vat_id']}")
    sheet.ln(10)
    sheet.say(title, size=16, bold=True)
    sheet.ln(3)


def _facts(sheet: Sheet, row: Mapping[str, Any], content: Mapping[str, Any], corrected: Any) -> None:
    start, end = (None if moment is None else datetime.fromisoformat(moment) for moment in content["period"])
    sheet.say(f"Date of issue: {day(row['issued_at'])}")
    if start is not None:
        sheet.say(f"Period of supply: {day(start)}" + (f" to {day(end)}" if end else ""))
    if corrected:
        sheet.say(f"Corrects invoice {corrected['number']} of {day(datetime.fromisoformat(corrected['issued_at']))}")
    else:
        sheet.say(f"Due: {day(row['due_at'])}")
    if content["customer"]["reference"]:
        sheet.say(f"Your reference: {content['customer']['reference']}")
    sheet.ln(6)


def _lines(sheet: Sheet, row: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    sheet.row("Description", f"Net, {row['currency']}", bold=True)
    sheet.rule()
    for line in content["lines"]:
        share = f" ({line['days']} of {line['of_days']} days)" if line["of_days"] else ""
        sheet.row(f"{line['text']}{share}", amount(line["amount"], row["currency"]))
    sheet.rule()


def _sums(sheet: Sheet, row: Mapping[str, Any], content: Mapping[str, Any], corrected: Any) -> None:
    tax, currency = content["tax"], row["currency"]
    sheet.row("Net", amount(row["net"], currency))
    rate = format_decimal(tax["rate"] / 100, locale=LOCALE)
    sheet.row(f"VAT {rate} % ({tax['country']})", amount(row["tax"], currency))
    total = amount(row["net"] + row["tax"], currency)
    sheet.row("Total in your favour" if corrected else "Total", f"{currency} {total}", bold=True)
    sheet.ln(4)
    if tax["note"]:
        sheet.say(tax["note"])
    if content["seller"]["bank"] and not corrected and row["net"] + row["tax"]:
        sheet.say(f"Please pay to {content['seller']['bank']}, quoting {row['name']}.")


def amount(minor: int, currency: str) -> str:
    """In the currency's own number of decimals, without its sign."""
    digits = get_currency_precision(currency)
    sign, whole = ("-" if minor < 0 else ""), abs(minor)
    major, rest = divmod(whole, 10**digits)
    grouped = format_currency(major, currency, "#,##0", locale=LOCALE, currency_digits=False)
    return f"{sign}{grouped}" + (f".{rest:0{digits}}" if digits else "")


def day(moment: datetime) -> str:
    return format_date(moment.astimezone(UTC).date(), "d MMMM y", locale=LOCALE)
