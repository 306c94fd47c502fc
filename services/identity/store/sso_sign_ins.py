"""Sign-ins at a provider: what browsers came back with, whom subjects stand for, the last attempts, and fresh proofs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Read, Row, Tx


@dataclass(frozen=True)
class Result:
    """What a browser came back with. Without `subject` it failed."""

    flow_id: str
    connection_id: str
    subject: str | None
    email: str | None
    name: str | None
    user_id: str | None
    session_id: str | None


@dataclass(frozen=True)
class Attempt:
    """A sign-in that came back from the provider, as it is shown to Admins. `step` is `done`, or where it ended."""

    attempt_id: str
    at: datetime
    purpose: str
    step: str
    cause: str | None
    cause_code: str | None
    cause_meta: Mapping[str, str | int]
    email: str | None
    claims: Mapping[str, str]
    request_id: str | None


@dataclass(frozen=True)
class Affected:
    """A member whose address is in a bound domain."""

    user_id: str
    name: str
    email: str
    admin: bool
    has_signed_in: bool
    has_password: bool


# -- results


async def answer_flow(tx: Tx, flow_id: str, connection_id: str, expires_at: datetime) -> bool:
    """Marks a flow as answered. False when it was before: no answer counts twice."""
    return bool(
        await tx.run(
            "insert into sso_results (flow_id, connection_id, expires_at) values ($1, $2, $3) on conflict do nothing",
            flow_id,
            connection_id,
            expires_at,
        )
    )


async def keep_result(tx: Tx, result: Result, expires_at: datetime) -> None:
    await tx.run(
        "update sso_results set subject = $2, email = $3, name = $4, user_id = $5, session_id = $6, expires_at = $7 where flow_id = $1",
        result.flow_id,
        result.subject,
        result.email,
        result.name,
        result.user_id,
        result.session_id,
        expires_at,
    )


async def take_result(tx: Tx, flow_id: str, now: datetime) -> Result | None:
    """The result, once. Of the person nothing stays."""
    row = await tx.row(
        "with old as (select * from sso_results where flow_id = $1 and taken_at is null and subject is not null and expires_at > $2 for update),"
        " done as (update sso_results set taken_at = $2, subject = null, email = null, name = null where flow_id in (select flow_id from old))"
        " select * from old",
        flow_id,
        now,
    )
    return _result(row)


async def purge_results(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from sso_results where expires_at <= $1", now)


# -- identities


async def person_of(read: Read, org_id: str, connection_id: str, subject: str) -> str | None:
    found = await read.value(
        "select user_id from sso_identities where org_id = $1 and connection_id = $2 and subject = $3",
        org_id,
        connection_id,
        subject,
    )
    return None if found is None else str(found)


async def has_identity(read: Read, org_id: str, connection_id: str, user_id: str) -> bool:
    return bool(
        await read.value(
            "select true from sso_identities where org_id = $1 and connection_id = $2 and user_id = $3",
            org_id,
            connection_id,
            user_id,
        )
    )


async def forget_people(tx: Tx, org_id: str, connection_id: str) -> None:
    """Nobody's subject counts any more, nor does one that a sign-in under way has shown."""
    await tx.run("delete from sso_identities where org_id = $1 and connection_id = $2", org_id, connection_id)
    await tx.run("delete from sso_sessions where org_id = $1 and connection_id = $2", org_id, connection_id)
    await tx.run("delete from challenges where connection_id = $1", connection_id)
    await tx.run(
        "update sso_results set subject = null, email = null, name = null where connection_id = $1", connection_id
    )


async def forget_under_way(tx: Tx, connection_id: str, subject: str) -> None:
    """Sign-ins of a subject that aren't complete end, for it has signed out at the provider."""
    await tx.run("delete from challenges where connection_id = $1 and subject = $2", connection_id, subject)
    await tx.run(
        "update sso_results set subject = null, email = null, name = null where connection_id = $1 and subject = $2",
        connection_id,
        subject,
    )


async def link(tx: Tx, org_id: str, connection_id: str, subject: str, user_id: str, now: datetime) -> bool:
    """False when the subject or the person is taken already."""
    return bool(
        await tx.run(
            "insert into sso_identities (org_id, connection_id, subject, user_id, linked_at, last_used_at) values ($1, $2, $3, $4, $5, $5)"
            " on conflict do nothing",
            org_id,
            connection_id,
            subject,
            user_id,
            now,
        )
    )


