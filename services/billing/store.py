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
        raise Problem("conflict", "The subscription has changed meanwhile.")
    return saved


async def due(read: Read, now: datetime, limit: int) -> list[str]:
    """Organizations whose subscription time alone changes, the longest due first."""
    rows = await read.rows(
        "select org_id from subscriptions where next_step_at <= $1 order by next_step_at limit $2", now, limit
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


async def granted_by_older_catalogue(read: Read, version: int, limit: int) -> list[str]:
    rows = await read.rows("select org_id from entitlements where catalogue_version < $1 limit $2", version, limit)
    return [row["org_id"] for row in rows]


async def followed_catalogue(tx: Tx, org_id: str, version: int) -> None:
    """Notes that a catalogue changed nothing for the organization."""
    await tx.run("update entitlements set catalogue_version = $2 where org_id = $1", org_id, version)


# Organizations


async def keep_organization(tx: Tx, org_id: str, name: str, contact_email: str) -> None:
    await tx.run(
        "insert into organizations (org_id, name, contact_email) values ($1, $2, $3)"
        " on conflict (org_id) do update set name = excluded.name, contact_email = excluded.contact_email",
        org_id,
        name,
        contact_email,
    )


async def organization(read: Read, org_id: str) -> Row | None:
    return await read.row("select name, contact_email from organizations where org_id = $1", org_id)


# The catalogue


async def digest_of_catalogue(tx: Tx, version: int, digest: str) -> str:
    """The content that this version of the catalogue had when it was first seen."""
    await tx.run(
        "insert into catalogues (version, digest) values ($1, $2) on conflict do nothing",
        version,
        digest,
    )
    return str(await tx.value("select digest from catalogues where version = $1", version))


async def plans_in_use(read: Read) -> dict[str, int]:
    """How many subscriptions are on each plan, or will be."""
    rows: list[Any] = await read.rows(
        "select plan, count(*) as how_many from (select plan from subscriptions where status <> 'cancelled'"
        " union all select next_plan from subscriptions where next_plan is not null) as used group by plan"
    )
    return {row["plan"]: row["how_many"] for row in rows}
