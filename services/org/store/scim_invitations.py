"""Whom an identity provider wants in, and who hasn't accepted yet."""

# ruff: noqa: S608 - only constants are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from services.org.rules import key_of
from services.org.rules.scim import name_taken
from shared.db import Read, Row, Tx
from shared.fields import canonical_email

COLUMNS = "user_id, invitation_id, email, name, user_name, external_id, resource, wanted, group_ids"


@dataclass(frozen=True)
class Awaited:
    """Somebody whom the provider wants in. Without `invitation_id` they weren't asked, or no longer are."""

    user_id: str
    invitation_id: str | None
    email: str
    name: str
    user_name: str
    external_id: str | None
    resource: Mapping[str, Any]
    wanted: bool
    group_ids: tuple[str, ...] = ()


async def find(read: Read, org_id: str, user_id: str) -> Awaited | None:
    return _awaited(
        await read.row(
            f"select {COLUMNS} from scim_invitations where org_id = $1 and user_id = $2",
            org_id,
            user_id,
        )
    )


async def is_taken(read: Read, org_id: str, email_key: str) -> bool:
    """Whether somebody with this address is awaited already."""
    return bool(
        await read.value("select true from scim_invitations where org_id = $1 and email_key = $2", org_id, email_key)
    )


async def is_for_another(read: Read, org_id: str, invitation_id: str, user_id: str) -> bool:
    """Whether the provider awaits another account by this invitation."""
    return bool(
        await read.value(
            "select true from scim_invitations where org_id = $1 and invitation_id = $2 and user_id <> $3",
            org_id,
            invitation_id,
            user_id,
        )
    )


async def keep(tx: Tx, org_id: str, awaited: Awaited, now: datetime) -> None:
    """Also over what was said before; 409 when another has that name."""
    try:
        await tx.run(
            "insert into scim_invitations (org_id, user_id, invitation_id, email, email_key, name, user_name, user_name_key,"
            " external_id, resource, wanted, group_ids, created_at, changed_at)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) on conflict (org_id, user_id) do update set"
            " invitation_id = excluded.invitation_id, name = excluded.name, user_name = excluded.user_name,"
            " user_name_key = excluded.user_name_key, external_id = excluded.external_id, resource = excluded.resource,"
            " wanted = excluded.wanted, group_ids = excluded.group_ids, changed_at = excluded.changed_at",
            org_id,
            awaited.user_id,
            awaited.invitation_id,
            awaited.email,
            canonical_email(awaited.email),
            awaited.name,
            awaited.user_name,
            key_of(awaited.user_name),
            awaited.external_id,
            orjson.dumps(awaited.resource).decode(),
            awaited.wanted,
            list(awaited.group_ids),
            now,
        )
    except asyncpg.UniqueViolationError:
        raise name_taken(awaited.user_name) from None


async def take(tx: Tx, org_id: str, user_id: str) -> Awaited | None:
    """What is known of the person, whom nobody awaits from here on."""
    return _awaited(
        await tx.row(
            f"delete from scim_invitations where org_id = $1 and user_id = $2 returning {COLUMNS}", org_id, user_id
        )
    )


async def into_group(tx: Tx, org_id: str, user_id: str, group_id: str) -> bool:
    """They are to join with this group, too. False when nobody awaits them."""
    return bool(
        await tx.run(
            "update scim_invitations set group_ids = array_append(array_remove(group_ids, $3), $3)"
            " where org_id = $1 and user_id = $2",
            org_id,
            user_id,
            group_id,
        )
    )


async def out_of_group(tx: Tx, org_id: str, user_id: str, group_id: str) -> None:
    await tx.run(
        "update scim_invitations set group_ids = array_remove(group_ids, $3) where org_id = $1 and user_id = $2",
        org_id,
        user_id,
        group_id,
    )


async def in_groups(read: Read, org_id: str, group_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Group, id and name of those who are to join these groups."""
    rows = await read.rows(
        "select group_id, user_id, name from scim_invitations, unnest(group_ids) as group_id"
        " where org_id = $1 and group_ids && $2::text[] and group_id = any($2) order by user_id",
        org_id,
        list(group_ids),
    )
    return [(row["group_id"], row["user_id"], row["name"]) for row in rows]


async def forget_person(tx: Tx, user_id: str) -> None:
    """Needs a look across organizations."""
    await tx.run("delete from scim_invitations where user_id = $1", user_id)


def _awaited(row: Row | None) -> Awaited | None:
    if row is None:
        return None
    return Awaited(**{**dict(row), "resource": orjson.loads(row["resource"]), "group_ids": tuple(row["group_ids"])})
