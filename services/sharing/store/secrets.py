"""Embed secrets, sealed, and who uses which."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.sharing.rules.embed_secrets import Secret
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.sealed_columns import SealedColumn

TABLE = "embed_secrets"

LIFE = "s.secret_id, s.created_at, s.superseded_at, s.expires_at, s.revoked_at"
KEPT = f"""
select s.org_id, {LIFE}, s.created_by, s.sealed, s.sealing, coalesce(used.uses, 0) as uses, used.last_at
from embed_secrets s left join lateral (
    select sum(u.uses)::bigint as uses, max(u.last_at) as last_at from embed_secret_uses u
    where u.org_id = s.org_id and u.secret_id = s.secret_id
) used on true
"""
RING = f"""
select s.org_id, {LIFE}, s.created_by, s.sealed, s.sealing, 0 as uses, null::timestamptz as last_at from embed_secrets s where s.org_id = $1
"""
NEWEST = "order by s.created_at desc, s.secret_id desc limit 200"
USERS = """
select u.link_id, l.name as link_name, u.dashboard_id, d.title, u.uses, u.last_at
from embed_secret_uses u
left join links l on l.org_id = u.org_id and l.link_id = u.link_id
left join dashboards d on d.org_id = u.org_id and d.dashboard_id = u.dashboard_id
where u.org_id = $1 and u.secret_id = $2 order by u.last_at desc, u.link_id limit 200
"""
SEALED_WITH_OTHERS = """
select org_id, secret_id, sealed, sealing from embed_secrets
where position(convert_to($1 || '.', 'UTF8') in sealed) <> 1 and (org_id, secret_id) > ($3, $4)
order by org_id, secret_id limit $2 for update skip locked
"""


@dataclass(frozen=True)
class KeptSecret:
    """A secret as stored: still sealed."""

    org_id: str
    life: Secret
    created_by: str | None
    sealed: bytes
    sealing: int
    uses: int
    last_used_at: datetime | None

    @property
    def place(self) -> tuple[str, ...]:
        """What its ciphertext is bound to."""
        return place_of(self.org_id, self.life.secret_id, self.sealing)


@dataclass(frozen=True)
class SealedSecret:
    """A ciphertext and its place."""

    org_id: str
    secret_id: str
    sealed: bytes
    sealing: int


@dataclass(frozen=True)
class User:
    """A link whose embedder signs with a secret. Names are null of what is gone."""

    link_id: str
    link_name: str | None
    dashboard_id: str
    title: str | None
    uses: int
    last_at: datetime


def place_of(org_id: str, secret_id: str, sealing: int) -> tuple[str, ...]:
    """Table, row, organization, and which sealing it is: an older ciphertext that is put back doesn't open."""
    return (TABLE, secret_id, org_id, *([str(sealing)] if sealing else []))


# Its own job counts the sealings.
SEALED = (
    SealedColumn(
        TABLE,
        "sealed",
        ("org_id", "secret_id", "sealing"),
        lambda row: place_of(row["org_id"], row["secret_id"], row["sealing"]),
    ),
)


async def secret_exists(read: Read, org_id: str, secret_id: str) -> bool:
    return bool(
        await read.value("select true from embed_secrets where org_id = $1 and secret_id = $2", org_id, secret_id)
    )


async def hold_ring(tx: Tx, org_id: str) -> None:
    """One change of an organization's secrets at a time."""
    await tx.row("select true from organizations where org_id = $1 for update", org_id)


async def add_secret(
    tx: Tx, org_id: str, secret_id: str, sealed: bytes, sealing: int, created_at: datetime, by: str | None
) -> None:
    await tx.run(
        "insert into embed_secrets (org_id, secret_id, sealed, sealing, created_at, created_by) values ($1, $2, $3, $4, $5, $6)",
        org_id,
        secret_id,
        sealed,
        sealing,
        created_at,
        by,
    )


async def secrets(read: Read, org_id: str) -> list[KeptSecret]:
    """The newest first."""
    return [_kept(row) for row in await read.rows(f"{KEPT} where s.org_id = $1 {NEWEST}", org_id)]


async def ring(read: Read, org_id: str) -> list[KeptSecret]:
    """The newest first, without who uses them: for the way in, whose cost must not grow with what was let in before."""
    return [_kept(row) for row in await read.rows(f"{RING} {NEWEST}", org_id)]


