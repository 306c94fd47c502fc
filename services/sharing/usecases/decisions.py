"""The access check in the shapes of AuthZEN 1.0. What isn't known is a no, never an error: it must not tell ids apart.

A person asks about themselves, an Admin about anybody in the organization, another service about any organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from services.sharing.rules import access
from services.sharing.rules.access import NO, OWNER_ACTIONS, VIEW, Decision, Path, Reach
from services.sharing.store import access as store
from services.sharing.usecases.opened import opened
from shared.errors import Problem, invalid
from shared.fields import Message, View
from shared.ids import OrgId
from shared.paging import Cursors, Limit, ListQuery
from shared.service import Ctx

MOST = 1000
Text = Annotated[str, Field(min_length=1, max_length=200)]
Properties = Annotated[dict[str, Any], Field(description="Accepted and not looked at.")]
AuthzenContext = Annotated[dict[str, Any] | None, Field(description="Accepted and not looked at.")]


class Action(Message):
    """`dashboard.view`, `.edit`, `.share` on a dashboard; `dashboard.create`, `organization_settings.manage`, `admin_settings.manage` on the organization."""

    name: Text
    properties: Properties = Field(default_factory=dict)


class Entity(Message):
    """A `user`, a `dashboard`, or the `organization`."""

    type: Text
    id: Text
    properties: Properties = Field(default_factory=dict)


class EntityKind(Message):
    """What is searched for; an id is not needed and not looked at."""

    type: Text
    id: Text | None = None
    properties: Properties = Field(default_factory=dict)


class Evaluation(Message):
    subject: Entity
    action: Action
    resource: Entity
    context: AuthzenContext = None


class PartialEvaluation(Message):
    """What is left out is taken from the request around it."""

    subject: Entity | None = None
    action: Action | None = None
    resource: Entity | None = None
    context: AuthzenContext = None


class Question(NamedTuple):
    """Whole, whatever was left out."""

    subject: Entity
    action: Action
    resource: Entity


class Options(Message):
    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = "execute_all"


class Evaluations(PartialEvaluation):
    """Up to 1000 questions; without `evaluations` it is one question like `/access/v1/evaluation`."""

    evaluations: Annotated[list[PartialEvaluation], Field(max_length=MOST)] = Field(default_factory=list)
    options: Options = Options()


class PageWanted(Message):
    """`token` is `next_token` of the page before."""

    token: Annotated[str, Field(max_length=2000)] = ""
    limit: Limit = 50
    properties: Properties = Field(default_factory=dict)


class SearchResource(Message):
    subject: Entity
    action: Action
    resource: EntityKind
    context: AuthzenContext = None
    page: PageWanted = PageWanted()


class SearchSubject(Message):
    subject: EntityKind
    action: Action
    resource: Entity
    context: AuthzenContext = None
    page: PageWanted = PageWanted()


class EvaluationsOf(Evaluations):
    org_id: OrgId


class SearchResourceOf(SearchResource):
    org_id: OrgId


class SearchSubjectOf(SearchSubject):
    org_id: OrgId


class Paths(View):
    """The paths by which a dashboard is reached: ownership, all_users, all_analysts, group."""

    paths: tuple[Path, ...]


class Verdict(View):
    decision: bool
    context: Paths


class Verdicts(View):
    evaluations: tuple[Verdict, ...]


class Found(View):
    type: str
    id: str


class FoundPage(View):
    """`next_token` is empty on the last page."""

    next_token: str
    count: int


class SearchResult(View):
    page: FoundPage
    results: tuple[Found, ...]


class Check(Message):
    user_id: Text
    dashboard_id: Text
    action: Text = VIEW


class Checks(Message):
    """The short form for services: many checks in one organization."""

    org_id: OrgId
    checks: Annotated[list[Check], Field(max_length=MOST)]


class Decided(View):
    decision: bool


class Decisions(View):
    decisions: tuple[Decided, ...]


async def evaluate(ctx: Ctx, asked: Evaluation) -> Verdict:
    """May this user do this? One question."""
    check_may_ask(ctx, asked.subject)
    org_id = ctx.actor.org()
    await opened(ctx).freshness.check(ctx, org_id)
    facts = await opened(ctx).facts.ask(org_id, (asked.subject.id, asked.resource.id))
    return _verdict(judge(org_id, Question(asked.subject, asked.action, asked.resource), facts))


async def evaluate_many(ctx: Ctx, asked: Evaluations) -> Verdicts | Verdict:
    """May these users do these? Up to 1000 questions, answered in order."""
    questions = _questions(asked)
    for question in questions:
        check_may_ask(ctx, question.subject)
    return await _answers(ctx, ctx.actor.org(), asked, questions)


async def search_resources(ctx: Ctx, asked: SearchResource) -> SearchResult:
    """Every dashboard that this user can see (or edit, or share)."""
    check_may_ask(ctx, asked.subject)
    return await _resources(ctx, ctx.actor.org(), asked)


async def search_subjects(ctx: Ctx, asked: SearchSubject) -> SearchResult:
    """Everybody who can see (or edit, or share) this dashboard, by id: for its owner and for Admins."""
    org_id = ctx.actor.org()
    if not asks_about_anybody(ctx):
        async with ctx.read() as read:
            (facts,) = await store.facts(read, org_id, [(ctx.actor.person(), asked.resource.id)])
        if facts.board is None or facts.board.owner_id != ctx.actor.user_id:
            raise Problem(
                "forbidden", "Only its owner and Admins may ask who sees a dashboard.", meta={"because": "ownership"}
            )
    return await _subjects(ctx, org_id, asked)


async def evaluate_many_of(ctx: Ctx, asked: EvaluationsOf) -> Verdicts | Verdict:
    """`/access/v1/evaluations` for other services."""
    return await _answers(ctx, asked.org_id, asked, _questions(asked))


async def search_resources_of(ctx: Ctx, asked: SearchResourceOf) -> SearchResult:
    """`/access/v1/search/resource` for other services."""
    return await _resources(ctx, asked.org_id, asked)


async def search_subjects_of(ctx: Ctx, asked: SearchSubjectOf) -> SearchResult:
    """`/access/v1/search/subject` for other services."""
    return await _subjects(ctx, asked.org_id, asked)


async def decide_many(ctx: Ctx, asked: Checks) -> Decisions:
    """Many checks at once, in the short form."""
    await opened(ctx).freshness.check(ctx, asked.org_id)
    async with ctx.read(asked.org_id) as read:
        facts = await store.facts(read, asked.org_id, [(check.user_id, check.dashboard_id) for check in asked.checks])
    decided = [_decide(check.action, one) for check, one in zip(asked.checks, facts, strict=True)]
    return Decisions(decisions=[Decided(decision=one.allowed) for one in decided])


def asks_about_anybody(ctx: Ctx) -> bool:
    return ctx.actor.role == "admin" or ctx.actor.kind == "key"


def check_may_ask(ctx: Ctx, subject: Entity) -> None:
    """A person about themselves; an Admin or a key about anybody. Whether the subject exists plays no part."""
    if not asks_about_anybody(ctx) and (subject.type != "user" or subject.id != ctx.actor.user_id):
        raise Problem("forbidden", "Only an Admin may ask about others.", meta={"because": "role", "roles": ["admin"]})


def _questions(asked: Evaluations) -> list[Question]:
    questions = []
    for place, one in enumerate(asked.evaluations or [PartialEvaluation()]):
        subject, action, resource = (
            one.subject or asked.subject,
            one.action or asked.action,
            one.resource or asked.resource,
        )
        if subject is None or action is None or resource is None:
            missing = next(
                n for n, v in (("subject", subject), ("action", action), ("resource", resource)) if v is None
            )
            pointer = f"/evaluations/{place}/{missing}" if asked.evaluations else f"/{missing}"
            raise invalid(pointer, "missing", f"{missing} is needed here or around")
        questions.append(Question(subject, action, resource))
    return questions


async def _answers(ctx: Ctx, org_id: str, asked: Evaluations, questions: Sequence[Question]) -> Verdicts | Verdict:
    verdicts = await _verdicts(ctx, org_id, questions)
    if not asked.evaluations:
        return verdicts[0]
    stop = {"deny_on_first_deny": False, "permit_on_first_permit": True}.get(asked.options.evaluations_semantic)
    last = next((place for place, verdict in enumerate(verdicts) if verdict.decision is stop), len(verdicts))
    return Verdicts(evaluations=verdicts[: last + 1])


async def _verdicts(ctx: Ctx, org_id: str, questions: Sequence[Question]) -> list[Verdict]:
    await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read(org_id) as read:
        facts = await store.facts(read, org_id, [(one.subject.id, one.resource.id) for one in questions])
    return [_verdict(judge(org_id, question, one)) for question, one in zip(questions, facts, strict=True)]


@cache
def _verdict(decided: Decision) -> Verdict:
    return Verdict(decision=decided.allowed, context=Paths(paths=decided.paths))


def judge(org_id: str, question: Question, facts: store.Facts) -> Decision:
    """The answer from the facts. What isn't about a user, or an action on something that it isn't for, is a no."""
    about_organization = question.action.name in access.AUTHOR_ACTIONS
    resource = question.resource
    fits = (
        (resource.type, resource.id) == ("organization", org_id) if about_organization else resource.type == "dashboard"
    )
    return _decide(question.action.name, facts) if fits and question.subject.type == "user" else NO


def _decide(action: str, facts: store.Facts) -> Decision:
    return access.decide(action, facts.person, facts.plan, facts.board, facts.in_selected_group)


async def _resources(ctx: Ctx, org_id: str, asked: SearchResource) -> SearchResult:
    after, mark = _pages(ctx, asked.page, "resource", asked.subject.id, asked.action.name)
    await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read(org_id) as read:
        person, plan = await store.standing(read, org_id, asked.subject.id)
        reach = access.reach(person, plan)
        if asked.action.name in OWNER_ACTIONS:
            reach = Reach(ownership=person is not None and person.author)
        elif asked.action.name != VIEW:
            reach = Reach()
        if (asked.subject.type, asked.resource.type) != ("user", "dashboard"):
            reach = Reach()
        places = await store.visible(
            read, org_id, asked.subject.id, reach, after=after, like="", limit=asked.page.limit + 1
        )
    return _result("dashboard", places, asked.page, mark)


async def _subjects(ctx: Ctx, org_id: str, asked: SearchSubject) -> SearchResult:
    after, mark = _pages(ctx, asked.page, "subject by id", asked.resource.id, asked.action.name)
    people: list[str] = []
    await opened(ctx).freshness.check(ctx, org_id)
    async with ctx.read(org_id) as read:
        (facts,) = await store.facts(read, org_id, [("", asked.resource.id)])
        if facts.board is not None and (asked.subject.type, asked.resource.type) == ("user", "dashboard"):
            if asked.action.name == VIEW:
                audience = access.audience(facts.board, facts.plan)
                people = await store.viewers_by_id(
                    read, org_id, facts.board, audience, after=after[-1], limit=asked.page.limit + 1
                )
            elif asked.action.name in OWNER_ACTIONS and asked.page.token == "":
                owner, _ = await store.standing(read, org_id, facts.board.owner_id)
                people = [owner.user_id] if owner is not None and owner.author else []
    return _result("user", [("", user_id) for user_id in people], asked.page, mark)


class _Search(ListQuery):
    """What a page token is bound to."""

    what: str
    of: str
    action: str


def _pages(ctx: Ctx, page: PageWanted, what: str, of: str, action: str) -> tuple[Sequence[str], Any]:
    """Where the page begins, and how its end is written as a token."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    query = _Search(what=what, of=of, action=action, cursor=page.token or None)
    return cursors.read(query) or ["", ""], lambda position: cursors.write(position, query)


def _result(kind: str, places: Sequence[tuple[str, str]], page: PageWanted, mark: Any) -> SearchResult:
    shown = places[: page.limit]
    more = mark(shown[-1]) if len(places) > page.limit else ""
    return SearchResult(
        page=FoundPage(next_token=more, count=len(shown)), results=[Found(type=kind, id=found) for _, found in shown]
    )
