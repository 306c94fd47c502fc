"""For Admins who wonder why an embed stays shut: what was refused, and what is wrong with a token that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from services.sharing.rules import embed_tokens
from services.sharing.rules import links as rules
from services.sharing.rules.embed_tokens import STEPS, Refused, Step
from services.sharing.rules.links import State
from services.sharing.store import access as reading
from services.sharing.store import embedding as store
from services.sharing.store import links
from services.sharing.usecases.embedding import Door, judged
from services.sharing.usecases.links import TOKEN
from services.sharing.usecases.opened import opened
from shared.db import Read
from shared.fields import Message, View
from shared.ids import LinkId
from shared.links import link_token, read_link_token
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

SHOWN_CLAIMS = ("exp", "iat", "nbf", "fixed_parameters")
SHOWN_HEADER = ("alg", "typ", "kid")


class EmbedRefusal(View):
    """Refusals for one reason at one link within an hour; detail, secret and address are those of the last. Name and title are null of what is gone."""

    id: str
    link_id: str
    link_name: str | None
    dashboard_id: str
    dashboard_title: str | None
    reason: str
    detail: str
    secret_id: str | None
    source_ip: str | None
    count: int
    first_at: datetime
    last_at: datetime


class ListEmbedRefusals(ListQuery):
    link_id: LinkId | None = None


class InspectEmbedToken(Message):
    token: Annotated[str, Field(max_length=8000, description="What would be `sharingSecret`.")]


class InspectedStep(View):
    """`passed` is null for what wasn't reached."""

    step: Step
    passed: bool | None
    detail: str


class InspectedLink(View):
    id: str
    name: str
    dashboard_id: str
    state: State


class EmbedTokenInspection(View):
    """Whether a token would be accepted now, and step by step why not. Of its claims only those that are not secret are shown."""

    accepted: bool
    reason: str | None
    steps: tuple[InspectedStep, ...]
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    other_claims: tuple[str, ...]
    secret_id: str | None
    link: InspectedLink | None


async def list_embed_refusals(ctx: Ctx, query: ListEmbedRefusals) -> Page[EmbedRefusal]:
    """What was refused at the organization's links in the last 30 days, and precisely why; the newest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    (after,) = cursors.read(query) or [""]
    async with ctx.read() as read:
        found = await store.refusals(read, ctx.actor.org(), query.link_id, after=after, limit=query.limit + 1)
    page = cursors.page(found, query, lambda one: (one.refusal_id,))
    return Page(
        data=[
            EmbedRefusal(id=one.refusal_id, **{k: v for k, v in vars(one).items() if k != "refusal_id"})
            for one in page.data
        ],
        page=page.page,
    )


async def inspect_embed_token(ctx: Ctx, wanted: InspectEmbedToken) -> EmbedTokenInspection:
    """Says of an embed token whether it would be accepted now, and what is wrong with it."""
    header, claims = _looked_at(wanted.token)
    async with ctx.read() as read:
        door = await _door(ctx, read, claims.get("sharing_token"))
        why: Refused | None = None
        secret_id = None
        try:
            secret_id, _, _ = await judged(ctx, read, ctx.actor.org(), door, wanted.token)
        except Refused as refused:
            why, secret_id = refused, refused.secret_id
    return EmbedTokenInspection(
        accepted=why is None,
        reason=why.reason if why else None,
        steps=_steps(why),
        header={name: header[name] for name in SHOWN_HEADER if name in header},
        claims={name: _readable(claims[name]) for name in SHOWN_CLAIMS if name in claims},
        other_claims=sorted(claims.keys() - {*SHOWN_CLAIMS, "sharing_token"}),
        secret_id=secret_id,
        link=_link(ctx, door) if door else None,
    )


def _readable(value: Any) -> Any:
    """A claim as it came; a number that no clock ever shows as text, for not every reader of JSON can hold it."""
    return str(value)[:100] if isinstance(value, int) and abs(value) > embed_tokens.LATEST else value


def _looked_at(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as far as they can be read at all."""
    try:
        return embed_tokens.header_of(token), embed_tokens.claims_of(token)
    except Refused:
        return {}, {}


async def _door(ctx: Ctx, read: Read, claimed: Any) -> Door | None:
    """The link that a token claims, when it is one of the asker's organization."""
    key, org_id = opened(ctx).link_tokens, ctx.actor.org()
    named = read_link_token(key, TOKEN, claimed) if isinstance(claimed, str) else None
    kept = await links.link(read, org_id, named[0]) if named else None
    if kept is None:
        return None
    _, plan = await reading.standing(read, org_id, "")
    return Door(org_id, kept, plan, link_token(key, TOKEN, kept.link.link_id, kept.link.token_version))


def _link(ctx: Ctx, door: Door) -> InspectedLink:
    link = door.kept.link
    state = rules.state(link, door.plan, door.kept.switched_off, door.kept.policy, door.kept.token_at, ctx.now)
    return InspectedLink(id=link.link_id, name=link.terms.name, dashboard_id=link.dashboard_id, state=state)


def _steps(why: Refused | None) -> list[InspectedStep]:
    failed = STEPS.index(why.step) if why else len(STEPS)
    return [
        InspectedStep(
            step=step,
            passed=True if place < failed else False if place == failed else None,
            detail=why.detail if why is not None and place == failed else "",
        )
        for place, step in enumerate(STEPS)
    ]
