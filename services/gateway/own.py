"""What the gateway's own use cases get besides their message, and how their answers become bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic_core import to_json

from services.gateway.authentication import Caller
from services.gateway.console import Console
from services.gateway.documents import Operation
from services.gateway.feed import Feed
from services.gateway.pages import Pages
from services.gateway.possibilities import Possibilities
from services.gateway.streams import Stream, Streams
from shared.auth import Actor
from shared.clock import Clock
from shared.config import Settings
from shared.endpoint import read_message
from shared.internal import Internal
from shared.mailbox import FileMailbox
from shared.published import PublishedDocuments
from shared.service import Answer, Permission, Route
from shared.web.server import Request

JSON = {"Cache-Control": "no-store", "Content-Type": "application/json"}


@dataclass(frozen=True)
class House:
    """What a running gateway holds. `permissions` are those of its own routes. `mailbox` is there only where mail goes to files and only this machine can connect."""

    settings: Settings
    clock: Clock
    internal: Internal
    docs: PublishedDocuments
    operations: tuple[Operation, ...]
    permissions: tuple[Permission, ...]
    pages: Pages
    console: Console
    mailbox: FileMailbox | None
    streams: Streams
    possibilities: Possibilities
    feed: Feed


@dataclass(frozen=True, slots=True)
class Ctx:
    """One request to the gateway itself. `headers` go with its answer; `check_still_proven` raises once its credential no longer counts."""

    house: House
    caller: Caller
    request: Request
    headers: Mapping[str, str]
    check_still_proven: Callable[[], Awaitable[None]]

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def after(self) -> str | None:
        return self.request.headers.get("Tenantry-After")


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """One of the gateway's own endpoints, ready to run. `from_caller_alone`: its answer follows from nothing but who asks."""

    route: Route
    shape: type[Any]
    from_caller_alone: bool = False

    async def answer(self, ctx: Ctx, path: Mapping[str, str], body: bytes) -> web.StreamResponse:
        request = ctx.request
        self.route.check_allows(ctx.actor)
        repeatable = self.from_caller_alone and not body and "?" not in request._message.path
        if repeatable and (kept := ctx.caller.answers.get(self.route.path)) is not None:
            return web.Response(body=kept, headers=JSON)
        message = read_message(
            self.route, self.shape, path, request.query, body, request.headers.get("Content-Type", "")
        )
        result = await self.route.use_case(ctx, message)
        if isinstance(result, Answer) and isinstance(result.body, Stream):
            return await ctx.house.streams.send(result.body, request, ctx.actor.id or "", ctx.headers)
        response = _render(result, self.route, request)
        if repeatable and isinstance(response.body, bytes):
            ctx.caller.answers[self.route.path] = response.body
        return response


def _render(result: Any, route: Route, request: Request) -> web.Response:
    """The answer of a use case; 304 where the client has it already."""
    headers: dict[str, str] = {"Cache-Control": "no-store", "Content-Type": route.media}
    if isinstance(result, Answer):
        headers |= result.headers
        result = result.body
    if "ETag" in headers and headers["ETag"] == request.headers.get("If-None-Match"):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    if isinstance(result, str):
        result = result.encode()
    elif isinstance(result, BaseModel):
        result = to_json(result)
    elif not isinstance(result, bytes):
        result = orjson.dumps(result)
    return web.Response(status=route.status, headers=headers, body=result)
