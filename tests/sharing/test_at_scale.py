"""A big organization: the hot questions stay on their indices, and the paths agree with each other there too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import pytest

from services.sharing.rules.access import audience, paths, reach
from services.sharing.store import access as store
from services.sharing.store import dashboards, effects, explanation, reviews
from shared.db import EVERY_ORG, Database
from shared.events.billing import EntitlementsChanged
from shared.ids import new_id
from tests.sharing.company import entitlements
from tests.world import World

PEOPLE, GROUPS, BOARDS = 20_000, 500, 10_000

FILL = (
    "insert into entitlements select $1, 1, 'business', 'Business', null, true, 'evt', now(), true, 'evt', now(), '{}'",
    f"insert into members select $1, 'usr_' || n, 'Person ' || n, 'person ' || n, 'p@example.com', r, r, 'evt', now(), 'active', 'evt', now(), now()"
    f" from generate_series(1, {PEOPLE}) n, lateral (select case when n % 100 = 0 then 'analyst' else 'viewer' end as r) role",
    f"insert into groups select $1, 'grp_' || n, 'custom', 'Group ' || n from generate_series(1, {GROUPS}) n",
    f"insert into group_members select $1, 'grp_' || (n * 7 + k * 13) % {GROUPS} + 1, 'usr_' || n, true, 'evt', now()"
    f" from generate_series(1, {PEOPLE}) n, generate_series(1, 4) k on conflict do nothing",
    f"insert into dashboards (org_id, dashboard_id, title, title_key, parameters, created_at, updated_at, owner_id, owner_event, owner_at,"
    f" mode, all_users, all_analysts, shared_event, shared_at)"
    f" select $1, 'b' || n, 'Board ' || n, 'board ' || n, '{{}}', now(), now(), 'usr_' || (n % 200 + 1) * 100, 'evt', now(),"
    f" 'groups', n % 500 = 0, n % 100 = 1, 'evt', now() from generate_series(1, {BOARDS}) n",
    f"insert into dashboard_groups select $1, 'b' || n, 'grp_' || (n * 3 + k * 11) % {GROUPS} + 1, 'evt', now()"
    f" from generate_series(1, {BOARDS}) n, generate_series(1, 3) k on conflict do nothing",
)  # fmt: skip


TABLES = ("members", "groups", "group_members", "dashboards", "dashboard_groups")
# Which index is the cheapest to ask also depends on whether a table was vacuumed since it was filled: an index that holds all that is asked is read alone then.
both_ways = pytest.mark.parametrize("before", ["analyze", "vacuum analyze"])


@asynccontextmanager
async def by_hand(database: Database) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection without a transaction, as an operator has it."""
    connection = await asyncpg.connect(database.dsn)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def big(world: World) -> str:
    """An organization of 20,000 people, 500 groups and 10,000 dashboards beside a small one."""
    database = world.started["sharing"].env.database
    org_id, small = new_id("org"), new_id("org")
    for one in (org_id, small):
        async with database.tx(one, lambda event: event) as tx:
            for statement in FILL:
                await tx.connection.execute(
                    statement if one == org_id else statement.replace(f"{PEOPLE})", "30)"), one, timeout=60
                )
    async with by_hand(database) as connection:
        for table in TABLES:
            await connection.execute(f"alter table {table} set (autovacuum_enabled = off)")
        await connection.execute("analyze", timeout=60)
    return org_id


