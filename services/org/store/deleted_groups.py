"""Groups that were deleted, as they were: kept apart, so that nobody meets them who doesn't ask for them."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.org.rules import Group, group_key_of
from services.org.store import groups
from shared.db import Read, Tx
from shared.errors import Problem

COLUMNS = "group_id, name, description, created_at, version, cardinality(user_ids) as members, deleted_at, deleted_by"


@dataclass(frozen=True)
class DeletedGroup:
    """A deleted group; `members` is how many it had."""

    group_id: str
    name: str
    description: str
    created_at: datetime
    version: int
    members: int
    deleted_at: datetime
    deleted_by: str | None


async def keep(tx: Tx, org_id: str, group_id: str, by: str | None, now: datetime) -> None:
    """Remembers a group and who is in it, just before it goes."""
    await tx.run(
        "insert into deleted_groups (org_id, group_id, name, description, created_at, version, user_ids, deleted_at, deleted_by)"
        " select org_id, group_id, name, description, created_at, version, array("
        " select user_id from group_members where org_id = $1 and group_id = $2 order by user_id), $4, $3"
        " from groups where org_id = $1 and group_id = $2",
        org_id,
        group_id,
        by,
        now,
    )


async def find(read: Read, org_id: str, group_id: str, since: datetime) -> DeletedGroup | None:
    """One that was deleted after a moment."""
    row = await read.row(
        f"select {COLUMNS} from deleted_groups where org_id = $1 and group_id = $2 and deleted_at > $3",
        org_id,
        group_id,
        since,
    )
    return DeletedGroup(**dict(row)) if row else None


async def exists_or_did(read: Read, org_id: str, group_id: str) -> bool:
    """Whether the organization has this group, or deleted it and still remembers."""
    return await groups.exists(read, org_id, group_id) or bool(
        await read.value("select true from deleted_groups where org_id = $1 and group_id = $2", org_id, group_id)
    )


async def listed(
    read: Read, org_id: str, since: datetime, after: Sequence[Any] | None, limit: int
) -> list[DeletedGroup]:
    """The last deleted first, after a position (time, id)."""
    at, last = (datetime.fromisoformat(after[0]), after[1]) if after else (None, None)
    rows = await read.rows(
        f"select {COLUMNS} from deleted_groups where org_id = $1 and deleted_at > $2"
        " and ($3::timestamptz is null or (deleted_at, group_id) < ($3, $4)) order by deleted_at desc, group_id desc limit $5",
        org_id,
        since,
        at,
        last,
        limit,
    )
    return [DeletedGroup(**dict(row)) for row in rows]


async def bring_back(tx: Tx, org_id: str, was: DeletedGroup, name: str, by: str, now: datetime) -> Group:
    """The same group under its own id, with those of its people who have been members all along."""
    try:
        row = await tx.row(
            "insert into groups (org_id, group_id, kind, name, name_key, description, created_at, version, changed_by, changed_at)"
            f" values ($1, $2, 'custom', $3, $4, $5, $6, $7, $8, $9) returning {groups.COLUMNS}",
            org_id,
            was.group_id,
            name,
            group_key_of(name),
            was.description,
            was.created_at,
            was.version + 1,
            by,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise Problem("name_taken", meta={"name": name}) from None
    assert row is not None
    await tx.run(
        "insert into group_members (org_id, group_id, user_id, added_at, added_by)"
        " select $1, $2, user_id, $3, $4 from deleted_groups join members using (org_id) where org_id = $1 and group_id = $2"
        " and user_id = any(user_ids) and status <> 'removed' and joined_at <= deleted_at",
        org_id,
        was.group_id,
        now,
        by,
    )
    await tx.run("delete from deleted_groups where org_id = $1 and group_id = $2", org_id, was.group_id)
    return Group(**dict(row))


async def people(read: Read, org_id: str, group_id: str) -> list[str]:
    """Everybody who is in a group, whatever their standing."""
    rows = await read.rows(
        "select user_id from group_members where org_id = $1 and group_id = $2 order by user_id", org_id, group_id
    )
    return [row["user_id"] for row in rows]


async def forget(tx: Tx, before: datetime) -> None:
    await tx.run("delete from deleted_groups where deleted_at <= $1", before)
