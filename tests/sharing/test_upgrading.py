"""Upgrades of sharing where it ran before."""

from __future__ import annotations

import shutil
from pathlib import Path
from secrets import token_hex

import asyncpg

from services.sharing.app import service as sharing
from shared.migrate import migrate
from shared.postgres import prepare_database
from tests.world import Databases

BEFORE_TITLES_IN_GROUPS = "0012"
SHARED = 2_503
FILL = f"""
insert into dashboards (org_id, dashboard_id, title, title_key, parameters, created_at, updated_at, owner_id, owner_event, owner_at,
    mode, shared_event, shared_at)
    select 'org_' || n % 2, 'b' || n, 'Board ' || n, 'board ' || n, '{{}}', now(), now(), 'usr_1', 'evt', now(), 'groups', 'evt', now()
    from generate_series(1, {SHARED}) n;
insert into dashboard_groups (org_id, dashboard_id, group_id, event_id, at)
    select org_id, dashboard_id, 'grp_1', 'evt', now() from dashboards;
"""


async def test_what_was_shared_with_groups_before_is_listed_by_title(databases: Databases, tmp_path: Path) -> None:
    old = tmp_path / "migrations"
    old.mkdir()
    assert sharing.migrations is not None
    for file in sharing.migrations.glob("[0-9]*.sql"):
        if file.name < BEFORE_TITLES_IN_GROUPS:
            shutil.copy(file, old)
    name = f"upgrading_{token_hex(4)}"
    await prepare_database(databases.postgres.admin_dsn, name, "tester")
    url = databases.postgres.dsn(name, "tester")
    await migrate(url, old)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"set tenantry.org_id = '*'; {FILL}")
        await migrate(url, sharing.migrations)
        titled = "select count(*) from dashboard_groups dg join dashboards d using (org_id, dashboard_id, title_key)"
        assert await connection.fetchval(titled) == SHARED
    finally:
        await connection.close()
        admin = await asyncpg.connect(databases.postgres.admin_dsn)
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
