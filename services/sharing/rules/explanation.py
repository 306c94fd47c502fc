"""Why, or why not: every path as a chain of facts with the event behind each, and the smallest change that would flip the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.sharing.rules.access import AUTHORS, Board, Path, Person, Plan
from services.sharing.rules.sharing import SMALLEST_PLAN, GroupKind

FactKind = Literal["membership", "ownership", "share", "group", "plan", "role"]
ChangeKind = Literal[
    "reactivate_member",
    "add_to_group",
    "free_author_slot",
    "change_plan",
    "change_role",
    "share",
    "remove_from_group",
    "unshare",
    "transfer",
]
DEAD_ENDS_SHOWN = 50


@dataclass(frozen=True)
class Cause:
    """The event that made a fact true or false, and when."""

    event_id: str | None = None
    at: datetime | None = None


UNKNOWN = Cause()


@dataclass(frozen=True)
class Change:
    """One thing somebody could do; `paths` are those that sharing or unsharing opens or closes.

    Deactivating a person is never proposed: it would take everything from them.
    """

    kind: ChangeKind
    detail: str
    weight: int
    user_id: str | None = None
    group_ids: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    plan: str | None = None


@dataclass(frozen=True)
class Fact:
    """A link of a chain. `circumstance` marks what a person may always be told about themselves: membership, slot, plan."""

    kind: FactKind
    holds: bool
    detail: str
    cause: Cause = UNKNOWN
    fix: Change | None = None
    circumstance: bool = False


@dataclass(frozen=True)
class Way:
    """One path and its facts; it leads to the dashboard when all of them hold."""

    path: Path
    facts: tuple[Fact, ...]
    group_id: str | None = None

    @property
    def holds(self) -> bool:
        return all(fact.holds for fact in self.facts)

    @property
    def missing(self) -> list[Fact]:
        return [fact for fact in self.facts if not fact.holds]

    @property
    def addressed(self) -> bool:
        """The dashboard was meant for this person: only circumstances can be in the way."""
        return all(fact.circumstance for fact in self.missing)


@dataclass(frozen=True)
class Causes:
    """What is behind the facts that aren't about one group."""

    status: Cause = UNKNOWN
    effective_role: Cause = UNKNOWN
    owner: Cause = UNKNOWN
    shared: Cause = UNKNOWN
    custom_groups: Cause = UNKNOWN
    share_all_analysts: Cause = UNKNOWN


@dataclass(frozen=True)
class GroupFacts:
    """A group that the dashboard is shared with, or the person is or was in, or both."""

    group_id: str
    kind: GroupKind
    name: str
    selected: Cause | None
    member: bool
    membership: Cause = UNKNOWN
    deleted: Cause | None = None


@dataclass(frozen=True)
class Picture:
    """All that an answer can depend on."""

    person: Person
    board: Board
    plan: Plan | None
    causes: Causes = Causes()
    groups: tuple[GroupFacts, ...] = ()


@dataclass(frozen=True)
class SmallestChange:
    """The fewest changes that flip the answer, the least far-reaching among equals."""

    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Explanation:
    """`chain` carries the answer: the path that holds, or the one that comes nearest."""

    decision: bool
    chain: tuple[Fact, ...]
    paths: tuple[Way, ...]
    dead_ends: tuple[Way, ...]
    smallest_change: SmallestChange | None


def explain(picture: Picture, *, everything: bool) -> Explanation:
    """The whole answer; without `everything` only what the person may know: paths that were meant for them."""
    ways = all_ways(picture)
    shown = ways if everything else [way for way in ways if way.addressed]
    holding = tuple(way for way in shown if way.holds)
    dead_ends = tuple(sorted((way for way in shown if not way.holds), key=_distance))
    change = _smallest_removal(picture, holding) if holding else _smallest_addition(dead_ends)
    nearest = (*holding, *dead_ends)[:1]
    chain = nearest[0].facts if nearest else (membership(picture.person, picture.causes.status),)
    return Explanation(bool(holding), chain, holding, dead_ends[:DEAD_ENDS_SHOWN], change)


