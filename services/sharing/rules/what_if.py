"""What would be if something were otherwise: a picture with changes that nobody has made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from services.sharing.rules.access import Board, Path, Person
from services.sharing.rules.explanation import UNKNOWN, GroupFacts, Picture

Role = Literal["admin", "analyst", "viewer"]


@dataclass(frozen=True)
class LeaveGroup:
    group_id: str


@dataclass(frozen=True)
class ChangeRole:
    """As if there were a slot for it."""

    role: Role


@dataclass(frozen=True)
class Unshare:
    """`group_id` goes with the path `group`."""

    path: Path
    group_id: str | None = None


Assumption = LeaveGroup | ChangeRole | Unshare


def assumed(picture: Picture, assumptions: Iterable[Assumption]) -> Picture:
    """The picture if all of this were so. What isn't there to be ended changes nothing; no event is behind what is only assumed."""
    for one in assumptions:
        match one:
            case LeaveGroup(group_id):
                groups = tuple(_left(group) if group.group_id == group_id else group for group in picture.groups)
                picture = replace(picture, groups=groups)
            case ChangeRole(role):
                causes = replace(picture.causes, effective_role=UNKNOWN)
                picture = replace(picture, person=_with_role(picture.person, role), causes=causes)
            case Unshare():
                picture = _unshared(picture, one)
    return picture


def _left(group: GroupFacts) -> GroupFacts:
    return replace(group, member=False, membership=UNKNOWN)


def _with_role(person: Person, role: Role) -> Person:
    return replace(person, role=role, effective_role=role)


def _unshared(picture: Picture, ended: Unshare) -> Picture:
    def is_ended(group: GroupFacts) -> bool:
        return group.group_id == ended.group_id if ended.path == "group" else group.kind == ended.path

    groups = tuple(replace(group, selected=None) if is_ended(group) else group for group in picture.groups)
    causes = replace(picture.causes, shared=UNKNOWN)
    return replace(picture, board=_closed(picture.board, ended.path), groups=groups, causes=causes)


def _closed(board: Board, path: Path) -> Board:
    return replace(
        board,
        all_users=board.all_users and path != "all_users",
        all_analysts=board.all_analysts and path != "all_analysts",
    )
