"""What identity providers provisioned, and what they may: users, removals that are held, settings."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import asyncpg
import orjson

from services.org.rules import Group, Member, key_of
from services.org.rules.scim import name_taken
from services.org.store import groups, scim_invitations
from shared.db import Read, Row, Tx
from shared.errors import Problem

Kind = Literal["deactivation", "deletion"]
MEMBER = ", ".join(
    f"m.{name}"
    for name in (
        [
            "user_id",
            "email",
            "name",
            "role",
            "status",
            "joined_at",
            "deactivated_at",
            "version",
            "changed_by",
            "changed_at",
            "last_active_at",
        ]
    )
)
USERS = (
    f"select {MEMBER}, s.user_name, s.external_id, s.resource, s.created_at as linked_at, s.changed_at as told_at, r.kind as held"
    " from members m left join scim_users s using (org_id, user_id) left join scim_removals r using (org_id, user_id)"
    " where m.org_id = $1 and m.status <> 'removed' and r.kind is distinct from 'deletion'"
)
AWAITED = (
    "select w.user_id, w.email, w.name, 'viewer' as role, 'inactive' as status, w.created_at as joined_at, null::timestamptz as deactivated_at,"
    " 1 as version, null as changed_by, w.changed_at, null::timestamptz as last_active_at, w.user_name, w.external_id, w.resource,"
    " w.created_at as linked_at, w.changed_at as told_at, null as held, true as awaited from scim_invitations w where w.org_id = $1"
)
AWAITED_HOLDS = "($2::text is null or strpos(lower(concat_ws(' ', w.email, w.name, w.user_name, w.external_id, w.resource::text)), $2) > 0)"
HOLDS = "($2::text is null or strpos(lower(concat_ws(' ', m.email, m.name, s.user_name, s.external_id, s.resource::text)), $2) > 0)"
LOOK_UPS = {
    "id": "m.user_id = $2",
    "externalid": "s.external_id = $2",
    "username": "coalesce(s.user_name_key, m.email_key) = $2",
}
AWAITED_LOOK_UPS = {"id": "w.user_id = $2", "externalid": "w.external_id = $2", "username": "w.user_name_key = $2"}


@dataclass(frozen=True)
class Linked:
    """A member as the identity provider sees them. Without `resource` it has never spoken of them.

    `awaited`: no member yet, somebody who is invited.
    """

    member: Member
    user_name: str
    external_id: str | None
    resource: Mapping[str, Any] | None
    linked_at: datetime | None
    told_at: datetime | None
    held: Kind | None
    awaited: bool = False

    @property
    def active(self) -> bool:
        """As the provider wants it: who is held is gone already to its eyes."""
        return self.member.status == "active" and self.held is None


@dataclass(frozen=True)
class Settings:
    """`version` 0: nobody has set anything yet."""

    default_role: Literal["analyst", "viewer"] = "viewer"
    removals_per_hour: int = 10
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None


async def find(read: Read, org_id: str, user_id: str) -> Linked | None:
    return await look_up(read, org_id, "id", user_id)


async def one(read: Read, org_id: str, user_id: str) -> Linked:
    found = await find(read, org_id, user_id)
    if found is None:
        raise Problem("not_found", f"There is no user {user_id}.", meta={"because": "user", "id": user_id})
    return found


async def exists(read: Read, org_id: str, user_id: str) -> bool:
    return await find(read, org_id, user_id) is not None


async def look_up(read: Read, org_id: str, attribute: str, value: str) -> Linked | None:
    """The one with this id, name or foreign id; names are compared regardless of case."""
    wanted = key_of(value) if attribute == "username" else value
    row = await read.row(
        f"{USERS} and {LOOK_UPS[attribute]} order by m.joined_at, m.user_id limit 1", org_id, wanted
    ) or await read.row(
        f"{AWAITED} and {AWAITED_LOOK_UPS[attribute]} order by w.created_at, w.user_id limit 1", org_id, wanted
    )
    return _linked(row) if row else None


async def listed(read: Read, org_id: str, offset: int, limit: int, needle: str | None = None) -> list[Linked]:
    """In the order in which they joined, and then who is yet to; with a needle only who holds that text in anything that is told of them."""
    rows = await read.rows(
        f"{USERS} and {HOLDS} order by m.joined_at, m.user_id offset $3 limit $4", org_id, needle, offset, limit
    )
    if len(rows) < limit:
        members = offset + len(rows) if rows else await _members_counted(read, org_id, needle)
        rest = (org_id, needle, max(offset - members, 0), limit - len(rows))
        order = "order by w.created_at, w.user_id offset $3 limit $4"
        rows = [*rows, *await read.rows(f"{AWAITED} and {AWAITED_HOLDS} {order}", *rest)]
    return [_linked(row) for row in rows]


async def counted(read: Read, org_id: str, needle: str | None = None) -> int:
    awaited = await read.value(f"select count(*) from ({AWAITED} and {AWAITED_HOLDS}) as found", org_id, needle)
    return await _members_counted(read, org_id, needle) + int(awaited)


async def _members_counted(read: Read, org_id: str, needle: str | None) -> int:
    return int(await read.value(f"select count(*) from ({USERS} and {HOLDS}) as found", org_id, needle))


async def link(
    tx: Tx,
    org_id: str,
    user_id: str,
    user_name: str,
    external_id: str | None,
    resource: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keeps what the provider says of a member; 409 when another has that name."""
    try:
        await tx.run(
            "insert into scim_users (org_id, user_id, user_name, user_name_key, external_id, resource, created_at, changed_at)"
            " values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (org_id, user_id) do update set user_name = excluded.user_name,"
            " user_name_key = excluded.user_name_key, external_id = excluded.external_id, resource = excluded.resource,"
            " changed_at = excluded.changed_at",
            org_id,
            user_id,
            user_name,
            key_of(user_name),
            external_id,
            orjson.dumps(resource).decode(),
            now,
        )
    except asyncpg.UniqueViolationError:
        raise name_taken(user_name) from None


