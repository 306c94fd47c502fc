"""All of billing's SQL."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

import orjson

from services.billing.rules import Subscription
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.events.billing import Entitlements

FIELDS = tuple(field.name for field in fields(Subscription))
COLUMNS = ", ".join(FIELDS)
VALUES = ", ".join(f"${place}" for place in range(1, len(FIELDS) + 1))

INSERT = f"insert into subscriptions ({COLUMNS}) values ({VALUES}) on conflict do nothing"  # noqa: S608
UPDATE = f"""
update subscriptions set ({COLUMNS}, next_step_at) = ({VALUES}, ${len(FIELDS) + 1})
where org_id = $1 and id = $2 and version = ${FIELDS.index("version") + 1} - 1
"""  # noqa: S608
CURRENT = f"select {COLUMNS} from subscriptions where org_id = $1 and status <> 'cancelled'"  # noqa: S608

GRANT = """
insert into entitlements as known (org_id, version, granted, catalogue_version) values ($1, 1, $2, $3)
on conflict (org_id) do update set version = known.version + 1, granted = excluded.granted, catalogue_version = excluded.catalogue_version
returning version
"""
OVERRIDE = """
insert into overrides (org_id, entitlement, value, until, reason, granted_by, granted_at) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (org_id, entitlement) do update set value = excluded.value, until = excluded.until, reason = excluded.reason,
    granted_by = excluded.granted_by, granted_at = excluded.granted_at
"""
IN_USE = """
select catalogue_version, plan, count(*) as how_many from subscriptions where status <> 'cancelled'
group by catalogue_version, plan order by catalogue_version, plan
"""


async def subscription(read: Read, org_id: str) -> Subscription | None:
    """The organization's current subscription."""
    return _subscription(await read.row(CURRENT, org_id))


async def lock_subscription(tx: Tx, org_id: str) -> Subscription | None:
    """The same, and nobody else changes it until this transaction ends."""
    return _subscription(await tx.row(f"{CURRENT} for update", org_id))


def _subscription(row: Row | None) -> Subscription | None:
    return None if row is None else Subscription(**dict(row))


async def add_subscription(tx: Tx, new: Subscription) -> bool:
    """False when the organization has one already."""
    return await tx.run(INSERT, *asdict(new).values()) == 1


async def save_subscription(
    tx: Tx, changed: Subscription, next_step_at: datetime | None, by: str | None, now: datetime
) -> Subscription:
    """Writes the next version of a locked subscription."""
    saved = replace(changed, version=changed.version + 1, changed_by=by, changed_at=now)
    if await tx.run(UPDATE, *asdict(saved).values(), next_step_at) != 1:
        raise Problem("conflict", "The subscription has changed meanwhile.", meta={"because": "changed_meanwhile"})
    return saved


async def due(read: Read, now: datetime, limit: int) -> list[str]:
    """Organizations whose subscription time alone changes, the longest due first."""
    rows = await read.rows(
        "select org_id from subscriptions where next_step_at <= $1"
        " and not exists (select from organizations where organizations.org_id = subscriptions.org_id and closed)"
        " order by next_step_at limit $2",
        now,
        limit,
    )
    return [row["org_id"] for row in rows]


async def use_up_trial(tx: Tx, org_id: str, subscription_id: str, now: datetime) -> bool:
    """False when the organization has had its trial."""
    return (
        await tx.run(
            "insert into trials (org_id, subscription_id, started_at) values ($1, $2, $3) on conflict do nothing",
            org_id,
            subscription_id,
            now,
        )
        == 1
    )


async def trial_used(read: Read, org_id: str) -> bool:
    return bool(await read.value("select true from trials where org_id = $1", org_id))


# Entitlements


async def grant(tx: Tx, org_id: str, granted: Entitlements, catalogue_version: int) -> Entitlements:
    """Makes these the organization's entitlements, under its next version."""
    content = granted.model_dump(mode="json", exclude={"version"})
    version = await tx.value(GRANT, org_id, orjson.dumps(content).decode(), catalogue_version)
    return granted.model_copy(update={"version": version})


async def entitlements(read: Read, org_id: str) -> Entitlements | None:
    row = await read.row("select version, granted from entitlements where org_id = $1", org_id)
    return None if row is None else Entitlements(version=row["version"], **orjson.loads(row["granted"]))


async def override(
    tx: Tx, org_id: str, entitlement: str, value: Any, *, until: datetime, reason: str, by: str, now: datetime
) -> None:
    """Replaces what was there for this entitlement."""
    await tx.run(OVERRIDE, org_id, entitlement, orjson.dumps(value).decode(), until, reason, by, now)


async def overrides(read: Read, org_id: str) -> list[Row]:
    return await read.rows(
        "select entitlement, value, until, reason from overrides where org_id = $1 order by entitlement", org_id
    )


async def end_overrides(tx: Tx, org_id: str, now: datetime) -> list[str]:
    """Removes those whose day has come, and names them."""
    rows = await tx.rows("delete from overrides where org_id = $1 and until <= $2 returning entitlement", org_id, now)
    return sorted(row["entitlement"] for row in rows)


async def overrides_ended(read: Read, now: datetime, limit: int) -> list[str]:
    """Organizations with an override whose day has come."""
    rows = await read.rows("select distinct org_id from overrides where until <= $1 limit $2", now, limit)
    return [row["org_id"] for row in rows]


# Organizations


async def keep_organization(tx: Tx, org_id: str, name: str, contact_email: str, location: str) -> None:
    await tx.run(
        "insert into organizations (org_id, name, contact_email, location) values ($1, $2, $3, $4)"
        " on conflict (org_id) do update set name = excluded.name, contact_email = excluded.contact_email, location = excluded.location",
        org_id,
        name,
        contact_email,
        location,
    )


async def organization(read: Read, org_id: str) -> Row | None:
    return await read.row("select name, contact_email from organizations where org_id = $1", org_id)


# The catalogue


async def newest_catalogue(read: Read) -> int | None:
    """The version on offer; None before the first was applied."""
    version: int | None = await read.value("select max(version) from catalogues where content is not null")
    return version


async def catalogue(read: Read, version: int) -> str:
    content = await read.value("select content from catalogues where version = $1", version)
    if content is None:
        raise RuntimeError(f"version {version} of the catalogue isn't there")
    return str(content)


async def apply_catalogue(tx: Tx, version: int, digest: str, content: Any, by: str, now: datetime) -> bool:
    """False when this version was applied already. One that is only known by its digest gets its content if that fits."""
    return (
        await tx.run(
            "insert into catalogues as known (version, digest, content, applied_by, applied_at) values ($1, $2, $3, $4, $5)"
            " on conflict (version) do update set content = excluded.content, applied_by = excluded.applied_by"
            " where known.content is null and known.digest = excluded.digest",
            version,
            digest,
            orjson.dumps(content).decode(),
            by,
            now,
        )
        == 1
    )


async def on_older_catalogue(read: Read, version: int, only: str, after: str, limit: int) -> list[str]:
    """Organizations whose subscription is of an older version, in the order of their ids; all, or `only` one."""
    rows = await read.rows(
        "select org_id from subscriptions where status <> 'cancelled' and catalogue_version < $1"
        " and ($2 = '' or org_id = $2) and org_id > $3 order by org_id limit $4",
        version,
        only,
        after,
        limit,
    )
    return [row["org_id"] for row in rows]


async def plans_in_use(read: Read) -> list[Row]:
    """How many subscriptions are on each plan of each version."""
    return await read.rows(IN_USE)
