"""A database and a role for one service, on any server, fenced off from those of the others."""

from __future__ import annotations

import asyncpg

ONE_AT_A_TIME = 7_310_588_426_017  # this advisory lock's number means nothing but "tenantry prepares a database"
WITHOUT_POWERS = "login nosuperuser nobypassrls nocreatedb nocreaterole noreplication"


async def prepare_database(admin_dsn: str, name: str, role: str, password: str | None = None) -> None:
    """Leaves a database `name` that belongs to `role` and that no other ordinary role can connect to.

    The role can sign in, and has no power beyond its own database. Repeating it changes nothing, except that a
    `password` that is given is set. Any number of processes may call it at the same time.
    The admin must be superuser, or have CREATEROLE and CREATEDB.
    """
    admin = await asyncpg.connect(admin_dsn, timeout=30)
    try:
        await admin.execute("select pg_advisory_lock($1)", ONE_AT_A_TIME)
        await _prepare_role(admin, role, password)
        if not await admin.fetchval("select true from pg_database where datname = $1", name):
            await _run(
                admin,
                "create database %I owner %I template template0 encoding 'UTF8'"
                " locale_provider libc lc_collate 'C' lc_ctype 'C'",
                name,
                role,
            )
        if await admin.fetchval(OPEN_TO_ALL, name):
            await _run(admin, "revoke all on database %I from public", name)
    finally:
        await admin.close()


OPEN_TO_ALL = """
select datacl is null or exists (select from aclexplode(datacl) where grantee = 0) from pg_database where datname = $1
"""
POWERS = """
select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole or rolreplication or not rolcanlogin
from pg_roles where rolname = $1
"""


async def _prepare_role(admin: asyncpg.Connection[asyncpg.Record], role: str, password: str | None) -> None:
    has_powers = await admin.fetchval(POWERS, role)
    if has_powers is None:
        await _run(admin, f"create role %I {WITHOUT_POWERS}", role)
    elif has_powers:
        await _run(admin, f"alter role %I {WITHOUT_POWERS}", role)
    if password is not None:
        await _run(admin, "alter role %I password %L", role, password)
    if not await admin.fetchval("select pg_has_role($1, 'usage')", role):
        await _run(
            admin, "grant %I to current_user", role
        )  # who isn't superuser gives a database only to a role it is in


async def _run(admin: asyncpg.Connection[asyncpg.Record], statement: str, *values: str) -> None:
    """A statement that takes no parameters: the server itself quotes names (%I) and words (%L)."""
    places = ", ".join(f"${number + 2}::text" for number in range(len(values)))
    await admin.execute(await admin.fetchval(f"select format($1, {places})", statement, *values))
