"""Accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg

from services.identity.rules import Account, Language
from shared.db import Read, Row, Tx

NAMES = [field.name for field in fields(Account)]


async def by_email(read: Read, canonical_email: str) -> Account | None:
    row = await read.row("select * from accounts where canonical_email = $1 and closed_at is null", canonical_email)
    return _account(row)


async def by_id(read: Read, user_id: str) -> Account | None:
    return _account(await read.row("select * from accounts where user_id = $1 and closed_at is null", user_id))


async def by_ids(read: Read, user_ids: Sequence[str]) -> list[Account]:
    rows = await read.rows(
        "select * from accounts where user_id = any($1) and closed_at is null order by user_id", list(user_ids)
    )
    return [account for row in rows if (account := _account(row))]


async def lock(tx: Tx, user_id: str) -> Account | None:
    """The account, which from now on nobody else changes: what a person's sessions and memberships are is decided one after the other."""
    row = await tx.row("select * from accounts where user_id = $1 and closed_at is null for no key update", user_id)
    return _account(row)


async def create(
    tx: Tx,
    user_id: str,
    email: str,
    canonical_email: str,
    name: str,
    password_hash: str,
    language: Language,
    now: datetime,
) -> bool:
    """False when the address has an account."""
    return bool(
        await tx.run(
            "insert into accounts (user_id, email, canonical_email, name, password_hash, language, created_at)"
            " values ($1, $2, $3, $4, $5, $6, $7) on conflict (canonical_email) do nothing",
            user_id,
            email,
            canonical_email,
            name,
            password_hash,
            language,
            now,
        )
    )


async def set_password(tx: Tx, user_id: str, password_hash: str) -> None:
    """A sign-in that began with the old one goes no further."""
    await tx.run(
        "with over as (delete from challenges where user_id = $1)"
        " update accounts set password_hash = $2, version = version + 1 where user_id = $1",
        user_id,
        password_hash,
    )


async def set_home(tx: Tx, user_id: str, org_id: str) -> None:
    """The account was opened by this organization's invitation."""
    await tx.run("update accounts set invited_by_org = $2 where user_id = $1", user_id, org_id)


async def is_at_home(read: Read, user_id: str, org_id: str) -> bool:
    """Whether this organization opened the account."""
    return bool(
        await read.value("select true from accounts where user_id = $1 and invited_by_org = $2", user_id, org_id)
    )


async def with_holders(read: Read, org_id: str, addresses: Sequence[str]) -> list[str]:
    """Those of the addresses whose account somebody holds: one that this organization opened, and that never got a password, nobody does."""
    rows = await read.rows(
        "select canonical_email from accounts where canonical_email = any($2)"
        " and (password_hash <> '' or invited_by_org is distinct from $1) order by canonical_email",
        org_id,
        list(addresses),
    )
    return [row["canonical_email"] for row in rows]


async def set_email(tx: Tx, user_id: str, email: str, canonical_email: str) -> bool:
    """False when the address has another account; the transaction can then only be given up."""
    try:
        await tx.run(
            "update accounts set email = $2, canonical_email = $3, version = version + 1 where user_id = $1",
            user_id,
            email,
            canonical_email,
        )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def close(tx: Tx, user_id: str, now: datetime) -> None:
    """Nothing of the person is left but the id, which others know: the address is free for another account."""
    await tx.run(
        "update accounts set email = '', canonical_email = user_id, name = '', password_hash = '', last_org_id = null,"
        " closed_at = $2, version = version + 1 where user_id = $1",
        user_id,
        now,
    )


async def set_name(tx: Tx, user_id: str, name: str) -> None:
    await tx.run("update accounts set name = $2, version = version + 1 where user_id = $1", user_id, name)


async def set_language(tx: Tx, user_id: str, language: Language) -> None:
    await tx.run("update accounts set language = $2, version = version + 1 where user_id = $1", user_id, language)


async def set_last_org(tx: Tx, user_id: str, org_id: str) -> None:
    await tx.run("update accounts set last_org_id = $2 where user_id = $1", user_id, org_id)


def _account(row: Row | None) -> Account | None:
    return Account(**{name: row[name] for name in NAMES}) if row is not None else None


async def forget_organization(tx: Tx, org_id: str, limit: int) -> int:
    """Accounts that point at an organization stop doing so, some at a time."""
    return await tx.run(
        "update accounts set last_org_id = nullif(last_org_id, $1), invited_by_org = nullif(invited_by_org, $1)"
        " where user_id in (select user_id from accounts where last_org_id = $1 or invited_by_org = $1"
        " order by user_id limit $2 for update)",
        org_id,
        limit,
    )
