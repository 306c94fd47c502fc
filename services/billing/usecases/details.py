"""Who invoices are addressed to, and how they are taxed because of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from babel import Locale
from pydantic import Field, StringConstraints

from services.billing.rules.tax import Tax, tax_of, vat_id_of
from services.billing.store import invoices as store
from services.billing.usecases.offer import on_offer
from shared.db import Read
from shared.errors import Problem, invalid
from shared.events.billing import BillingDetails, BillingDetailsChanged
from shared.fields import Email, Message, Name, Nothing, Versioned
from shared.service import Ctx

NOT_COUNTRIES = {"EU", "EZ", "UN", "ZZ", "QO", "XA", "XB"}
COUNTRIES = {str(code) for code in Locale("en").territories if str(code).isalpha()} - NOT_COUNTRIES
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class WantedDetails(Message):
    """`country` is an ISO 3166 code. With a VAT id of another member state the recipient accounts for the tax."""

    company: Name
    address: Annotated[list[Name], Field(min_length=1, max_length=6)]
    country: Country
    vat_id: Annotated[str | None, StringConstraints(min_length=4, max_length=30)] = None
    email: Email
    reference: Name | None = None


class DetailsView(Versioned):
    """`country` is null until somebody has said it: the organization is then taxed as if it were at home with the seller.

    `tax_rate` is in hundredths of a percent, null where no invoices are issued.
    """

    company: str
    address: tuple[str, ...]
    country: str | None
    vat_id: str | None
    email: str
    reference: str | None
    tax_kind: str | None
    tax_rate: int | None


async def read_billing_details(ctx: Ctx, _: Nothing) -> DetailsView:
    """Who invoices are addressed to, and how they are taxed."""
    async with ctx.read() as read:
        return await _view(ctx, read, await known_details(read, ctx.actor.org()))


async def change_billing_details(ctx: Ctx, wanted: WantedDetails) -> DetailsView:
    """Addresses invoices from now on; those that were issued stay as they are."""
    if wanted.country not in COUNTRIES:
        raise invalid("/country", "unknown_country", "Write the country's ISO 3166 code, e.g. DE.")
    vat_id = None if wanted.vat_id is None else vat_id_of(wanted.country, wanted.vat_id)
    if wanted.vat_id is not None and vat_id is None:
        raise invalid("/vat_id", "vat_id", f"No such VAT id can exist in {wanted.country}.", country=wanted.country)
    org_id = ctx.actor.org()
    async with ctx.tx() as tx:
        await store.lock_details(tx, org_id)
        before = await known_details(tx, org_id)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        new = replace(
            before,
            company=wanted.company,
            address=tuple(wanted.address),
            country=wanted.country,
            vat_id=vat_id,
            email=wanted.email,
            reference=wanted.reference,
        )
        new = replace(new, version=await store.keep_details(tx, org_id, new, ctx.actor.id, ctx.now))
        told = BillingDetails(
            company=new.company,
            address=list(new.address),
            country=wanted.country,
            vat_id=new.vat_id,
            email=new.email,
            reference=new.reference,
            version=new.version,
        )
        await tx.emit(BillingDetailsChanged(org_id=org_id, details=told))
        return await _view(ctx, tx, new)


async def known_details(read: Read, org_id: str) -> store.Details:
    details = await store.details(read, org_id)
    if details is None:
        raise Problem(
            "not_yet_consistent",
            "Billing hasn't heard of this organization yet.",
            retry_after=1,
            meta={"because": "not_heard_of"},
        )
    return details


async def tax_for(ctx: Ctx, read: Read, org_id: str) -> Tax | None:
    """How the organization is taxed today; None where no invoices are issued."""
    details = await store.details(read, org_id)
    invoicing = (await on_offer(ctx, read)).invoicing
    if details is None or invoicing is None:
        return None
    seller = invoicing.seller_at(await store.location(read, org_id))
    return tax_of(seller.country, details.country, details.vat_id, invoicing.tax_rates)


async def _view(ctx: Ctx, read: Read, details: store.Details) -> DetailsView:
    tax = await tax_for(ctx, read, ctx.actor.org())
    return DetailsView(
        version=details.version,
        company=details.company,
        address=list(details.address),
        country=details.country,
        vat_id=details.vat_id,
        email=details.email,
        reference=details.reference,
        tax_kind=tax.kind if tax else None,
        tax_rate=tax.rate if tax else None,
    )
