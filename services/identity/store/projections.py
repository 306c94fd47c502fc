"""What org has told: organizations, who is a member where and as what, which domains are whose, and which invitations are open."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from services.identity.rules import Invitation
from shared.db import Read, Row, Tx
from shared.fields import canonical_email

NAMES = [field.name for field in fields(Invitation)]


async def keep_membership(tx: Tx, org_id: str, user_id: str, status: str, acts_as: str, joined_at: datetime) -> None:
    await tx.run(
        "insert into memberships (org_id, user_id, status, acts_as, joined_at) values ($1, $2, $3, $4, $5)"
        " on conflict (org_id, user_id) do update set status = excluded.status, acts_as = excluded.acts_as, joined_at = excluded.joined_at",
        org_id,
        user_id,
        status,
        acts_as,
        joined_at,
    )


async def acts_as_admin(read: Read, org_id: str, user_id: str) -> bool:
    return user_id in await admins(read, org_id)


async def admins(read: Read, org_id: str) -> list[str]:
    rows = await read.rows(
        "select user_id from memberships where org_id = $1 and status = 'active' and acts_as = 'admin' order by user_id",
        org_id,
    )
    return [row["user_id"] for row in rows]


async def keep_domain(tx: Tx, org_id: str, domain_id: str, name: str, proven: bool) -> None:
    await tx.run(
        "insert into domains (org_id, domain_id, name, proven) values ($1, $2, $3, $4)"
        " on conflict (org_id, domain_id) do update set name = excluded.name, proven = excluded.proven",
        org_id,
        domain_id,
        name,
        proven,
    )


async def is_home(read: Read, org_id: str, user_id: str, domain: str) -> bool:
    """Whether a person's account is the organization's own: opened by its invitation, or with an address in a domain that it has proven."""
    return bool(
        await read.value(
            "select exists (select from accounts where user_id = $2 and invited_by_org = $1)"
            " or exists (select from domains where org_id = $1 and name = $3 and proven)",
            org_id,
            user_id,
            domain,
        )
    )


async def is_at_home_elsewhere(read: Read, org_id: str, user_id: str) -> bool:
    """Whether a person whose account this organization didn't open belongs to another one, too."""
    return bool(
        await read.value(
            "select exists (select from accounts where user_id = $2 and invited_by_org is distinct from $1)"
            " and exists (select from memberships where user_id = $2 and org_id <> $1 and status <> 'removed')",
            org_id,
            user_id,
        )
    )


async def is_active_member(read: Read, org_id: str, user_id: str) -> bool:
    return bool(
        await read.value(
            "select true from memberships where org_id = $1 and user_id = $2 and status = 'active'", org_id, user_id
        )
    )


async def is_member(read: Read, org_id: str, user_id: str) -> bool:
    """Whether the person belongs to the organization, deactivated or not."""
    return bool(
        await read.value(
            "select true from memberships where org_id = $1 and user_id = $2 and status <> 'removed'", org_id, user_id
        )
    )


async def mark_revoked(tx: Tx, org_id: str, user_id: str, now: datetime) -> None:
    await tx.run("update memberships set revoked_at = $3 where org_id = $1 and user_id = $2", org_id, user_id, now)


async def was_revoked_since(read: Read, org_id: str, user_id: str, since: datetime) -> bool:
    """Whether an Admin has ended the person's sessions in the organization at this moment or later."""
    return bool(
        await read.value(
            "select true from memberships where org_id = $1 and user_id = $2 and revoked_at >= $3",
            org_id,
            user_id,
            since,
        )
    )


async def barred_from(read: Read, user_id: str, since: datetime) -> list[str]:
    """The organizations where an Admin has ended the person's sessions after this moment. Needs a look across organizations."""
    rows = await read.rows(
        "select org_id from memberships where user_id = $1 and revoked_at > $2 order by org_id", user_id, since
    )
    return [row["org_id"] for row in rows]


async def active_organizations(read: Read, user_id: str) -> list[str]:
    """The person's organizations, the one joined first at the head. Needs a look across organizations."""
    rows = await read.rows(
        "select org_id from memberships where user_id = $1 and status = 'active' order by joined_at, org_id", user_id
    )
    return [row["org_id"] for row in rows]


async def keep_organization(tx: Tx, org_id: str, name: str) -> None:
    await tx.run(
        "insert into organizations (org_id, name) values ($1, $2) on conflict (org_id) do update set name = excluded.name",
        org_id,
        name,
    )


async def set_closed(tx: Tx, org_id: str, *, closed: bool) -> None:
    await tx.run("update organizations set closed = $2 where org_id = $1", org_id, closed)


async def is_closed(read: Read, org_id: str) -> bool:
    return bool(await read.value("select closed from organizations where org_id = $1", org_id))


async def organization_name(read: Read, org_id: str) -> str | None:
    name = await read.value("select name from organizations where org_id = $1", org_id)
    return None if name is None else str(name)


async def organization_names(read: Read, user_id: str) -> list[str]:
    """What the person's organizations are called. Needs a look across organizations."""
    rows = await read.rows(
        "select name from organizations where org_id in"
        " (select org_id from memberships where user_id = $1 and status = 'active') order by org_id",
        user_id,
    )
    return [row["name"] for row in rows]


async def keep_invitation(tx: Tx, invitation: Invitation) -> None:
    await tx.run(
        "insert into invitations (org_id, invitation_id, email, status, link_version, expires_at) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (org_id, invitation_id) do update set"
        " email = excluded.email, status = excluded.status, link_version = excluded.link_version, expires_at = excluded.expires_at",
        invitation.org_id,
        invitation.invitation_id,
        invitation.email,
        invitation.status,
        invitation.link_version,
        invitation.expires_at,
    )


async def invitation(read: Read, invitation_id: str) -> Invitation | None:
    """Needs a look across organizations: who follows a mailed link is in none yet."""
    return _invitation(await read.row("select * from invitations where invitation_id = $1", invitation_id))


async def lock_invitation(tx: Tx, invitation_id: str) -> Invitation | None:
    return _invitation(await tx.row("select * from invitations where invitation_id = $1 for share", invitation_id))


def _invitation(row: Row | None) -> Invitation | None:
    return Invitation(**{name: row[name] for name in NAMES}) if row is not None else None


async def is_invited(read: Read, org_id: str, address: str, now: datetime) -> bool:
    """Whether an invitation of the organization waits for the address, however its domain is spelt there."""
    rows = await read.rows(
        "select email from invitations where org_id = $1 and status = 'open' and expires_at > $2"
        " and lower(split_part(email, '@', 1)) = lower(split_part($3, '@', 1))",
        org_id,
        now,
        address,
    )
    return any(canonical_email(row["email"]) == address for row in rows)
