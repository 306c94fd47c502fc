"""When a mail or a webhook is tried again, where a mail's link leads, and what a webhook is told: pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, message_from_string
from email.message import Message
from email.policy import default
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from shared.errors import Problem, invalid
from shared.events import Envelope, audit, billing, identity, org, sharing
from shared.events import courier as told

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600))
GIVE_UP_AFTER = timedelta(days=3)

LINK_PATHS: Mapping[str, str] = {
    "signup": "/verify/{token}",
    "invitation": "/invite/{token}",
    "password_reset": "/reset/{token}",
    "email_change": "/confirm-email/{token}",
    "email_change_undo": "/undo-email/{token}",
    "break_glass": "/break-glass/{token}",
    "sso_link": "/sign-in/link/{token}",
}
PICTURE_PATH = "/v1/dashboard-pictures/{token}"
PAGES: Mapping[str, str] = {
    "invitation_renewal": "/users?status=pending",
    "account_exists": "/sign-in",
    "dashboard_shared": "/dashboards",
    "embed_secret_expiring": "/embed-secret",
    "trial_ending": "/billing",
    "two_factor_enabled": "/me/security",
    "two_factor_removed": "/me/security",
    "two_factor_required": "/me/security",
    "two_factor_due": "/sign-in",
    "two_factor_removed_for_you": "/me/security",
    "two_factor_removed_for_another": "/users",
    "recovery_codes_renewed": "/me/security",
    "recovery_code_used": "/me/security",
    "payment_failed": "/billing",
    "invoice_overdue": "/billing",
    "plan_lapsed": "/billing",
    "domain_at_risk": "/domains",
    "domain_lapsed": "/domains",
    "webhook_disabled": "/developers",
    "api_key_created": "/developers",
    "api_key_expiring": "/developers",
    "monthly_digest": "/users",
    "legal_version": "/legal",
    "organization_closed": "/organization",
    "organization_reopened": "/organization",
    "organization_erased_soon": "/organization",
    "organization_erased": "/me/security",
    "scim_token_created": "/provisioning",
    "account_provisioned": "/",
    "removals_held": "/provisioning",
    "email_change_taken": "/sign-in",
    "sessions_revoked": "/sign-in",
    "account_closed": "/sign-up",
    "no_account": "/sign-up",
    "password_changed": "/forgot",
    "sso_activated": "/sso",
    "sso_switched_off": "/sso",
    "sso_certificate_expiring": "/sso",
    "sso_metadata_changed": "/sso",
    "sso_approval_requested": "/users?status=pending",
    "sso_approved": "/dashboards",
    "sso_linked": "/me/security",
    "break_glass_used": "/audit",
}

FILES: Mapping[str, str] = {"invoice_issued": "/v1/invoices/{invoice_id}/pdf"}


def due_again(requested_at: datetime, now: datetime, attempts: int) -> datetime | None:
    """When to try again after so many attempts that failed; None when it's no use any more."""
    if now - requested_at >= GIVE_UP_AFTER:
        return None
    return now + BACKOFF[min(attempts, len(BACKOFF)) - 1]


def url_of(
    public_url: str,
    template: str,
    purpose: str | None,
    token: str | None,
    values: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The one address that a mail leads to: what its token opens, the file or the page of the console that it speaks of."""
    if template in FILES:
        return public_url.rstrip("/") + FILES[template].format_map(values)
    path = LINK_PATHS[purpose].format(token=token) if purpose is not None else PAGES.get(template, "/")
    return f"{public_url.rstrip('/')}/console{path}"


def picture_url_of(public_url: str, token: str) -> str:
    return f"{public_url.rstrip('/')}{PICTURE_PATH.format(token=token)}"


def unsubscribe_url_of(public_url: str, token: str) -> str:
    """Where a mail program posts when somebody has enough."""
    return f"{public_url.rstrip('/')}/v1/mail-unsubscriptions/{token}"


# Mail that comes back

DEAD_FOR = timedelta(days=7)
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
OWN_ID = re.compile(r"<(mail_[0-9a-z]{26})@")
# Bad mailbox, bad domain, bad syntax, moved, no mail accepted; mailbox disabled (RFC 3463, RFC 7505).
NOBODY_THERE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})


@dataclass(frozen=True)
class Bounce:
    """What a notification says about one of our mails that wasn't delivered and won't be."""

    mail_id: str
    status: str
    reason: str


def is_dead(status: str) -> bool:
    """Whether nobody receives at the address. A full mailbox, a policy or a mail that is disliked doesn't say so."""
    return status in NOBODY_THERE


def status_in(text: str) -> str:
    """The enhanced status code (RFC 3463) in a server's answer, or nothing."""
    found = STATUS.search(text)
    return found[1] if found else ""


def bounce_of(content: bytes) -> Bounce | None:
    """Reads a delivery status notification (RFC 3464); None for anything else, and for one about a mere delay."""
    message = message_from_bytes(content, policy=default)
    report: Message | None = next(
        (p for p in message.walk() if p.get_content_type() == "message/delivery-status"), None
    )
    of_ours = next((found for part in message.walk() if (found := OWN_ID.search(_headers_of(part)))), None)
    if report is None or of_ours is None:
        return None
    blocks = report.get_payload()
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, Message) and str(block.get("Action", "")).strip().lower() == "failed":
            status = status_in(str(block.get("Status", "")))
            if status.startswith("5"):
                return Bounce(of_ours[1], status, " ".join(str(block.get("Diagnostic-Code", "")).split())[:500])
    return None