async def secret(read: Read, org_id: str, secret_id: str) -> KeptSecret:
    """One secret; 404 when there is none."""
    row = await read.row(f"{KEPT} where s.org_id = $1 and s.secret_id = $2", org_id, secret_id)
    if row is None:
        raise Problem("not_found")
    return _kept(row)


async def supersede(tx: Tx, org_id: str, secret_id: str, at: datetime, expires_at: datetime) -> None:
    await tx.run(
        "update embed_secrets set superseded_at = $3, expires_at = $4 where org_id = $1 and secret_id = $2",
        org_id,
        secret_id,
        at,
        expires_at,
    )


async def revoke(tx: Tx, org_id: str, secret_id: str, at: datetime, by: str) -> None:
    await tx.run(
        "update embed_secrets set revoked_at = $3, revoked_by = $4 where org_id = $1 and secret_id = $2",
        org_id,
        secret_id,
        at,
        by,
    )


async def users(read: Read, org_id: str, secret_id: str) -> list[User]:
    """Who used a secret, the last one first."""
    return [User(**dict(row)) for row in await read.rows(USERS, org_id, secret_id)]


async def count_use(tx: Tx, org_id: str, secret_id: str, link_id: str, dashboard_id: str, at: datetime) -> None:
    await tx.run(
        "insert into embed_secret_uses as known (org_id, secret_id, link_id, dashboard_id, uses, last_at) values ($1, $2, $3, $4, 1, $5)"
        " on conflict (org_id, secret_id, link_id) do update set uses = known.uses + 1, last_at = greatest(known.last_at, excluded.last_at)",
        org_id,
        secret_id,
        link_id,
        dashboard_id,
        at,
    )


async def ended(tx: Tx, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Secrets whose moment has come, of whatever organization, each once: (organization, secret)."""
    rows = await tx.rows(
        "update embed_secrets set expiry_told = true where (org_id, secret_id) in (select org_id, secret_id from embed_secrets"
        " where expires_at <= $1 and revoked_at is null and not expiry_told order by expires_at limit $2 for update skip locked)"
        " returning org_id, secret_id",
        now,
        limit,
    )
    return sorted((row["org_id"], row["secret_id"]) for row in rows)


async def ending_unwarned(tx: Tx, now: datetime) -> list[KeptSecret]:
    """Superseded secrets that nobody was warned of, of whatever organization."""
    rows = await tx.rows(
        f"{KEPT} where s.expires_at > $1 and s.revoked_at is null and s.warned_at is null and not s.expiry_told order by s.expires_at",
        now,
    )
    return [_kept(row) for row in rows]


async def mark_warned(tx: Tx, org_id: str, secret_id: str, at: datetime) -> None:
    await tx.run("update embed_secrets set warned_at = $3 where org_id = $1 and secret_id = $2", org_id, secret_id, at)


async def sealed_with_other_keys(
    tx: Tx, key_id: str, limit: int, after: tuple[str, str] = ("", "")
) -> list[SealedSecret]:
    """Secrets of whatever organization that another master key than this one has sealed, from behind one of them on."""
    rows = await tx.rows(SEALED_WITH_OTHERS, key_id, limit, *after)
    return [SealedSecret(**dict(row)) for row in rows]


async def seal_anew(tx: Tx, org_id: str, secret_id: str, sealed: bytes, sealing: int) -> None:
    await tx.run(
        "update embed_secrets set sealed = $3, sealing = $4 where org_id = $1 and secret_id = $2",
        org_id,
        secret_id,
        sealed,
        sealing,
    )


async def admins(read: Read, org_id: str) -> list[tuple[str, str, str]]:
    """(user id, name, e-mail) of those who act as Admin now."""
    rows = await read.rows(
        "select user_id, name, email from members where org_id = $1 and status = 'active' and effective_role = 'admin' order by user_id",
        org_id,
    )
    return [(row["user_id"], row["name"], row["email"]) for row in rows]


async def organization_name(read: Read, org_id: str) -> str:
    return await read.value("select name from organizations where org_id = $1", org_id) or ""


def _kept(row: Row) -> KeptSecret:
    life = Secret(row["secret_id"], row["created_at"], row["superseded_at"], row["expires_at"], row["revoked_at"])
    return KeptSecret(
        row["org_id"], life, row["created_by"], row["sealed"], row["sealing"], row["uses"], row["last_at"]
    )
