"""What billing says: subscriptions and the entitlements that follow from them. Ordered by organization."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from shared.events import Event, OrgEvent, Shape
from shared.events.refusals import Refusal
from shared.fields import Money
from shared.ids import InvoiceId, SubscriptionId

Status = Literal["active", "trialing", "past_due", "cancelled"]


class Subscription(Shape):
    """An organization's one subscription. `version` grows with every change."""

    subscription_id: SubscriptionId
    plan: str
    interval: Literal["month", "year"]
    status: Status
    price: Money | None
    period_start: datetime
    period_end: datetime | None
    trial_ends_at: datetime | None = None
    version: int


class ScheduledChange(Shape):
    plan: str
    interval: Literal["month", "year"]
    effective_at: datetime


class Entitlements(Shape):
    """What the organization may set up. Slots and days: None means unlimited. Carried whole, so the highest `version` wins."""

    version: int
    plan: str
    plan_name: str
    author_slots: int | None
    viewer_slots: int | None
    share_all_analysts: bool
    custom_groups: bool
    additional_domains: Literal["none", "proven", "any"]
    single_sign_on: bool
    scim: bool
    sharing_links: bool
    interactive_embedding: bool
    api_keys: bool
    audit_days: int


class SubscriptionStarted(OrgEvent):
    """The organization has its one subscription, on the plan that every organization begins with."""

    TYPE: ClassVar[str] = "billing.subscription.started.v1"
    subscription: Subscription


class PlanChanged(OrgEvent):
    """The plan or interval is another from now on; `billing.entitlements.changed` follows in the same transaction."""

    TYPE: ClassVar[str] = "billing.subscription.plan_changed.v1"
    subscription: Subscription
    previous_plan: str
    entitlements: Entitlements


class ChangeScheduled(OrgEvent):
    """Another plan will begin when the paid period ends, unless that is cancelled before."""

    TYPE: ClassVar[str] = "billing.subscription.change_scheduled.v1"
    subscription: Subscription
    change: ScheduledChange


class ChangeCancelled(OrgEvent):
    """A scheduled change won't happen."""

    TYPE: ClassVar[str] = "billing.subscription.change_cancelled.v1"
    subscription: Subscription
    change: ScheduledChange


class SubscriptionRenewed(OrgEvent):
    """The next period of a paid subscription began; plan and price are the same."""

    TYPE: ClassVar[str] = "billing.subscription.renewed.v1"
    subscription: Subscription


class TrialStarted(OrgEvent):
    """The organization tries a plan without paying until `trial_ends_at`."""

    TYPE: ClassVar[str] = "billing.trial.started.v1"
    subscription: Subscription


class TrialEnding(OrgEvent):
    """The trial ends in three days."""

    TYPE: ClassVar[str] = "billing.trial.ending.v1"
    subscription: Subscription


class TrialEnded(OrgEvent):
    """The trial is over: converted to a plan that was chosen, or back to Free."""

    TYPE: ClassVar[str] = "billing.trial.ended.v1"
    subscription: Subscription
    converted: bool


class EntitlementsChanged(OrgEvent):
    """What the organization may set up, whole; `previous_plan` is there when a change of plan is behind it."""

    TYPE: ClassVar[str] = "billing.entitlements.changed.v1"
    entitlements: Entitlements
    previous_plan: str | None = None


class CatalogueApplied(Event):
    """An operator put another version of the plan catalogue on offer; running subscriptions keep theirs."""

    TYPE: ClassVar[str] = "billing.catalogue.applied.v1"
    SUBJECT: ClassVar[str] = "catalogue"
    catalogue: str = "catalogue"
    version: int
    previous_version: int
    differences: list[str]
    applied_by: str


class SubscriptionMoved(OrgEvent):
    """An operator moved the subscription to the catalogue's newest version; the price is that version's from the next period on."""

    TYPE: ClassVar[str] = "billing.subscription.moved.v1"
    subscription: Subscription
    catalogue_version: int
    previous_catalogue_version: int
    next_price: Money | None
    moved_by: str


class OverrideGranted(OrgEvent):
    """An operator agreed something with this organization alone, until a day; `billing.entitlements.changed` follows."""

    TYPE: ClassVar[str] = "billing.override.granted.v1"
    entitlement: str
    value: bool | int | str | None
    until: datetime
    reason: str
    granted_by: str


class OverrideEnded(OrgEvent):
    """What was agreed with this organization alone is over; `billing.entitlements.changed` follows."""

    TYPE: ClassVar[str] = "billing.override.ended.v1"
    entitlements_ended: list[str]