def _headers_of(part: Message) -> str:
    """The Message-ID of a mail that is within a mail, whole or its headers alone."""
    kind = part.get_content_type()
    if kind == "message/rfc822":
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        return str(first.get("Message-ID", "")) if isinstance(first, Message) else ""
    if kind == "text/rfc822-headers":
        headers = part.get_payload()
        return str(message_from_string(headers).get("Message-ID", "")) if isinstance(headers, str) else ""
    return ""


# Webhooks

WEBHOOK_BACKOFF = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600))
BOTH_SECRETS = timedelta(hours=24)
KEPT = timedelta(days=30)
MOST_WEBHOOKS = 20
SECRET_BYTES = 32
ANSWER_LETTERS = 1000
SMALLEST_PLAN = "pro"

EVENTS = {
    event.TYPE: event
    for module in (identity, org, sharing, billing, audit)
    for event in module.PUBLISHED
    if "org_id" in event.model_fields
}
EVENT_TYPES = frozenset(EVENTS)

Disabled = Literal["admin", "failing", "gone"]


@dataclass(frozen=True)
class Plan:
    """What the organization's plan says of webhooks, and since when."""

    plan: str
    name: str
    webhooks: bool
    webhooks_since: datetime


@dataclass(frozen=True)
class Webhook:
    """A webhook as it is kept; its secrets are sealed. `attempts` counts the failed ones of the delivery that is first in line."""

    org_id: str
    webhook_id: str
    url: str
    description: str
    types: tuple[str, ...]
    disabled_because: Disabled | None
    disabled_at: datetime | None
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    version: int
    created_at: datetime
    created_by: str | None
    changed_by: str | None
    changed_at: datetime
    attempts: int
    failing_since: datetime | None

    def state(self) -> told.Webhook:
        return told.Webhook(
            webhook_id=self.webhook_id,
            host=host_of(self.url),
            description=self.description,
            types=list(self.types),
            enabled=self.disabled_because is None,
        )


@dataclass(frozen=True)
class Attempt:
    """What came of sending once: the receiver's status and the beginning of its answer, or why there was none."""

    at: datetime
    status: int | None
    error: str | None
    answer: str
    milliseconds: int
    number: int = 0
    error_code: str | None = None

    @property
    def well(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == 410


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def new_secret(random: bytes) -> str:
    """A secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(random).decode()


def is_selected(types: Sequence[str], event_type: str) -> bool:
    """Whether a webhook that selects these types, or beginnings of types, is told of this one."""
    if event_type not in EVENT_TYPES:
        return False
    return not types or any(_fits(wanted, event_type) for wanted in types)


def check_types(types: Sequence[str]) -> tuple[str, ...]:
    for place, wanted in enumerate(types):
        if not any(_fits(wanted, known) for known in EVENT_TYPES):
            raise invalid(f"/types/{place}", "unknown_type", "is no type of event, and none begins like this")
    return tuple(dict.fromkeys(types))


def _fits(wanted: str, event_type: str) -> bool:
    return event_type.startswith(wanted[:-1]) if wanted.endswith(".*") else event_type == wanted


def check_plan(plan: Plan | None) -> None:
    if plan is None or not plan.webhooks:
        meta = {"plan": SMALLEST_PLAN, "current": plan.plan if plan else None, "for": "webhooks"}
        raise Problem("plan_required", "The plan doesn't include webhooks.", meta=meta)


def check_room(there: int) -> None:
    if there >= MOST_WEBHOOKS:
        raise Problem(
            "conflict",
            f"There are {there} webhooks, and no organization may have more.",
            meta={"because": "too_many_webhooks", "limit": MOST_WEBHOOKS},
        )


def body_of(heard: Envelope) -> str:
    """What a receiver gets of an event; the same letters with every attempt."""
    return json.dumps(
        {
            "id": heard.id,
            "type": heard.type,
            "timestamp": heard.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "org_id": heard.org_id,
            "source": heard.source,
            "subject": heard.subject,
            "sequence": heard.sequence,
            "actor_id": heard.actor_id,
            "data": heard.data,
        },
        separators=(",", ":"),
    )


def webhook_due_again(failing_since: datetime, now: datetime, attempts: int) -> datetime | None:
    """When to try again after so many attempts that failed; None when the receiver has failed for three days."""
    if now - failing_since >= GIVE_UP_AFTER:
        return None
    return now + WEBHOOK_BACKOFF[min(attempts, len(WEBHOOK_BACKOFF)) - 1]
