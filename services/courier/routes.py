"""Courier's endpoints: webhooks and their log, and the heads of the audit log that are kept here. Nobody asks for mail by HTTP."""

from __future__ import annotations

from services.courier.store import deliveries as kept
from services.courier.store.webhooks import exists
from services.courier.usecases import bounces, deliveries, heads, previews, webhooks
from services.courier.usecases.capabilities import read_capabilities
from shared.service import admin, delete, get, patch, person, post, service

ONE = "/v1/webhooks/{webhook_id}"
DELIVERY = f"{ONE}/deliveries/{{delivery_id}}"

ROUTES = (
    get("/v1/webhooks", webhooks.list_webhooks, admin("webhooks.read"), key="webhooks:view"),
    post(
        "/v1/webhooks",
        webhooks.create_webhook,
        admin("webhooks.create"),
        status=201,
        fresh=True,
        unrecorded=True,
    ),
    get(ONE, webhooks.read_webhook, admin("webhooks.read"), known_by=exists, key="webhooks:view"),
    patch(ONE, webhooks.change_webhook, admin("webhooks.edit"), known_by=exists, fresh=True),
    delete(ONE, webhooks.delete_webhook, admin("webhooks.edit"), known_by=exists),
    post(
        f"{ONE}/secret-rotations",
        webhooks.rotate_secret,
        admin("webhooks.edit"),
        known_by=exists,
        fresh=True,
        unrecorded=True,
    ),
    get(f"{ONE}/deliveries", deliveries.list_deliveries, admin("webhooks.read"), known_by=exists, key="webhooks:view"),
    get(DELIVERY, deliveries.read_delivery, admin("webhooks.read"), known_by=kept.exists, key="webhooks:view"),
    post(
        f"{DELIVERY}/retries",
        deliveries.retry_delivery,
        admin("webhooks.edit"),
        status=202,
        known_by=kept.exists,
        key="webhooks:manage",
    ),
    post(
        f"{ONE}/tests", deliveries.send_test, admin("webhooks.edit"), status=202, known_by=exists, key="webhooks:manage"
    ),
    post(
        f"{ONE}/retries",
        deliveries.retry_deliveries,
        admin("webhooks.edit"),
        status=202,
        known_by=exists,
        key="webhooks:manage",
    ),
    get("/v1/audit-heads", heads.list_audit_heads, admin("audit_heads.read"), key="audit:view"),
    get("/v1/undeliverable-addresses", bounces.list_dead_addresses, admin("mail.undeliverable")),
    delete("/v1/undeliverable-addresses/{address}", bounces.release_address, admin("mail.undeliverable")),
    get("/internal/capabilities", read_capabilities, person("me.read")),
    post("/internal/webhook-samples", deliveries.send_sample, service("webhooks.sample"), status=202),
    get("/internal/mail-previews", previews.list_previews, service("mail_previews.read")),
)
