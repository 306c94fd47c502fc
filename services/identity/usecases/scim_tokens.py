"""Tokens for the organization's identity provider: made while the plan includes SCIM, working and revocable on any plan."""

from __future__ import annotations

from datetime import datetime

from services.identity.store import plans
from services.identity.store import scim_tokens as store
from services.identity.store.scim_tokens import Token
from services.identity.usecases.api_keys import HINT_LETTERS, KeyName, check_still_admin, digest_of, tell_admins
from shared.api_keys import new_token
from shared.errors import Problem
from shared.events.identity import ScimTokenCreated, ScimTokenRevoked
from shared.fields import Message, View
from shared.ids import ScimTokenId, new_id
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

PLAN_WITH_SCIM = "business"
MOST_TOKENS = 2


class ScimTokenItem(View):
    """`hint` is how the token ends. `last_used_at` is known to the minute."""

    id: ScimTokenId
    name: str
    hint: str
    last_used_at: datetime | None
    last_used_ip: str | None
    created_at: datetime
    created_by: str


class ScimTokenWithSecret(ScimTokenItem):
    """`token` is shown this once; the identity provider sends it to `/scim/v2`."""

    token: str


class ListScimTokens(ListQuery):
    """Two at most, so there is one page."""


class CreateScimToken(Message):
    name: KeyName


class WhichScimToken(Message):
    token_id: ScimTokenId


async def list_scim_tokens(ctx: Ctx, query: ListScimTokens) -> Page[ScimTokenItem]:
    """The organization's provisioning tokens, and when each was last used."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    async with ctx.read() as read:
        found = await store.every(read, ctx.actor.org())
    places = [token.token_id for token in found]
    rest = found[places.index(position[0]) + 1 :] if position and position[0] in places else found
    page = cursors.page(rest, query, lambda last: [last.token_id], len(found))
    return Page(data=[_view(token) for token in page.data], page=page.page)


async def create_scim_token(ctx: Ctx, wanted: CreateScimToken) -> ScimTokenWithSecret:
    """Makes a token by which the identity provider manages users and groups.

    To rotate, make a second one, change over, and revoke the first.
    """
    org_id, token_id = ctx.actor.org(), new_id("sct", now=ctx.now.timestamp())
    secret = new_token(token_id)
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        plan = await plans.hold(tx, org_id)
        if plan is None or not plan.scim:
            meta = {"plan": PLAN_WITH_SCIM, "current": plan.plan if plan else None, "for": "scim"}
            raise Problem("plan_required", meta=meta)
        if await store.count_in_line(tx, org_id) >= MOST_TOKENS:
            detail = "There are two provisioning tokens already: revoke the older one first."
            raise Problem("conflict", detail, meta={"because": "too_many_scim_tokens", "limit": MOST_TOKENS})
        ends = secret[-HINT_LETTERS:]
        token = await store.add(tx, org_id, token_id, wanted.name, digest_of(secret), ends, ctx.actor.person(), ctx.now)
        await tx.emit(ScimTokenCreated(org_id=org_id, token_id=token_id, name=token.name))
        await tell_admins(tx, ctx, org_id, "scim_token_created", key=token.name)
    return ScimTokenWithSecret(**_view(token).model_dump(), token=secret)


async def revoke_scim_token(ctx: Ctx, which: WhichScimToken) -> None:
    """Ends a token at once; possible on any plan. Users and groups stay as they are."""
    async with ctx.tx() as tx:
        await check_still_admin(tx, ctx)
        token = await store.remove(tx, ctx.actor.org(), which.token_id)
        await tx.emit(ScimTokenRevoked(org_id=token.org_id, token_id=token.token_id, name=token.name))


def _view(token: Token) -> ScimTokenItem:
    return ScimTokenItem(
        id=token.token_id,
        name=token.name,
        hint=token.hint,
        last_used_at=token.last_used_at,
        last_used_ip=token.last_used_ip,
        created_at=token.created_at,
        created_by=token.created_by,
    )
