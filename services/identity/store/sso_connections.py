"""Single sign-on as it is set up: connections, which domains are proven, whether the plan includes it, and whether passwords are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.identity.rules.sso import Connection, settings_of
from shared.db import Read, Row, Tx

NAMES = (
    "org_id", "connection_id", "name", "protocol", "provider", "status", "domains", "new_users", "default_role", "group_ids",
    "metadata_url", "sealed", "version", "created_at", "created_by", "changed_at", "changed_by", "verified_at", "verified_by",
    "activated_at", "last_success_at", "metadata_read_at", "metadata_problem",
)  # fmt: skip
BOUND = (
    "select c.* from sso_connections c join domains d on d.org_id = c.org_id and d.name = $1 and d.proven"
    " where c.status = 'active' and c.domains @> array[$1] order by c.activated_at limit 1"
)


async def add(tx: Tx, connection: Connection) -> None:
    await tx.run(
        "insert into sso_connections (org_id, connection_id, name, protocol, provider, status, domains, new_users, default_role, group_ids,"
        " settings, created_at, created_by, changed_at, changed_by)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '{}', $11, $12, $11, $12)",
        connection.org_id,
        connection.connection_id,
        connection.name,
        connection.protocol,
        connection.provider,
        connection.status,
        list(connection.domains),
        connection.new_users,
        connection.default_role,
        list(connection.group_ids),
        connection.created_at,
        connection.created_by,
    )


async def keep(tx: Tx, connection: Connection) -> None:
    """Writes what may change, as the next version."""
    await tx.run(
        "update sso_connections set name = $3, status = $4, domains = $5, new_users = $6, default_role = $7, group_ids = $8,"
        " metadata_url = $9, settings = $10, sealed = $11, changed_at = $12, changed_by = $13, verified_at = $14, verified_by = $15,"
        " activated_at = $16, version = version + 1 where org_id = $1 and connection_id = $2",
        connection.org_id,
        connection.connection_id,
        connection.name,
        connection.status,
        list(connection.domains),
        connection.new_users,
        connection.default_role,
        list(connection.group_ids),
        connection.metadata_url,
        _settings(connection),
        connection.sealed,
        connection.changed_at,
        connection.changed_by,
        connection.verified_at,
        connection.verified_by,
        connection.activated_at,
    )


async def one(read: Read, org_id: str, connection_id: str) -> Connection | None:
    row = await read.row(
        "select * from sso_connections where org_id = $1 and connection_id = $2", org_id, connection_id
    )
    return _connection(row)


async def exists(read: Read, org_id: str, connection_id: str) -> bool:
    return await one(read, org_id, connection_id) is not None


async def by_id(read: Read, connection_id: str) -> Connection | None:
    """Needs a look across organizations: who comes back from a provider is in none yet."""
    return _connection(await read.row("select * from sso_connections where connection_id = $1", connection_id))


async def hold(tx: Tx, org_id: str) -> list[Connection]:
    """All of an organization's connections, by age; from here on nobody else changes any."""
    await tx.run("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"sso {org_id}")
    return await every(tx, org_id)


async def every(read: Read, org_id: str) -> list[Connection]:
    rows = await read.rows("select * from sso_connections where org_id = $1 order by connection_id", org_id)
    return [found for row in rows if (found := _connection(row))]


async def remove(tx: Tx, org_id: str, connection_id: str) -> None:
    for table in ("sso_attempts", "sso_identities", "sso_connections"):
        await tx.run(f"delete from {table} where org_id = $1 and connection_id = $2", org_id, connection_id)  # noqa: S608 constants


async def bound_to(read: Read, domain: str) -> Connection | None:
    """The active connection by which people of a domain sign in, while the domain is proven. Needs a look across organizations."""
    return _connection(await read.row(BOUND, domain))


async def proven_domains(read: Read, org_id: str) -> list[str]:
    rows = await read.rows("select distinct name from domains where org_id = $1 and proven order by name", org_id)
    return [row["name"] for row in rows]


async def note_success(tx: Tx, org_id: str, connection_id: str, now: datetime) -> None:
    """No change of the connection: whoever has it open needn't notice."""
    await tx.run(
        "update sso_connections set last_success_at = $3 where org_id = $1 and connection_id = $2",
        org_id,
        connection_id,
        now,
    )


# -- whether passwords are refused


@dataclass(frozen=True)
class Enforcement:
    """Whether people of bound domains are refused a password. They are until somebody says otherwise."""

    enforced: bool = True
    version: int = 1
    changed_by: str | None = None
    changed_at: datetime | None = None


async def enforcement(read: Read, org_id: str) -> Enforcement:
    row = await read.row(
        "select enforced, version, changed_by, changed_at from sso_exemptions where org_id = $1", org_id
    )
    return Enforcement(**dict(row)) if row else Enforcement()


async def keep_enforcement(tx: Tx, org_id: str, new: Enforcement) -> None:
    await tx.run(
        "insert into sso_exemptions (org_id, version, enforced, changed_by, changed_at) values ($1, $2, $3, $4, $5)"
        " on conflict (org_id) do update set version = $2, enforced = $3, changed_by = $4, changed_at = $5",
        org_id,
        new.version,
        new.enforced,
        new.changed_by,
        new.changed_at,
    )


async def with_metadata_due(read: Read, before: datetime, limit: int) -> list[Connection]:
    """SAML connections in use whose metadata has an address and wasn't read there since. Needs a look across organizations."""
    rows = await read.rows(
        "select * from sso_connections where metadata_url is not null and status = 'active' and protocol = 'saml'"
        " and (metadata_read_at is null or metadata_read_at <= $1) order by metadata_read_at nulls first limit $2",
        before,
        limit,
    )
    return [found for row in rows if (found := _connection(row))]


async def note_metadata(tx: Tx, org_id: str, connection_id: str, now: datetime, problem: str | None) -> None:
    """No change of the connection: whoever has it open needn't notice."""
    await tx.run(
        "update sso_connections set metadata_read_at = $3, metadata_problem = $4 where org_id = $1 and connection_id = $2",
        org_id,
        connection_id,
        now,
        problem,
    )


async def in_use(read: Read, limit: int) -> list[Connection]:
    """Active connections. Needs a look across organizations."""
    rows = await read.rows(
        "select * from sso_connections where status = 'active' order by connection_id limit $1", limit
    )
    return [found for row in rows if (found := _connection(row))]


# -- certificates that end


async def with_certificates(read: Read, limit: int) -> list[tuple[Connection, int | None]]:
    """SAML connections in use with the days of the last warning. Needs a look across organizations."""
    rows = await read.rows(
        "select * from sso_connections where protocol = 'saml' and status = 'active' and settings ? 'saml' order by connection_id limit $1",
        limit,
    )
    return [(found, row["warned_days"]) for row in rows if (found := _connection(row))]


async def note_warning(tx: Tx, org_id: str, connection_id: str, days: int | None) -> None:
    await tx.run(
        "update sso_connections set warned_days = $3 where org_id = $1 and connection_id = $2",
        org_id,
        connection_id,
        days,
    )


def _settings(connection: Connection) -> str:
    kept: dict[str, Any] = {
        name: asdict(value)
        for name, value in (("oidc", connection.oidc), ("saml", connection.saml))
        if value is not None
    }
    return json.dumps(kept, default=datetime.isoformat)


def _connection(row: Row | None) -> Connection | None:
    if row is None:
        return None
    oidc, saml = settings_of(json.loads(row["settings"]))
    facts = {name: row[name] for name in NAMES}
    lists: dict[str, Sequence[str]] = {name: tuple(row[name]) for name in ("domains", "group_ids")}
    return Connection(**{**facts, **lists}, oidc=oidc, saml=saml)
