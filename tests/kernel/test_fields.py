"""What the types of fields take, and as what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.fields import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize("text", ["2026-03-01T12:00:00Z", "2026-03-01T14:30:00+02:30", "2026-03-01 12:00Z"])
def test_a_moment_with_its_zone_is_the_same_moment_in_utc(text: str) -> None:
    taken = MOMENT.validate_python(text)
    assert (taken, taken.tzinfo) == (datetime(2026, 3, 1, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T12:00:00", "2026-03-01", "2026", "1772366400", 1772366400, 1e300, "yesterday", "", None, True,
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_what_names_no_moment_that_can_be_kept_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        MOMENT.validate_python(text)
    assert refused.value.errors()[0]["type"] in ("datetime_parsing", "timezone_aware")
