"""Groups and who is in them. Membership in the built-in ones is derived from the members, so it has no rows."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.org.rules import Group, GroupKind, group_key_of
from shared.db import Read, Row, Tx
from shared.errors import Problem

COLUMNS = "group_id, kind, name, description, created_at, version, changed_by, changed_at, name_key, origin"


async def find(read: Read, org_id: str, group_id: str) -> Group | None:
    row = await read.row(f"select {COLUMNS} from groups where org_id = $1 and group_id = $2", org_id, group_id)
    return Group(**dict(row)) if row else None


async def one(read: Read, org_id: str, group_id: str) -> Group:
    found = await find(read, org_id, group_id)
    if found is None:
        raise Problem("not_found")
    return found


async def exists(read: Read, org_id: str, group_id: str) -> bool:
    return await find(read, org_id, group_id) is not None


async def some(read: Read, org_id: str, group_ids: Sequence[str]) -> dict[str, Group]:
    """Those of the named groups that this organization has."""
    rows = await read.rows(
        f"select {COLUMNS} from groups where org_id = $1 and group_id = any($2) order by place, name_key",
        org_id,
        list(group_ids),
    )
    return {row["group_id"]: Group(**dict(row)) for row in rows}


async def custom(read: Read, org_id: str) -> list[Group]:
    rows = await read.rows(
        f"select {COLUMNS} from groups where org_id = $1 and kind = 'custom' order by name_key", org_id
    )
    return [Group(**dict(row)) for row in rows]


async def first_custom(read: Read, org_id: str, limit: int) -> tuple[list[Row], int]:
    """The first custom groups by name with their active members, and how many there are in all."""
    rows = await read.rows(
        "select group_id, name, active_members as members from groups where org_id = $1 and kind = 'custom' order by name_key limit $2",
        org_id,
        limit,
    )
    if len(rows) < limit:
        return rows, len(rows)
    return rows, int(await read.value("select count(*) from groups where org_id = $1 and kind = 'custom'", org_id))


async def built_in(read: Read, org_id: str) -> list[Group]:
    rows = await read.rows(f"select {COLUMNS} from groups where org_id = $1 and place < 2 order by place", org_id)
    return [Group(**dict(row)) for row in rows]


async def add(
    tx: Tx, org_id: str, group_id: str, kind: GroupKind, name: str, description: str, by: str | None, now: datetime
) -> Group:
    try:
        row = await tx.row(
            "insert into groups (org_id, group_id, kind, name, name_key, description, created_at, changed_by, changed_at)"
            f" values ($1, $2, $3, $4, $5, $6, $7, $8, $7) returning {COLUMNS}",
            org_id,
            group_id,
            kind,
            name,
            group_key_of(name),
            description,
            now,
            by,
        )
    except asyncpg.UniqueViolationError:
        raise Problem("name_taken", meta={"name": name}) from None
    assert row is not None
    return Group(**dict(row))


async def change(tx: Tx, org_id: str, group_id: str, name: str, description: str, by: str, now: datetime) -> Group:
    try:
        row = await tx.row(
            "update groups set name = $3, name_key = $4, description = $5, version = version + 1, changed_by = $6, changed_at = $7"
            f" where org_id = $1 and group_id = $2 returning {COLUMNS}",
            org_id,
            group_id,
            name,
            group_key_of(name),
            description,
            by,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise Problem("name_taken", meta={"name": name}) from None
    assert row is not None
    return Group(**dict(row))


async def remove(tx: Tx, org_id: str, group_id: str) -> None:
    """The memberships go with it, and nobody is invited into it any more."""
    await tx.run("delete from groups where org_id = $1 and group_id = $2", org_id, group_id)
    await tx.run(
        "update invitations set group_ids = array_remove(group_ids, $2)"
        " where org_id = $1 and status in ('open', 'expired') and $2 = any(group_ids)",
        org_id,
        group_id,
    )


async def listed(read: Read, org_id: str, q: str | None, after: Sequence[Any] | None, limit: int) -> list[Group]:
    """Built-in groups first, then by name, after a position (place, name)."""
    place, name = after or (-1, "")
    rows = await read.rows(
        f"select {COLUMNS} from groups where org_id = $1 and (place, name_key) > ($2, $3)"
        " and ($4::text is null or strpos(name_key, $4) > 0) order by place, name_key limit $5",
        org_id,
        place,
        name,
        group_key_of(q) if q else None,
        limit,
    )
    return [Group(**dict(row)) for row in rows]


async def counted(read: Read, org_id: str, q: str | None, cap: int) -> int:
    return int(
        await read.value(
            "select count(*) from (select from groups where org_id = $1 and ($2::text is null or strpos(name_key, $2) > 0) limit $3) as found",
            org_id,
            group_key_of(q) if q else None,
            cap + 1,
        )
    )


def position(group: Group) -> tuple[int, str]:
    return {"all_users": 0, "all_analysts": 1, "custom": 2}[group.kind], group.name_key


async def sizes(read: Read, org_id: str, groups: Sequence[Group], slotless: frozenset[str]) -> dict[str, int]:
    """Active members of each group, as they are kept with every change."""
    rows = await read.rows(
        "select group_id, active_members from groups where org_id = $1 and group_id = any($2)",
        org_id,
        [group.group_id for group in groups if group.kind == "custom"],
    )
    found = {row["group_id"]: row["active_members"] for row in rows}
    built_in = [group for group in groups if group.kind != "custom"]
    if built_in:
        row = await read.row(
            "select coalesce(sum(how_many), 0) as all_users, coalesce(sum(how_many) filter (where role <> 'viewer'), 0) as authors"
            " from member_counts where org_id = $1 and status = 'active'",
            org_id,
        )
        assert row is not None
        counts = {"all_users": int(row["all_users"]), "all_analysts": int(row["authors"]) - len(slotless)}
        found |= {group.group_id: counts[group.kind] for group in built_in}
    return found


# -- members


async def held(read: Read, org_id: str, user_ids: Sequence[str]) -> dict[str, list[Group]]:
    """The custom groups of each of these members, by name."""
    rows = await read.rows(
        "select user_id, group_id, kind, name, description, groups.created_at, version, changed_by, changed_at, groups.name_key, origin"
        " from group_members join groups using (org_id, group_id) where org_id = $1 and user_id = any($2) order by name_key",
        org_id,
        list(user_ids),
    )
    found: dict[str, list[Group]] = defaultdict(list)
    for row in rows:
        values = dict(row)
        found[values.pop("user_id")].append(Group(**values))
    return found


async def put_in(tx: Tx, org_id: str, group_ids: Sequence[str], user_id: str, by: str | None, now: datetime) -> bool:
    """False when the member was in all of them."""
    return bool(
        await tx.run(
            "insert into group_members (org_id, group_id, user_id, added_at, added_by)"
            " select $1, group_id, $3, $4, $5 from unnest($2::text[]) as wanted (group_id) on conflict do nothing",
            org_id,
            list(group_ids),
            user_id,
            now,
            by,
        )
    )


async def take_out(tx: Tx, org_id: str, group_ids: Sequence[str], user_id: str) -> bool:
    return bool(
        await tx.run(
            "delete from group_members where org_id = $1 and group_id = any($2) and user_id = $3",
            org_id,
            list(group_ids),
            user_id,
        )
    )
