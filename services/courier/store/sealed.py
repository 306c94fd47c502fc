"""Where courier keeps sealed secrets, and what each is bound to."""

from __future__ import annotations

from services.courier.store.webhooks import TABLE
from shared.db import Row
from shared.sealed_columns import SealedColumn

KEY = ("org_id", "webhook_id")


def _place(row: Row) -> tuple[str, ...]:
    return (TABLE, row["webhook_id"], row["org_id"])


SEALED = (SealedColumn(TABLE, "secret", KEY, _place), SealedColumn(TABLE, "previous_secret", KEY, _place))
