"""What courier heard of members and plans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.courier.rules import Plan
from shared.db import Read, Tx
from shared.events.billing import Entitlements
from shared.events.org import Member


@dataclass(frozen=True)
class Reader:
    """Whom a mail is for."""

    user_id: str
    name: str
    email: str


async def keep_member(tx: Tx, org_id: str, member: Member) -> None:
    await tx.run(
        "insert into members (org_id, user_id, name, email, role, status) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (org_id, user_id) do update set name = excluded.name, email = excluded.email, role = excluded.role,"
        " status = excluded.status",
        org_id,
        member.user_id,
        member.name,
        member.email,
        member.role,
        member.status,
    )


async def admins(read: Read, org_id: str) -> list[Reader]:
    rows = await read.rows(
        "select user_id, name, email from members where org_id = $1 and role = 'admin' and status = 'active' order by user_id",
        org_id,
    )
    return [Reader(**dict(row)) for row in rows]


async def keep_entitlements(tx: Tx, org_id: str, granted: Entitlements, at: datetime) -> None:
    await tx.run(
        "insert into entitlements as known (org_id, version, plan, plan_name, webhooks, webhooks_since) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (org_id) do update set version = excluded.version, plan = excluded.plan, plan_name = excluded.plan_name,"
        " webhooks = excluded.webhooks, webhooks_since = case when excluded.webhooks = known.webhooks"
        " then known.webhooks_since else excluded.webhooks_since end where excluded.version > known.version",
        org_id,
        granted.version,
        granted.plan,
        granted.plan_name,
        granted.api_keys,
        at,
    )


async def plan(read: Read, org_id: str) -> Plan | None:
    row = await read.row(
        "select plan, plan_name as name, webhooks, webhooks_since from entitlements where org_id = $1", org_id
    )
    return Plan(**dict(row)) if row else None


async def keep_test_organization(tx: Tx, org_id: str) -> None:
    await tx.run("insert into test_organizations (org_id) values ($1) on conflict do nothing", org_id)


async def is_test_organization(read: Read, org_id: str) -> bool:
    return bool(await read.value("select true from test_organizations where org_id = $1", org_id))
