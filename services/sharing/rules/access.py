"""Who may see a dashboard. The plan is judged here, at the moment of the question: nothing is rewritten when it changes.

What isn't known denies: no plan opens nothing that a plan gates, and who isn't a member sees nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

AUTHORS = frozenset({"admin", "analyst"})

Mode = Literal["nobody", "all_users", "all_analysts", "groups"]
Path = Literal["ownership", "all_users", "all_analysts", "group"]
PATHS: tuple[Path, ...] = get_args(Path)

VIEW = "dashboard.view"
OWNER_ACTIONS = frozenset({"dashboard.edit", "dashboard.share"})
AUTHOR_ACTIONS = frozenset({"dashboard.create", "organization_settings.manage", "admin_settings.manage"})


@dataclass(frozen=True)
class Person:
    """A member. `effective_role` is what they act as: Viewer while the plan has no author slot for them."""

    user_id: str
    name: str
    email: str
    role: str
    effective_role: str
    status: str

    @property
    def active(self) -> bool:
        return self.status == "active"

    @property
    def author(self) -> bool:
        return self.active and self.effective_role in AUTHORS

    @property
    def waits_for_slot(self) -> bool:
        return self.role in AUTHORS and self.effective_role not in AUTHORS


@dataclass(frozen=True)
class Plan:
    """What the plan lets an organization share with, and how."""

    plan: str
    name: str
    author_slots: int | None
    custom_groups: bool
    share_all_analysts: bool
    sharing_links: bool = False
    interactive_embedding: bool = False


@dataclass(frozen=True)
class Board:
    """A dashboard, and whom it reaches besides its selected custom groups."""

    dashboard_id: str
    title: str
    owner_id: str
    mode: Mode
    all_users: bool
    all_analysts: bool


@dataclass(frozen=True)
class Reach:
    """Which paths lead to a person at all, before any dashboard is looked at."""

    ownership: bool = False
    all_users: bool = False
    all_analysts: bool = False
    group: bool = False


def reach(person: Person | None, plan: Plan | None) -> Reach:
    """The whole rule, but for the dashboard: a path is open to a person or it isn't."""
    if person is None or not person.active:
        return Reach()
    return Reach(
        ownership=True,
        all_users=True,
        all_analysts=person.author and plan is not None and plan.share_all_analysts,
        group=plan is not None and plan.custom_groups,
    )


def audience(board: Board, plan: Plan | None) -> Reach:
    """The same from the dashboard's side: by which paths it is open to those who stand at their other end."""
    return Reach(
        ownership=True,
        all_users=board.all_users,
        all_analysts=board.all_analysts and plan is not None and plan.share_all_analysts,
        group=plan is not None and plan.custom_groups,
    )


def paths(person: Person | None, plan: Plan | None, board: Board | None, in_selected_group: bool) -> tuple[Path, ...]:
    """Every path by which the person sees the dashboard; none means no. There is no exception for Admins."""
    if person is None or board is None:
        return ()
    open_to = reach(person, plan)
    holds: dict[Path, bool] = {
        "ownership": open_to.ownership and board.owner_id == person.user_id,
        "all_users": open_to.all_users and board.all_users,
        "all_analysts": open_to.all_analysts and board.all_analysts,
        "group": open_to.group and in_selected_group,
    }
    return tuple(path for path in PATHS if holds[path])


@dataclass(frozen=True)
class Decision:
    """An answer; `paths` says by which ways a dashboard is reached."""

    allowed: bool
    paths: tuple[Path, ...] = ()


NO = Decision(False)


def decide(
    action: str, person: Person | None, plan: Plan | None, board: Board | None, in_selected_group: bool
) -> Decision:
    """May this person do this? Unknown actions, persons and dashboards: no."""
    if action in AUTHOR_ACTIONS:
        return Decision(person is not None and person.author)
    ways = paths(person, plan, board, in_selected_group)
    if action == VIEW:
        return Decision(bool(ways), ways)
    if action in OWNER_ACTIONS and person is not None and board is not None:
        return Decision(person.author and board.owner_id == person.user_id, ways)
    return NO
