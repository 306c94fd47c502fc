"""Webhooks: where they lead, what they are told, and whose turn it is."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.courier.rules import Webhook
from shared.db import Read, Row, Tx
from shared.errors import Problem

TABLE = "webhooks"
COLUMNS = (
    "org_id, webhook_id, url, description, types, disabled_because, disabled_at, secret, previous_secret, previous_until,"
    " version, created_at, created_by, changed_by, changed_at, attempts, failing_since"
)

# A lease is measured by the database's own clock, like that of a mail.
CLAIM = f"""
update webhooks set leased_until = clock_timestamp() + $2::interval
where (org_id, webhook_id) = (
    select hook.org_id, hook.webhook_id from webhooks as hook join entitlements as plan on plan.org_id = hook.org_id and plan.webhooks
    where hook.disabled_because is null and hook.due_at <= $1
        and (hook.leased_until is null or hook.leased_until < clock_timestamp())
        and exists (
            select from webhook_deliveries as waiting
            where waiting.org_id = hook.org_id and waiting.webhook_id = hook.webhook_id and waiting.state = 'waiting'
        )
    order by hook.due_at, hook.leased_until nulls first limit 1 for update of hook skip locked
) returning {COLUMNS}, leased_until
"""


@dataclass(frozen=True)
class Turn:
    """A webhook that is this sender's until `leased_until`, and the first of its deliveries that waits."""

    webhook: Webhook
    leased_until: datetime
    delivery_id: str
    event_id: str
    body: str


async def find(read: Read, org_id: str, webhook_id: str) -> Webhook | None:
    row = await read.row(f"select {COLUMNS} from webhooks where org_id = $1 and webhook_id = $2", org_id, webhook_id)
    return _webhook(row) if row else None


async def exists(read: Read, org_id: str, webhook_id: str, **_: str) -> bool:
    return await find(read, org_id, webhook_id) is not None


async def one(read: Read, org_id: str, webhook_id: str) -> Webhook:
    found = await find(read, org_id, webhook_id)
    if found is None:
        raise Problem("not_found")
    return found


async def lock(tx: Tx, org_id: str, webhook_id: str) -> Webhook:
    row = await tx.row(
        f"select {COLUMNS} from webhooks where org_id = $1 and webhook_id = $2 for update", org_id, webhook_id
    )
    if row is None:
        raise Problem("not_found")
    return _webhook(row)


async def listed(read: Read, org_id: str, before: str | None, limit: int) -> list[Webhook]:
    """The newest first, from below an id."""
    rows = await read.rows(
        f"select {COLUMNS} from webhooks where org_id = $1 and ($2::text is null or webhook_id < $2) order by webhook_id desc limit $3",
        org_id,
        before,
        limit,
    )
    return [_webhook(row) for row in rows]


async def counted(read: Read, org_id: str) -> int:
    return int(await read.value("select count(*) from webhooks where org_id = $1", org_id))


async def count_in_line(tx: Tx, org_id: str) -> int:
    """How many there are, certain until the transaction ends: who adds one waits here for who adds another."""
    await tx.run("select pg_advisory_xact_lock(hashtextextended('webhooks ' || $1, 0))", org_id)
    return await counted(tx, org_id)


async def selecting(read: Read, org_id: str) -> list[tuple[str, list[str]]]:
    """Every webhook with the types that it selects."""
    rows = await read.rows("select webhook_id, types from webhooks where org_id = $1", org_id)
    return [(row["webhook_id"], row["types"]) for row in rows]


async def add(
    tx: Tx, org_id: str, webhook_id: str, text: Mapping[str, Any], secret: bytes, by: str | None, now: datetime
) -> Webhook:
    row = await tx.row(
        "insert into webhooks (org_id, webhook_id, url, description, types, secret, created_at, created_by, changed_by, changed_at, due_at)"
        f" values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $7, $7) returning {COLUMNS}",
        org_id,
        webhook_id,
        text["url"],
        text["description"],
        text["types"],
        secret,
        now,
        by,
    )
    assert row is not None
    return _webhook(row)


