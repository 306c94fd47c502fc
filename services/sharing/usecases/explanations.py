"""Why somebody sees a dashboard, or why not: every path with the event behind each of its facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime

from services.sharing.rules import explanation as rules
from services.sharing.rules.access import Path
from services.sharing.rules.explanation import ChangeKind, FactKind
from services.sharing.store import explanation as store
from services.sharing.usecases.decisions import asks_about_anybody
from services.sharing.usecases.opened import opened
from shared.errors import Problem, invalid
from shared.fields import ForeignId, Message, View
from shared.ids import UserId
from shared.service import Ctx


class ExplainAccess(Message):
    """`subject_id` is oneself when left out; Admins may name anybody. `as_of` is a moment in the past; now, when left out."""

    dashboard_id: ForeignId
    subject_id: UserId | None = None
    as_of: AwareDatetime | None = None


class Fact(View):
    """One link of a chain: whether it holds, in words, since when, and by which event."""

    kind: FactKind
    holds: bool
    detail: str
    since: datetime | None
    event_id: str | None


class Way(View):
    """A path from the person to the dashboard: it leads there when all its facts hold."""

    path: Path
    group_id: str | None
    facts: Sequence[Fact]


class Change(View):
    """One thing somebody could do; `paths` and `group_ids` say what sharing or unsharing would open or close."""

    kind: ChangeKind
    detail: str
    user_id: str | None
    group_ids: Sequence[str]
    paths: Sequence[Path]
    plan: str | None


class SmallestChange(View):
    """The fewest changes that together flip the answer, the least far-reaching among equals."""

    changes: Sequence[Change]


class Explanation(View):
    """`chain` carries the answer: the path that holds, or the one that comes nearest. `paths` all hold, `dead_ends` don't.

    As of a past moment everything is told as it was then, in the present tense, and nothing can be changed any more.
    """

    subject_id: str
    dashboard_id: str
    as_of: datetime | None
    decision: bool
    chain: Sequence[Fact]
    paths: Sequence[Way]
    dead_ends: Sequence[Way]
    smallest_change: SmallestChange | None


async def explain_access(ctx: Ctx, asked: ExplainAccess) -> Explanation:
    """Why can this person see this dashboard, or why not; and what would flip the answer.

    About oneself it names only paths that were meant for oneself: a dashboard that was never shared with me looks like one that doesn't exist.
    """
    org_id, subject_id = ctx.actor.org(), asked.subject_id or ctx.actor.user_id
    if subject_id is None:
        raise invalid("/subject_id", "required", "an API key sees nothing itself: say who is asked about")
    is_admin = asks_about_anybody(ctx)
    if subject_id != ctx.actor.user_id and not is_admin:
        raise Problem("forbidden", "Only an Admin may ask about others.", meta={"because": "role", "roles": ["admin"]})
    if asked.as_of is not None and asked.as_of > ctx.now:
        raise invalid("/as_of", "in_the_future", "must not be in the future")
    if asked.as_of is None:
        await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read() as read:
        picture = await store.picture(read, org_id, subject_id, asked.dashboard_id, asked.as_of)
        if picture is not None:
            why = rules.explain(picture, everything=is_admin)
        else:
            why = rules.not_for(*await store.membership(read, org_id, subject_id, asked.as_of))
    change = why.smallest_change if asked.as_of is None else None
    return Explanation(
        subject_id=subject_id,
        dashboard_id=asked.dashboard_id,
        as_of=asked.as_of,
        decision=why.decision,
        chain=[_fact(fact) for fact in why.chain],
        paths=[_way(way) for way in why.paths],
        dead_ends=[_way(way) for way in why.dead_ends],
        smallest_change=SmallestChange(changes=[_change(one) for one in change.changes]) if change else None,
    )


def _way(way: rules.Way) -> Way:
    return Way(path=way.path, group_id=way.group_id, facts=[_fact(fact) for fact in way.facts])


def _fact(fact: rules.Fact) -> Fact:
    return Fact(kind=fact.kind, holds=fact.holds, detail=fact.detail, since=fact.cause.at, event_id=fact.cause.event_id)


def _change(change: rules.Change) -> Change:
    return Change(
        kind=change.kind,
        detail=change.detail,
        user_id=change.user_id,
        group_ids=change.group_ids,
        paths=change.paths,
        plan=change.plan,
    )
