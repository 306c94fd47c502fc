"""Explanations as of a past moment: what was so then, with the events of then, whatever has happened since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.sharing.store import explanation
from tests.sharing.company import Company
from tests.sharing.test_histories import History
from tests.world import World

MINUTE = timedelta(minutes=1)


async def why(company: Company, asker: str, dashboard_id: str, subject: str, as_of: datetime) -> Any:
    body = {"dashboard_id": dashboard_id, "subject_id": company.id_of(subject), "as_of": as_of.isoformat()}
    return (await company.ask(asker, "POST", "/v1/access-explanations", body)).ok()


def moment(company: Company) -> datetime:
    """Now; what happens afterwards happens later."""
    now = company.world.clock.now()
    company.world.clock.advance(MINUTE)
    return now


@pytest.mark.parametrize("seed", range(4))
async def test_every_past_moment_is_explained_as_the_model_saw_it_then(world: World, seed: int) -> None:
    history = History(Company(world), 300 + seed)
    await history.begin()
    seen: list[tuple[datetime, set[tuple[str, str]], list[tuple[str, str]]]] = []
    for _ in range(18):
        seen.append(
            (
                moment(history.company),
                history.model.everything(),
                [(name, board) for name in history.model.people for board in history.model.boards],
            )
        )
        await history.random.choice(history.steps)()
    for at, expected, pairs in seen:
        for name, board in history.random.sample(pairs, 7):
            told = await why(history.company, "ana", board, name, at)
            assert told["decision"] == ((name, board) in expected), (name, board, at)
            facts = [fact for way in (*told["paths"], *told["dead_ends"]) for fact in way["facts"]]
            late = [fact for fact in facts if fact["since"] and datetime.fromisoformat(fact["since"]) > at]
            assert not late, "no fact is younger than the moment"


async def test_the_events_of_then_are_named_and_nothing_can_be_changed(company: Company) -> None:
    await company.register("ben", "board-1", "Revenue")
    first = (await company.share("ben", "board-1", "groups", "Sales")).change
    shared = moment(company)
    await company.share("ben", "board-1", "nobody")
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-1", {"title": "Secret plans"})).ok()
    unshared = moment(company)
    await company.take_out("Sales", "dan")
    (await company.ask("ben", "DELETE", "/v1/dashboards/board-1")).ok()
    then = await why(company, "ana", "board-1", "dan", shared)
    assert (then["decision"], then["smallest_change"]) == (True, None)
    assert [fact["event_id"] for fact in then["chain"] if fact["kind"] == "share"] == [first]
    assert "Revenue" in then["chain"][1]["detail"]
    assert datetime.fromisoformat(then["as_of"]) == shared
    assert (await why(company, "ana", "board-1", "dan", unshared))["decision"] is False
    assert (await company.why("ana", "board-1", "dan"))["decision"] is False
    before = await why(company, "ana", "board-1", "dan", shared - timedelta(days=400))
    assert [fact["detail"] for fact in before["chain"]] == ["This person is no member of the organization"]


async def test_about_oneself_the_past_names_only_what_was_meant_for_oneself(company: Company) -> None:
    await company.register("ben", "board-1", "Revenue")
    private = moment(company)
    (await company.share("ben", "board-1", "groups", "Sales")).ok()
    shared = moment(company)
    await company.share("ben", "board-1", "nobody")
    (await company.ask("ben", "PATCH", "/v1/dashboards/board-1", {"title": "Secret plans"})).ok()
    mine = await why(company, "dan", "board-1", "dan", shared)
    assert mine["decision"] is True
    assert "Secret" not in str(mine)
    hidden = [await why(company, "dan", board, "dan", private) for board in ("board-1", "missing")]
    assert hidden[0] | {"dashboard_id": ""} == hidden[1] | {"dashboard_id": ""}
    other = await why(company, "eve", "board-1", "eve", shared)
    assert (other["decision"], other["paths"], other["dead_ends"]) == (False, [], [])
    body = {"dashboard_id": "board-1", "subject_id": company.id_of("dan"), "as_of": shared.isoformat()}
    assert (await company.ask("eve", "POST", "/v1/access-explanations", body)).status == 403


async def test_a_moment_to_come_and_one_without_a_zone_are_refused(company: Company) -> None:
    late = company.world.clock.now() + MINUTE
    for as_of in (late.isoformat(), late.replace(tzinfo=None).isoformat(), "yesterday", "2026", 1767225600):
        reply = await company.ask("ana", "POST", "/v1/access-explanations", {"dashboard_id": "b", "as_of": as_of})
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/as_of")


async def test_the_past_is_read_by_its_index(company: Company) -> None:
    await company.register("ben", "board-1")
    await company.share("ben", "board-1", "groups", "Sales")
    asked = (company.org_id, company.id_of("dan"), "board-1")
    async with company.world.started["sharing"].env.database.read(company.org_id) as read:
        await read.connection.execute("set local enable_seqscan = off")
        for statement, more in ((explanation.ALL, ()), (explanation.GROUPS, (500,))):
            sql, *arguments = explanation._at(company.world.clock.now(), statement, *asked, *more)
            plan = "\n".join(row[0] for row in await read.rows(f"explain {sql}", *arguments))
            assert "past_pkey" in plan
            assert "Seq Scan on past" not in plan, plan


async def test_the_past_keeps_no_name_and_no_address(company: Company) -> None:
    await company.deactivate("dan")
    await company.world.settle()
    moment(company)
    await company.reactivate("dan")
    async with company.world.started["sharing"].env.database.read(company.org_id) as read:
        rows = await read.rows("select was::text from past where kind = 'members'")
    assert rows
    assert not any("Dan" in row["was"] or "example.com" in row["was"] for row in rows)
