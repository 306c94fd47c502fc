"""One action on many links: each is answered, and what is refused doesn't hold up the others. Only what closes can be done to many."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from services.sharing.rules import links as rules
from services.sharing.store import links as store
from services.sharing.usecases.asking import Asker, asker
from services.sharing.usecases.link_shapes import told
from shared.db import Tx
from shared.errors import Problem
from shared.events import sharing as said
from shared.fields import Message, View
from shared.ids import LinkId
from shared.service import Ctx


class ActOnLinks(Message):
    """`pause` can be taken back link by link; `remove` is for good."""

    action: Literal["pause", "remove"]
    link_ids: Annotated[list[LinkId], Field(min_length=1, max_length=500)]


class LinkResult(View):
    """`changed` is false for what was so already; `problem` (as in `application/problem+json`) says why not."""

    link_id: str
    changed: bool
    problem: dict[str, Any] | None


class LinksResult(View):
    """One result for every link, in the order of the request."""

    changed: int
    refused: int
    results: list[LinkResult]


async def act_on_many_links(ctx: Ctx, wanted: ActOnLinks) -> LinksResult:
    """Closes up to 500 links in one step, each as if it were asked for alone; possible on any plan, for owners and Admins."""
    asked = list(dict.fromkeys(wanted.link_ids))
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        # in one order whoever asks, so that two who close the same links don't wait for each other
        answered = {link_id: await _one(ctx, tx, asking, wanted.action, link_id) for link_id in sorted(asked)}
    results = [answered[link_id] for link_id in asked]
    return LinksResult(
        changed=sum(result.changed for result in results),
        refused=sum(result.problem is not None for result in results),
        results=results,
    )


async def _one(ctx: Ctx, tx: Tx, asking: Asker, action: str, link_id: str) -> LinkResult:
    """A refusal comes before anything is written."""
    try:
        kept = await store.lock_link(tx, asking.org_id, link_id)
        if kept.board.owner_id != asking.person.user_id and not rules.is_admin(asking.person):
            raise Problem("not_found")
        act = _pause if action == "pause" else _remove
        changed = await act(ctx, tx, asking, kept)
    except Problem as problem:
        return LinkResult(link_id=link_id, changed=False, problem=problem.json())
    return LinkResult(link_id=link_id, changed=changed, problem=None)


async def _pause(ctx: Ctx, tx: Tx, asking: Asker, kept: store.Kept) -> bool:
    link = kept.link
    if link.terms.paused:
        return False
    terms = replace(link.terms, paused=True)
    by = asking.person.user_id
    await store.change_link(tx, asking.org_id, link.link_id, terms, by, ctx.now, password=(False, None))
    paused = told(replace(link, terms=terms))
    await tx.emit(said.LinkChanged(org_id=asking.org_id, link=paused, changed=["paused"], previous=told(link)))
    return True


async def _remove(ctx: Ctx, tx: Tx, asking: Asker, kept: store.Kept) -> bool:
    await store.remove_link(tx, asking.org_id, kept.link.link_id)
    await tx.emit(said.LinkRemoved(org_id=asking.org_id, link=told(kept.link)))
    return True
