"""The hop: a request goes on to its service with an internal token, and only what is named here travels with it, either way."""

from __future__ import annotations

import re
from asyncio import sleep
from random import uniform
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from services.gateway.credentials import cookies_named
from shared.auth import Actor
from shared.errors import Problem
from shared.internal import Internal
from shared.tracing import unsampled
from shared.web.client import Answer, Headers
from shared.web.server import Request

HOP_SECONDS = 10.0
# So long a stranger waits to hear that there is too much to do: who asks again at once costs next to nothing, and many don't come back as one.
HELD_SECONDS = (0.5, 1.5)

FORWARDED = frozenset(
    {
        b"accept",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"tenantry-after",
        b"user-agent",
    }
)
RETURNED = {
    name.lower().encode(): name
    for name in (
        "Allow",
        "Cache-Control",
        "Content-Disposition",
        "Content-Type",
        "ETag",
        "Idempotency-Replayed",
        "Link",
        "Location",
        "Retry-After",
        "Tenantry-Change",
        "WWW-Authenticate",
    )
}
SETS_COOKIES = "identity"
COOKIE_VALUE = re.compile(r"[A-Za-z0-9._~+/=-]{1,2048}")


class Forwarding:
    """Sends requests on. Whatever a client claims about identity, organization or address stays behind."""

    def __init__(self, internal: Internal) -> None:
        self._internal = internal

    async def forward(
        self,
        request: Request,
        service: str,
        actor: Actor,
        source: str,
        body: bytes,
        seconds: float = HOP_SECONDS,
        signed_by: str = "",
        cookie: str | None = None,
    ) -> web.Response:
        """The service's answer, bytes as they came, either way. `signed_by` is the header that signs the body; of the browser's cookies
        only the one named `cookie` travels.
        """
        token = self._internal.keyring.issue(actor, service)
        headers = [
            (b"Authorization", b"Bearer " + token.encode()),
            (b"Request-Id", request.id.encode()),
            *_named(request, signed_by.lower().encode()),
        ]
        if (traceparent := unsampled(request.headers.get("traceparent"))) is not None:
            headers.append((b"traceparent", traceparent.encode()))
        if source:
            headers.append((b"Tenantry-Source-Ip", source.encode()))
        if cookie is not None:
            headers += [(b"Cookie", f"{cookie}={value}".encode()) for value in _offered(request, cookie)]
        try:
            answer = await self._internal.send(service, request.method, target_of(request), headers, body, seconds)
        except ValueError:  # a header or an address that can't be written again
            raise Problem("malformed_request") from None
        except Problem as refused:
            if refused.code == "overloaded":
                await _hold(actor)
            raise
        if answer.status == 503:
            await _hold(actor)
        return web.Response(status=answer.status, headers=_returned(answer, service), body=answer.body)


async def _hold(actor: Actor) -> None:
    if actor.kind == "anonymous":
        await sleep(uniform(*HELD_SECONDS))  # noqa: S311


def target_of(request: Request) -> str:
    """The path in the one spelling that was routed, and the query as it came."""
    path, mark, query = request._message.path.partition("?")
    if path != request.safe_path:
        path = quote(request.safe_path, safe="/~:@!$&'()*+,=")
    if "#" in query or not query.isascii():
        raise Problem("malformed_request", "The address isn't written in plain ASCII.")
    return f"{path}{mark}{query}"


def _named(request: Request, signed_by: bytes) -> Headers:
    """The first of each header that may travel."""
    found: dict[bytes, bytes] = {}
    for name, value in request.raw_headers:
        lower = name.lower()
        if (lower in FORWARDED or lower == signed_by) and lower not in found:
            found[lower] = value
    return list(found.items())


def _offered(request: Request, cookie: str) -> list[str]:
    """The value, if there is one and it could be ours."""
    values = cookies_named(cookie, request.headers.getall("Cookie", []))
    return values if len(values) == 1 and COOKIE_VALUE.fullmatch(values[0]) else []


def _returned(answer: Answer, service: str) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in answer.headers:
        lower = name.lower()
        spelt = RETURNED.get(lower)
        if spelt is not None:
            headers[spelt] = value.decode("utf-8", "surrogateescape")
        elif lower == b"set-cookie" and service == SETS_COOKIES:
            headers.add("Set-Cookie", value.decode("latin-1"))
    headers.setdefault("Cache-Control", "no-store")
    return headers
