"""What may be done with a dashboard and its sharing: rights are on the dashboard itself, and the plan gates widening alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.sharing.rules.access import AUTHORS, Board, Mode, Person, Plan
from shared.errors import FieldError, Problem, invalid

GroupKind = Literal["all_users", "all_analysts", "custom"]

SMALLEST_PLAN = {
    "share_all_analysts": "pro",
    "custom_groups": "business",
    "sharing_links": "pro",
    "interactive_embedding": "business",
}


@dataclass(frozen=True)
class Group:
    """A group that exists."""

    group_id: str
    kind: GroupKind
    name: str


@dataclass(frozen=True)
class Target:
    """Whom a dashboard is to be shared with; `groups` only with mode `groups`."""

    mode: Mode
    groups: tuple[Group, ...] = ()

    @property
    def all_users(self) -> bool:
        return self.mode == "all_users" or any(group.kind == "all_users" for group in self.groups)

    @property
    def all_analysts(self) -> bool:
        return self.mode == "all_analysts" or any(group.kind == "all_analysts" for group in self.groups)

    @property
    def group_ids(self) -> list[str]:
        return [group.group_id for group in self.groups]


NOBODY = Target("nobody")


def is_orphaned(owner: Person | None) -> bool:
    """Nobody is in charge of a dashboard whose owner has left or is a Viewer by role. (An owner who waits for a slot still is.)"""
    return owner is None or not owner.active or owner.role not in AUTHORS


def check_owns(person: Person, board: Board) -> None:
    """Editing and sharing are the owner's alone, whatever the role of others."""
    if board.owner_id != person.user_id:
        raise Problem("forbidden", "Only its owner may do this.", meta={"because": "ownership"})
    check_author(person)


def check_author(person: Person) -> None:
    if not person.author:
        because = "plan" if person.waits_for_slot else "role"
        detail = "The plan has no author slot for you at present: you act as Viewer." if because == "plan" else ""
        raise Problem("forbidden", detail, meta={"because": because, "role": person.effective_role})


def check_admin(person: Person) -> None:
    """The Admin of the token must still act as one."""
    if not person.active or person.effective_role != "admin":
        raise Problem("forbidden", meta={"because": "role", "role": person.effective_role, "roles": ["admin"]})


def check_may_shrink(person: Person, board: Board, owner: Person | None) -> None:
    """Taking access away is never stopped by the plan: the owner may, slot or not; an Admin when nobody is in charge."""
    if board.owner_id != person.user_id and not steps_in(person, owner):
        raise Problem("forbidden", "Only its owner may do this.", meta={"because": "ownership"})


def check_in_charge(person: Person, board: Board, owner: Person | None) -> None:
    """Removing and handing over: the owner, or an Admin when nobody is in charge."""
    if not steps_in(person, owner):
        check_owns(person, board)


def steps_in(person: Person, owner: Person | None) -> bool:
    return person.author and person.effective_role == "admin" and is_orphaned(owner)


def check_orphaned(owner: Person | None) -> None:
    """A key takes nothing from anybody who is in charge of it."""
    if not is_orphaned(owner):
        raise Problem("forbidden", "Only its owner may hand it over.", meta={"because": "ownership"})


def check_new_owner(owner: Person | None) -> None:
    if owner is None or not owner.author:
        raise invalid("/owner_id", "not_an_author", "must be an active Admin or Analyst of this organization")


def target(
    mode: Mode,
    group_ids: Sequence[str],
    known: Mapping[str, Group],
    selected: Collection[str],
    board: Board,
    plan: Plan | None,
) -> Target:
    """What is wanted, checked: only what is *added* needs the plan, so a suspended share can be kept or taken away."""
    if mode != "groups":
        if group_ids:
            raise invalid("/group_ids", "not_with_this_mode", "only goes with mode `groups`")
        if mode == "all_analysts" and not board.all_analysts:
            _check_all_analysts(plan)
        return Target(mode)
    if not group_ids:
        raise invalid("/group_ids", "required", "choose at least one group, or mode `nobody`")
    wanted = list(dict.fromkeys(group_ids))
    _check_known(group_ids, known, plan)
    chosen = tuple(sorted((known[group_id] for group_id in wanted), key=lambda group: group.group_id))
    _check_added([group for group in chosen if group.group_id not in selected], board, plan)
    return Target("groups", chosen)


def with_group(group: Group, around: Sequence[Group], board: Board, plan: Plan | None) -> Target:
    """One group more. `around` is what the dashboard is shared with; of a mode, its built-in group."""
    ids = {one.group_id for one in around}
    if group.group_id in ids:
        return Target(board.mode, tuple(around) if board.mode == "groups" else ())
    _check_added([group], board, plan)
    return Target("groups", tuple(sorted((*around, group), key=lambda one: one.group_id)))


def without_group(group_id: str, selected: Sequence[Group], board: Board) -> Target:
    """One group less; of a mode that reaches everybody no single group is taken away."""
    if board.mode != "groups":
        return Target(board.mode)
    left = tuple(group for group in selected if group.group_id != group_id)
    return Target("groups", left) if left else NOBODY


def _check_added(added: Sequence[Group], board: Board, plan: Plan | None) -> None:
    if any(group.kind == "all_analysts" for group in added) and not board.all_analysts:
        _check_all_analysts(plan)
    if (plan is None or not plan.custom_groups) and (suspended := [group for group in added if group.kind == "custom"]):
        names = ", ".join(group.name for group in suspended)
        raise Problem(
            "suspended",
            f"Nothing can be shared with {names}: custom groups are suspended by the plan {_named(plan)}.",
            meta={
                "because": "sharing",
                "names": [group.name for group in suspended],
                "cause": "plan",
                "plan": plan.plan if plan else None,
                "plan_required": SMALLEST_PLAN["custom_groups"],
                "group_ids": [group.group_id for group in suspended],
            },
        )


def _check_known(group_ids: Sequence[str], known: Mapping[str, Group], plan: Plan | None) -> None:
    unknown = [place for place, group_id in enumerate(group_ids) if group_id not in known]
    if not unknown:
        return
    if plan is None or not plan.custom_groups:
        raise plan_required("custom_groups", "sharing with selected groups", plan)
    faults = [
        FieldError(f"/group_ids/{place}", "unknown_group", "is no group of this organization") for place in unknown
    ]
    raise Problem("invalid", errors=faults)


def _check_all_analysts(plan: Plan | None) -> None:
    if plan is None or not plan.share_all_analysts:
        raise plan_required("share_all_analysts", "sharing with All Analysts", plan)


def plan_required(feature: str, what: str, plan: Plan | None) -> Problem:
    meta = {"plan": SMALLEST_PLAN[feature], "current": plan.plan if plan else None, "for": feature}
    return Problem("plan_required", f"The plan {_named(plan)} doesn't include {what}.", meta=meta)


def _named(plan: Plan | None) -> str:
    return plan.name if plan is not None else "(not known here yet)"


def authors_under(slots: int | None, members: Iterable[tuple[str, str, datetime]]) -> frozenset[str]:
    """Who has an author slot when there are that many: Admins first, then Analysts in the order they joined; one at least.

    `members` are the active ones, as (user_id, role, joined_at). Org decides this for real; here it is foreseen.
    """
    seeking = sorted((role != "admin", joined_at, user_id) for user_id, role, joined_at in members if role in AUTHORS)
    kept = seeking if slots is None else seeking[: max(slots, 1)]
    return frozenset(user_id for _, _, user_id in kept)
