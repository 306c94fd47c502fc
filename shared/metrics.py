"""What a process counts for Prometheus. No organization or person is ever a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Histogram(
    "tenantry_request_seconds", "Requests by route and status", ["service", "route", "status"], buckets=BUCKETS
)
OUTBOX_PENDING = Gauge("tenantry_outbox_pending", "Events said but not yet published", ["service"])
OUTBOX_OLDEST = Gauge("tenantry_outbox_oldest_seconds", "Age of the oldest unpublished event", ["service"])
PUBLISHED = Counter("tenantry_events_published", "Events published", ["service"])
APPLIED = Counter("tenantry_events_applied", "Events applied", ["service", "handler"])
EVENT_LAG = Histogram(
    "tenantry_event_lag_seconds", "From an event's time until it was applied", ["service"], buckets=BUCKETS
)
DEAD = Gauge("tenantry_inbox_dead", "Events that failed for good and wait for an operator", ["service"])
LOOP_LAG = Gauge("tenantry_loop_lag_seconds", "How late the event loop runs", [])
BILLING_DRIFT = Gauge(
    "tenantry_billing_drift",
    "Payments over which the provider's books and ours differ, without accepted ones",
    ["kind"],
)
LINKS_ASKED = Counter(
    "tenantry_links_asked", "Sharing links that somebody wanted to open: `open`, or why not", ["outcome"]
)
