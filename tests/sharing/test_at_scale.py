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
from services.sharing.store import dashboards, explanation, reviews
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
        await connection.execute("analyze", timeout=60)
    return org_id


HOT: dict[str, tuple[str, Any, int]] = {
    "one decision": (store.FACTS, lambda org: (org, ["usr_77"], ["b77"]), 28),
    "a thousand decisions": (store.FACTS, lambda org: (org, [f"usr_{n}" for n in range(1000)], [f"b{n}" for n in range(1000)]), 25_000),
    "who is asking": (store.STANDING, lambda org: (org, "usr_77"), 10),
    "what I see": (store.VISIBLE, lambda org: (org, "usr_77", True, True, False, True, "", "", "", 51), 1_900),
    "what I see, further on": (store.VISIBLE, lambda org: (org, "usr_100", True, True, True, True, "board 5", "b5", "", 51), 1_900),
    "who sees it": (store.VIEWERS, lambda org: (org, "b77", "usr_100", False, False, True, "", "", 51), 4_000),
    "who sees it, everybody": (store.VIEWERS, lambda org: (org, "b500", "usr_100", True, False, False, "", "", 51), 200),
}  # fmt: skip


def literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"array[{', '.join(map(literal, value))}]::text[]"
    return str(value).lower() if isinstance(value, (bool, int)) else f"'{value}'"


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def test_the_hot_questions_stay_on_their_indices(world: World, big: str) -> None:
    """No table is read from end to end, and the pages touched stay in proportion to the question: an index half used would show there."""
    async with world.started["sharing"].env.database.read(big) as read:
        for name, (sql, arguments, pages) in HOT.items():
            plan = await read.value(f"explain (analyze, buffers, format json) {sql}", *arguments(big))
            root = orjson.loads(plan)[0]["Plan"]
            touched = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
            for node in nodes(root):
                small = node.get("Relation Name") == "entitlements"
                assert node["Node Type"] != "Seq Scan" or small, (name, node)
            assert touched <= pages, (name, touched)


UNSEEN: dict[str, tuple[str, Any, int]] = HOT | {
    "a list's dashboards": (dashboards.SEVERAL, lambda org: (org, [f"b{n}" for n in range(1, 51)], "usr_77"), 1_100),
    "the groups of a dashboard": (dashboards.SELECTED, lambda org: (org, "b77"), 3_500),
    "a review": (reviews.WAYS, lambda org: (org, "b77", True, False, False, True, "", "", "", "", 2000), 6_000),
    "why": (explanation.GROUPS, lambda org: (org, "usr_77", "b77", 500), 150),
}  # fmt: skip


async def test_they_stay_there_when_the_planner_does_not_look_at_whom_it_is_asked_about(world: World, big: str) -> None:
    """A statement that was prepared may be planned once for all organizations, from what they are like on average: nearly empty."""
    async with by_hand(world.started["sharing"].env.database) as connection:
        for table in ("members", "groups", "group_members", "dashboards", "dashboard_groups"):
            await connection.execute(f"alter table {table} alter column org_id set (n_distinct = 10000)")
        await connection.execute("analyze", timeout=60)
        await connection.execute(f"set tenantry.org_id = '{big}'")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        over = {}
        for number, (name, (sql, arguments, pages)) in enumerate(UNSEEN.items()):
            await connection.execute(f"prepare hot{number} as {sql}")
            given = ", ".join(map(literal, arguments(big)))
            plan = await connection.fetchval(f"explain (analyze, buffers, format json) execute hot{number}({given})")
            root = orjson.loads(plan)[0]["Plan"]
            if (touched := root["Shared Hit Blocks"] + root["Shared Read Blocks"]) > 2 * pages:
                over[name] = touched
    assert not over


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


def _sees(facts: store.Facts) -> bool:
    return bool(paths(facts.person, facts.plan, facts.board, facts.in_selected_group))


async def test_a_plan_change_touches_one_row_whatever_the_number_of_groups(world: World, big: str) -> None:
    """Every row version is where it was, but for one."""
    database = world.started["sharing"].env.database
    tables = ["members", "groups", "group_members", "dashboards", "dashboard_groups", "entitlements"]

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
