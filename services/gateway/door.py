"""Every public request passes here: found, limited, told who sends it, then answered or sent on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from services.gateway.authentication import NOBODY, Authentication, Caller
from services.gateway.credentials import credential_of
from services.gateway.documents import Operation
from services.gateway.forwarding import HOP_SECONDS, Forwarding
from services.gateway.own import Ctx, House, OwnRoute
from services.gateway.rates import Allowance, Buckets, Rates
from services.gateway.source_address import SourceAddresses, limited_as
from services.gateway.standing import Standing
from shared.errors import Problem
from shared.metrics import REQUESTS
from shared.routing import RouteTable
from shared.service import Route
from shared.web.problems import close_after, problem_response
from shared.web.server import Request

log = structlog.get_logger()

OWNERS_OF_STANDING = frozenset({"identity", "org"})
POLICY = "default-src 'none'; frame-ancestors 'none'"


class Door:
    """What the gateway's listener calls."""

    def __init__(
        self,
        house: House,
        own: Sequence[Route],
        authentication: Authentication,
        standing: Standing,
        rates: Rates,
        monotonic: Callable[[], float],
    ) -> None:
        self._house = house
        self._authentication = authentication
        self._standing = standing
        self._forwarding = Forwarding(house.internal)
        self._sources = SourceAddresses(house.settings.trusted_proxies)
        self._table = _table(house.operations, own)
        self._persons = Buckets(rates.person, monotonic)
        self._anonymous = Buckets(rates.anonymous, monotonic)
        self._anonymous_writes = Buckets(rates.anonymous_writes, monotonic)
        self._everywhere = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        if house.settings.public_url.startswith("https://"):
            self._everywhere["Strict-Transport-Security"] = "max-age=31536000"

    async def answer(self, request: Request) -> web.StreamResponse:
        began = time.perf_counter()
        name = "-"
        try:
            (operation, own), path = self._table.find(request.method, request.safe_path)
            name = operation.name
            response = await self._pass(request, operation, own, path, began)
        except Problem as problem:
            response = problem_response(problem, request.id)
            if not request._payload.is_eof():
                close_after(response)
        except ValidationError as wrong:
            log.error("an answer doesn't fit its own shape", route=name, error=str(wrong))
            response = problem_response(Problem("internal"), request.id)
        headers = response.headers
        headers.update(self._everywhere)
        headers.setdefault("Content-Security-Policy", POLICY)
        REQUESTS.labels("gateway", name, str(response.status)).observe(time.perf_counter() - began)
        return response

    async def _pass(
        self, request: Request, operation: Operation, own: OwnRoute | None, path: Mapping[str, str], began: float
    ) -> web.Response:
        length = request.content_length
        if length is not None and length > operation.body_bytes:
            raise Problem("body_too_large", meta={"limit_bytes": operation.body_bytes})
        source = self._sources.of(request)
        caller, allowance = await self._admit(request, operation, source)
        try:
            if request.can_read_body:
                arriving = time.perf_counter()
                body = await request.body(operation.body_bytes)
                began += time.perf_counter() - arriving  # what the client takes isn't the service's to pay
            else:
                body = b""
            if own is not None:
                response = await own.answer(Ctx(self._house, caller, request), path, body)
            else:
                response = await self._send_on(request, operation, caller, source, body, began)
        except Problem as problem:
            problem.headers = {**allowance.headers(), **problem.headers}
            raise
        response.headers.update(allowance.headers())
        return response

    async def _admit(self, request: Request, operation: Operation, source: str) -> tuple[Caller, Allowance]:
        """Who sends it. On routes for anyone, a credential that proves nothing counts for nothing."""
        address = limited_as(source)
        writes_for_anyone = operation.anyone and operation.writes
        if writes_for_anyone:
            limited = self._anonymous_writes.take(address)
        credential = credential_of(request.headers)
        refusal = Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        if credential is not None:
            if not self._authentication.knows(credential):
                self._anonymous.check(address)
            try:
                caller = await self._authentication.caller(credential, request)
                return caller, limited if writes_for_anyone else self._persons.take(caller.actor.user_id or "")
            except Problem as why:
                if why.code == "rate_limited":
                    raise
                refusal = why
        allowance = limited if writes_for_anyone else self._anonymous.take(address)
        if not operation.anyone:
            refusal.headers = {**allowance.headers(), **refusal.headers}
            raise refusal
        return NOBODY, allowance

    async def _send_on(
        self, request: Request, operation: Operation, caller: Caller, source: str, body: bytes, began: float
    ) -> web.Response:
        left = HOP_SECONDS - (time.perf_counter() - began)
        response = await self._forwarding.forward(
            request, operation.service, caller.actor, source, body, max(left, 0.1)
        )
        person = caller.actor.user_id
        if operation.writes and person is not None and operation.service in OWNERS_OF_STANDING:
            self._standing.drop(person)  # perhaps it changed what is known of who sent it, and the news is yet to come
        return response


def _table(operations: Sequence[Operation], own: Sequence[Route]) -> RouteTable[tuple[Operation, OwnRoute | None]]:
    """The published document's operations and nothing else."""
    mine = {(route.method, route.path): route for route in own}
    table: RouteTable[Any] = RouteTable()
    for operation in operations:
        route = mine[operation.method, operation.path] if operation.service == "gateway" else None
        entry = OwnRoute(route, route.message) if route is not None else None
        table.add(operation.method, operation.path, (operation, entry))
    return table
