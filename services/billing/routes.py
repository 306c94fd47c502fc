"""Billing's endpoints."""

from __future__ import annotations

from services.billing.store import invoices
from services.billing.usecases.capabilities import read_capabilities
from services.billing.usecases.changes import cancel_scheduled_change, change_plan, preview_change
from services.billing.usecases.clocks import advance_test_clock, list_test_clocks, start_test_clock
from services.billing.usecases.closing import list_kept_invoices
from services.billing.usecases.details import change_billing_details, read_billing_details
from services.billing.usecases.invoices import (
    list_all_invoices,
    list_invoices,
    read_invoice,
    read_invoice_pdf,
    record_payment,
    write_credit_note,
)
from services.billing.usecases.operator import (
    move_subscriptions,
    override_entitlement,
    propose_catalogue,
    read_catalogue_in_use,
)
from services.billing.usecases.paying import hear_provider, open_page, read_payment_method
from services.billing.usecases.plans import list_plans
from services.billing.usecases.reconciling import accept_drift, read_drift
from services.billing.usecases.subscription import read_entitlements, read_subscription, start_trial
from services.billing.usecases.usage import list_slot_holders, read_slot_usage
from shared.service import admin, anyone, delete, get, person, post, put, service

ROUTES = (
    get("/v1/plans", list_plans, anyone("plans.read")),
    get("/v1/subscription", read_subscription, admin("billing.manage"), key="billing:view"),
    post("/v1/subscription/trial", start_trial, admin("trial.start"), status=201),
    post("/v1/subscription/change-previews", preview_change, admin("plan.change")),
    post("/v1/subscription/changes", change_plan, admin("plan.change"), status=201, needs_key=True),
    delete("/v1/subscription/changes/scheduled", cancel_scheduled_change, admin("plan.change")),
    get("/v1/billing-details", read_billing_details, admin("billing.manage"), key="billing:view"),
    put("/v1/billing-details", change_billing_details, admin("billing.manage"), if_match=True),
    get("/v1/invoices", list_invoices, admin("billing.manage"), key="billing:view"),
    get(
        "/v1/invoices/{invoice_id}", read_invoice, admin("billing.manage"), known_by=invoices.exists, key="billing:view"
    ),
    get(
        "/v1/invoices/{invoice_id}/pdf",
        read_invoice_pdf,
        admin("billing.manage"),
        known_by=invoices.exists,
        media="application/pdf",
        key="billing:view",
    ),
    get("/v1/payment-method", read_payment_method, admin("billing.manage")),
    post("/v1/payment-method-sessions", open_page, admin("payment_method.manage"), status=201, unrecorded=True),
    post(
        "/v1/webhooks/stripe",
        hear_provider,
        anyone("provider.tell"),
        status=204,
        signed_by="Stripe-Signature",
        unrecorded=True,
    ),
    get("/v1/usage/slots", read_slot_usage, admin("billing.manage"), key="billing:view"),
    get("/v1/usage/slot-holders", list_slot_holders, admin("billing.manage"), key="billing:view"),
    get("/internal/kept-invoices", list_kept_invoices, service("invoices.read")),
    get("/internal/invoices", list_all_invoices, service("invoices.read")),
    post("/internal/payments", record_payment, service("payments.record"), status=201),
    post("/internal/credit-notes", write_credit_note, service("invoices.credit"), status=201),
    get("/internal/test-clocks", list_test_clocks, service("test_clocks.read")),
    post("/internal/test-clocks", start_test_clock, service("test_clocks.write"), status=201),
    post("/internal/test-clocks/advances", advance_test_clock, service("test_clocks.write"), status=201),
    get("/internal/drift", read_drift, service("drift.read")),
    post("/internal/drift-acceptances", accept_drift, service("drift.accept"), status=204),
    get("/internal/entitlements/{org_id}", read_entitlements, service("entitlements.read")),
    get("/internal/catalogue", read_catalogue_in_use, service("catalogue.read")),
    post("/internal/catalogue-proposals", propose_catalogue, service("catalogue.write")),
    post("/internal/catalogue-moves", move_subscriptions, service("catalogue.write")),
    put("/internal/overrides/{org_id}", override_entitlement, service("overrides.write")),
    get("/internal/capabilities", read_capabilities, person("me.read")),
)
