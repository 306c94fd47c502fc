"""What the gateway's own use cases get besides their message, and how their answers become bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic_core import to_json

from services.gateway.authentication import Caller
from services.gateway.documents import PublishedDocs
from shared.auth import Actor
from shared.clock import Clock
from shared.config import Settings
from shared.internal import Internal
from shared.service import Answer, Route
from shared.web.server import Request

if TYPE_CHECKING:
    from services.gateway.mails import Mailbox
    from services.gateway.pages import Pages


@dataclass(frozen=True)
class House:
    """What a running gateway holds. `mailbox` is there only where mail goes to files and nobody else can connect."""

    settings: Settings
    clock: Clock
    internal: Internal
    docs: PublishedDocs
    pages: Pages
    mailbox: Mailbox | None


@dataclass(frozen=True)
class Ctx:
    """One request to the gateway itself."""

    house: House
    caller: Caller
    request: Request
    source: str

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def after(self) -> str | None:
        return self.request.headers.get("Tenantry-After")


def render(result: Any, route: Route, request: Request) -> web.Response:
    """The answer of a use case; 304 where the client has it already."""
    headers: dict[str, str] = {"Cache-Control": "no-store", "Content-Type": route.media}
    status = route.status
    if isinstance(result, Answer):
        headers |= result.headers
        status, result = result.status or status, result.body
    if "ETag" in headers and headers["ETag"] == request.headers.get("If-None-Match"):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    if isinstance(result, str):
        result = result.encode()
    elif isinstance(result, BaseModel):
        result = to_json(result)
    elif not isinstance(result, bytes):
        result = orjson.dumps(result)
    return web.Response(status=status, headers=headers, body=result)