async def deletion_held(read: Read, org_id: str, user_name: str, email_key: str) -> str | None:
    """The id of a member whose deletion is held: to the provider there is nobody of that name or address."""
    found: str | None = await read.value(
        "select m.user_id from members m join scim_removals r using (org_id, user_id) left join scim_users s using (org_id, user_id)"
        " where org_id = $1 and m.status <> 'removed' and r.kind = 'deletion' and (m.email_key = $3 or s.user_name_key = $2) limit 1",
        org_id,
        key_of(user_name),
        email_key,
    )
    return found


# -- removals


async def removed_since(read: Read, org_id: str, since: datetime) -> int:
    """How many members the provider has deactivated or removed, and who has not come back."""
    return int(
        await read.value(
            "select count(*) from members where org_id = $1 and status <> 'active' and changed_by like 'sct%' and changed_at > $2",
            org_id,
            since,
        )
    )


async def hold(tx: Tx, org_id: str, user_id: str, kind: Kind, now: datetime) -> bool:
    """False when it was held already."""
    known = await tx.value("select kind from scim_removals where org_id = $1 and user_id = $2", org_id, user_id)
    await tx.run(
        "insert into scim_removals (org_id, user_id, kind, asked_at) values ($1, $2, $3, $4)"
        " on conflict (org_id, user_id) do update set kind = excluded.kind",
        org_id,
        user_id,
        kind,
        now,
    )
    return known is None


async def held(read: Read, org_id: str, user_ids: Sequence[str] | None = None) -> list[tuple[Member, Kind, datetime]]:
    rows = await read.rows(
        f"select {MEMBER}, r.kind, r.asked_at from scim_removals r join members m using (org_id, user_id)"
        " where org_id = $1 and m.status <> 'removed' and ($2::text[] is null or user_id = any($2)) order by asked_at, user_id",
        org_id,
        list(user_ids) if user_ids is not None else None,
    )
    found = []
    for row in rows:
        values = dict(row)
        kind, asked_at = values.pop("kind"), values.pop("asked_at")
        found.append((Member(**values), kind, asked_at))
    return found


