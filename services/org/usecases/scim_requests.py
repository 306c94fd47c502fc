"""What an identity provider asked for last: its writes, and whatever was refused and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from pydantic import Field

from services.org.store import scim_requests as store
from shared.api_keys import PROVISIONING
from shared.db import Row
from shared.fields import Nothing, View
from shared.service import Answered, Ctx
from shared.web.scim import BELOW, scim_error

MOST_KEPT = 50
LONGEST = 500


class RefusedField(View):
    pointer: str
    code: str
    detail: str
    meta: dict[str, Any] = Field(default_factory=dict)


class RequestRefusal(View):
    """As the rest of the API says a refusal: a stable code, words, and the facts in them."""

    code: str
    title: str
    detail: str
    meta: dict[str, Any] = Field(default_factory=dict)
    errors: list[RefusedField] = Field(default_factory=list)


class ProvisioningRequest(View):
    """`path` is below `/scim/v2`; `detail` says why it was refused, in the words that the provider got, and `refusal` says it by codes."""

    request_id: str
    at: datetime
    token_id: str
    method: str
    path: str
    status: int
    detail: str | None
    refusal: RequestRefusal | None


class ProvisioningRequests(View):
    data: list[ProvisioningRequest]


async def note_request(ctx: Ctx, answered: Answered) -> None:
    """Reads that succeed aren't noted: a provider looks at everybody, again and again."""
    if answered.status < 400 and answered.method in ("GET", "HEAD"):
        return
    if ctx.actor.key_id is None or PROVISIONING not in ctx.actor.scopes or ctx.request.id is None:
        return
    why = answered.problem
    detail = str(scim_error(why)["detail"])[:LONGEST] if why else None
    path = answered.path.removeprefix(BELOW)[:LONGEST]
    async with ctx.tx() as tx:
        await store.add(
            tx,
            ctx.actor.org(),
            ctx.request.id,
            ctx.now,
            ctx.actor.key_id,
            answered.method,
            path,
            answered.status,
            detail,
            orjson.dumps(why.json()).decode() if why else None,
            MOST_KEPT,
        )


async def list_provisioning_requests(ctx: Ctx, _: Nothing) -> ProvisioningRequests:
    """The last fifty writes and refusals of the identity provider, the newest first."""
    async with ctx.read() as read:
        found = await store.newest(read, ctx.actor.org())
    return ProvisioningRequests(data=[_request(row) for row in found])


def _request(row: Row) -> ProvisioningRequest:
    told = orjson.loads(row["refusal"]) if row["refusal"] else None
    return ProvisioningRequest(**{**dict(row), "refusal": told and RequestRefusal.model_validate(told)})
