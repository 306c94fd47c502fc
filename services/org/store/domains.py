"""The domains of organizations, from a claim to its end."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime

import asyncpg

from services.org.rules.domains import Domain
from shared.db import Read, Tx
from shared.errors import Problem
from shared.outbox import lock_key

NAMES = tuple(field.name for field in fields(Domain))
COLUMNS = ", ".join(NAMES)


async def hold_name(tx: Tx, name: str) -> None:
    """Until the transaction ends, nobody else decides whose this domain is."""
    await tx.run("select pg_advisory_xact_lock($1)", lock_key(f"domain {name}"))


async def add(tx: Tx, domain: Domain) -> None:
    values = ", ".join(f"${place}" for place in range(1, len(NAMES) + 1))
    try:
        await tx.run(f"insert into domains ({COLUMNS}) values ({values})", *astuple(domain))
    except asyncpg.UniqueViolationError:
        raise Problem(
            "already_exists", f"{domain.name} is on the list already.", meta={"because": "domain", "name": domain.name}
        ) from None


async def keep(tx: Tx, domain: Domain) -> None:
    kept = ("origin", "status", "expires_at", "verified_at", "checked_at", "next_check_at", "lapses_at")
    changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(kept, 3))
    await tx.run(
        f"update domains set {changes} where org_id = $1 and domain_id = $2",
        domain.org_id,
        domain.domain_id,
        *(getattr(domain, name) for name in kept),
    )


async def find(read: Read, org_id: str, domain_id: str) -> Domain | None:
    row = await read.row(
        f"select {COLUMNS} from domains where org_id = $1 and domain_id = $2 and status <> 'removed'", org_id, domain_id
    )
    return Domain(**dict(row)) if row else None


async def one(read: Read, org_id: str, domain_id: str) -> Domain:
    found = await find(read, org_id, domain_id)
    if found is None:
        raise Problem("not_found")
    return found


async def exists(read: Read, org_id: str, domain_id: str) -> bool:
    return await find(read, org_id, domain_id) is not None


async def hold(tx: Tx, org_id: str, domain_id: str) -> Domain | None:
    """The domain as it is now and stays until the transaction ends: a proof elsewhere may end it at any time."""
    row = await tx.row(
        f"select {COLUMNS} from domains where org_id = $1 and domain_id = $2 and status <> 'removed' for update",
        org_id,
        domain_id,
    )
    return Domain(**dict(row)) if row else None


async def listed(read: Read, org_id: str, after: str, limit: int) -> list[Domain]:
    rows = await read.rows(
        f"select {COLUMNS} from domains where org_id = $1 and status <> 'removed' and domain_id > $2 order by domain_id limit $3",
        org_id,
        after,
        limit,
    )
    return [Domain(**dict(row)) for row in rows]


async def every(read: Read, org_id: str) -> list[Domain]:
    rows = await read.rows(
        f"select {COLUMNS} from domains where org_id = $1 and status <> 'removed' order by name", org_id
    )
    return [Domain(**dict(row)) for row in rows]


async def was_first(read: Read, org_id: str, name: str) -> bool:
    """Whether the organization once had this domain from its sign-up."""
    return bool(
        await read.value(
            "select exists (select from domains where org_id = $1 and name = $2 and origin = 'sign_up')", org_id, name
        )
    )


async def is_proven(read: Read, name: str) -> bool:
    """Whether any organization has proven the domain. Needs a look at all of them."""
    return bool(
        await read.value(
            "select exists (select from domains where name = $1 and status in ('verified', 'at_risk'))", name
        )
    )


async def hold_rivals(tx: Tx, name: str, org_id: str) -> list[Domain]:
    """The same domain in other organizations, held until the transaction ends. Needs a look at all of them."""
    rows = await tx.rows(
        f"select {COLUMNS} from domains where name = $1 and org_id <> $2 and status <> 'removed' order by org_id for update",
        name,
        org_id,
    )
    return [Domain(**dict(row)) for row in rows]


async def to_check(read: Read, now: datetime, limit: int) -> list[Domain]:
    rows = await read.rows(
        f"select {COLUMNS} from domains where status in ('verified', 'at_risk') and next_check_at <= $1"
        " order by next_check_at limit $2",
        now,
        limit,
    )
    return [Domain(**dict(row)) for row in rows]


async def unproven(read: Read, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    """Claims whose time is over, as organization and domain."""
    rows = await read.rows(
        "select org_id, domain_id from domains where status = 'claimed' and expires_at <= $1 order by expires_at limit $2",
        now,
        limit,
    )
    return [(row["org_id"], row["domain_id"]) for row in rows]
