"""Every public request passes here: found, limited, told who sends it, then answered or sent on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from prometheus_client import Histogram
from pydantic import ValidationError

from services.gateway.authentication import NOBODY, Authentication, Caller
from services.gateway.credentials import Credential, check_made_by_console, credential_of
from services.gateway.documents import Operation
from services.gateway.forwarding import HOP_SECONDS, Forwarding
from services.gateway.own import Ctx, House, OwnRoute
from services.gateway.rates import Buckets, Rates
from services.gateway.source_address import SourceAddresses, limited_as
from services.gateway.standing import Standing
from shared.errors import Problem
from shared.metrics import REQUESTS
from shared.routing import RouteTable
from shared.service import Route, UseCase
from shared.tracing import name_span
from shared.web.problems import close_after
from shared.web.scim import refusal
from shared.web.server import Request

log = structlog.get_logger()

AUTHZEN = "/access/v1/"
AUTHZEN_REQUEST = "X-Request-ID"
OWNERS_OF_STANDING = frozenset({"identity", "org"})
POLICY = "Content-Security-Policy"
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    POLICY: "default-src 'none'; frame-ancestors 'none'",
}
SECURE = {"Strict-Transport-Security": "max-age=31536000"}

Entry = tuple[Operation, OwnRoute | None]


class Door:
    """What the gateway's listener calls."""

    def __init__(
        self,
        house: House,
        table: Table,
        authentication: Authentication,
        standing: Standing,
        rates: Rates,
        monotonic: Callable[[], float],
    ) -> None:
        self._house = house
        self._table = table
        self._authentication = authentication
        self._standing = standing
        self._forwarding = Forwarding(house.internal)
        self._sources = SourceAddresses(house.settings.trusted_proxies)
        self._origin = origin_of(house.settings.public_url)
        self._persons = Buckets(rates.person, monotonic)
        self._anonymous = Buckets(rates.anonymous, monotonic)
        self._anonymous_writes = Buckets(rates.anonymous_writes, monotonic)
        self._everywhere = EVERYWHERE | (SECURE if self._origin.startswith("https://") else {})
        self._counts: dict[tuple[str, int], Histogram] = {}

    async def answer(self, request: Request) -> web.StreamResponse:
        began = time.perf_counter()
        headers = self._everywhere.copy()
        name = "-"
        response: web.StreamResponse
        try:
            if self._house.console.owns(request.safe_path):
                name = "GET /console"
                response = self._answer_with_console(request, headers)
            else:
                (operation, own), path = self._table.find(request.method, request.safe_path)
                name = operation.name
                name_span(name, {"http.route": operation.path})
                if operation.path.startswith(AUTHZEN):
                    headers |= _request_named(request)
                response = await self._pass(request, operation, own, path, headers, began)
        except Problem as problem:
            response = refusal(problem, request.safe_path, request.id)
            if not request._payload.is_eof():
                close_after(response)
        except ValidationError as wrong:
            log.error("an answer doesn't fit its own shape", route=name, error=str(wrong))
            response = refusal(Problem("internal"), request.safe_path, request.id)
        if POLICY in response.headers:
            del headers[POLICY]
        response.headers.update(headers)
        self._count(name, response.status).observe(time.perf_counter() - began)
        return response

    def _answer_with_console(self, request: Request, headers: dict[str, str]) -> web.Response:
        headers |= self._anonymous.take(limited_as(self._sources.of(request)))
        return self._house.console.answer(request)

    def _count(self, name: str, status: int) -> Histogram:
        count = self._counts.get((name, status))
        if count is None:
            count = self._counts[name, status] = REQUESTS.labels("gateway", name, str(status))
        return count

    async def _pass(
        self,
        request: Request,
        operation: Operation,
        own: OwnRoute | None,
        path: Mapping[str, str],
        headers: dict[str, str],
        began: float,
    ) -> web.StreamResponse:
        """The answer; `headers` gets what the caller is told besides, refused or not."""
        has_body = request.can_read_body
        if has_body and (request.content_length or 0) > operation.body_bytes:
            raise Problem("body_too_large", meta={"limit_bytes": operation.body_bytes})
        source = self._sources.of(request)
        caller = await self._admit(request, operation, source, headers)
        body = b""
        if has_body:
            arriving = time.perf_counter()
            body = await request.body(operation.body_bytes)
            began += time.perf_counter() - arriving  # what the client takes isn't the service's to pay
        if own is not None:
            proven = partial(self._check_still_proven, request, source, caller)
            return await own.answer(Ctx(self._house, caller, request, headers, proven), path, body)
        return await self._send_on(request, operation, caller, source, body, began)

    async def _admit(self, request: Request, operation: Operation, source: str, headers: dict[str, str]) -> Caller:
        """Who sends it. On routes for anyone, a credential that proves nothing counts for nothing."""
        writes_for_anyone = operation.anyone and operation.writes
        if writes_for_anyone:
            headers |= self._anonymous_writes.take(limited_as(source))
        credential = credential_of(request.headers)
        refusal: Problem | None = None
        if credential is not None:
            try:
                caller = await self._prove(request, credential, source)
            except Problem as why:
                if why.code == "rate_limited":
                    raise
                refusal = why
            else:
                if not writes_for_anyone:
                    headers |= self._persons.take(caller.actor.id or "")
                if caller.actor.api_version is not None:
                    headers["Tenantry-Version"] = caller.actor.api_version
                return caller
        if not writes_for_anyone:
            headers |= self._anonymous.take(limited_as(source))
        if not operation.anyone:
            raise refusal or Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        return NOBODY

    async def _prove(self, request: Request, credential: Credential, source: str) -> Caller:
        after = request.headers.get("Tenantry-After")
        caller = self._authentication.at_once(credential, after)
        if caller is None:
            self._anonymous.check(limited_as(source))
            caller = await self._authentication.caller(credential, after, source)
        if caller.csrf is not None:
            check_made_by_console(request.method, request.headers, self._origin, caller.csrf)
        return caller

    async def _check_still_proven(self, request: Request, source: str, known: Caller) -> None:
        """For answers that go on: whoever lost their session, membership or role meanwhile, gets no more of them."""
        credential = credential_of(request.headers)
        if credential is None or (await self._prove(request, credential, source)).actor != known.actor:
            raise Problem("session_ended", "Sign in again, or go on with a new token.")

    async def _send_on(
        self, request: Request, operation: Operation, caller: Caller, source: str, body: bytes, began: float
    ) -> web.Response:
        left = HOP_SECONDS - (time.perf_counter() - began)
        response = await self._forwarding.forward(
            request,
            operation.service,
            caller.actor,
            source,
            body,
            max(left, 0.1),
            operation.signed_by,
            operation.cookie,
        )
        person = caller.actor.user_id
        if operation.writes and person is not None and operation.service in OWNERS_OF_STANDING:
            self._standing.drop(person)  # perhaps it changed what is known of who sent it, and the news is yet to come
        return response


