"""Sign-ups that wait for their address to be confirmed."""

from __future__ import annotations

from dataclasses import astuple, fields
from datetime import datetime

from services.identity.rules import Signup
from shared.db import Tx

KEEP = """
insert into signups (canonical_email, signup_id, user_id, email, name, company, location, product_mails, password_hash, source_ip,
    language, country, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (canonical_email) do update set signup_id = excluded.signup_id, user_id = excluded.user_id, email = excluded.email,
    name = excluded.name, company = excluded.company, location = excluded.location, product_mails = excluded.product_mails,
    password_hash = excluded.password_hash, source_ip = excluded.source_ip, language = excluded.language, country = excluded.country,
    expires_at = excluded.expires_at
"""
NAMES = [field.name for field in fields(Signup)]


async def keep(tx: Tx, signup: Signup) -> None:
    """Replaces an earlier one of the same address."""
    await tx.run(KEEP, *astuple(signup))


async def take(tx: Tx, signup_id: str, now: datetime) -> Signup | None:
    """Gives the sign-up out once."""
    row = await tx.row("delete from signups where signup_id = $1 and expires_at > $2 returning *", signup_id, now)
    return Signup(**{name: row[name] for name in NAMES}) if row is not None else None


async def drop(tx: Tx, canonical_email: str) -> None:
    await tx.run("delete from signups where canonical_email = $1", canonical_email)


async def purge(tx: Tx, now: datetime) -> int:
    return await tx.run("delete from signups where expires_at <= $1", now)
