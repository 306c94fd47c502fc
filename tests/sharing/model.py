"""A naive model of who sees what: plain sets and loops, written from the product's words and not from the code."""

from __future__ import annotations

from dataclasses import dataclass, field

AUTHORS = ("admin", "analyst")


@dataclass
class Person:
    role: str
    slot: bool = True
    status: str = "active"

    @property
    def acts_as(self) -> str:
        return self.role if self.slot else "viewer"


@dataclass
class Board:
    owner: str
    mode: str = "nobody"
    groups: set[str] = field(default_factory=set)  # names; "All Users" and "All Analysts" among them


@dataclass
class Model:
    plan: str | None = None
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)  # existing custom groups and their members
    boards: dict[str, Board] = field(default_factory=dict)

    @property
    def custom_groups(self) -> bool:
        return self.plan == "business"

    @property
    def all_analysts(self) -> bool:
        return self.plan in ("pro", "business")

    def sees(self, name: str, board_id: str) -> bool:
        person, board = self.people.get(name), self.boards.get(board_id)
        if person is None or board is None or person.status != "active":
            return False
        if board.owner == name or board.mode == "all_users":
            return True
        if board.mode == "all_analysts":
            return self._is_analyst(person)
        if board.mode == "groups":
            return any(self._through(name, person, group) for group in board.groups)
        return False

    def _through(self, name: str, person: Person, group: str) -> bool:
        if group == "All Users":
            return True
        if group == "All Analysts":
            return self._is_analyst(person)
        return self.custom_groups and name in self.groups.get(group, set())

    def _is_analyst(self, person: Person) -> bool:
        return self.all_analysts and person.acts_as in AUTHORS

    def everything(self) -> set[tuple[str, str]]:
        return {(name, board) for name in self.people for board in self.boards if self.sees(name, board)}
