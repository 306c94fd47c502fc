"""Invoices: issued with the money they are about, counted without gaps, never changed, paid and corrected by the operator."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pypdf import PdfReader

from services.billing.usecases.paper import amount
from services.launcher import PRODUCT
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.billing import (
    BillingDetailsChanged,
    EntitlementsChanged,
    InvoiceCredited,
    InvoiceIssued,
    InvoicePaid,
)
from shared.events.courier import MailRequested
from shared.ids import new_id
from tests.billing.conftest import Stage
from tests.system.commands import announce, tenantry
from tests.world import Reply

OPERATOR = Actor("service", service="billing")
FRANCE = {
    "company": "Łódź & Söhne Ελλάς",
    "address": ["12 rue de la Paix", "75002 Paris"],
    "country": "FR",
    "vat_id": "fr 40 303 265 045",
    "email": "compta@northwind.example",
    "reference": "PO-7",
}


async def invoices(stage: Stage, actor: Actor | None = None) -> Any:
    return (await stage.ask("GET", "/v1/invoices", actor=actor)).ok()["data"]


async def record(stage: Stage, path: str, number: str, **more: Any) -> Reply:
    return await stage.ask("POST", f"/internal/{path}", {"number": number, "by": "olga", **more}, actor=OPERATOR)


async def pay(stage: Stage, number: str) -> Reply:
    return await record(stage, "payments", number, reference="bank statement 12")


def euro(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "EUR"}


async def test_an_upgrade_is_invoiced_as_it_was_previewed_to_the_cent(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    await stage.pass_time(days=9, hours=5)
    money = (await stage.preview("business"))["money"]
    assert money["total_now"]["amount_minor"] == money["due_now"]["amount_minor"] + money["tax"]["amount_minor"]
    reply = await stage.change("business")
    newest, first = await invoices(stage)
    assert (newest["number"], first["number"]) == ("TN-000002", "TN-000001")
    assert (first["net"], first["tax"], first["total"]) == (euro(24900), euro(4731), euro(29631))
    assert (newest["net"], newest["tax"], newest["total"]) == (money["due_now"], money["tax"], money["total_now"])
    whole = (await stage.ask("GET", f"/v1/invoices/{newest['id']}")).ok()
    shown = [{name: line[name] for name in ("kind", "text", "amount", "days", "of_days")} for line in money["lines"]]
    assert whole["lines"] == shown
    assert (whole["status"], whole["tax_kind"], whole["tax_rate"]) == ("open", "domestic", 1900)
    issued, mail, _, granted = (await stage.world.said("billing"))[-4:]
    assert (reply.change, granted.type) == (granted.id, EntitlementsChanged.TYPE)
    assert InvoiceIssued.read(issued).invoice.number == "TN-000002"
    asked = MailRequested.read(mail)
    assert (asked.template, asked.to) == ("invoice_issued", "ada@northwind.example")
    assert (asked.values["invoice_id"], asked.values["amount"], asked.values["charged"]) == (
        newest["id"],
        f"{money['total_now']['amount_minor'] / 100:.2f} EUR",
        "",
    )


async def test_each_period_is_invoiced_and_what_costs_nothing_is_not(stage: Stage) -> None:
    (await stage.ask("POST", "/v1/subscription/trial")).ok()
    (await stage.change("pro", when="period_end")).ok()
    assert await invoices(stage) == []
    await stage.pass_time(days=80)
    found = [(await stage.ask("GET", f"/v1/invoices/{one['id']}")).ok() for one in await invoices(stage)]
    assert [one["net"] for one in found] == [euro(24900)] * 3
    assert [one["period_end"] for one in found[1:]] == [one["period_start"] for one in found[:-1]]
    (await stage.change("free", when="now")).ok()
    closing = (await stage.ask("GET", f"/v1/invoices/{(await invoices(stage))[0]['id']}")).ok()
    assert [line["kind"] for line in closing["lines"]] == ["unused", "kept"]
    assert (closing["net"], closing["status"]) == (euro(0), "paid")


async def test_numbers_have_no_gaps_whatever_fails_and_however_many_buy_at_once(stage: Stage) -> None:
    buyers = [stage.ada, *[await stage.found(f"Buyer {number}") for number in range(5)]]

    async def buy(actor: Actor) -> int:
        body = {"plan": "pro"}
        seen = (await stage.ask("POST", "/v1/subscription/change-previews", body, actor=actor)).ok()
        body |= {"fingerprint": seen["fingerprint"]}
        replies = await asyncio.gather(
            *(
                stage.ask("POST", "/v1/subscription/changes", body, actor=actor, Idempotency_Key=f"{key}")
                for key in range(3)
            )
        )
        return [reply.status for reply in replies].count(201)

    assert await asyncio.gather(*(buy(actor) for actor in buyers)) == [1] * len(buyers)
    numbers = [one["number"] for actor in buyers for one in await invoices(stage, actor)]
    assert sorted(numbers) == [f"TN-{number:06}" for number in range(1, len(buyers) + 1)]


async def test_the_database_lets_nobody_change_or_remove_an_invoice(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    database = stage.world.started["billing"].env.database
    for statement in ("update invoices set net = 1", "delete from invoices", "truncate invoices cascade"):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            async with database.tx(EVERY_ORG, lambda e: e) as tx:
                await tx.run(statement)


# Who it is addressed to


async def test_a_business_of_another_member_state_accounts_for_the_tax_itself(stage: Stage) -> None:
    before = await stage.ask("GET", "/v1/billing-details")
    assert (before.json["company"], before.json["country"]) == ("Northwind Analytics", None)
    assert before.headers["etag"] == '"0"'
    fingerprint = (await stage.preview("pro"))["fingerprint"]
    changed = await stage.ask("PUT", "/v1/billing-details", FRANCE, If_Match='"0"')
    assert (changed.ok()["vat_id"], changed.headers["etag"]) == ("FR40303265045", '"1"')
    assert changed.json["tax_kind"] == "reverse_charge"
    assert (await stage.change("pro", fingerprint=fingerprint)).code == "fingerprint_mismatch"
    (await stage.change("pro")).ok()
    invoice = (await stage.ask("GET", f"/v1/invoices/{(await invoices(stage))[0]['id']}")).ok()
    assert (invoice["tax"], invoice["total"], invoice["tax_kind"]) == (euro(0), euro(24900), "reverse_charge")
    assert "Art. 196" in invoice["tax_note"]
    assert (invoice["customer"]["name"], invoice["reference"]) == (FRANCE["company"], "PO-7")
    told = BillingDetailsChanged.read((await stage.world.said("billing", BillingDetailsChanged))[0]).details
    assert (told.vat_id, told.version) == ("FR40303265045", 1)


async def test_an_invoice_stays_as_it_was_when_the_details_change(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    path = f"/v1/invoices/{(await invoices(stage))[0]['id']}"
    before, paper = (await stage.ask("GET", path)).ok(), (await stage.ask("GET", f"{path}/pdf")).body
    (await stage.ask("PUT", "/v1/billing-details", FRANCE, If_Match="*")).ok()
    assert (await stage.ask("GET", path)).ok() == before
    assert (await stage.ask("GET", f"{path}/pdf")).body == paper


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vat_id", "FR00000000000"),
        ("country", "XQ"),
        ("country", "france"),
        ("email", "no"),
        ("address", []),
        ("company", " "),
    ],
)
async def test_details_that_can_not_be_are_refused_by_name(stage: Stage, field: str, value: Any) -> None:
    reply = await stage.ask("PUT", "/v1/billing-details", {**FRANCE, field: value}, If_Match="*")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, f"/{field}")
    assert (await stage.ask("GET", "/v1/billing-details")).headers["etag"] == '"0"'


async def test_details_are_changed_by_one_at_a_time(stage: Stage) -> None:
    replies = await asyncio.gather(*(stage.ask("PUT", "/v1/billing-details", FRANCE, If_Match='"0"') for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 412, 412, 412, 412]
    assert (await stage.ask("PUT", "/v1/billing-details", FRANCE)).code == "precondition_required"


# Paper


async def test_the_pdf_says_what_a_bookkeeper_looks_for_and_is_the_same_each_time(stage: Stage) -> None:
    (await stage.ask("PUT", "/v1/billing-details", {**FRANCE, "vat_id": None}, If_Match="*")).ok()
    (await stage.change("pro")).ok()
    path = f"/v1/invoices/{(await invoices(stage))[0]['id']}/pdf"
    paper = await stage.ask("GET", path)
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.headers["content-disposition"] == 'attachment; filename="TN-000001.pdf"'
    assert (await stage.ask("GET", path)).body == paper.body
    reader = PdfReader(io.BytesIO(paper.body))
    text = " ".join(page.extract_text() for page in reader.pages)
    for words in (
        "Invoice TN-000001",
        "Łódź & Söhne Ελλάς",
        "75002 Paris",
        "PO-7",
        "Date of issue",
        "Period of supply",
        "Pro, one month",
        "249.00",
        "VAT 20 % (FR)",
        "49.80",
        "EUR 298.80",
        "VAT id DE136695976",
    ):
        assert words in text, words
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice TN-000001"


async def test_an_invoice_spells_out_the_letters_that_it_cannot_draw(stage: Stage) -> None:
    (
        await stage.ask("PUT", "/v1/billing-details", {**FRANCE, "company": "Söhne 王伟", "vat_id": None}, If_Match="*")
    ).ok()
    (await stage.change("pro")).ok()
    paper = await stage.ask("GET", f"/v1/invoices/{(await invoices(stage))[0]['id']}/pdf")
    assert "Söhne [U+738B U+4F1F]" in PdfReader(io.BytesIO(paper.body)).pages[0].extract_text()


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (0, "EUR", "0.00"),
        (-5, "EUR", "-0.05"),
        (123456789, "EUR", "1,234,567.89"),
        (500, "JPY", "500"),
        (1234, "KWD", "1.234"),
    ],
)
def test_amounts_have_the_currencys_own_decimals(minor: int, currency: str, written: str) -> None:
    assert amount(minor, currency) == written


# What an operator records


async def test_an_invoice_is_paid_once(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    replies = await asyncio.gather(*(pay(stage, "TN-000001") for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]
    paid = (await invoices(stage))[0]
    assert (paid["status"], paid["open"]) == ("paid", euro(0))
    told = InvoicePaid.read((await stage.world.said("billing", InvoicePaid))[0])
    assert (told.invoice.number, told.reference, told.recorded_by) == ("TN-000001", "bank statement 12", "olga")
    assert (await pay(stage, "TN-000009")).code == "not_found"


async def test_an_invoice_is_overdue_once_its_day_has_passed(stage: Stage) -> None:
    (await stage.change("pro", "year")).ok()
    assert (await invoices(stage))[0]["status"] == "open"
    await stage.pass_time(days=30, seconds=1)
    assert (await invoices(stage))[0]["status"] == "overdue"


async def test_credit_notes_correct_an_invoice_in_parts_and_are_counted_with_it(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    part = (await record(stage, "credit-notes", "TN-000001", net_minor=10_001, reason="Outage")).ok()
    assert (part["number"], part["kind"], part["net"], part["tax"]) == (
        "TN-000002",
        "credit_note",
        euro(10_001),
        euro(1900),
    )
    note, invoice = await invoices(stage)
    assert (note["status"], note["corrects"]) == ("issued", invoice["id"])
    assert invoice["open"] == euro(29631 - 11901)
    assert (await record(stage, "credit-notes", "TN-000001", net_minor=15_000, reason="More")).code == "conflict"
    rest = (await record(stage, "credit-notes", "TN-000001", reason="Goodwill")).ok()
    assert (rest["net"], rest["tax"]) == (euro(14_899), euro(2831))
    assert (await invoices(stage))[2]["status"] == "credited"
    whole = (await stage.ask("GET", f"/v1/invoices/{invoice['id']}")).ok()
    assert [(one["number"], one["total"]) for one in whole["credit_notes"]] == [
        ("TN-000002", euro(11901)),
        ("TN-000003", euro(17730)),
    ]
    assert whole["corrects_number"] is None
    assert (await stage.ask("GET", f"/v1/invoices/{note['id']}")).ok()["corrects_number"] == "TN-000001"
    for number, path in (("TN-000001", "payments"), ("TN-000002", "payments")):
        assert (await record(stage, path, number, reference="bank")).status == 409
    for number in ("TN-000001", "TN-000002"):
        assert (await record(stage, "credit-notes", number, reason="Again")).code == "conflict"
    told = [InvoiceCredited.read(one) for one in await stage.world.said("billing", InvoiceCredited)]
    assert [(one.invoice.number, one.reason, one.credited_by) for one in told] == [
        ("TN-000002", "Outage", "olga"),
        ("TN-000003", "Goodwill", "olga"),
    ]
    text = (
        PdfReader(io.BytesIO((await stage.ask("GET", f"/v1/invoices/{note['id']}/pdf")).body)).pages[0].extract_text()
    )
    assert "Corrects invoice TN-000001" in text
    assert "Total in your favour" in text


async def test_two_credit_notes_at_once_never_give_back_more_than_was_charged(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    replies = await asyncio.gather(
        *(record(stage, "credit-notes", "TN-000001", net_minor=20_000, reason="Twice") for _ in range(4))
    )
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]


@pytest.mark.parametrize("net", [0, -1, 2**63, 0.1, "1e3", True])
async def test_an_amount_that_is_none_is_refused(stage: Stage, net: Any) -> None:
    (await stage.change("pro")).ok()
    assert (await record(stage, "credit-notes", "TN-000001", net_minor=net, reason="x")).code == "invalid"


# Who may


async def test_invoices_are_their_organizations_admins_alone(stage: Stage) -> None:
    (await stage.change("pro")).ok()
    invoice = (await invoices(stage))[0]["id"]
    eve = await stage.found("Evil Inc")
    assert await invoices(stage, eve) == []
    for path in (f"/v1/invoices/{invoice}", f"/v1/invoices/{invoice}/pdf"):
        foreign = await stage.ask("GET", path, actor=eve)
        absent = await stage.ask("GET", path.replace(invoice, new_id("ivc")), actor=eve)
        assert (foreign.status, foreign.code) == (absent.status, absent.code) == (404, "not_found")
    for path in ("/v1/invoices", f"/v1/invoices/{invoice}", f"/v1/invoices/{invoice}/pdf", "/v1/billing-details"):
        assert (await stage.ask("GET", path, actor=replace(stage.ada, role="analyst"))).code == "forbidden"
    assert (await stage.ask("GET", "/internal/invoices")).code == "not_found"


async def test_an_operator_lists_pays_and_corrects_by_command(stage: Stage, tmp_path: Path) -> None:
    data = tmp_path / "data"
    announce(data, urls=dict(stage.world.settings.urls))
    stage.world.settings.secrets.save(data / "secrets.json")

    async def command(*arguments: str) -> Any:
        return await tenantry(PRODUCT, "invoices", *arguments, "--data", str(data))

    (await stage.change("pro")).ok()
    listed = await command("list")
    assert "TN-000001" in listed.output
    assert "296.31 EUR" in listed.output
    assert "20.00 EUR" in (await command("credit", "TN-000001", "--net", "20.00", "--reason", "Outage")).output
    for amount_given in ("0.001", "-1", "ten"):
        assert (await command("credit", "TN-000001", "--net", amount_given, "--reason", "Outage")).code == 1
    assert "is paid" in (await command("paid", "TN-000001", "--reference", "bank")).output
    assert (await command("paid", "TN-000001", "--reference", "bank")).code == 1
    assert "TN-000001" not in (await command("list")).output
    assert "TN-000001" in (await command("list", "--all")).output
