"""Why, or why not: every path as a chain of facts with the event behind each, and the smallest change that would flip the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    """One thing somebody could do: `detail` says it, and so do `code` and the `names` in it; `paths` are those that sharing or unsharing opens or closes.

    Deactivating a person is never proposed: it would take everything from them.
    """

    kind: ChangeKind
    detail: str
    weight: int
    code: str
    names: Mapping[str, str | Sequence[str]]
    user_id: str | None = None
    group_ids: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    plan: str | None = None


@dataclass(frozen=True)
class Fact:
    """A link of a chain: `detail` says it, and so do `code` and the `names` in it. `circumstance` marks what a person may always be told about themselves: membership, slot, plan."""

    kind: FactKind
    holds: bool
    detail: str
    code: str
    names: Mapping[str, str] = field(default_factory=dict)
    cause: Cause = UNKNOWN
    fix: Change | None = None
    circumstance: bool = False


@dataclass(frozen=True)
class Way:
    """One path and its facts; it leads to the dashboard when all of them hold."""

    path: Path
    facts: tuple[Fact, ...]
    group_id: str | None = None
    group_name: str | None = None

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
                group.name,
            )
            for group in custom
        ),
    ]


def membership(person: Person | None, cause: Cause) -> Fact:
    if person is None:
        words = "This person is no member of the organization"
        return Fact("membership", False, words, "not_a_member", circumstance=True)
    names = {"person": person.name}
    if person.active:
        return Fact("membership", True, f"{person.name} is an active member", "active_member", names, cause)
    fix, code = None, "former_member"
    detail = f"{person.name} is no longer a member"
    if person.status == "inactive":
        detail, code = f"{person.name} is deactivated", "deactivated"
        fix = Change(
            "reactivate_member", f"Reactivate {person.name}", 0, "reactivate_member", names, user_id=person.user_id
        )
    return Fact("membership", False, detail, code, names, cause, fix, circumstance=True)


def _ownership(picture: Picture) -> Fact:
    person, board, cause = picture.person, picture.board, picture.causes.owner
    names = {"person": person.name, "dashboard": board.title}
    if board.owner_id == person.user_id:
        return Fact("ownership", True, f"{person.name} owns “{board.title}”", "owns", names, cause)
    return Fact("ownership", False, f"“{board.title}” is somebody else's", "owned_by_another", names, cause)


def _reaches(picture: Picture, mode: Literal["all_users", "all_analysts"]) -> Fact:
    """Shared with everybody of a kind: by mode, or by the built-in group."""
    board = picture.board
    names = {"dashboard": board.title}
    name, weight = ("All Users", 7) if mode == "all_users" else ("All Analysts", 6)
    chosen = [group.selected for group in picture.groups if group.kind == mode and group.selected]
    if board.all_users if mode == "all_users" else board.all_analysts:
        cause = chosen[0] if chosen else picture.causes.shared
        return Fact("share", True, f"“{board.title}” is shared with {name}", f"shared_with_{mode}", names, cause)
    fix = Change("share", f"Share “{board.title}” with {name}", weight, f"share_with_{mode}", names, paths=(mode,))
    words = f"“{board.title}” isn't shared with {name}"
    return Fact("share", False, words, f"not_shared_with_{mode}", names, picture.causes.shared, fix)


def _role(picture: Picture) -> Fact:
    person, cause = picture.person, picture.causes.effective_role
    names = {"person": person.name, "role": person.effective_role}
    if person.effective_role in AUTHORS:
        return Fact("role", True, f"{person.name} is {_article(person.effective_role)}", "is_author", names, cause)
    if person.waits_for_slot:
        words = f"Free an author slot for {person.name}"
        fix = Change("free_author_slot", words, 2, "free_author_slot", names, user_id=person.user_id)
        detail = f"{person.name} acts as Viewer: the plan has no author slot for them{_since(cause)}"
        return Fact("role", False, detail, "waits_for_slot", names | _moment(cause), cause, fix, circumstance=True)
    words = f"Make {person.name} an Analyst"
    fix = Change("change_role", words, 4, "make_analyst", names, user_id=person.user_id)
    return Fact("role", False, f"{person.name} is a Viewer", "is_viewer", names, cause, fix)


def _analysts_plan(picture: Picture) -> Fact:
    cause = picture.causes.share_all_analysts
    holds = picture.plan is not None and picture.plan.share_all_analysts
    return _plan(picture.plan, holds, "Sharing with All Analysts", "share_all_analysts", {}, cause)


def _group_plan(picture: Picture, group: GroupFacts) -> Fact:
    cause = picture.causes.custom_groups
    holds = picture.plan is not None and picture.plan.custom_groups
    return _plan(picture.plan, holds, f"The group {group.name}", "custom_groups", {"group": group.name}, cause)


def _plan(plan: Plan | None, holds: bool, what: str, feature: str, names: Mapping[str, str], cause: Cause) -> Fact:
    if plan is None:
        words = f"{what} grants nothing: the plan isn't known here yet"
        return Fact("plan", False, words, f"{feature}_plan_unknown", names, circumstance=True)
    names = {**names, "plan": plan.name}
    if holds:
        words = f"{what} is in force by the plan {plan.name}"
        return Fact("plan", True, words, f"{feature}_in_force", names, cause, circumstance=True)
    smallest = SMALLEST_PLAN[feature]
    words = f"Change to a plan that includes this (from {smallest} on)"
    fix = Change("change_plan", words, 3, "change_plan", {"plan": smallest}, plan=smallest)
    words = f"{what} is suspended by the plan {plan.name}{_since(cause)}"
    return Fact("plan", False, words, f"{feature}_suspended", names | _moment(cause), cause, fix, circumstance=True)


def _selected(picture: Picture, group: GroupFacts) -> Fact:
    board = picture.board
    names = {"dashboard": board.title, "group": group.name}
    if group.selected is not None:
        words = f"“{board.title}” is shared with the group {group.name}"
        return Fact("share", True, words, "shared_with_group", names, group.selected)
    fix = None
    if group.deleted is None:
        words = f"Share “{board.title}” with the group {group.name}"
        ways: tuple[Path, ...] = ("group",)
        fix = Change("share", words, 5, "share_with_group", names, group_ids=(group.group_id,), paths=ways)
    words = f"“{board.title}” isn't shared with the group {group.name}"
    return Fact("share", False, words, "not_shared_with_group", names, picture.causes.shared, fix)


def _in_group(picture: Picture, group: GroupFacts) -> Fact:
    person, at = picture.person, group.membership
    names = {"person": person.name, "group": group.name}
    if group.deleted is not None:
        words = f"The group {group.name} was deleted{_since(group.deleted, 'on')}"
        return Fact("group", False, words, "group_deleted", names | _moment(group.deleted), group.deleted)
    if group.member:
        return Fact("group", True, f"{person.name} is in the group {group.name}", "in_group", names, at)
    fix = None
    if person.status != "removed":
        words = f"Add {person.name} to the group {group.name}"
        fix = Change(
            "add_to_group", words, 1, "add_to_group", names, user_id=person.user_id, group_ids=(group.group_id,)
        )
    words = f"{person.name} isn't in the group {group.name}"
    if at.at:
        return Fact("group", False, f"{words} (left{_since(at, 'on')})", "left_group", names | _moment(at), at, fix)
    return Fact("group", False, words, "not_in_group", names, at, fix)


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
        words = f"Hand “{board.title}” over to somebody else"
        changes.append(Change("transfer", words, 0, "transfer", {"dashboard": board.title}, user_id=person.user_id))
    shares = [way for way in holding if way.path != "ownership"]
    group_ids = tuple(way.group_id for way in shares if way.group_id is not None)
    if len(shares) == 1 and group_ids:
        name = next(group.name for group in picture.groups if group.group_id == group_ids[0])
        words, names = f"Take {person.name} out of the group {name}", {"person": person.name, "group": name}
        left = Change("remove_from_group", words, 0, "remove_from_group", names, person.user_id, group_ids)
        changes.append(left)
    elif shares:
        closed = tuple(dict.fromkeys(way.path for way in shares))
        built_in = {"all_users": "All Users", "all_analysts": "All Analysts"}
        with_whom = [way.group_name or built_in[way.path] for way in shares]
        words = f"Stop sharing “{board.title}” with {' and '.join(with_whom)}"
        named = {"dashboard": board.title, "groups": with_whom}
        changes.append(Change("unshare", words, 0, "unshare", named, group_ids=group_ids, paths=closed))
    return SmallestChange(tuple(changes))


def _fixable(way: Way) -> bool:
    return all(fact.fix is not None for fact in way.missing)


def _distance(way: Way) -> tuple[bool, int, int]:
    return not _fixable(way), len(way.missing), sum(fact.fix.weight if fact.fix else 9 for fact in way.missing)


def _since(cause: Cause, word: str = "since") -> str:
    return f" {word} {cause.at.date().isoformat()}" if cause.at else ""


def _moment(cause: Cause) -> dict[str, str]:
    return {"since": cause.at.date().isoformat()} if cause.at else {}


def _article(role: str) -> str:
    return f"an {role.capitalize()}"
