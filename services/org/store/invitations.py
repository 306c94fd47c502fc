"""Invitations: one open per address and organization, and only the last link works."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.org.rules import Invitation
from shared.db import Read, Row, Tx
from shared.errors import Problem
from shared.fields import canonical_email

PENDING = ("open", "expired")
COLUMNS = "invitation_id, email, role, group_ids, status, link_version, invited_by, invited_at, sent_at, expires_at, accepted_at, renewal_requested_at"


def _read(row: Row) -> Invitation:
    return Invitation(**{**dict(row), "group_ids": tuple(row["group_ids"])})


async def find(read: Read, org_id: str, invitation_id: str) -> Invitation | None:
    row = await read.row(
        f"select {COLUMNS} from invitations where org_id = $1 and invitation_id = $2", org_id, invitation_id
    )
    return _read(row) if row else None


async def one(read: Read, org_id: str, invitation_id: str) -> Invitation:
    found = await find(read, org_id, invitation_id)
    if found is None:
        raise Problem("not_found")
    return found


async def exists(read: Read, org_id: str, invitation_id: str) -> bool:
    return await find(read, org_id, invitation_id) is not None


async def organization_of(read: Read, invitation_id: str) -> str | None:
    """Whose invitation it is: asked by who holds a link and knows no organization yet."""
    org_id: str | None = await read.value("select org_id from invitations where invitation_id = $1", invitation_id)
    return org_id


async def open_addresses(read: Read, org_id: str, email_keys: Sequence[str], now: datetime) -> dict[str, str]:
    """Addresses among these that hold an open invitation, and its id."""
    rows = await read.rows(
        "select email_key, invitation_id from invitations where org_id = $1 and email_key = any($2) and status = 'open'"
        " and expires_at > $3",
        org_id,
        list(email_keys),
        now,
    )
    return {row["email_key"]: row["invitation_id"] for row in rows}


async def open_by(read: Read, org_id: str, user_id: str, now: datetime) -> int:
    """How many open invitations this Admin has sent."""
    return int(
        await read.value(
            "select count(*) from invitations where org_id = $1 and invited_by = $2 and status = 'open' and expires_at > $3",
            org_id,
            user_id,
            now,
        )
    )


async def promising(read: Read, org_id: str, group_id: str, now: datetime) -> int:
    """How many open invitations lead into this group."""
    return int(
        await read.value(
            "select count(*) from invitations where org_id = $1 and $2 = any(group_ids) and status = 'open' and expires_at > $3",
            org_id,
            group_id,
            now,
        )
    )


async def add(tx: Tx, org_id: str, invitations: Sequence[Invitation]) -> None:
    await tx.run(
        "insert into invitations (org_id, invitation_id, email, email_key, role, group_ids, status, invited_by, invited_at, sent_at, expires_at)"
        " select $1, invitation_id, email, email_key, role, string_to_array(group_ids, ' '), 'open', $7, $8, $8, $9"
        " from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) as new (invitation_id, email, email_key, role, group_ids)",
        org_id,
        [one.invitation_id for one in invitations],
        [one.email for one in invitations],
        [canonical_email(one.email) for one in invitations],
        [one.role for one in invitations],
        [" ".join(one.group_ids) for one in invitations],
        invitations[0].invited_by,
        invitations[0].invited_at,
        invitations[0].expires_at,
    )


async def renew(tx: Tx, org_id: str, invitation_id: str, now: datetime, expires_at: datetime) -> Invitation:
    """Open again or still, with a new link."""
    try:
        row = await tx.row(
            "update invitations set status = 'open', link_version = link_version + 1, sent_at = $3, expires_at = $4,"
            " renewal_requested_at = null, changed_at = $3"
            f" where org_id = $1 and invitation_id = $2 returning {COLUMNS}",
            org_id,
            invitation_id,
            now,
            expires_at,
        )
    except asyncpg.UniqueViolationError:
        raise Problem(
            "already_exists", "This address has another open invitation.", meta={"because": "invited"}
        ) from None
    assert row is not None
    return _read(row)


async def request_renewal(tx: Tx, org_id: str, invitation_id: str, now: datetime) -> Invitation | None:
    """Once after each mail: None when it was asked for already, or there is nothing to renew."""
    row = await tx.row(
        "update invitations set renewal_requested_at = $3 where org_id = $1 and invitation_id = $2"
        f" and status in ('open', 'expired') and expires_at <= $3 and renewal_requested_at is null returning {COLUMNS}",
        org_id,
        invitation_id,
        now,
    )
    return _read(row) if row else None


async def revoke(tx: Tx, org_id: str, invitation_id: str, now: datetime) -> Invitation:
    row = await tx.row(
        "update invitations set status = 'revoked', changed_at = $3"
        f" where org_id = $1 and invitation_id = $2 returning {COLUMNS}",
        org_id,
        invitation_id,
        now,
    )
    assert row is not None
    return _read(row)


async def accept(tx: Tx, org_id: str, invitation_id: str, now: datetime) -> Invitation:
    row = await tx.row(
        "update invitations set status = 'accepted', accepted_at = $3, changed_at = $3"
        f" where org_id = $1 and invitation_id = $2 returning {COLUMNS}",
        org_id,
        invitation_id,
        now,
    )
    assert row is not None
    return _read(row)


async def expire_due(tx: Tx, org_id: str, now: datetime) -> list[Invitation]:
    """Expires what is overdue in one organization, and returns it."""
    rows = await tx.rows(
        f"update invitations set status = 'expired', changed_at = $2 where org_id = $1 and status = 'open' and expires_at <= $2 returning {COLUMNS}",
        org_id,
        now,
    )
    return [_read(row) for row in rows]


async def organizations_with_due(read: Read, now: datetime, limit: int) -> list[str]:
    rows = await read.rows(
        "select distinct org_id from invitations where status = 'open' and expires_at <= $1 order by org_id limit $2",
        now,
        limit,
    )
    return [row["org_id"] for row in rows]


async def listed(
    read: Read,
    org_id: str,
    statuses: Sequence[str],
    q: str | None,
    now: datetime,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Invitation]:
    """Newest first, after a position (time, id)."""
    at, last = (datetime.fromisoformat(after[0]), after[1]) if after else (None, None)
    rows = await read.rows(
        f"select {COLUMNS} from invitations where {_have(statuses)}"
        " and ($4::text is null or strpos(email_key, $4) > 0)"
        " and ($5::timestamptz is null or (invited_at, invitation_id) < ($5, $6)) order by invited_at desc, invitation_id desc limit $7",
        org_id,
        list(statuses),
        now,
        q.casefold() if q else None,
        at,
        last,
        limit,
    )
    return [_read(row) for row in rows]


async def counted(read: Read, org_id: str, statuses: Sequence[str], q: str | None, now: datetime, cap: int) -> int:
    return int(
        await read.value(
            f"select count(*) from (select from invitations where {_have(statuses)}"
            " and ($4::text is null or strpos(email_key, $4) > 0) limit $5) as found",
            org_id,
            list(statuses),
            now,
            q.casefold() if q else None,
            cap + 1,
        )
    )


def _have(statuses: Sequence[str]) -> str:
    """Those of an organization ($1) with one of these statuses ($2) at a moment ($3). What is overdue has expired, whether that was noted or not."""
    have = "org_id = $1 and (case when status = 'open' and expires_at <= $3 then 'expired' else status end) = any($2)"
    return f"{have} and status in ('open', 'expired')" if set(statuses) <= set(PENDING) else have
