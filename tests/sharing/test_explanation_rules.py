"""Over random organizations: the explanation's verdict is the decision's and the naive model's, and its smallest change flips it."""

from __future__ import annotations

import copy
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sharing.rules import access, sharing
from services.sharing.rules import explanation as rules
from services.sharing.rules.access import Plan
from services.sharing.rules.explanation import Cause, Change, GroupFacts, Picture
from tests.sharing.company import PLANS
from tests.sharing.model import Board, Model, Person

GROUPS = ("Sales", "Board", "Berlin")
NAMES = ("me", "other")


@st.composite
def models(draw: st.DrawFn) -> Model:
    model = Model(draw(st.sampled_from([None, *PLANS])))
    for name in NAMES:
        model.people[name] = Person(
            draw(st.sampled_from(["admin", "analyst", "viewer"])),
            draw(st.booleans()),
            draw(st.sampled_from(["active", "active", "inactive", "removed"])),
        )
    for group in draw(st.sets(st.sampled_from(GROUPS))):
        members = {name for name in draw(st.sets(st.sampled_from(NAMES))) if model.people[name].status != "removed"}
        model.groups[group] = members
    mode = draw(st.sampled_from(["nobody", "all_users", "all_analysts", "groups", "groups", "groups"]))
    selectable = [*GROUPS, "All Users", "All Analysts"]  # a group that doesn't exist stands for a deleted one
    groups = draw(st.sets(st.sampled_from(selectable))) if mode == "groups" else set()
    model.boards["board"] = Board(draw(st.sampled_from(NAMES)), mode, groups)
    return model


def plan_of(model: Model) -> Plan | None:
    return Plan(model.plan, model.plan.capitalize(), **PLANS[model.plan]) if model.plan else None


def picture_of(model: Model) -> Picture:
    """What the store would find."""
    me, board = model.people["me"], model.boards["board"]
    kinds: dict[str, Any] = {"All Users": "all_users", "All Analysts": "all_analysts"}
    near = board.groups | {group for group, members in model.groups.items() if "me" in members}
    facts = tuple(
        GroupFacts(
            group_id=group,
            kind=kinds.get(group, "custom"),
            name=group,
            selected=Cause("evt") if group in board.groups else None,
            member="me" in model.groups.get(group, set()),
            deleted=None if group in kinds or group in model.groups else Cause("evt"),
        )
        for group in sorted(near)
    )
    return Picture(
        access.Person("me", "Me", "me@example.com", me.role, me.acts_as, me.status),
        access.Board(
            "board",
            "Revenue",
            board.owner,
            board.mode,  # type: ignore[arg-type]
            board.mode == "all_users" or "All Users" in board.groups,
            board.mode == "all_analysts" or "All Analysts" in board.groups,
        ),
        plan_of(model),
        groups=facts,
    )


def decided(model: Model) -> bool:
    picture = picture_of(model)
    through = any(
        group.kind == "custom" and group.selected and group.member and not group.deleted for group in picture.groups
    )
    return access.decide(access.VIEW, picture.person, picture.plan, picture.board, through).allowed


def apply(model: Model, change: Change) -> None:
    """What somebody would do who follows the advice."""
    me, board = model.people["me"], model.boards["board"]
    match change.kind:
        case "reactivate_member":
            assert me.status == "inactive"
            me.status = "active"
        case "add_to_group":
            model.groups[change.group_ids[0]].add("me")
        case "remove_from_group":
            model.groups[change.group_ids[0]].remove("me")
        case "free_author_slot":
            assert not me.slot
            me.slot = True
        case "change_role":
            me.role, me.slot = "analyst", True
        case "change_plan":
            assert change.plan is not None
            model.plan = change.plan
        case "share":
            (path,) = change.paths
            if path == "group":
                board.groups = (board.groups if board.mode == "groups" else set()) | set(change.group_ids)
                board.mode = "groups"
            else:
                board.mode, board.groups = path, set()
        case "unshare":
            board.groups -= {*change.group_ids, *({"All Users"} if "all_users" in change.paths else set())}
            board.groups -= {"All Analysts"} if "all_analysts" in change.paths else set()
            if board.mode in change.paths or not board.groups:
                board.mode = "nobody"
        case "transfer":
            board.owner = "somebody else"


