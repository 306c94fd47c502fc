"""What courier gives into an organization's export: its webhooks without their secrets, what they were told, and the mails that were sent."""

from __future__ import annotations

from shared.records import Records

RECORDS = (
    Records(
        "webhooks",
        "webhooks",
        ("webhook_id", "url", "description", "types", "disabled_because", "disabled_at", "created_at", "created_by"),
        ("webhook_id",),
    ),
    Records(
        "webhook_deliveries",
        "webhook_deliveries",
        ("delivery_id", "webhook_id", "event_id", "type", "at", "state", "attempts", "delivered_at"),
        ("delivery_id",),
    ),
    Records("dead_addresses", "dead_addresses", ("status", "reason", "found_at", "until"), ("address",)),
    Records("mails", "mails", ("id", "recipient", "template", "requested_at", "state", "sent_at"), ("id",)),
    Records(
        "audit_heads",
        "audit_heads",
        ("day", "number", "digest", "signed_at", "signature", "key"),
        ("day",),
        {"day": "date"},
    ),
)
