"""Losing a plan and getting it back: every row is what it was, but for what was changed by hand meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.auth import Actor
from tests.org.house import House, founded
from tests.world import World

FACTS = ("members", "groups", "group_members", "invitations", "domains", "deleted_groups", "security_policies")
EDITS = st.lists(
    st.tuples(st.sampled_from(["rename group", "leave group", "deactivate"]), st.integers(0, 5)), max_size=4
)
Touched = tuple[str, dict[str, Any], set[str] | None]
CHANGED = ("version", "changed_by", "changed_at")
LAPSES = st.lists(st.sampled_from(["free", "pro"]), min_size=1, max_size=3)


async def rows(house: House) -> dict[str, list[dict[str, Any]]]:
    async with house.world.started["org"].env.database.read(house.org_id) as read:
        return {
            table: [
                dict(row)
                for row in await read.rows(f"select * from {table} where org_id = $1 order by 1, 2, 3", house.org_id)
            ]
            for table in FACTS
        }


async def a_full_house(world: World) -> tuple[House, list[Actor], list[str]]:
    house = await founded(world)
    people = [await house.member(role) for role in ("analyst", "analyst", "viewer", "viewer")]
    groups = [await house.group(f"Group {number}", *people[number:]) for number in range(3)]
    (await house.invite(f"open@{house.domain}", "analyst", groups[:1])).ok()
    (await house.ask("POST", "/v1/domains", {"name": f"other.{house.domain}"})).ok()
    return house, people, groups


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(lapses=LAPSES, edits=EDITS)
@example(lapses=["free"], edits=[("leave group", 0)])
@example(lapses=["free"], edits=[("leave group", 1), ("deactivate", 2), ("rename group", 0)])
async def test_after_the_plan_is_back_every_row_is_as_it_was_but_for_the_edits(
    world: World, lapses: list[str], edits: list[tuple[str, int]]
) -> None:
    house, people, groups = await a_full_house(world)
    before = await rows(house)
    for plan in lapses:
        await house.on(plan)
    suspended = await rows(house)
    assert {name for name, rows in suspended.items() if rows != before[name]} == set(), "a plan changes no fact"
    touched: list[Touched] = []
    for what, n in edits:
        touched += await edit(house, what, people[n % len(people)], groups[n % len(groups)], n)
    meanwhile = await rows(house)
    await house.on("business")
    after = await rows(house)
    assert {name for name, rows in after.items() if rows != meanwhile[name]} == set(), "coming back changes none either"
    for table, key, fields in touched:
        before, after = without(before, table, key, fields), without(after, table, key, fields)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


async def edit(house: House, what: str, person: Actor, group: str, number: int) -> list[Touched]:
    """Does what no plan forbids. Returns what may differ by it: a table, the key of a row, and its columns (None: the row)."""
    if what == "rename group":
        (await house.ask("PATCH", f"/v1/groups/{group}", {"name": f"Renamed {number}"})).ok()
        return [("groups", {"group_id": group}, {"name", "name_key", *CHANGED})]
    if what == "leave group":
        (await house.ask("DELETE", f"/v1/groups/{group}/members/{person.user_id}")).ok()
        membership = {"group_id": group, "user_id": person.user_id}
        counted = ("groups", {"group_id": group}, {"active_members"})
        return [("group_members", membership, None), ("members", {"user_id": person.user_id}, set(CHANGED)), counted]
    (await house.ask("POST", f"/v1/users/{person.user_id}/deactivation")).ok()
    counted = ("groups", {}, {"active_members"})  # in whichever they are
    return [("members", {"user_id": person.user_id}, {"status", "deactivated_at", *CHANGED}), counted]


def without(
    tables: dict[str, list[dict[str, Any]]], table: str, key: dict[str, Any], fields: set[str] | None
) -> dict[str, list[dict[str, Any]]]:
    """The rows without those columns of one row, or without the row."""
    found = []
    for row in tables[table]:
        if any(row[name] != value for name, value in key.items()):
            found.append(row)
        elif fields is not None:
            found.append({name: value for name, value in row.items() if name not in fields})
    return {**tables, table: found}