HOT: dict[str, tuple[str, Any, int]] = {
    "one decision": (store.FACTS, lambda org: (org, ["usr_77"], ["b77"]), 28),
    "a thousand decisions": (store.FACTS, lambda org: (org, [f"usr_{n}" for n in range(1000)], [f"b{n}" for n in range(1000)]), 25_000),
    "who is asking": (store.STANDING, lambda org: (org, "usr_77"), 10),
    "what I see": (store.VISIBLE, lambda org: (org, "usr_77", True, True, False, True, "", "", "", 51), 300),
    "what I see, further on": (store.VISIBLE, lambda org: (org, "usr_100", True, True, True, True, "board 5", "b5", "", 51), 300),
    "a plan's authors": (effects.AUTHORS, lambda org: (org,), 210),
    "whom a program finds": (store.VIEWERS_BY_ID, lambda org: (org, "b77", "usr_100", False, False, True, "", 51), 900),
    "whom a program finds, of all": (store.VIEWERS_BY_ID, lambda org: (org, "b500", "usr_100", True, False, False, "usr_5", 51), 100),
    "whom a program finds, of analysts": (store.VIEWERS_BY_ID, lambda org: (org, "b1", "usr_100", False, True, False, "usr_5", 51), 100),
    "who sees it": (store.VIEWERS, lambda org: (org, "b77", "usr_100", False, False, True, "", "", 51), 4_000),
    "who sees it, everybody": (store.VIEWERS, lambda org: (org, "b500", "usr_100", True, False, False, "", "", 51), 200),
}  # fmt: skip


def literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"array[{', '.join(map(literal, value))}]::text[]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, (bool, int)) else f"'{value}'"


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def off_their_indices(connection: asyncpg.Connection[asyncpg.Record], org_id: str) -> dict[str, str]:
    """The questions whose plan reads a table from end to end, or touches more pages than its question is worth: an index half used shows there."""
    off = {}
    for name, (sql, arguments, pages) in HOT.items():
        plan = await connection.fetchval(f"explain (analyze, buffers, format json) {sql}", *arguments(org_id))
        root = orjson.loads(plan)[0]["Plan"]
        touched = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
        read_whole = {node["Relation Name"] for node in nodes(root) if node["Node Type"] == "Seq Scan"} - {
            "entitlements"
        }
        if read_whole or touched > pages:
            off[name] = f"{sorted(read_whole)} {touched} pages"
    return off


@both_ways
async def test_the_hot_questions_stay_on_their_indices(world: World, big: str, before: str) -> None:
    async with by_hand(world.started["sharing"].env.database) as connection:
        await connection.execute(before, timeout=60)
    async with world.started["sharing"].env.database.read(big) as read:
        assert await off_their_indices(read.connection, big) == {}


@pytest.mark.parametrize(
    ("index", "questions"),
    [
        ("group_members_of_person", {"what I see", "what I see, further on"}),
        ("dashboard_groups_by_title", {"what I see, further on"}),
        ("dashboards_of_owner", {"what I see, further on"}),
        ("members_active", {"who sees it, everybody"}),
        ("members_by_role", {"a plan's authors"}),
    ],
)
async def test_a_lost_index_is_noticed(world: World, big: str, index: str, questions: set[str]) -> None:
    """The control of the test above: in a transaction that is rolled back, the index isn't there."""
    async with by_hand(world.started["sharing"].env.database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"set local tenantry.org_id = '{big}'")
        await connection.execute(f"drop index {index}")
        assert questions <= set(await off_their_indices(connection, big))
        await transaction.rollback()


UNSEEN: dict[str, tuple[str, Any, int]] = HOT | {
    "a list's dashboards": (dashboards.SEVERAL, lambda org: (org, [f"b{n}" for n in range(1, 51)], "usr_77"), 1_100),
    "the groups of a dashboard": (dashboards.SELECTED, lambda org: (org, "b77"), 3_500),
    "a review": (reviews.WAYS, lambda org: (org, "b77", True, False, False, True, None, "", "", "", 2000), 6_000),
    "a plan's preview": (effects.LOST, lambda org: (org, True, [], False, ["usr_100", "usr_200"], 50, 50, 10_000), 61_500),
    "why": (explanation.GROUPS, lambda org: (org, "usr_77", "b77", 500), 150),
}  # fmt: skip


