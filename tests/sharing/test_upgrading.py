"""Upgrades of sharing where it ran before."""

from __future__ import annotations

from pathlib import Path

from services.sharing.app import service as sharing
from shared.migrate import migrate
from tests.upgrading import as_before, asked
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
    async with as_before(databases, tmp_path, sharing, BEFORE_TITLES_IN_GROUPS, FILL) as url:
        assert sharing.migrations is not None
        await migrate(url, sharing.migrations)
        titled = "select count(*) from dashboard_groups dg join dashboards d using (org_id, dashboard_id, title_key)"
        assert await asked(url, titled) == [(SHARED,)]
