"""People's sessions at their providers, beside ours that began by them; and the sign-outs that providers have told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.identity.rules import Session
from services.identity.store import sessions
from shared.db import Read, Tx

LEFT = """
select flow_id, session_id from sso_sessions where org_id = $1 and connection_id = $2
    and ($3::text is null or subject = $3)
    and ($4::bytea[] is null or digest = any($4) or ($3::text is not null and digest is null))
order by session_id for update
"""


@dataclass(frozen=True)
class ProviderSession:
    """A session at a provider, by the connection that knows it. `digest`: of what the provider calls it, if it does; `sealed`: what it wants to be shown."""

    org_id: str
    connection_id: str
    flow_id: str
    subject: str
    digest: bytes | None
    sealed: bytes


async def keep(tx: Tx, there: ProviderSession, waits_until: datetime) -> None:
    """From here on it may be attached to a session of ours; so long it waits for one."""
    await tx.run(
        "insert into sso_sessions (org_id, connection_id, flow_id, subject, digest, sealed, waits_until) values ($1, $2, $3, $4, $5, $6, $7)",
        there.org_id,
        there.connection_id,
        there.flow_id,
        there.subject,
        there.digest,
        there.sealed,
        waits_until,
    )


async def attach(tx: Tx, org_id: str, connection_id: str, flow_id: str, session_id: str) -> bool:
    """Ours began by it. False when the provider has ended it meanwhile."""
    return bool(
        await tx.run(
            "update sso_sessions set session_id = $4 where org_id = $1 and connection_id = $2 and flow_id = $3",
            org_id,
            connection_id,
            flow_id,
            session_id,
        )
    )


async def newest_of(read: Read, session_id: str) -> ProviderSession | None:
    """The last one by which a session of ours was begun or proven anew. Needs a look across organizations."""
    row = await read.row("select * from sso_sessions where session_id = $1 order by flow_id desc limit 1", session_id)
    return ProviderSession(**{name: row[name] for name in ProviderSession.__dataclass_fields__}) if row else None


async def end(
    tx: Tx, org_id: str, connection_id: str, subject: str | None, digests: Sequence[bytes] | None
) -> list[Session]:
    """Ends what this connection knows of a subject, of some of its sessions, or of a session alone; those of ours that ended with it.

    Where the provider never named a session, the subject alone decides. One that waits for ours is gone, and can't be attached any more.
    """
    rows = await tx.rows(LEFT, org_id, connection_id, subject, None if digests is None else list(digests))
    ended = await sessions.end_these(tx, [row["session_id"] for row in rows if row["session_id"] is not None])
    await tx.run(
        "delete from sso_sessions where org_id = $1 and connection_id = $2 and flow_id = any($3)",
        org_id,
        connection_id,
        [row["flow_id"] for row in rows],
    )
    return ended


async def hear(tx: Tx, org_id: str, connection_id: str, message_id: str, expires_at: datetime) -> bool:
    """Marks what a provider said as heard. False when it was before, in whatever process."""
    return bool(
        await tx.run(
            "insert into sso_sign_outs (org_id, connection_id, message_id, expires_at) values ($1, $2, $3, $4) on conflict do nothing",
            org_id,
            connection_id,
            message_id,
            expires_at,
        )
    )


async def purge(tx: Tx, now: datetime) -> None:
    await tx.run("delete from sso_sign_outs where expires_at <= $1", now)
    await tx.run("delete from sso_sessions where session_id is null and waits_until <= $1", now)
