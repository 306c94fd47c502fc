"""Hot queries stay on their indexes, row-level security included, when one organization is large among others."""

from __future__ import annotations

import json
import re

import asyncpg
import pytest

from services.org.rules import key_of
from services.org.store import groups, invitations, members, organizations, slots
from services.org.store.members import Wanted
from shared.db import Read
from tests.org.house import House, founded
from tests.world import World

CROWD = """
insert into members (org_id, user_id, email, email_key, name, name_key, role, status, joined_at, changed_at)
select $1, 'usr_' || n, 'p' || n || '@x.example.com', 'p' || n || '@x.example.com', 'P' || n, md5(n::text), 'viewer', 'active', now() - n * interval '1 second', now()
from generate_series($2::int, $3::int) as n
"""

ACCEPTED = """
insert into invitations (org_id, invitation_id, email, email_key, role, group_ids, status, invited_by, invited_at, sent_at, expires_at, accepted_at)
select $1, 'inv_came_' || n || $1, 'came-' || n || '@x.example.com', 'came-' || n || '@x.example.com', 'viewer', '{}', 'accepted', 'usr_1',
    now() - n * interval '1 second', now(), now() + interval '14 days', now() from generate_series(1, 5000) as n
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


@pytest.fixture(scope="module", params=["analyze", "vacuum analyze"])
async def crowded(world: World, request: pytest.FixtureRequest) -> House:
    """A large organization; which index is the cheapest to ask also depends on whether tables were vacuumed since they were filled."""
    house, other = await founded(world), await founded(world)
    for one, size in ((house, 30_000), (other, 10_000)):
        async with world.started["org"].env.database.tx(one.org_id, lambda event: event) as tx:
            for first in range(1, size, 2_000):
                await tx.run(CROWD, one.org_id, first, first + 1_999)
            await tx.run(ACCEPTED, one.org_id)
    connection = await asyncpg.connect(world.started["org"].env.database.dsn)
    await connection.execute(request.param, timeout=60)
    await connection.close()
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
        (Wanted(two_factor=True), "members_by_two_factor"),
        (Wanted(two_factor=False), "members_by_(two_factor|name)"),
        (Wanted(seen=False), "members_(never_seen|by_name)"),
        (Wanted(q="P77"), "Index Only Scan members_by_name|Index Scan members_(pkey|of_person)"),
        (Wanted(q="nobody"), "Index Only Scan members_by_name|Index Scan members_(pkey|of_person)"),
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
    scans = {node for node in explaining.nodes if "Scan" in node} - {"Subquery Scan"}
    assert all(re.search(index, node) for node in scans), explaining.nodes
    assert wanted.q or not found or not any(node.startswith("Sort") for node in explaining.nodes)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        ("members_by_name", Wanted()),
        ("members_by_name", Wanted(q="P77")),
        ("members_by_email", Wanted(sort="email")),
        ("members_by_activity", Wanted(sort="last_active_at", descending=True)),
    ],
)
async def test_a_lost_index_is_noticed(world: World, crowded: House, index: str, wanted: Wanted) -> None:
    """The control of the test above: in a transaction that is rolled back, the index isn't there."""
    async with world.started["org"].env.database.tx(crowded.org_id, lambda event: event) as tx:
        await tx.run("savepoint with_all_indices")
        await tx.run(f"drop index {index}")
        explaining = Explaining(tx)
        await members.listed(explaining, crowded.org_id, wanted, None, 51)
        await tx.run("rollback to savepoint with_all_indices")
    assert not any(index in node for node in explaining.nodes)
    assert any(node.startswith(("Sort", "Seq Scan", "Incremental Sort")) for node in explaining.nodes)


async def test_nobody_is_counted_for_a_list_its_groups_or_the_slots(world: World, crowded: House) -> None:
    async with world.started["org"].env.database.read(crowded.org_id) as read:
        explaining = Explaining(read)
        assert await members.counted(explaining, crowded.org_id, Wanted(), 100_000) == 30_001
        built_in = await groups.built_in(explaining, crowded.org_id)
        assert sorted((await groups.sizes(explaining, crowded.org_id, built_in, frozenset())).values()) == [1, 30_001]
        assert (await members.slots_used(explaining, crowded.org_id, world.clock.now()))["viewer"] == 30_000
    assert not [node for node in explaining.nodes if "members" in node], explaining.nodes


async def test_a_search_looks_only_where_the_letters_are(world: World, crowded: House) -> None:
    """Of 30,000 people nearly nobody is read; with letters that many have, nobody is singled out, for these are soon met."""
    async with world.started["org"].env.database.read(crowded.org_id) as read:
        nobody = await members.narrowed(read, crowded.org_id, Wanted(q="zzyyxxwwvv"))
        assert nobody.among == ()
        rare = await members.narrowed(read, crowded.org_id, Wanted(q="p12345@x"))
        assert rare.among is not None
        assert "usr_12345" in rare.among
        assert len(rare.among) < 1_000
        explaining = Explaining(read)
        assert [m.user_id for m in await members.listed(explaining, crowded.org_id, rare, None, 51)] == ["usr_12345"]
        assert await members.counted(explaining, crowded.org_id, rare, 1_000) == 1
        assert not [
            node for node in explaining.nodes if node in ("Seq Scan members", "Index Only Scan members_by_name")
        ]
        for often in ("p1", "@x.example"):
            assert (await members.narrowed(read, crowded.org_id, Wanted(q=often))).among is None


