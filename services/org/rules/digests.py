"""Pure: which month a digest is about, and when the next is due, by the organization's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOUR = 8


def next_at(now: datetime, time_zone: str) -> datetime:
    """The first of the next month, in the morning."""
    here = now.astimezone(_zone(time_zone))
    year, month = (here.year + 1, 1) if here.month == 12 else (here.year, here.month + 1)
    return datetime(year, month, 1, HOUR, tzinfo=here.tzinfo).astimezone(UTC)


def month_before(now: datetime, time_zone: str) -> tuple[datetime, datetime]:
    """When the month before this one began, and when it ended."""
    here = now.astimezone(_zone(time_zone))
    year, month = (here.year - 1, 12) if here.month == 1 else (here.year, here.month - 1)
    return datetime(year, month, 1, tzinfo=here.tzinfo), datetime(here.year, here.month, 1, tzinfo=here.tzinfo)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
