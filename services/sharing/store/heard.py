"""The projections: what org and billing said, kept with the event behind each fact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.sharing.store.access import order_key
from shared.db import Tx
from shared.events.billing import Entitlements
from shared.events.org import Group, Member

KEEP_MEMBER = """
insert into members as known (org_id, user_id, name, name_key, email, role, effective_role, effective_role_event, effective_role_at,
    status, status_event, status_at, joined_at, since)
values ($1, $2, $3, $11, $4, $5, $6, $9, $10, $7, $9, $10, $8, $10)
on conflict (org_id, user_id) do update set since = excluded.since,
    name = excluded.name, name_key = excluded.name_key, email = excluded.email, role = excluded.role, joined_at = excluded.joined_at,
    effective_role = excluded.effective_role,
    effective_role_event = case when (known.role, known.effective_role) = (excluded.role, excluded.effective_role)
        then known.effective_role_event else excluded.effective_role_event end,
    effective_role_at = case when (known.role, known.effective_role) = (excluded.role, excluded.effective_role)
        then known.effective_role_at else excluded.effective_role_at end,
    status = excluded.status,
    status_event = case when known.status = excluded.status then known.status_event else excluded.status_event end,
    status_at = case when known.status = excluded.status then known.status_at else excluded.status_at end
"""
KEEP_ENTITLEMENTS = """
insert into entitlements as known (org_id, version, plan, plan_name, author_slots, custom_groups, custom_groups_event,
    custom_groups_at, share_all_analysts, share_all_analysts_event, share_all_analysts_at, whole,
    sharing_links, sharing_links_event, sharing_links_at, interactive_embedding, since)
values ($1, $2, $3, $4, $5, $6, $8, $9, $7, $8, $9, $10, $11, $8, $9, $12, $9)
on conflict (org_id) do update set since = excluded.since,
    version = excluded.version, plan = excluded.plan, plan_name = excluded.plan_name, author_slots = excluded.author_slots,
    custom_groups = excluded.custom_groups,
    custom_groups_event = case when known.custom_groups = excluded.custom_groups
        then known.custom_groups_event else excluded.custom_groups_event end,
    custom_groups_at = case when known.custom_groups = excluded.custom_groups
        then known.custom_groups_at else excluded.custom_groups_at end,
    share_all_analysts = excluded.share_all_analysts,
    share_all_analysts_event = case when known.share_all_analysts = excluded.share_all_analysts
        then known.share_all_analysts_event else excluded.share_all_analysts_event end,
    share_all_analysts_at = case when known.share_all_analysts = excluded.share_all_analysts
        then known.share_all_analysts_at else excluded.share_all_analysts_at end,
    sharing_links = excluded.sharing_links,
    sharing_links_event = case when (known.sharing_links, known.interactive_embedding) = (excluded.sharing_links, excluded.interactive_embedding)
        then known.sharing_links_event else excluded.sharing_links_event end,
    sharing_links_at = case when (known.sharing_links, known.interactive_embedding) = (excluded.sharing_links, excluded.interactive_embedding)
        then known.sharing_links_at else excluded.sharing_links_at end,
    interactive_embedding = excluded.interactive_embedding,
    whole = excluded.whole
where known.version < excluded.version
"""


async def keep_organization(tx: Tx, org_id: str, name: str) -> None:
    await tx.run(
        "insert into organizations (org_id, name) values ($1, $2) on conflict (org_id) do update set name = excluded.name",
        org_id,
        name,
    )


async def keep_member(tx: Tx, org_id: str, member: Member, event_id: str, at: datetime) -> None:
    """The member's state; a fact's cause moves only when the fact does."""
    await tx.run(
        KEEP_MEMBER,
        org_id,
        member.user_id,
        member.name,
        member.email,
        member.role,
        member.effective_role,
        member.status,
        member.joined_at,
        event_id,
        at,
        order_key(member.name),
    )


async def leave_every_group(tx: Tx, org_id: str, user_id: str, event_id: str, at: datetime) -> None:
    await tx.run(
        "update group_members set present = false, event_id = $3, at = $4, since = $4"
        " where org_id = $1 and user_id = $2 and user_id <> '' and present",
        org_id,
        user_id,
        event_id,
        at,
    )


async def keep_group(tx: Tx, org_id: str, group: Group, at: datetime) -> None:
    await tx.run(
        "insert into groups (org_id, group_id, kind, name, since) values ($1, $2, $3, $4, $5)"
        " on conflict (org_id, group_id) do update set name = excluded.name, since = excluded.since",
        org_id,
        group.group_id,
        group.kind,
        group.name,
        at,
    )


async def delete_group(tx: Tx, org_id: str, group: Group, event_id: str, at: datetime) -> None:
    """The row stays, so that explanations can name the group; it grants nothing any more."""
    await tx.run(
        "insert into groups (org_id, group_id, kind, name, deleted_event, deleted_at, since) values ($1, $2, $3, $4, $5, $6, $6)"
        " on conflict (org_id, group_id) do update set deleted_event = excluded.deleted_event, deleted_at = excluded.deleted_at,"
        " since = excluded.since",
        org_id,
        group.group_id,
        group.kind,
        group.name,
        event_id,
        at,
    )


async def restore_group(
    tx: Tx, org_id: str, group: Group, user_ids: Sequence[str], event_id: str, at: datetime
) -> None:
    """Memberships outlive a deletion here, so only those that differ are written, and the others keep their causes."""
    await tx.run(
        "insert into groups (org_id, group_id, kind, name, since) values ($1, $2, $3, $4, $5)"
        " on conflict (org_id, group_id) do update set name = excluded.name, since = excluded.since,"
        " deleted_event = null, deleted_at = null",
        org_id,
        group.group_id,
        group.kind,
        group.name,
        at,
    )
    await tx.run(
        "update group_members set present = false, event_id = $4, at = $5, since = $5"
        " where org_id = $1 and group_id = $2 and present and user_id <> all($3::text[])",
        org_id,
        group.group_id,
        user_ids,
        event_id,
        at,
    )
    await tx.run(
        "insert into group_members as known (org_id, group_id, user_id, present, event_id, at, since)"
        " select $1, $2, user_id, true, $4, $5, $5 from unnest($3::text[]) as user_id"
        " on conflict (org_id, group_id, user_id) do update set present = true, event_id = excluded.event_id, at = excluded.at, since = excluded.since"
        " where not known.present",
        org_id,
        group.group_id,
        user_ids,
        event_id,
        at,
    )


async def keep_group_member(
    tx: Tx, org_id: str, group_id: str, user_id: str, event_id: str, at: datetime, *, present: bool
) -> None:
    await tx.run(
        "insert into group_members (org_id, group_id, user_id, present, event_id, at, since) values ($1, $2, $3, $4, $5, $6, $6)"
        " on conflict (org_id, group_id, user_id) do update set present = excluded.present, event_id = excluded.event_id, at = excluded.at,"
        " since = excluded.since",
        org_id,
        group_id,
        user_id,
        present,
        event_id,
        at,
    )


async def keep_entitlements(tx: Tx, org_id: str, entitlements: Entitlements, event_id: str, at: datetime) -> bool:
    """The highest version wins, whatever the order of arrival. Tells whether this was it."""
    touched = await tx.run(
        KEEP_ENTITLEMENTS,
        org_id,
        entitlements.version,
        entitlements.plan,
        entitlements.plan_name,
        entitlements.author_slots,
        entitlements.custom_groups,
        entitlements.share_all_analysts,
        event_id,
        at,
        entitlements.model_dump_json(),
        entitlements.sharing_links,
        entitlements.interactive_embedding,
    )
    return touched > 0
