"""When a mail is tried again, and where its link leads: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600))
GIVE_UP_AFTER = timedelta(days=3)

LINK_PATHS: Mapping[str, str] = {
    "signup": "/verify/{token}",
    "invitation": "/invite/{token}",
    "password_reset": "/reset/{token}",
    "email_change": "/confirm-email/{token}",
    "email_change_undo": "/undo-email/{token}",
}
PAGES: Mapping[str, str] = {
    "account_exists": "/sign-in",
    "dashboard_shared": "/dashboards",
    "embed_secret_expiring": "/embed-secret",
    "trial_ending": "/billing",
    "email_change_taken": "/sign-in",
    "no_account": "/sign-up",
    "password_changed": "/forgot",
}


def due_again(requested_at: datetime, now: datetime, attempts: int) -> datetime | None:
    """When to try again after so many attempts that failed; None when it's no use any more."""
    if now - requested_at >= GIVE_UP_AFTER:
        return None
    return now + BACKOFF[min(attempts, len(BACKOFF)) - 1]


def url_of(public_url: str, template: str, purpose: str | None, token: str | None) -> str:
    """The one address that a mail leads to: what its token opens, or the page of the console that it speaks of."""
    path = LINK_PATHS[purpose].format(token=token) if purpose is not None else PAGES.get(template, "/")
    return public_url.rstrip("/") + path
