"""Who is asking, as sharing knows them in this very transaction: a token may be seconds old."""

from __future__ import annotations

from dataclasses import dataclass

from services.sharing.rules import access, sharing
from services.sharing.rules.access import Board, Person, Plan
from services.sharing.store import access as reading
from shared.auth import Actor
from shared.db import Read
from shared.errors import Problem
from shared.service import Ctx


@dataclass(frozen=True)
class Asker:
    """The acting member, and the organization's plan."""

    org_id: str
    person: Person
    plan: Plan | None


@dataclass(frozen=True)
class Anybody:
    """The acting member, or, without `person`, one of the organization's API keys."""

    org_id: str
    person: Person | None
    plan: Plan | None


async def anybody(ctx: Ctx, read: Read) -> Anybody:
    if ctx.actor.kind == "key":
        _, plan = await reading.standing(read, ctx.actor.org(), "")
        return Anybody(ctx.actor.org(), None, plan)
    known = await asker(ctx, read)
    return Anybody(known.org_id, known.person, known.plan)


async def registrar(ctx: Ctx, read: Read) -> Anybody:
    """Who may register dashboards: an API key, or who acts as Admin or Analyst now."""
    asking = await anybody(ctx, read)
    if asking.person is not None:
        sharing.check_author(asking.person)
    return asking


async def asker(ctx: Ctx, read: Read) -> Asker:
    """The acting member. Who was let in by the gateway but isn't known here joined a moment ago."""
    org_id = ctx.actor.org()
    person, plan = await reading.standing(read, org_id, ctx.actor.person())
    if person is None:
        raise Problem(
            "not_yet_consistent",
            "Your membership hasn't arrived here yet.",
            retry_after=1,
            meta={"because": "membership"},
        )
    if not person.active:
        raise Problem("forbidden", "You are no longer an active member.", meta={"because": "state"})
    return Asker(org_id, person, plan)


async def author(ctx: Ctx, read: Read) -> Asker:
    """The acting member, who acts as Admin or Analyst now."""
    asking = await asker(ctx, read)
    sharing.check_author(asking.person)
    return asking


async def owner_of(read: Read, org_id: str, board: Board) -> Person | None:
    return (await reading.standing(read, org_id, board.owner_id))[0]


async def may_know_of(read: Read, actor: Actor, dashboard_id: str) -> bool:
    """Whether this person may know that the dashboard exists: who sees it, and an Admin when nobody is in charge of it.

    A key that was given the registry knows all that are in it.
    """
    if actor.org_id is None:
        return False
    if actor.kind == "key":
        return await reading.board_exists(read, actor.org_id, dashboard_id)
    if actor.user_id is None:
        return False
    (facts,) = await reading.facts(read, actor.org_id, [(actor.user_id, dashboard_id)])
    if facts.board is None or facts.person is None:
        return False
    if access.paths(facts.person, facts.plan, facts.board, facts.in_selected_group):
        return True
    if facts.person.effective_role != "admin":
        return False
    return sharing.steps_in(facts.person, await owner_of(read, actor.org_id, facts.board))