@settings(max_examples=1500, deadline=None)
@given(models())
def test_three_verdicts_are_one(model: Model) -> None:
    verdict = model.sees("me", "board")
    assert decided(model) == verdict
    for everything in (True, False):
        why = rules.explain(picture_of(model), everything=everything)
        assert why.decision == verdict
        assert all(way.holds for way in why.paths)
        assert not any(way.holds for way in why.dead_ends)
        assert all(fact.holds for fact in why.chain) == verdict or not why.dead_ends


@settings(max_examples=1500, deadline=None)
@given(models())
def test_the_smallest_change_flips_the_answer_and_no_part_of_it_does(model: Model) -> None:
    before = model.sees("me", "board")
    for everything in (True, False):
        change = rules.explain(picture_of(model), everything=everything).smallest_change
        if change is None:
            continue
        after = copy.deepcopy(model)
        for one in change.changes:
            assert after.sees("me", "board") == before
            apply(after, one)
        assert after.sees("me", "board") != before
        for left_out in range(len(change.changes)):
            less = copy.deepcopy(model)
            for place, one in enumerate(change.changes):
                if place != left_out:
                    apply(less, one)
            assert less.sees("me", "board") == before


@settings(max_examples=800, deadline=None)
@given(models())
def test_there_is_always_a_way_to_flip_it_for_a_member(model: Model) -> None:
    change = rules.explain(picture_of(model), everything=True).smallest_change
    assert (change is None) == (model.people["me"].status == "removed")


@settings(max_examples=800, deadline=None)
@given(models())
def test_about_oneself_only_what_was_meant_for_oneself_is_told(model: Model) -> None:
    """Nothing about a group that I'm not in, or about a dashboard that was never shared with me."""
    why = rules.explain(picture_of(model), everything=False)
    told = " ".join(fact.detail for way in (*why.paths, *why.dead_ends) for fact in way.facts)
    mine = {group for group, members in model.groups.items() if "me" in members}
    assert not [group for group in GROUPS if group in told and group not in mine]
    board, me = model.boards["board"], model.people["me"]
    meant = board.owner == "me" or board.mode == "all_users" or "All Users" in board.groups
    meant |= (board.mode == "all_analysts" or "All Analysts" in board.groups) and me.role != "viewer"
    meant |= bool(mine & board.groups) and board.mode == "groups"
    if not meant:
        person = picture_of(model).person
        assert why == rules.not_for(person, Cause()), "looks like one that doesn't exist"


@settings(max_examples=500, deadline=None)
@given(
    models(),
    st.sampled_from([("business", "pro"), ("pro", "free"), ("business", "free"), ("business", None), ("pro", None)]),
)
def test_a_lapse_opens_nothing(model: Model, lapse: tuple[str, str | None]) -> None:
    model.plan = lapse[0]
    before = decided(model)
    model.plan = lapse[1]
    assert decided(model) <= before


@given(
    st.one_of(st.none(), st.integers(0, 6)),
    st.lists(
        st.tuples(st.uuids().map(str), st.sampled_from(["admin", "analyst", "viewer"]), st.datetimes()),
        max_size=8,
        unique_by=lambda m: m[0],
    ),
)
def test_author_slots_go_to_admins_first_then_by_seniority(
    slots: int | None, members: list[tuple[str, Literal["admin"], Any]]
) -> None:
    kept = sharing.authors_under(slots, members)
    authors = [member for member in members if member[1] != "viewer"]
    assert len(kept) == (len(authors) if slots is None else min(len(authors), max(slots, 1)))
    for user_id, role, joined in authors:
        for other_id, other_role, other_joined in authors:
            better = (role != "admin", joined, user_id) < (other_role != "admin", other_joined, other_id)
            assert not (better and user_id not in kept and other_id in kept)
