"""Why and why not, over HTTP: each fact with the event that caused it, and only what the asker may know."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ids import new_id
from tests.sharing.company import Company


@pytest.fixture
async def shared(company: Company) -> Company:
    await company.register("ben", "board-1", "Revenue")
    return company


def kinds(facts: list[Any]) -> list[tuple[str, bool]]:
    return [(fact["kind"], fact["holds"]) for fact in facts]


async def test_a_chain_names_the_event_behind_each_fact(shared: Company) -> None:
    joined = await shared.add("Sales", "eve")
    change = (await shared.share("ben", "board-1", "groups", "Sales")).change
    plan = await shared.plan("pro")
    back = await shared.plan("business")
    await shared.plan("business")  # nothing new: the fact keeps its cause
    why = await shared.why("eve", "board-1")
    assert why["decision"] is True
    assert kinds(why["chain"]) == [("membership", True), ("share", True), ("group", True), ("plan", True)]
    assert [fact["event_id"] for fact in why["chain"][1:]] == [change, joined, back]
    assert all(fact["since"] for fact in why["chain"])
    assert [way["path"] for way in why["paths"]] == ["group"]
    await shared.plan("pro")
    assert plan != back


async def test_the_plan_that_suspends_a_group_is_named_with_its_date(shared: Company) -> None:
    (await shared.share("ben", "board-1", "groups", "Sales")).ok()
    event = await shared.plan("pro")
    why = await shared.why("dan", "board-1")
    assert why["decision"] is False
    (lacking,) = [fact for fact in why["chain"] if not fact["holds"]]
    today = shared.world.clock.now().date().isoformat()
    assert lacking["detail"] == f"The group Sales is suspended by the plan Pro since {today}"
    assert (lacking["kind"], lacking["event_id"]) == ("plan", event)
    (change,) = why["smallest_change"]["changes"]
    assert (change["kind"], change["plan"]) == ("change_plan", "business")
    await shared.plan("free")
    (still,) = [fact for fact in (await shared.why("dan", "board-1"))["chain"] if not fact["holds"]]
    assert (still["event_id"], still["since"]) == (event, lacking["since"]), (
        "since it lapsed, not since the last plan change"
    )


async def test_about_oneself_a_dashboard_that_was_not_meant_for_one_looks_like_none(shared: Company) -> None:
    (await shared.share("ben", "board-1", "groups", "Sales")).ok()
    hidden, missing = [await shared.why("eve", one) for one in ("board-1", "missing")]
    assert hidden | {"dashboard_id": ""} == missing | {"dashboard_id": ""}
    assert (hidden["decision"], hidden["dead_ends"], hidden["smallest_change"]) == (False, [], None)
    assert kinds(hidden["chain"]) == [("membership", True)]


async def test_an_admin_sees_every_dead_end_and_the_gentlest_change(shared: Company) -> None:
    (await shared.share("ben", "board-1", "groups", "Sales", "All Analysts")).ok()
    why = await shared.why("ana", "board-1", "eve")
    assert why["decision"] is False
    assert {(way["path"], tuple(kinds(way["facts"]))) for way in why["dead_ends"]} == {
        ("ownership", (("membership", True), ("ownership", False))),
        ("all_users", (("membership", True), ("share", False))),
        ("all_analysts", (("membership", True), ("share", True), ("role", False), ("plan", True))),
        ("group", (("membership", True), ("share", True), ("group", False), ("plan", True))),
    }
    (change,) = why["smallest_change"]["changes"]
    assert (change["kind"], change["group_ids"]) == ("add_to_group", [shared.groups["Sales"].group_id])
    await shared.add("Sales", "eve")
    assert (await shared.why("ana", "board-1", "eve"))["decision"] is True


async def test_leaving_a_group_and_its_deletion_are_named(shared: Company) -> None:
    (await shared.share("ben", "board-1", "groups", "Sales")).ok()
    left = await shared.take_out("Sales", "dan")
    why = await shared.why("ana", "board-1", "dan")
    (group,) = [way for way in why["dead_ends"] if way["path"] == "group"]
    assert [fact["event_id"] for fact in group["facts"] if not fact["holds"]] == [left]
    gone = await shared.delete_group("Sales")
    why = await shared.why("ana", "board-1", "dan")
    (group,) = [way for way in why["dead_ends"] if way["path"] == "group"]
    assert [fact["event_id"] for fact in group["facts"] if fact["kind"] == "group"] == [gone]
    assert "was deleted" in group["facts"][2]["detail"]


async def test_a_deleted_group_that_the_dashboard_was_never_shared_with_is_no_path(shared: Company) -> None:
    await shared.group("Old", "dan")
    await shared.delete_group("Old")
    why = await shared.why("ana", "board-1", "dan")
    assert "Old" not in [way["group_name"] for way in (*why["paths"], *why["dead_ends"])]


async def test_a_suspended_slot_and_a_deactivation_are_named(shared: Company) -> None:
    (await shared.share("ben", "board-1", "all_analysts")).ok()
    slot = await shared.suspend_slot("cyd")
    why = await shared.why("cyd", "board-1")
    (lacking,) = [fact for fact in why["chain"] if not fact["holds"]]
    assert (lacking["kind"], lacking["event_id"]) == ("role", slot)
    assert why["smallest_change"]["changes"][0]["kind"] == "free_author_slot"
    await shared.resume_slot("cyd")
    gone = await shared.deactivate("cyd")
    why = await shared.why("ana", "board-1", "cyd")
    assert [fact["event_id"] for fact in why["chain"] if not fact["holds"]] == [gone]
    assert [one["kind"] for one in why["smallest_change"]["changes"]] == ["reactivate_member"]


async def test_strangers_and_unknown_dashboards_are_explained_without_a_change(shared: Company) -> None:
    body = {"dashboard_id": "board-1", "subject_id": new_id("usr")}
    why = (await shared.ask("ana", "POST", "/v1/access-explanations", body)).ok()
    assert (why["decision"], kinds(why["chain"]), why["smallest_change"]) == (False, [("membership", False)], None)
    assert (await shared.why("ana", "missing", "dan"))["decision"] is False
