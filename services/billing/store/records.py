"""What billing gives into an organization's export."""

from __future__ import annotations

from shared.records import Records

RECORDS = (
    Records(
        "subscriptions",
        "subscriptions",
        (
            "id",
            "plan",
            "interval",
            "status",
            "price",
            "currency",
            "period_start",
            "period_end",
            "trial_ends_at",
            "changed_by",
            "changed_at",
        ),
        ("id",),
    ),
    Records(
        "billing_details",
        "billing_details",
        ("company", "address", "country", "vat_id", "email", "reference"),
        ("org_id",),
    ),
    Records("entitlements", "entitlements", ("version", "granted"), ("org_id",)),
    Records("overrides", "overrides", ("entitlement", "value", "until", "granted_at"), ("entitlement",)),
    Records(
        "invoices",
        "invoices",
        ("id", "name", "corrects", "issued_at", "due_at", "currency", "net", "tax", "content"),
        ("id",),
    ),
    Records("payments", "payments", ("invoice_id", "paid_at", "reference"), ("invoice_id",)),
    Records("slot_spans", "slot_spans", ("kind", "taken_at", "freed_at", "freed_by"), ("holder_id", "taken_by")),
)