def not_for(person: Person | None, cause: Cause) -> Explanation:
    """The answer about a dashboard that doesn't exist, or that the person may not know of: the two look the same."""
    return Explanation(False, (membership(person, cause),), (), (), None)


def all_ways(picture: Picture) -> list[Way]:
    """Every path that leads, or could lead, from the person to the dashboard."""
    member = membership(picture.person, picture.causes.status)
    custom = [group for group in picture.groups if group.kind == "custom"]
    return [
        Way("ownership", (member, _ownership(picture))),
        Way("all_users", (member, _reaches(picture, "all_users"))),
        Way("all_analysts", (member, _reaches(picture, "all_analysts"), _role(picture), _analysts_plan(picture))),
        *(
            Way(
                "group",
                (member, _selected(picture, group), _in_group(picture, group), _group_plan(picture, group)),
                group.group_id,
            )
            for group in custom
        ),
    ]


def membership(person: Person | None, cause: Cause) -> Fact:
    if person is None:
        return Fact("membership", False, "This person is no member of the organization", circumstance=True)
    if person.active:
        return Fact("membership", True, f"{person.name} is an active member", cause)
    fix = None
    detail = f"{person.name} is no longer a member"
    if person.status == "inactive":
        detail = f"{person.name} is deactivated"
        fix = Change("reactivate_member", f"Reactivate {person.name}", 0, user_id=person.user_id)
    return Fact("membership", False, detail, cause, fix, circumstance=True)


def _ownership(picture: Picture) -> Fact:
    person, board = picture.person, picture.board
    if board.owner_id == person.user_id:
        return Fact("ownership", True, f"{person.name} owns “{board.title}”", picture.causes.owner)
    return Fact("ownership", False, f"“{board.title}” is somebody else's", picture.causes.owner)


def _reaches(picture: Picture, mode: Literal["all_users", "all_analysts"]) -> Fact:
    """Shared with everybody of a kind: by mode, or by the built-in group."""
    board = picture.board
    name, weight = ("All Users", 7) if mode == "all_users" else ("All Analysts", 6)
    chosen = [group.selected for group in picture.groups if group.kind == mode and group.selected]
    if board.all_users if mode == "all_users" else board.all_analysts:
        cause = chosen[0] if chosen else picture.causes.shared
        return Fact("share", True, f"“{board.title}” is shared with {name}", cause)
    fix = Change("share", f"Share “{board.title}” with {name}", weight, paths=(mode,))
    return Fact("share", False, f"“{board.title}” isn't shared with {name}", picture.causes.shared, fix)


def _role(picture: Picture) -> Fact:
    person, cause = picture.person, picture.causes.effective_role
    if person.effective_role in AUTHORS:
        return Fact("role", True, f"{person.name} is {_article(person.effective_role)}", cause)
    if person.waits_for_slot:
        fix = Change("free_author_slot", f"Free an author slot for {person.name}", 2, user_id=person.user_id)
        detail = f"{person.name} acts as Viewer: the plan has no author slot for them{_since(cause)}"
        return Fact("role", False, detail, cause, fix, circumstance=True)
    fix = Change("change_role", f"Make {person.name} an Analyst", 4, user_id=person.user_id)
    return Fact("role", False, f"{person.name} is a Viewer", cause, fix)


def _analysts_plan(picture: Picture) -> Fact:
    cause = picture.causes.share_all_analysts
    holds = picture.plan is not None and picture.plan.share_all_analysts
    return _plan(picture.plan, holds, "Sharing with All Analysts", "share_all_analysts", cause)


def _group_plan(picture: Picture, group: GroupFacts) -> Fact:
    cause = picture.causes.custom_groups
    holds = picture.plan is not None and picture.plan.custom_groups
    return _plan(picture.plan, holds, f"The group {group.name}", "custom_groups", cause)


