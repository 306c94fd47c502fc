"""Points in time as SAML writes them (xs:dateTime, always UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

WRITTEN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def read_moment(text: str) -> datetime:
    """Raises `ValueError` or `OverflowError` for anything else than a date with a time; without a zone it is UTC (SAML 2.0 Core, §1.3.3)."""
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    whole, fraction, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6].ljust(6, '0')}{zone}").astimezone(UTC)


def write_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
