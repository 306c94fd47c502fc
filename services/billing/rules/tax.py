"""Which tax an invoice bears, and how much: pure decisions. Rates are in hundredths of a percent (1900 = 19 %).

The service is one supplied electronically: between businesses of two member states of the European Union the recipient
accounts for the tax (Art. 44 and 196 of Directive 2006/112/EC); who names no valid VAT id pays the tax of their country.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stdnum.eu import vat

from services.billing.rules import share

TaxKind = Literal["domestic", "destination", "reverse_charge", "outside"]

UNION = frozenset(code.upper() for code in vat.MEMBER_STATES if code != "xi")
PREFIXES = {"GR": "EL"}
WHOLE = 10_000

NOTES: Mapping[TaxKind, str] = {
    "domestic": "",
    "destination": "Tax of the recipient's country.",
    "reverse_charge": "Reverse charge: the recipient accounts for the VAT (Art. 196 Directive 2006/112/EC).",
    "outside": "Not taxable: the place of supply is outside the European Union (Art. 44 Directive 2006/112/EC).",
}


@dataclass(frozen=True)
class Tax:
    """How an invoice is taxed; `country` is whose tax it is."""

    kind: TaxKind
    country: str
    rate: int

    @property
    def note(self) -> str:
        return NOTES[self.kind]

    def on(self, net: int) -> int:
        """The tax on an amount, half up, the same for what is charged and what is given back."""
        return share(net, self.rate, WHOLE) if net >= 0 else -share(-net, self.rate, WHOLE)


def tax_of(seller: str, customer: str | None, vat_id: str | None, rates: Mapping[str, int]) -> Tax:
    """Countries as ISO 3166 codes; `vat_id` as `vat_id_of` made it. A customer who hasn't said where they are counts as at home."""
    customer = customer or seller
    if customer == seller:
        return Tax("domestic", seller, rates.get(seller, 0))
    if seller not in UNION:
        return Tax("destination", customer, rates[customer]) if customer in rates else Tax("outside", customer, 0)
    if customer not in UNION:
        return Tax("outside", customer, 0)
    if vat_id is not None:
        return Tax("reverse_charge", customer, 0)
    if customer in rates:
        return Tax("destination", customer, rates[customer])
    return Tax("domestic", seller, rates.get(seller, 0))


def vat_id_of(country: str, text: str) -> str | None:
    """The id in its one spelling, with the country's prefix; None when no such id can exist there. Outside the Union any id is taken as it is."""
    compact = "".join(letter for letter in unicodedata.normalize("NFKC", text).upper() if letter.isalnum())
    if country not in UNION:
        return compact if 4 <= len(compact) <= 20 else None
    prefix = PREFIXES.get(country, country)
    wanted = compact if compact.startswith(prefix) else prefix + compact
    return wanted if wanted.isascii() and vat.is_valid(wanted) else None
