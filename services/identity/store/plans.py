"""What billing told of an organization's plan, as far as it concerns identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Row, Tx
from shared.events.billing import Entitlements

COLUMNS = "plan, api_keys, api_keys_since, scim, single_sign_on"


@dataclass(frozen=True)
class Plan:
    """`api_keys_since`: since when it is so."""

    plan: str
    api_keys: bool
    api_keys_since: datetime
    scim: bool
    single_sign_on: bool


async def find(read: Read, org_id: str) -> Plan | None:
    return _plan(await read.row(f"select {COLUMNS} from entitlements where org_id = $1", org_id))  # noqa: S608 - a constant


async def single_sign_on(read: Read, org_id: str) -> tuple[bool, str | None]:
    """Whether it may be set up, and what the plan is called."""
    known = await find(read, org_id)
    return (known.single_sign_on, known.plan) if known else (False, None)


async def hold(tx: Tx, org_id: str) -> Plan | None:
    """The plan, which stays what it is until the transaction ends."""
    return _plan(await tx.row(f"select {COLUMNS} from entitlements where org_id = $1 for share", org_id))  # noqa: S608 - a constant


async def keep(tx: Tx, org_id: str, told: Entitlements, at: datetime) -> bool:
    """False when something newer is known."""
    return bool(
        await tx.run(
            "insert into entitlements as known (org_id, version, plan, api_keys, api_keys_since, scim, single_sign_on)"
            " values ($1, $2, $3, $4, $5, $6, $7)"
            " on conflict (org_id) do update set version = excluded.version, plan = excluded.plan, api_keys = excluded.api_keys,"
            " api_keys_since = case when excluded.api_keys = known.api_keys then known.api_keys_since else excluded.api_keys_since end,"
            " scim = excluded.scim, single_sign_on = excluded.single_sign_on where excluded.version > known.version",
            org_id,
            told.version,
            told.plan,
            told.api_keys,
            at,
            told.scim,
            told.single_sign_on,
        )
    )


def _plan(row: Row | None) -> Plan | None:
    return Plan(**dict(row)) if row else None
