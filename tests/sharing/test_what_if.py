"""What would be if something were otherwise: the answer is the one that comes when it is done, and asking does nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sharing.rules import explanation, what_if
from services.sharing.rules.what_if import Assumption, ChangeRole, LeaveGroup, Unshare
from shared.ids import new_id
from tests.sharing.company import Company
from tests.sharing.model import Model
from tests.sharing.test_explanation_rules import GROUPS, models, picture_of

ASSUMPTIONS: st.SearchStrategy[Assumption] = st.one_of(
    st.builds(LeaveGroup, st.sampled_from(GROUPS)),
    st.builds(ChangeRole, st.sampled_from(["admin", "analyst", "viewer"])),
    st.builds(Unshare, st.sampled_from(["all_users", "all_analysts"])),
    st.builds(Unshare, st.just("group"), st.sampled_from(GROUPS)),
)


def done(model: Model, assumption: Assumption) -> None:
    """The same, really done."""
    me, board = model.people["me"], model.boards["board"]
    match assumption:
        case LeaveGroup(group_id):
            model.groups.get(group_id, set()).discard("me")
        case ChangeRole(role):
            me.role, me.slot = role, True
        case Unshare(path, group_id):
            board.groups.discard(group_id or {"all_users": "All Users", "all_analysts": "All Analysts"}[path])
            board.mode = "nobody" if board.mode == path else board.mode


@settings(max_examples=1500, deadline=None)
@given(models(), st.lists(ASSUMPTIONS, max_size=4))
def test_what_is_assumed_is_answered_as_if_it_were_done(model: Model, assumptions: list[Assumption]) -> None:
    assumed = explanation.explain(what_if.assumed(picture_of(model), assumptions), everything=True)
    really = copy.deepcopy(model)
    for one in assumptions:
        done(really, one)
    assert assumed.decision == really.sees("me", "board")


@pytest.fixture
async def shared(company: Company) -> Company:
    await company.register("ben", "board-1", "Revenue")
    (await company.share("ben", "board-1", "groups", "Sales", "All Analysts")).ok()
    return company


async def asked(company: Company, asker: str, subject: str, *assumed: dict[str, Any], **more: Any) -> Any:
    body = {"dashboard_id": "board-1", "subject_id": company.id_of(subject), "what_if": list(assumed), **more}
    return await company.ask(asker, "POST", "/v1/access-explanations", body)


async def test_an_admin_sees_what_leaving_a_group_would_do_and_nothing_is_done(shared: Company) -> None:
    sales = shared.groups["Sales"].group_id
    without = (await asked(shared, "ana", "dan", {"kind": "leave_group", "group_id": sales})).ok()
    assert (without["decision"], without["hypothetical"]) == (False, True)
    (group,) = [way for way in without["dead_ends"] if way["path"] == "group"]
    left = next(fact for fact in group["facts"] if fact["kind"] == "group")
    assert (left["holds"], left["event_id"], left["since"]) == (False, None, None), "nobody has done it"
    now = await shared.why("ana", "board-1", "dan")
    assert (now["decision"], now["hypothetical"]) == (True, False)


async def test_a_role_and_an_end_of_sharing_are_assumed_together(shared: Company) -> None:
    sales = shared.groups["Sales"].group_id
    leave = {"kind": "leave_group", "group_id": sales}
    author = {"kind": "change_role", "role": "analyst"}
    assert (await asked(shared, "ana", "dan", leave, author)).ok()["decision"] is True
    unshared = {"kind": "unshare", "path": "all_analysts"}
    assert (await asked(shared, "ana", "dan", leave, author, unshared)).ok()["decision"] is False
    closed = {"kind": "unshare", "path": "group", "group_id": sales}
    assert (await asked(shared, "ana", "dan", closed)).ok()["decision"] is False
    elsewhere = {"kind": "leave_group", "group_id": new_id("grp")}
    assert (await asked(shared, "ana", "dan", elsewhere)).ok()["decision"] is True, "what isn't so ends nothing"


async def test_only_admins_ask_what_if_and_only_of_the_present(shared: Company) -> None:
    role = {"kind": "change_role", "role": "viewer"}
    refused = await asked(shared, "ben", "ben", role)
    assert (refused.status, refused.json["meta"]["because"]) == (403, "role")
    past = await asked(shared, "ana", "dan", role, as_of=shared.world.clock.now().isoformat())
    assert (past.status, past.json["errors"][0]["pointer"]) == (422, "/what_if")
    for wrong in (
        {"kind": "leave_group"},
        {"kind": "unshare", "path": "group"},
        {"kind": "change_role", "path": "group"},
    ):
        assert (await asked(shared, "ana", "dan", wrong)).status == 422


async def test_somebody_elses_group_and_dashboard_are_answered_as_none(shared: Company) -> None:
    body = {
        "dashboard_id": "missing",
        "subject_id": shared.id_of("dan"),
        "what_if": [{"kind": "change_role", "role": "admin"}],
    }
    why = (await shared.ask("ana", "POST", "/v1/access-explanations", body)).ok()
    assert (why["decision"], why["dead_ends"]) == (False, [])
