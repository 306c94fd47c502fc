"""Pure decisions about the end of an organization: how long it can be taken back, who is reminded when, and who has to confirm."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.errors import Problem, invalid

GRACE = timedelta(days=30)
REMINDERS = (timedelta(days=7), timedelta(days=1))
ASK_AGAIN = timedelta(hours=1)
CONFIRMING = ("identity", "sharing", "billing", "audit", "courier")


def check_typed(typed: str, name: str) -> None:
    """Who closes an organization types its name: letter by letter, so that nobody closes another by habit."""
    if typed.strip() != name.strip():
        raise invalid("/name", "another_name", "This isn't the organization's name.")


def check_open(closed_at: datetime | None) -> None:
    if closed_at is not None:
        raise Problem("organization_closed")


def next_at(erased_at: datetime, reminders: int) -> datetime:
    """When something is to be done next: a reminder, or the erasure itself."""
    return erased_at - REMINDERS[reminders] if reminders < len(REMINDERS) else erased_at
