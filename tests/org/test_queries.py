"""Hot queries stay on their indexes, row-level security included, when one organization is large among others."""

from __future__ import annotations

import json
import re

import pytest

from services.org.store import groups, members, organizations, slots
from services.org.store.members import Wanted
from shared.db import Read
from tests.org.house import House, founded
from tests.world import World

CROWD = """
insert into members (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_at)
select $1, 'usr_' || n, 'p' || n || '@x.example.com', 'p' || n || '@x.example.com', 'P' || n, md5(n::text), 'viewer', 'active', now() - n * interval '1 second', now()
from generate_series(1, $2::int) as n
"""


class Explaining(Read):
    """Asks for the plan of each query before running it."""

    def __init__(self, read: Read) -> None:
        super().__init__(read.connection)
        self.nodes: list[str] = []

    async def rows(self, sql: str, *args: object) -> list[object]:  # type: ignore[override]
        await self._explain(sql, *args)
        return await super().rows(sql, *args)  # type: ignore[return-value]

    async def row(self, sql: str, *args: object) -> object:  # type: ignore[override]
        await self._explain(sql, *args)
        return await super().row(sql, *args)

    async def _explain(self, sql: str, *args: object) -> None:
        todo = [json.loads(await super().value(f"explain (format json) {sql}", *args))[0]["Plan"]]
        while todo:
            node = todo.pop()
            self.nodes.append(
                f"{node['Node Type']} {node.get('Index Name') or node.get('Relation Name') or ''}".strip()
            )
            todo += node.get("Plans", [])


@pytest.fixture(scope="module")
async def crowded(world: World) -> House:
    house, other = await founded(world), await founded(world)
    for one, size in ((house, 30_000), (other, 10_000)):
        async with world.started["org"].env.database.tx(one.org_id, lambda event: event) as tx:
            await tx.run(CROWD, one.org_id, size)
            await tx.run("analyze members")
    return house


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "members_by_name"),
        (Wanted(descending=True), "members_by_name"),
        (Wanted(sort="email"), "members_by_email"),
        (Wanted(sort="joined_at", descending=True), "members_by_joining|members_in_order"),
        (Wanted(sort="last_active_at", descending=True), "members_by_activity"),
        (Wanted(status="inactive", sort="deactivated_at"), "members_by_deactivation"),
    ],
)
async def test_a_page_of_users_is_read_in_the_order_of_an_index(
    world: World, crowded: House, wanted: Wanted, index: str
) -> None:
    async with world.started["org"].env.database.read(crowded.org_id) as read:
        explaining = Explaining(read)
        found = await members.listed(explaining, crowded.org_id, wanted, None, 51)
        if found:
            after = members.position(wanted, found[-1])
            position = [after[0] if isinstance(after[0], str) else after[0].isoformat(), after[1]]
            await members.listed(explaining, crowded.org_id, wanted, position, 51)
    scans = {node for node in explaining.nodes if "Scan" in node}
    assert all(re.search(index, node) for node in scans), explaining.nodes
    assert not found or not any(node.startswith("Sort") for node in explaining.nodes)


async def test_one_member_their_groups_and_the_authors_are_found_without_reading_everybody(
    world: World, crowded: House
) -> None:
    async with world.started["org"].env.database.read(crowded.org_id) as read:
        explaining = Explaining(read)
        await members.find(explaining, crowded.org_id, crowded.admin.user_id or "")
        await organizations.overlay_of(explaining, crowded.org_id)
        await members.memberships(explaining, crowded.admin.user_id or "")
        await groups.held(explaining, crowded.org_id, [crowded.admin.user_id or ""])
    assert not [node for node in explaining.nodes if node == "Seq Scan members"], explaining.nodes


async def test_a_page_of_the_slot_ledger_is_read_in_the_order_of_its_index(world: World, crowded: House) -> None:
    async with world.started["org"].env.database.tx(crowded.org_id, lambda event: event) as tx:
        await tx.run("analyze slot_entries")
    now = world.clock.now()
    async with world.started["org"].env.database.read(crowded.org_id) as read:
        explaining = Explaining(read)
        found = await slots.spells(explaining, crowded.org_id, None, now, None, 51)
        position = [found[-1].since.isoformat(), found[-1].position]
        await slots.spells(explaining, crowded.org_id, None, now, position, 51)
    assert len(found) == 51
    scanned = [node for node in explaining.nodes if "Seq Scan" in node or node.startswith("Sort")]
    assert not scanned, explaining.nodes
    assert any("slot_entries_in_time" in node for node in explaining.nodes)