async def let_go(tx: Tx, org_id: str, user_ids: Sequence[str]) -> None:
    await tx.run("delete from scim_removals where org_id = $1 and user_id = any($2)", org_id, list(user_ids))


# -- groups


async def group(read: Read, org_id: str, group_id: str) -> tuple[Group, str | None]:
    """A group of the provider, and its id there."""
    row = await read.row(
        f"select {groups.COLUMNS}, external_id from groups where org_id = $1 and group_id = $2 and origin = 'scim'",
        org_id,
        group_id,
    )
    if row is None:
        raise Problem("not_found", f"There is no group {group_id}.", meta={"because": "group", "id": group_id})
    return _group(row)


async def group_exists(read: Read, org_id: str, group_id: str) -> bool:
    sql = "select true from groups where org_id = $1 and group_id = $2 and origin = 'scim'"
    return bool(await read.value(sql, org_id, group_id))


async def groups_listed(read: Read, org_id: str, offset: int, limit: int) -> list[tuple[Group, str | None]]:
    rows = await read.rows(
        f"select {groups.COLUMNS}, external_id from groups where org_id = $1 and origin = 'scim'"
        " order by created_at, group_id offset $2 limit $3",
        org_id,
        offset,
        limit,
    )
    return [_group(row) for row in rows]


async def groups_counted(read: Read, org_id: str) -> int:
    return int(await read.value("select count(*) from groups where org_id = $1 and origin = 'scim'", org_id))


async def people(read: Read, org_id: str, group_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Ids and names of those in each group, whether active or not, and of those who are to join it.

    Whose deletion is held is gone already to the provider's eyes.
    """
    rows = await read.rows(
        "select group_id, user_id, m.name from group_members join members m using (org_id, user_id)"
        " left join scim_removals r using (org_id, user_id)"
        " where org_id = $1 and group_id = any($2) and r.kind is distinct from 'deletion' order by user_id",
        org_id,
        list(group_ids),
    )
    found: dict[str, list[tuple[str, str]]] = {group_id: [] for group_id in group_ids}
    for row in rows:
        found[row["group_id"]].append((row["user_id"], row["name"]))
    for group_id, user_id, name in await scim_invitations.in_groups(read, org_id, group_ids):
        found[group_id].append((user_id, name))
    return found


async def own_group(
    tx: Tx, org_id: str, group_id: str, origin: Literal["hand", "scim"], external_id: str | None
) -> None:
    await tx.run(
        "update groups set origin = $3, external_id = $4 where org_id = $1 and group_id = $2",
        org_id,
        group_id,
        origin,
        external_id,
    )


# -- settings


async def settings(read: Read, org_id: str) -> Settings:
    row = await read.row(
        "select default_role, removals_per_hour, version, changed_by, changed_at from scim_settings where org_id = $1",
        org_id,
    )
    return Settings(**dict(row)) if row else Settings()


async def set_up(tx: Tx, org_id: str, new: Settings) -> None:
    await tx.run(
        "insert into scim_settings (org_id, default_role, removals_per_hour, version, changed_by, changed_at) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (org_id) do update set default_role = excluded.default_role, removals_per_hour = excluded.removals_per_hour,"
        " version = excluded.version, changed_by = excluded.changed_by, changed_at = excluded.changed_at",
        org_id,
        new.default_role,
        new.removals_per_hour,
        new.version,
        new.changed_by,
        new.changed_at,
    )


def _linked(row: Row) -> Linked:
    values = dict(row)
    extra = {
        name: values.pop(name) for name in ("user_name", "external_id", "resource", "linked_at", "told_at", "held")
    }
    awaited = values.pop("awaited", False)
    resource = orjson.loads(extra["resource"]) if extra["resource"] is not None else None
    member = Member(**values)
    facts = {**extra, "user_name": extra["user_name"] or member.email, "resource": resource, "awaited": awaited}
    return Linked(member, **facts)


def _group(row: Row) -> tuple[Group, str | None]:
    values = dict(row)
    external_id = values.pop("external_id")
    return Group(**values), external_id