async def change(tx: Tx, hook: Webhook, text: Mapping[str, Any], by: str | None, now: datetime) -> Webhook:
    new = {name: text.get(name, getattr(hook, name)) for name in ("url", "description", "types")}
    return await _changed(
        tx,
        hook,
        "url = $3, description = $4, types = $5, version = version + 1, changed_by = $6, changed_at = $7, due_at = $7,"
        " attempts = 0, failing_since = null",
        new["url"],
        new["description"],
        list(new["types"]),
        by,
        now,
    )


async def enable(tx: Tx, hook: Webhook, by: str | None, now: datetime) -> Webhook:
    """What waited meanwhile is due now."""
    return await _changed(
        tx,
        hook,
        "disabled_because = null, disabled_at = null, attempts = 0, failing_since = null, due_at = $4,"
        " version = version + 1, changed_by = $3, changed_at = $4",
        by,
        now,
    )


async def disable(tx: Tx, hook: Webhook, because: str, by: str | None, now: datetime) -> Webhook:
    return await _changed(
        tx,
        hook,
        "disabled_because = $3, disabled_at = $5, version = version + 1, changed_by = $4, changed_at = $5",
        because,
        by,
        now,
    )


async def rotate(tx: Tx, hook: Webhook, secret: bytes, both_until: datetime, by: str | None, now: datetime) -> Webhook:
    """The secret in force becomes the one before; the one before that is gone."""
    return await _changed(
        tx,
        hook,
        "previous_secret = secret, previous_until = $4, secret = $3, version = version + 1, changed_by = $5, changed_at = $6",
        secret,
        both_until,
        by,
        now,
    )


async def remove(tx: Tx, hook: Webhook) -> None:
    await tx.run("delete from webhooks where org_id = $1 and webhook_id = $2", hook.org_id, hook.webhook_id)


# Sending


async def lease_next(tx: Tx, now: datetime, lease: timedelta) -> Turn | None:
    """The webhook that has been due longest and to which nobody is sending."""
    row = await tx.row(CLAIM, now, lease)
    if row is None:
        return None
    first = await tx.row(
        "select delivery_id, event_id, body from webhook_deliveries"
        " where org_id = $1 and webhook_id = $2 and state = 'waiting' order by position limit 1",
        row["org_id"],
        row["webhook_id"],
    )
    if first is None:
        return None
    fields = dict(row)
    leased_until = fields.pop("leased_until")
    return Turn(_webhook(fields), leased_until, **dict(first))


async def give_back(tx: Tx, turn: Turn) -> Webhook | None:
    """The webhook, locked and anybody's again; None when it is gone, or another sender has taken over."""
    row = await tx.row(
        f"update webhooks set leased_until = null where org_id = $1 and webhook_id = $2 and leased_until = $3 returning {COLUMNS}",
        turn.webhook.org_id,
        turn.webhook.webhook_id,
        turn.leased_until,
    )
    return _webhook(row) if row else None


async def mark_well(tx: Tx, hook: Webhook, now: datetime) -> None:
    await tx.run(
        "update webhooks set attempts = 0, failing_since = null, due_at = $3 where org_id = $1 and webhook_id = $2",
        hook.org_id,
        hook.webhook_id,
        now,
    )


async def mark_failing(tx: Tx, hook: Webhook, since: datetime, due_at: datetime) -> None:
    await tx.run(
        "update webhooks set attempts = attempts + 1, failing_since = $3, due_at = $4 where org_id = $1 and webhook_id = $2",
        hook.org_id,
        hook.webhook_id,
        since,
        due_at,
    )


async def _changed(tx: Tx, hook: Webhook, what: str, *values: Any) -> Webhook:
    row = await tx.row(
        f"update webhooks set {what} where org_id = $1 and webhook_id = $2 returning {COLUMNS}",
        hook.org_id,
        hook.webhook_id,
        *values,
    )
    assert row is not None
    return _webhook(row)


def _webhook(row: Row | Mapping[str, Any]) -> Webhook:
    fields: dict[str, Any] = dict(row)
    types: Sequence[str] = fields["types"]
    return Webhook(**{**fields, "types": tuple(types)})
