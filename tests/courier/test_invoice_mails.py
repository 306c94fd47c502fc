"""What mails about invoices say, in each language, and where they lead."""

from __future__ import annotations

import pytest

from services.courier.rules import url_of
from services.courier.usecases.rendering import every_wording
from shared.ids import new_id

ISSUED = {
    "organization": "Northwind & Sons",
    "number": "TN-000007",
    "invoice_id": new_id("ivc"),
    "amount": "1296.31 EUR",
}
DUE = {"due_at": "2027-01-31T09:00:00+00:00"}
FAILED = ISSUED | DUE | {"method": "Visa •••• 4242"}


@pytest.mark.parametrize(
    ("language", "values", "says"),
    [
        ("en", DUE, "Please pay it by 31 January 2027, 09:00 UTC"),
        ("en", DUE | {"charged": "yes"}, "It will be charged to the payment method"),
        ("en", {}, "Nothing is to be paid"),
        ("de", DUE, "Bitte zahlen Sie bis 31.01.2027, 09:00 UTC"),
        ("de", DUE | {"charged": "yes"}, "über die hinterlegte Zahlungsart eingezogen"),
        ("de", {}, "Es ist nichts zu zahlen"),
    ],
)
def test_an_invoice_is_told_with_the_address_of_its_pdf(language: str, values: dict[str, str], says: str) -> None:
    url = url_of("https://admin.example.com/", "invoice_issued", None, None, ISSUED)
    assert url == f"https://admin.example.com/v1/invoices/{ISSUED['invoice_id']}/pdf"
    words = every_wording()[language].words("invoice_issued", ISSUED | values, url)
    assert "TN-000007" in words.subject
    assert "Northwind & Sons" in words.subject
    for text in (words.text, words.html):
        assert says in text
        assert url in text
        assert {"en": "over €1,296.31", "de": "über 1.296,31\N{NO-BREAK SPACE}€"}[language] in text
    assert "Northwind &amp; Sons" in words.html


@pytest.mark.parametrize(
    ("language", "says", "again", "never"),
    [
        ("en", "from Visa •••• 4242", "again on 2 January", "won't try again"),
        ("de", "nicht von Visa •••• 4242", "am 02.01.2027", "nicht noch einmal"),
    ],
)
def test_a_payment_that_failed_is_told_with_what_it_was_tried_from(
    language: str, says: str, again: str, never: str
) -> None:
    url = url_of("https://admin.example.com", "payment_failed", None, None, FAILED)
    assert url == "https://admin.example.com/console/billing"
    words = every_wording()[language].words("payment_failed", FAILED, url)
    assert says in words.text
    assert never in words.text
    later = FAILED | {"next_try_at": "2027-01-02T09:00:00+00:00"}
    assert again in every_wording()[language].words("payment_failed", later, url).text
    without = every_wording()[language].words("payment_failed", ISSUED | DUE, url)
    assert "Visa" not in without.text


@pytest.mark.parametrize(
    ("language", "one", "several"),
    [
        ("en", "TN-000007 of Northwind & Sons wasn't paid", "TN-000007, TN-000008 of Northwind & Sons weren't paid"),
        ("de", "TN-000007 von Northwind & Sons wurde", "TN-000007, TN-000008 von Northwind & Sons wurden"),
    ],
)
def test_several_invoices_are_told_as_several_with_what_is_open_in_each_currency(
    language: str, one: str, several: str
) -> None:
    late = {"organization": "Northwind & Sons", "plan": "Pro", "next_plan": "Free", "amount": "20.00 EUR, 5.00 USD"}
    wording = every_wording()[language]
    assert one in wording.words("plan_lapsed", late | {"invoices": "TN-000007"}, "https://x.example").text
    text = wording.words("plan_lapsed", late | {"invoices": "TN-000007, TN-000008"}, "https://x.example").text
    assert several in text
    assert {"en": "€20.00, US$5.00", "de": "20,00\N{NO-BREAK SPACE}€, 5,00\N{NO-BREAK SPACE}$"}[language] in text
