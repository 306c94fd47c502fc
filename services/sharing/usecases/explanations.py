"""Why somebody sees a dashboard, or why not: every path with the event behind each of its facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.sharing.rules import explanation as rules
from services.sharing.rules import what_if
from services.sharing.rules.access import Path
from services.sharing.rules.explanation import ChangeKind, FactKind
from services.sharing.store import explanation as store
from services.sharing.usecases.decisions import asks_about_anybody
from services.sharing.usecases.opened import opened
from shared.errors import Problem, invalid
from shared.fields import ForeignId, Message, Moment, View
from shared.ids import GroupId, UserId
from shared.service import Ctx


class WhatIf(Message):
    """Something that is assumed: the person leaves a group (`group_id`), has another `role` and a slot for it, or the dashboard is no longer
    shared by a `path`, which for `group` names the `group_id`.
    """

    kind: Literal["leave_group", "change_role", "unshare"]
    group_id: GroupId | None = None
    role: what_if.Role | None = None
    path: Literal["all_users", "all_analysts", "group"] | None = None

    @model_validator(mode="after")
    def _what_the_kind_needs(self) -> WhatIf:
        if (self.role is not None) != (self.kind == "change_role"):
            raise ValueError("role goes with change_role, and change_role needs it")
        if (self.path is not None) != (self.kind == "unshare"):
            raise ValueError("path goes with unshare, and unshare needs it")
        if (self.group_id is not None) != (self.kind == "leave_group" or self.path == "group"):
            raise ValueError("group_id goes with leave_group and with the path group, which need it")
        return self

    def assumption(self) -> what_if.Assumption:
        if self.role is not None:
            return what_if.ChangeRole(self.role)
        if self.path is not None:
            return what_if.Unshare(self.path, self.group_id)
        assert self.group_id is not None
        return what_if.LeaveGroup(self.group_id)


class ExplainAccess(Message):
    """`subject_id` is oneself when left out; Admins may name anybody. `as_of` is a moment in the past; now, when left out.

    `what_if`, for Admins, is answered as if all of it were so now; nothing is changed by asking.
    """

    dashboard_id: ForeignId
    subject_id: UserId | None = None
    as_of: Moment | None = None
    what_if: Annotated[list[WhatIf], Field(max_length=50)] = Field(default_factory=list)


class Fact(View):
    """One link of a chain: whether it holds, in words, since when, and by which event. `code` and `names` say the same as `detail`, for other languages."""

    kind: FactKind
    holds: bool
    detail: str
    code: str
    names: dict[str, str]
    since: datetime | None
    event_id: str | None


class Way(View):
    """A path from the person to the dashboard: it leads there when all its facts hold."""

    path: Path
    group_id: str | None
    group_name: str | None
    facts: tuple[Fact, ...]


class Change(View):
    """One thing somebody could do: `code` and `names` say the same as `detail`; `paths` and `group_ids` say what sharing or unsharing would open or close."""

    kind: ChangeKind
    detail: str
    code: str
    names: dict[str, str | Sequence[str]]
    user_id: str | None
    group_ids: tuple[str, ...]
    paths: tuple[Path, ...]
    plan: str | None


class SmallestChange(View):
    """The fewest changes that together flip the answer, the least far-reaching among equals."""

    changes: tuple[Change, ...]


class Explanation(View):
    """`chain` carries the answer: the path that holds, or the one that comes nearest. `paths` all hold, `dead_ends` don't.

    As of a past moment everything is told as it was then, in the present tense, and nothing can be changed any more.
    With `hypothetical` it is told as it would be; what is only assumed has no event behind it.
    """

    subject_id: str
    dashboard_id: str
    as_of: datetime | None
    hypothetical: bool
    decision: bool
    chain: tuple[Fact, ...]
    paths: tuple[Way, ...]
    dead_ends: tuple[Way, ...]
    smallest_change: SmallestChange | None


async def explain_access(ctx: Ctx, asked: ExplainAccess) -> Explanation:
    """Why can this person see this dashboard, or why not; what would flip the answer; and, for Admins, how it would be if something were otherwise.

    About oneself it names only paths that were meant for oneself: a dashboard that was never shared with me looks like one that doesn't exist.
    """
    org_id, subject_id = ctx.actor.org(), asked.subject_id or ctx.actor.user_id
    if subject_id is None:
        raise invalid("/subject_id", "required", "an API key sees nothing itself: say who is asked about")
    is_admin = asks_about_anybody(ctx)
    if subject_id != ctx.actor.user_id and not is_admin:
        raise Problem("forbidden", "Only an Admin may ask about others.", meta={"because": "role", "roles": ["admin"]})
    if asked.what_if and not is_admin:
        raise Problem("forbidden", "Only an Admin may ask what if.", meta={"because": "role", "roles": ["admin"]})
    if asked.what_if and asked.as_of is not None:
        raise invalid("/what_if", "not_with_as_of", "can't be asked of the past: what was so can't be otherwise")
    if asked.as_of is not None and asked.as_of > ctx.now:
        raise invalid("/as_of", "in_the_future", "must not be in the future")
    await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read() as read:
        picture = await store.picture(read, org_id, subject_id, asked.dashboard_id, asked.as_of)
        if picture is not None:
            picture = what_if.assumed(picture, [one.assumption() for one in asked.what_if])
            why = rules.explain(picture, everything=is_admin)
        else:
            why = rules.not_for(*await store.membership(read, org_id, subject_id, asked.as_of))
    change = why.smallest_change if asked.as_of is None else None
    return Explanation(
        subject_id=subject_id,
        dashboard_id=asked.dashboard_id,
        as_of=asked.as_of,
        hypothetical=bool(asked.what_if),
        decision=why.decision,
        chain=[_fact(fact) for fact in why.chain],
        paths=[_way(way) for way in why.paths],
        dead_ends=[_way(way) for way in why.dead_ends],
        smallest_change=SmallestChange(changes=[_change(one) for one in change.changes]) if change else None,
    )


def _way(way: rules.Way) -> Way:
    facts = [_fact(fact) for fact in way.facts]
    return Way(path=way.path, group_id=way.group_id, group_name=way.group_name, facts=facts)


def _fact(fact: rules.Fact) -> Fact:
    return Fact(
        kind=fact.kind,
        holds=fact.holds,
        detail=fact.detail,
        code=fact.code,
        names=dict(fact.names),
        since=fact.cause.at,
        event_id=fact.cause.event_id,
    )


def _change(change: rules.Change) -> Change:
    return Change(
        kind=change.kind,
        detail=change.detail,
        code=change.code,
        names=dict(change.names),
        user_id=change.user_id,
        group_ids=change.group_ids,
        paths=change.paths,
        plan=change.plan,
    )