def _plan(plan: Plan | None, holds: bool, what: str, feature: str, cause: Cause) -> Fact:
    if plan is None:
        return Fact("plan", False, f"{what} grants nothing: the plan isn't known here yet", circumstance=True)
    if holds:
        return Fact("plan", True, f"{what} is in force by the plan {plan.name}", cause, circumstance=True)
    smallest = SMALLEST_PLAN[feature]
    fix = Change("change_plan", f"Change to a plan that includes this (from {smallest} on)", 3, plan=smallest)
    return Fact(
        "plan", False, f"{what} is suspended by the plan {plan.name}{_since(cause)}", cause, fix, circumstance=True
    )


def _selected(picture: Picture, group: GroupFacts) -> Fact:
    board = picture.board
    if group.selected is not None:
        return Fact("share", True, f"“{board.title}” is shared with the group {group.name}", group.selected)
    fix = None
    if group.deleted is None:
        fix = Change(
            "share",
            f"Share “{board.title}” with the group {group.name}",
            5,
            group_ids=(group.group_id,),
            paths=("group",),
        )
    detail = f"“{board.title}” isn't shared with the group {group.name}"
    return Fact("share", False, detail, picture.causes.shared, fix)


def _in_group(picture: Picture, group: GroupFacts) -> Fact:
    person = picture.person
    if group.deleted is not None:
        return Fact("group", False, f"The group {group.name} was deleted{_since(group.deleted, 'on')}", group.deleted)
    if group.member:
        return Fact("group", True, f"{person.name} is in the group {group.name}", group.membership)
    fix = None
    if person.status != "removed":
        detail = f"Add {person.name} to the group {group.name}"
        fix = Change("add_to_group", detail, 1, user_id=person.user_id, group_ids=(group.group_id,))
    left = f" (left{_since(group.membership, 'on')})" if group.membership.at else ""
    return Fact("group", False, f"{person.name} isn't in the group {group.name}{left}", group.membership, fix)


def _smallest_addition(dead_ends: Sequence[Way]) -> SmallestChange | None:
    """The way that lacks least; each missing fact is one change."""
    open_ways = [[fact.fix for fact in way.missing if fact.fix is not None] for way in dead_ends if _fixable(way)]
    if not open_ways:
        return None
    lacks_least = min(open_ways, key=lambda fixes: (len(fixes), sum(fix.weight for fix in fixes)))
    return SmallestChange(tuple(lacks_least))


def _smallest_removal(picture: Picture, holding: Sequence[Way]) -> SmallestChange:
    """A hand-over ends ownership; one change of the sharing ends all other paths, and one group is left more gently."""
    person, board = picture.person, picture.board
    changes: list[Change] = []
    if any(way.path == "ownership" for way in holding):
        changes.append(Change("transfer", f"Hand “{board.title}” over to somebody else", 0, user_id=person.user_id))
    shares = [way for way in holding if way.path != "ownership"]
    group_ids = tuple(way.group_id for way in shares if way.group_id is not None)
    if len(shares) == 1 and group_ids:
        name = next(group.name for group in picture.groups if group.group_id == group_ids[0])
        detail = f"Take {person.name} out of the group {name}"
        changes.append(Change("remove_from_group", detail, 0, user_id=person.user_id, group_ids=group_ids))
    elif shares:
        closed = tuple(dict.fromkeys(way.path for way in shares))
        detail = f"Stop sharing “{board.title}” in the {len(shares)} way{'s' if len(shares) > 1 else ''} that hold"
        changes.append(Change("unshare", detail, 0, group_ids=group_ids, paths=closed))
    return SmallestChange(tuple(changes))


def _fixable(way: Way) -> bool:
    return all(fact.fix is not None for fact in way.missing)


def _distance(way: Way) -> tuple[bool, int, int]:
    return not _fixable(way), len(way.missing), sum(fact.fix.weight if fact.fix else 9 for fact in way.missing)


def _since(cause: Cause, word: str = "since") -> str:
    return f" {word} {cause.at.date().isoformat()}" if cause.at else ""


def _article(role: str) -> str:
    return f"an {role.capitalize()}"
