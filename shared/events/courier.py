"""What anybody may ask of courier: a mail (a task, not a fact; consumed by courier alone). And what courier says of webhooks, ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from shared.events import Event, OrgEvent, Shape
from shared.events.refusals import Refusal
from shared.ids import OrgId, UserId, WebhookId

LinkPurpose = Literal[
    "signup",
    "invitation",
    "password_reset",
    "email_change",
    "email_change_undo",
    "dashboard_picture",
    "break_glass",
    "sso_link",
    "unsubscribe",
]


class MailLink(Shape):
    """The link a mail carries. Courier makes its token from this (`shared.links`), so that no event ever holds one."""

    purpose: LinkPurpose
    id: str
    version: int


class MailRequested(Event):
    """Send one mail: the template, its values, perhaps a link and a picture. Ordered by organization or person, whoever it is about.

    It is written in the language of the `reader` where courier knows it, and otherwise in `language`.
    With `unsubscribe` it is a product mail: sent only to organizations that want such, and ended with one click (RFC 8058).
    """

    TYPE: ClassVar[str] = "courier.mail.requested.v1"
    SUBJECT: ClassVar[str] = "about"
    about: Annotated[str, StringConstraints(pattern="^(org|usr)_")]
    org_id: OrgId | None = None
    to: str
    template: Literal[
        "confirm_signup",
        "account_exists",
        "invitation",
        "invitation_renewal",
        "dashboard_shared",
        "embed_secret_expiring",
        "trial_ending",
        "two_factor_enabled",
        "two_factor_removed",
        "two_factor_required",
        "two_factor_due",
        "two_factor_removed_for_you",
        "two_factor_removed_for_another",
        "recovery_codes_renewed",
        "recovery_code_used",
        "invoice_issued",
        "payment_failed",
        "invoice_overdue",
        "plan_lapsed",
        "domain_at_risk",
        "domain_lapsed",
        "password_reset",
        "no_account",
        "password_changed",
        "confirm_email_change",
        "email_change_taken",
        "email_change_asked",
        "email_changed",
        "account_closed",
        "sessions_revoked",
        "api_key_created",
        "api_key_expiring",
        "scim_token_created",
        "account_provisioned",
        "removals_held",
        "webhook_disabled",
        "monthly_digest",
        "legal_version",
        "organization_closed",
        "organization_reopened",
        "organization_erased_soon",
        "organization_erased",
        "sso_activated",
        "sso_switched_off",
        "sso_link",
        "sso_linked",
        "sso_certificate_expiring",
        "sso_metadata_changed",
        "sso_approval_requested",
        "sso_approved",
        "break_glass",
        "break_glass_used",
    ]
    values: dict[str, str]
    link: MailLink | None = None
    language: Literal["en", "de"] = "en"
    reader: UserId | None = None
    unsubscribe: MailLink | None = None
    picture: MailLink | None = None


class Webhook(Shape):
    """A webhook's state. Of its address only the host: the rest may be what the receiver knows its callers by."""

    webhook_id: WebhookId
    host: str
    description: str
    types: list[str]
    enabled: bool


class WebhookCreated(OrgEvent):
    """An address is told what happens in the organization."""

    TYPE: ClassVar[str] = "courier.webhook.created.v1"
    webhook: Webhook


class WebhookChanged(OrgEvent):
    """A webhook has another address, description or selection, or was switched on or off by hand; `previous` holds what was different."""

    TYPE: ClassVar[str] = "courier.webhook.changed.v1"
    webhook: Webhook
    previous: dict[str, str | bool | list[str]]


class WebhookSecretRotated(OrgEvent):
    """A webhook signs with a new secret, and until `both_until` with the one before as well."""

    TYPE: ClassVar[str] = "courier.webhook.secret_rotated.v1"
    webhook: Webhook
    both_until: datetime


class WebhookDisabled(OrgEvent):
    """A webhook was switched off because its receiver failed for days, or said that it is gone."""

    TYPE: ClassVar[str] = "courier.webhook.disabled.v1"
    webhook: Webhook
    reason: Literal["failing", "gone"]
    failing_since: datetime


class WebhookRedelivered(OrgEvent):
    """Somebody asked to send again what a webhook had been sent, or should have been: so many deliveries."""

    TYPE: ClassVar[str] = "courier.webhook.redelivered.v1"
    webhook: Webhook
    deliveries: int


class WebhookTested(OrgEvent):
    """Somebody asked to send this event to a webhook, to see whether it arrives; or an operator sent a made-up one, of the type that `sample` names."""

    TYPE: ClassVar[str] = "courier.webhook.tested.v1"
    webhook: Webhook
    sample: str | None = None


class WebhookDeleted(OrgEvent):
    """A webhook is gone, and its log with it."""

    TYPE: ClassVar[str] = "courier.webhook.deleted.v1"
    webhook: Webhook


class AddressFoundDead(OrgEvent):
    """A mail of the organization came back because nobody receives at its address; nothing is sent there until `until`. Personal data: the address."""

    TYPE: ClassVar[str] = "courier.address.found_dead.v1"
    address: str
    status: str
    reason: str
    until: datetime


class AddressReleased(OrgEvent):
    """An Admin says that somebody receives at an address again. Personal data: the address."""

    TYPE: ClassVar[str] = "courier.address.released.v1"
    address: str


class ActionRefused(Refusal):
    """A member or a key wanted to change something that it may not; the first time within an hour, or all others of it together (`times`)."""

    TYPE: ClassVar[str] = "courier.action.refused.v1"


WEBHOOKS = (
    WebhookCreated,
    WebhookChanged,
    WebhookSecretRotated,
    WebhookDisabled,
    WebhookRedelivered,
    WebhookTested,
    WebhookDeleted,
)


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left in courier. `rows` counts what was erased."""

    TYPE: ClassVar[str] = "courier.organization.erased.v1"
    rows: int


MAIL = (AddressFoundDead, AddressReleased)
PUBLISHED = (MailRequested, *WEBHOOKS, *MAIL, ActionRefused, OrganizationErased)