async def test_a_search_finds_whoever_has_the_letters(world: World) -> None:
    """Whatever they are, in a name or an address, after renamings too: as if everybody had been looked at."""
    house = await founded(world)
    odd = ("Zoë Äåström", "Łukasz O'Neill", "山田 太郎", "Ωmega Straße", "İpek 🙂🙂🙂 Smith", "an", "")
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(CROWD, house.org_id, 1, 300)
        for number, name in enumerate(odd):
            await members.rename(tx, house.org_id, f"usr_{number + 40}", name or "-", world.clock.now())
        await members.set_email(tx, house.org_id, "usr_77", "Quite.Else+7@other.example", world.clock.now())
    async with world.started["org"].env.database.read(house.org_id) as read:
        rows = await read.rows("select user_id, name_key, email_key from members where status = 'active'")
        sought = {
            key[at : at + size] for row in rows for key in row[1:] for size in (1, 2, 3, 5, 9) for at in (0, 3, 8)
        }
        for q in [*sorted(sought - {""}), "xyzzy", "p7p", "🙂🙂"]:
            wanted = await members.narrowed(read, house.org_id, Wanted(q=q))
            everybody = {
                row["user_id"] for row in rows if key_of(q) in row["name_key"] or key_of(q) in row["email_key"]
            }
            found = await members.listed(read, house.org_id, wanted, None, 1_000)
            assert {member.user_id for member in found} == everybody, q


async def test_what_is_kept_is_what_would_be_counted(world: World) -> None:
    """Whichever way rows come, change and go, many at once or one by one."""
    house = await founded(world)
    finance, sales = await house.group("Finance"), await house.group("Sales")
    steps = [
        CROWD.replace("$2::int, $3::int", "1, 200"),
        f"insert into group_members (org_id, group_id, user_id, added_at) select $1, '{finance}', user_id, now() from members where org_id = $1 and role = 'viewer'",
        f"insert into group_members (org_id, group_id, user_id, added_at) select $1, '{sales}', user_id, now() from members where org_id = $1 and user_id like '%7'",
        "update members set status = 'inactive' where org_id = $1 and role <> 'admin' and user_id like '%3'",
        "update members set role = 'analyst' where org_id = $1 and role <> 'admin' and user_id like '%5'",
        "update members set role = 'viewer', status = 'active' where org_id = $1 and role <> 'admin' and user_id like '%3'",
        f"delete from group_members where org_id = $1 and group_id = '{finance}' and user_id like '%7'",
        "update members set status = 'removed' where org_id = $1 and role <> 'admin' and user_id like '%17'",
        f"delete from groups where org_id = $1 and group_id = '{sales}'",
        "delete from members where org_id = $1 and role <> 'admin' and user_id like '%17'",
    ]
    for step in steps:
        async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
            assert await tx.run(step, house.org_id) > 0, step
            kept = await tx.rows("select status, role, how_many from member_counts where how_many > 0")
            counted = await tx.rows("select status, role, count(*) as how_many from members group by status, role")
            assert {tuple(row) for row in kept} == {tuple(row) for row in counted}, step
            wrong = await tx.rows(
                "select name from groups where kind = 'custom' and active_members <> (select count(*) from group_members gm"
                " join members m using (org_id, user_id) where gm.group_id = groups.group_id and m.status = 'active')"
            )
            assert not wrong, step


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


async def test_who_is_invited_and_hasnt_come_is_found_without_reading_all_who_have(world: World) -> None:
    house = await founded(world)
    pending = [(await house.invite(f"late-{n}@{house.domain}")).ok()["id"] for n in range(3)]
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(ACCEPTED, house.org_id)
        await tx.run("analyze invitations")
    now = world.clock.now()
    async with world.started["org"].env.database.read(house.org_id) as read:
        explaining = Explaining(read)
        found = await invitations.listed(explaining, house.org_id, invitations.PENDING, None, now, None, 51)
        position = [found[0].invited_at.isoformat(), found[0].invitation_id]
        rest = await invitations.listed(explaining, house.org_id, ("open",), None, now, position, 51)
        many = await invitations.listed(read, house.org_id, ("accepted",), None, now, None, 51)
        counts = [
            await invitations.counted(read, house.org_id, statuses, None, now, 10_000)
            for statuses in (invitations.PENDING, ("open",), ("expired",), ("accepted",), ("revoked",))
        ]
    assert sorted(one.invitation_id for one in found) == sorted(pending)
    assert rest == found[1:]
    assert len(many) == 51
    assert counts == [3, 3, 0, 5_000, 0]
    assert {node for node in explaining.nodes if "Scan" in node} - {"Subquery Scan"} == {
        "Index Scan invitations_pending"
    }, explaining.nodes