def _request_named(request: Request) -> dict[str, str]:
    """AuthZEN has a client's own id of a request come back with the answer, whatever that is."""
    named = request.headers.get(AUTHZEN_REQUEST, "")
    return {AUTHZEN_REQUEST: named} if named.isascii() and named.isprintable() and named else {}


class Table:
    """The published document's operations and nothing else."""

    def __init__(self, operations: Sequence[Operation], own: Sequence[Route], from_caller_alone: Set[UseCase]) -> None:
        mine = {(route.method, route.path): route for route in own}
        self._fixed: dict[tuple[str, str], Entry] = {}
        self._tree: RouteTable[Entry] = RouteTable()
        for operation in operations:
            key = (operation.method, operation.path)
            route = mine[key] if operation.service == "gateway" else None
            entry = (operation, _ready(route, from_caller_alone) if route is not None else None)
            self._tree.add(*key, entry)
            if "{" not in operation.path:
                self._fixed[key] = entry

    def find(self, method: str, path: str) -> tuple[Entry, Mapping[str, str]]:
        """The operation and what the path names; `not_found` or `method_not_allowed` otherwise."""
        fixed = self._fixed.get((method, path))
        return (fixed, {}) if fixed is not None else self._tree.find(method, path)


def _ready(route: Route, from_caller_alone: Set[UseCase]) -> OwnRoute:
    return OwnRoute(route, route.message, route.use_case in from_caller_alone)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