async def note_use(tx: Tx, org_id: str, connection_id: str, subject: str, now: datetime) -> None:
    await tx.run(
        "update sso_identities set last_used_at = $4 where org_id = $1 and connection_id = $2 and subject = $3",
        org_id,
        connection_id,
        subject,
        now,
    )


async def unlink(tx: Tx, org_id: str, user_id: str) -> list[str]:
    """The connections whose subject stood for the person in this organization."""
    rows = await tx.rows(
        "delete from sso_identities where org_id = $1 and user_id = $2 returning connection_id", org_id, user_id
    )
    return sorted(row["connection_id"] for row in rows)


async def forget_person(tx: Tx, user_id: str) -> None:
    """Needs a look across organizations."""
    await tx.run("delete from sso_identities where user_id = $1", user_id)
    await tx.run("delete from sso_proofs where user_id = $1", user_id)
    await tx.run("delete from break_glass where user_id = $1", user_id)


# -- attempts


async def note(tx: Tx, org_id: str, connection_id: str, attempt: Attempt, kept: int) -> None:
    """Keeps the attempt, and of those before only the newest."""
    await tx.run(
        "insert into sso_attempts (org_id, connection_id, attempt_id, at, purpose, step, cause,"
        " cause_code, cause_meta, email, claims, request_id)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        org_id,
        connection_id,
        attempt.attempt_id,
        attempt.at,
        attempt.purpose,
        attempt.step,
        attempt.cause,
        attempt.cause_code,
        json.dumps(dict(attempt.cause_meta)),
        attempt.email,
        json.dumps(dict(attempt.claims)),
        attempt.request_id,
    )
    await tx.run(
        "delete from sso_attempts where org_id = $1 and connection_id = $2 and attempt_id not in"
        " (select attempt_id from sso_attempts where org_id = $1 and connection_id = $2 order by attempt_id desc limit $3)",
        org_id,
        connection_id,
        kept,
    )


async def attempts(read: Read, org_id: str, connection_id: str, limit: int) -> list[Attempt]:
    """The newest first."""
    rows = await read.rows(
        "select attempt_id, at, purpose, step, cause, cause_code, cause_meta, email, claims, request_id from sso_attempts"
        " where org_id = $1 and connection_id = $2 order by attempt_id desc limit $3",
        org_id,
        connection_id,
        limit,
    )
    return [
        Attempt(**{**dict(row), "cause_meta": json.loads(row["cause_meta"]), "claims": json.loads(row["claims"])})
        for row in rows
    ]


# -- proofs


async def keep_proof(tx: Tx, session_id: str, user_id: str, now: datetime) -> None:
    await tx.run(
        "insert into sso_proofs (session_id, user_id, proven_at) values ($1, $2, $3)"
        " on conflict (session_id) do update set proven_at = excluded.proven_at",
        session_id,
        user_id,
        now,
    )


async def has_proof(read: Read, session_id: str, user_id: str, since: datetime) -> bool:
    return bool(
        await read.value(
            "select true from sso_proofs where session_id = $1 and user_id = $2 and proven_at >= $3",
            session_id,
            user_id,
            since,
        )
    )


# -- who would be affected


async def affected(read: Read, org_id: str, domains: list[str], connection_ids: list[str]) -> list[Affected]:
    """Active members with an address in these domains, by address."""
    rows = await read.rows(
        "select a.user_id, a.name, a.email, m.acts_as = 'admin' as admin, a.password_hash <> '' as has_password,"
        " exists (select from sso_identities i where i.org_id = $1 and i.user_id = a.user_id and i.connection_id = any($3)) as has_signed_in"
        " from memberships m join accounts a using (user_id)"
        " where m.org_id = $1 and m.status = 'active' and split_part(a.canonical_email, '@', 2) = any($2) order by a.canonical_email",
        org_id,
        domains,
        connection_ids,
    )
    return [Affected(**dict(row)) for row in rows]


def _result(row: Row | None) -> Result | None:
    return Result(**{name: row[name] for name in Result.__dataclass_fields__}) if row is not None else None
