"""What SAML connections have besides: a key that signs our requests, and the assertions that were used."""

from __future__ import annotations

from datetime import datetime

from shared.db import Read, Tx


async def keep_key(tx: Tx, org_id: str, connection_id: str, sealed: bytes, certificate: str) -> None:
    await tx.run(
        "insert into saml_keys (org_id, connection_id, sealed, certificate) values ($1, $2, $3, $4)",
        org_id,
        connection_id,
        sealed,
        certificate,
    )


async def sealed_key(read: Read, org_id: str, connection_id: str) -> bytes | None:
    found = await read.value(
        "select sealed from saml_keys where org_id = $1 and connection_id = $2", org_id, connection_id
    )
    return None if found is None else bytes(found)


async def certificate(read: Read, org_id: str, connection_id: str) -> str | None:
    found = await read.value(
        "select certificate from saml_keys where org_id = $1 and connection_id = $2", org_id, connection_id
    )
    return None if found is None else str(found)


async def use_assertion(tx: Tx, org_id: str, connection_id: str, assertion_id: str, expires_at: datetime) -> bool:
    """Marks an assertion as used. False when it was before, in whatever process."""
    return bool(
        await tx.run(
            "insert into saml_assertions (org_id, connection_id, assertion_id, expires_at) values ($1, $2, $3, $4) on conflict do nothing",
            org_id,
            connection_id,
            assertion_id,
            expires_at,
        )
    )


async def purge_assertions(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from saml_assertions where expires_at <= $1", now)