@both_ways
async def test_they_stay_there_when_the_planner_does_not_look_at_whom_it_is_asked_about(
    world: World, big: str, before: str
) -> None:
    """A statement that was prepared may be planned once for all organizations, from what they are like on average: nearly empty."""
    async with by_hand(world.started["sharing"].env.database) as connection:
        for table in TABLES:
            await connection.execute(f"alter table {table} alter column org_id set (n_distinct = 10000)")
        await connection.execute(before, timeout=60)
        await connection.execute(f"set tenantry.org_id = '{big}'")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        over, by_title = {}, set()
        for number, (name, (sql, arguments, pages)) in enumerate(UNSEEN.items()):
            await connection.execute(f"prepare hot{number} as {sql}")
            given = ", ".join(map(literal, arguments(big)))
            plan = await connection.fetchval(f"explain (analyze, buffers, format json) execute hot{number}({given})")
            root = orjson.loads(plan)[0]["Plan"]
            if (touched := root["Shared Hit Blocks"] + root["Shared Read Blocks"]) > 2 * pages:
                over[name] = touched
            if "dashboard_groups_by_title" in {node.get("Index Name") for node in nodes(root)}:
                by_title.add(name)
    assert not over
    assert by_title <= {"what I see", "what I see, further on"}, (
        "it is no index for looking up one dashboard in a group"
    )