class Invoice(Shape):
    """An invoice, or a credit note, which `corrects` one. Amounts are never negative; nothing of it ever changes."""

    invoice_id: InvoiceId
    number: str
    kind: Literal["invoice", "credit_note"]
    issued_at: datetime
    due_at: datetime
    net: Money
    tax: Money
    total: Money
    corrects: InvoiceId | None = None


class InvoiceIssued(OrgEvent):
    """An invoice exists from now on, under the next number of the legal entity that sells."""

    TYPE: ClassVar[str] = "billing.invoice.issued.v1"
    invoice: Invoice


class InvoiceCredited(OrgEvent):
    """A credit note corrects an invoice, as a whole or in part."""

    TYPE: ClassVar[str] = "billing.invoice.credited.v1"
    invoice: Invoice
    reason: str
    credited_by: str


class InvoicePaid(OrgEvent):
    """An invoice is paid."""

    TYPE: ClassVar[str] = "billing.invoice.paid.v1"
    invoice: Invoice
    paid_at: datetime
    reference: str
    recorded_by: str


class InvoicePaymentFailed(OrgEvent):
    """What the organization pays by couldn't be charged. `reason` is the provider's code; `next_try_at` is null when it won't be tried again by itself."""

    TYPE: ClassVar[str] = "billing.invoice.payment_failed.v1"
    invoice: Invoice
    reason: str
    next_try_at: datetime | None


class PaymentMethod(Shape):
    """Enough to recognise it, nothing to pay with."""

    brand: str
    last4: str
    expires: str | None


class PaymentMethodChanged(OrgEvent):
    """Invoices are charged to something else from now on, or to nothing."""

    TYPE: ClassVar[str] = "billing.payment_method.changed.v1"
    method: PaymentMethod | None


class BillingDetails(Shape):
    """Who invoices are addressed to from now on."""

    company: str
    address: list[str]
    country: str
    vat_id: str | None
    email: str
    reference: str | None
    version: int


class BillingDetailsChanged(OrgEvent):
    """Invoices are addressed to somebody else, or somewhere else, from now on."""

    TYPE: ClassVar[str] = "billing.details.changed.v1"
    details: BillingDetails


class SubscriptionPastDue(OrgEvent):
    """An invoice is overdue; the plan stays until `grace_ends_at`, and then goes back to the free one."""

    TYPE: ClassVar[str] = "billing.subscription.past_due.v1"
    subscription: Subscription
    invoices: list[str]
    grace_ends_at: datetime


class SubscriptionRecovered(OrgEvent):
    """Nothing is overdue any more."""

    TYPE: ClassVar[str] = "billing.subscription.recovered.v1"
    subscription: Subscription


class SubscriptionLapsed(OrgEvent):
    """The time of grace is over; `billing.subscription.plan_changed` follows. What is overdue stays to be paid."""

    TYPE: ClassVar[str] = "billing.subscription.lapsed.v1"
    subscription: Subscription
    invoices: list[str]


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left in billing, but invoices that must be kept, under no organization. `rows` counts what was erased."""

    TYPE: ClassVar[str] = "billing.organization.erased.v1"
    rows: int


class TestClockStarted(OrgEvent):
    """An operator made this a test organization, whose time in billing can be moved ahead."""

    TYPE: ClassVar[str] = "billing.test_clock.started.v1"
    started_by: str


class TestClockAdvanced(OrgEvent):
    """An operator moved a test organization's time in billing ahead, to `now`. What happened on the way was said before."""

    TYPE: ClassVar[str] = "billing.test_clock.advanced.v1"
    now: datetime
    advanced_by: str


class ActionRefused(Refusal):
    """A member or a key wanted to change something that it may not; the first time within an hour, or all others of it together (`times`)."""

    TYPE: ClassVar[str] = "billing.action.refused.v1"


PUBLISHED = (
    OrganizationErased,
    TestClockStarted,
    TestClockAdvanced,
    ActionRefused,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionLapsed,
    InvoiceIssued,
    InvoiceCredited,
    InvoicePaid,
    InvoicePaymentFailed,
    PaymentMethodChanged,
    BillingDetailsChanged,
    CatalogueApplied,
    SubscriptionMoved,
    OverrideGranted,
    OverrideEnded,
    SubscriptionStarted,
    PlanChanged,
    ChangeScheduled,
    ChangeCancelled,
    SubscriptionRenewed,
    TrialStarted,
    TrialEnding,
    TrialEnded,
    EntitlementsChanged,
)
