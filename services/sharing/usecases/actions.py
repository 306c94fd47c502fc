"""AuthZEN 1.0's search for actions: what somebody may do with something."""

from __future__ import annotations

from services.sharing.rules.access import AUTHOR_ACTIONS, OWNER_ACTIONS, VIEW
from services.sharing.store import access as store
from services.sharing.usecases.decisions import (
    Action,
    AuthzenContext,
    Entity,
    FoundPage,
    PageWanted,
    Question,
    check_may_ask,
    judge,
)
from services.sharing.usecases.opened import opened
from shared.fields import Message, View
from shared.ids import OrgId
from shared.service import Ctx

ACTIONS = (VIEW, *sorted(OWNER_ACTIONS), *sorted(AUTHOR_ACTIONS))


class SearchAction(Message):
    """All actions fit on one page."""

    subject: Entity
    resource: Entity
    context: AuthzenContext = None
    page: PageWanted = PageWanted()


class SearchActionOf(SearchAction):
    org_id: OrgId


class FoundAction(View):
    name: str


class ActionSearchResult(View):
    page: FoundPage
    results: tuple[FoundAction, ...]


async def search_actions(ctx: Ctx, asked: SearchAction) -> ActionSearchResult:
    """Everything that this user may do with a dashboard, or with the organization."""
    check_may_ask(ctx, asked.subject)
    return await _actions(ctx, ctx.actor.org(), asked)


async def search_actions_of(ctx: Ctx, asked: SearchActionOf) -> ActionSearchResult:
    """`/access/v1/search/action` for other services."""
    return await _actions(ctx, asked.org_id, asked)


async def _actions(ctx: Ctx, org_id: str, asked: SearchAction) -> ActionSearchResult:
    await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read(org_id) as read:
        (facts,) = await store.facts(read, org_id, [(asked.subject.id, asked.resource.id)])
    allowed = [
        FoundAction(name=name)
        for name in ACTIONS
        if judge(org_id, Question(asked.subject, Action(name=name), asked.resource), facts).allowed
    ]
    return ActionSearchResult(page=FoundPage(next_token="", count=len(allowed)), results=allowed)