async def test_decisions_lists_and_searches_agree_in_a_big_organization(world: World, big: str) -> None:
    async with world.started["sharing"].env.database.read(big) as read:
        for user_id in ("usr_77", "usr_100", "usr_20000"):
            person, plan = await store.standing(read, big, user_id)
            listed = await store.visible(read, big, user_id, reach(person, plan), after=["", ""], like="", limit=BOARDS)
            boards = [f"b{n}" for n in range(1, BOARDS + 1)]
            facts = await store.facts(read, big, [(user_id, board) for board in boards])
            decided = {b for b, f in zip(boards, facts, strict=True) if f.person and f.board and _sees(f)}
            assert {board for _, board in listed} == decided
        (one,) = await store.facts(read, big, [("", "b77")])
        assert one.board is not None
        viewers = await store.viewers(read, big, one.board, audience(one.board, one.plan), after=["", ""], limit=PEOPLE)
        people = [f"usr_{n}" for n in range(1, PEOPLE + 1)]
        facts = await store.facts(read, big, [(user_id, "b77") for user_id in people])
        assert {user_id for _, user_id in viewers} == {u for u, f in zip(people, facts, strict=True) if _sees(f)}
        assert viewers == sorted(viewers)
        by_id = await store.viewers_by_id(read, big, one.board, audience(one.board, one.plan), after="", limit=PEOPLE)
        assert sorted(by_id) == sorted(user_id for _, user_id in viewers)
        half = by_id[len(by_id) // 2]
        rest = await store.viewers_by_id(read, big, one.board, audience(one.board, one.plan), after=half, limit=7)
        assert rest == by_id[len(by_id) // 2 + 1 :][:7]


def _sees(facts: store.Facts) -> bool:
    return bool(paths(facts.person, facts.plan, facts.board, facts.in_selected_group))


VARIED = (
    "insert into members select $1, 'usr_' || n, 'Person ' || n, 'person ' || n, 'p@example.com', r, r, 'evt', now(), s, 'evt', now(), now()"
    " from generate_series(1, 200) n, lateral (select case when n % 7 = 0 then 'analyst' else 'viewer' end as r) role,"
    " lateral (select case when n % 11 = 0 then 'inactive' else 'active' end as s) status",
    "insert into groups select $1, 'grp_' || n, 'custom', 'Group ' || n, null, case when n % 9 = 0 then now() end from generate_series(1, 60) n",
    "insert into group_members select $1, 'grp_' || n, 'usr_' || (n * k * k) % 200 + 1, k <> 3, 'evt', now()"
    " from generate_series(1, 60) n, generate_series(1, 5) k where k <= n % 6 on conflict do nothing",
    "insert into dashboards (org_id, dashboard_id, title, title_key, parameters, created_at, updated_at, owner_id, owner_event, owner_at,"
    " mode, all_users, all_analysts, shared_event, shared_at)"
    " select $1, 'b' || n, 'Board ' || n, 'board ' || n, '{}', now(), now(), 'usr_' || case when n % 4 = 1 then (n + 7) % 60 + 2 else n % 200 + 1 end, 'evt', now(),"
    " 'groups', n % 13 = 0, n % 4 = 2, 'evt', now() from generate_series(1, 600) n",
    "insert into dashboard_groups select $1, 'b' || n, 'grp_' || (n + k * k * 7) % 60 + 1, 'evt', now()"
    " from generate_series(1, 600) n, generate_series(1, 3) k where k <= n % 4 on conflict do nothing",
)  # fmt: skip
# Who sees what under a plan, by the product's words: the owner, All Analysts while the plan has it ($2), selected groups while it has them ($3).
SEEN = """
    select d.dashboard_id, m.user_id from dashboards d join members m on m.org_id = d.org_id and m.status = 'active'
    where d.org_id = $1 and (
        d.all_users or m.user_id = d.owner_id or (d.all_analysts and m.user_id = any($2::text[]))
        or ($3 and exists (
            select from dashboard_groups dg join groups g using (org_id, group_id) join group_members gm using (org_id, group_id)
            where dg.org_id = $1 and dg.dashboard_id = d.dashboard_id and gm.user_id = m.user_id and gm.present and g.deleted_at is null
        ))
    )
"""


async def test_a_preview_counts_all_and_names_the_first(world: World) -> None:
    """Against a comparison of everybody with every dashboard, where groups are empty, hold their dashboard's owner alone, or were deleted."""
    database, org_id = world.started["sharing"].env.database, new_id("org")
    async with database.tx(org_id, lambda event: event) as tx:
        for statement in VARIED:
            await tx.connection.execute(statement, org_id)
    async with database.read(org_id) as read:
        authors = sorted(one.user_id for one in await effects.authors(read, org_id))

        async def seen(gate: effects.Gate) -> set[tuple[str, str]]:
            analysts = sorted(gate.authors) if gate.share_all_analysts else []
            rows = await read.rows(SEEN, org_id, analysts, gate.custom_groups)
            return {(row["dashboard_id"], row["user_id"]) for row in rows}

        gates = [
            effects.Gate(groups, analysts, frozenset(authors[:slots]), False, False)
            for groups in (True, False)
            for analysts in (True, False)
            for slots in (len(authors), 5)
        ]
        for now in gates:
            for then in gates:
                lost = await seen(now) - await seen(then)
                told, how_many = await effects.lost(read, org_id, now, then)
                losing = sorted({board for board, _ in lost}, key=lambda board: f"board {board[1:]}")
                assert how_many == len(losing), (now, then)
                assert [one.dashboard_id for one in told] == losing[: effects.DASHBOARDS_OF_A_PLAN]
                for one in told:
                    people = {user_id for board, user_id in lost if board == one.dashboard_id}
                    assert (one.how_many, {user_id for user_id, _, _ in one.people}) == (len(people), people)


async def test_a_preview_in_a_big_organization_stays_short(world: World, big: str) -> None:
    async with world.started["sharing"].env.database.read(big) as read:
        now, then = (effects.Gate(groups, True, frozenset(), False, False) for groups in (True, False))
        told, how_many = await effects.lost(read, big, now, then)
    assert how_many == BOARDS - BOARDS // 500
    assert all(one.how_many > len(one.people) == effects.PEOPLE_OF_A_PLAN for one in told)
    readers = sum(one.how_many for one in told)
    assert effects.READERS_WALKED <= readers < effects.READERS_WALKED + told[-1].how_many


async def test_a_plan_change_touches_one_row_whatever_the_number_of_groups(world: World, big: str) -> None:
    """Every row version is where it was, but for one."""
    database = world.started["sharing"].env.database
    tables = [*TABLES, "entitlements"]

    async def versions() -> dict[str, list[Any]]:
        async with database.read(EVERY_ORG) as read:
            return {
                table: await read.rows(f"select ctid::text, xmin::text from {table} order by 1") for table in tables
            }

    before = await versions()
    await world.hear("billing", EntitlementsChanged(org_id=big, entitlements=entitlements("pro", 2)))
    after = await versions()
    assert {
        table: len(set(after[table]) - set(before[table])) for table in tables if after[table] != before[table]
    } == {"entitlements": 1}
