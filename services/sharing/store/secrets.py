"""Embed secrets, sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Tx

TABLE = "embed_secrets"


@dataclass(frozen=True)
class KeptSecret:
    """A secret's facts, without the secret."""

    secret_id: str
    created_at: datetime
    expires_at: datetime | None


async def add_secret(tx: Tx, org_id: str, secret_id: str, sealed: bytes, created_at: datetime) -> None:
    await tx.run(
        "insert into embed_secrets (org_id, secret_id, sealed, created_at) values ($1, $2, $3, $4)",
        org_id,
        secret_id,
        sealed,
        created_at,
    )


async def secrets(read: Read, org_id: str) -> list[KeptSecret]:
    """The newest first."""
    rows = await read.rows(
        "select secret_id, created_at, expires_at from embed_secrets where org_id = $1 order by created_at desc, secret_id desc",
        org_id,
    )
    return [KeptSecret(**dict(row)) for row in rows]
