"""From an HTTP request to a use case and back: the order of checks is the same for every endpoint of every service."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from shared.auth import FRESH_SECONDS, Actor, Keyring
from shared.db import RETRYABLE, TOO_SLOW
from shared.errors import FieldError, Problem
from shared.fields import Composed, Versioned, faults_of, pointer_to
from shared.idempotency import IdempotentRequest, Kept
from shared.inbox import Inbox
from shared.metrics import REQUESTS
from shared.operations import ROUTES as OPERATIONS
from shared.oversight import ROUTES as OVERSIGHT
from shared.paging import Page
from shared.records import ROUTES as RECORDS
from shared.refusals import note_refusal
from shared.routing import RouteTable
from shared.service import Answer, Answered, Ctx, Environment, RequestFacts, Route
from shared.tracing import name_span, read_traceparent
from shared.web.json import parse
from shared.web.scim import MEDIA as SCIM
from shared.web.scim import refusal
from shared.web.server import Request

log = structlog.get_logger()

CONSISTENT_SECONDS = 2.0
MOST_RUNS = 3
MOST_FIELDS = 50
NULS = (b"\x00", b"\\u0000", b"%00")  # as they are, in JSON, in a form


class Endpoints:
    """All endpoints of one running service. Callers are the gateway and other services, by internal token; nobody else is believed."""

    def __init__(self, env: Environment, keyring: Keyring, inbox: Inbox) -> None:
        self._env = env
        self._keyring = keyring
        self._inbox = inbox
        self._table: RouteTable[tuple[Route, type[Any]]] = RouteTable()
        for route in (*env.service.routes, *OVERSIGHT, *OPERATIONS, *RECORDS):
            self._table.add(route.method, route.path, (route, route.message))

    async def answer(self, request: Request) -> web.StreamResponse:
        began = time.perf_counter()
        name, found, refused = "-", None, None
        try:
            (route, message), path = self._table.find(request.method, request.safe_path)
            name, found = f"{route.method} {route.path}", route
            name_span(name, {"http.route": route.path})
            response = await self._pass(request, route, message, path)
        except Problem as problem:
            refused = problem
            response = refusal(problem, request.safe_path, request.id)
        except ValidationError as wrong:
            log.error("an answer doesn't fit its own shape", route=name, error=str(wrong))
            response = refusal(Problem("internal"), request.safe_path, request.id)
        if found is not None and found.noted is not None:
            await self._note(found.noted, request, response.status, refused)
        took = time.perf_counter() - began
        REQUESTS.labels(self._env.service.name, name, str(response.status)).observe(took)
        log.debug(
            "answered",
            service=self._env.service.name,
            route=name,
            status=response.status,
            milliseconds=round(took * 1000, 1),
            request_id=request.id,
        )
        return response

    async def _note(
        self, noted: Callable[[Ctx, Answered], Awaitable[None]], request: Request, status: int, problem: Problem | None
    ) -> None:
        """A note that can't be made takes nobody's answer away."""
        try:
            actor = self._actor(request.headers.get("Authorization", ""))
            ctx = Ctx(self._env, actor, correlation_id=request.id, request=RequestFacts(id=request.id))
            async with ctx.finishing():
                await noted(ctx, Answered(request.method, request.safe_path, status, problem))
        except Exception as failed:
            log.warning("an answer wasn't noted", request_id=request.id, error=repr(failed))

    async def _pass(self, request: Request, route: Route, shape: type[Any], path: dict[str, str]) -> web.Response:
        headers = request.headers
        actor = self._actor(headers.get("Authorization", ""))
        if (after := headers.get("Tenantry-After")) is not None and not await self._inbox.wait_for(
            after, CONSISTENT_SECONDS
        ):
            raise Problem("not_yet_consistent", meta={"waiting_for": after}, retry_after=1)
        facts = RequestFacts(
            id=request.id,
            if_match=headers.get("If-Match"),
            after=headers.get("Tenantry-After"),
            source_ip=headers.get("Tenantry-Source-Ip"),
            user_agent=headers.get("User-Agent"),
            traceparent=read_traceparent(headers.get("traceparent")),
            cookie=_cookie(route, headers.get("Cookie", "")),
            query=request.raw_path.partition("?")[2],
        )
        await self._admit(route, actor, path, facts)
        body = await request.body(route.body_bytes) if request.can_read_body else b""
        if route.signed_by:
            message = shape(body=body, signature=headers.get(route.signed_by, ""))
        else:
            content = b"" if route.ignores_body else body
            message = read_message(route, shape, path, request.query, content, headers.get("Content-Type", ""))
        if route.if_match and "If-Match" not in headers:
            raise Problem("precondition_required")
        key = headers.get("Idempotency-Key") if route.writes and not route.unrecorded else None
        if route.needs_key and key is None:
            raise Problem("idempotency_key_required")
        keyed = IdempotentRequest.of(actor, request.method, request.safe_path, key, body) if key else None
        kept = await self._run_until_done(actor, facts, route, message, keyed)
        is_known = kept.headers.get("ETag") is not None and kept.headers["ETag"] == headers.get("If-None-Match")
        if is_known and not route.writes:
            return web.Response(status=304, headers=kept.headers)
        sent = CIMultiDict(kept.headers)
        for cookie in kept.cookies:
            sent.add("Set-Cookie", cookie)
        return web.Response(status=kept.status, headers=sent, body=b"" if request.method == "HEAD" else kept.body)

    def _actor(self, authorization: str) -> Actor:
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            raise Problem("unauthenticated")
        return self._keyring.verify(token)

    async def _admit(self, route: Route, actor: Actor, path: Mapping[str, str], facts: RequestFacts) -> None:
        may = route.may
        if not may.anyone and actor.kind == "anonymous":
            raise Problem("unauthenticated")
        if may.service != (actor.kind == "service") and not may.anyone:
            raise Problem("not_found")
        if route.known_by is not None:
            async with self._env.database.read(actor.org_id or "") as read:
                if not await route.known_by(read, actor.org_id or "", **path):
                    raise Problem("not_found")
        if route.seen_by is not None and actor.kind in ("person", "key"):
            async with self._env.database.read(actor.org_id or "") as read:
                if not await route.seen_by(read, actor, **path):
                    raise Problem("not_found")
        try:
            route.check_allows(actor)
        except Problem:
            if route.writes:
                await note_refusal(self._env, actor, may.action, facts)
            raise
        if route.fresh and not actor.is_fresh(time.time()):
            challenge = f'Bearer error="insufficient_user_authentication", max_age={FRESH_SECONDS}'
            raise Problem("insufficient_user_authentication", headers={"WWW-Authenticate": challenge})
        if actor.closed and route.writes and not (route.while_closed or may.person or may.anyone):
            raise Problem("organization_closed")

    async def _run_until_done(
        self, actor: Actor, facts: RequestFacts, route: Route, message: Any, keyed: IdempotentRequest | None
    ) -> Kept:
        """A transaction that PostgreSQL ended for the sake of another one was rolled back whole, so it is run again."""
        for _ in range(MOST_RUNS):
            ctx = Ctx(self._env, actor, correlation_id=facts.id, request=facts)
            try:
                return await self._run(ctx, route, message, keyed)
            except RETRYABLE:
                log.info("run again after a deadlock", route=f"{route.method} {route.path}")
            except TOO_SLOW:
                raise Problem("overloaded", "The database took too long.", retry_after=1) from None
        raise Problem("overloaded", "Too many others are changing the same.", retry_after=1)

    async def _run(self, ctx: Ctx, route: Route, message: Any, keyed: IdempotentRequest | None) -> Kept:
        async with ctx.finishing():
            if keyed is not None:
                async with ctx.tx() as tx:
                    earlier = await keyed.earlier(tx)
                if earlier is not None:
                    return Kept(earlier.status, {**earlier.headers, "Idempotency-Replayed": "true"}, earlier.body)
            result = await route.use_case(ctx, message)
            kept = render(result, route.status, ctx)
            if keyed is not None and kept.status < 500:
                async with ctx.tx() as tx:
                    await keyed.keep(tx, kept)
        return kept


def render(result: Any, status: int, ctx: Ctx) -> Kept:
    """The bytes of an answer. A `Problem` that is returned (not raised) commits what was done and is sent all the same."""
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    cookies: tuple[str, ...] = ()
    if isinstance(result, Problem):
        headers |= {"Content-Type": "application/problem+json", **result.all_headers()}
        return Kept(result.status, headers, orjson.dumps(result.json(ctx.request.id)))
    if isinstance(result, Answer):
        headers |= result.headers
        cookies = tuple(result.cookies)
        status = result.status or status
        result = result.body
    if ctx.change is not None:
        headers["Tenantry-Change"] = ctx.change
    if isinstance(result, Versioned):
        headers["ETag"] = f'"{result.version}"'
    if isinstance(result, Page) and result.page.next_cursor:
        headers["Link"] = f'<?cursor={result.page.next_cursor}>; rel="next"'
    if result is None:
        return Kept(204 if status == 200 else status, headers, b"", cookies)
    headers.setdefault("Content-Type", "application/json")
    if isinstance(result, bytes):
        return Kept(status, headers, result, cookies)
    body = to_json(result) if isinstance(result, BaseModel) else orjson.dumps(result)
    if isinstance(result, Composed):
        headers["ETag"] = f'"{result.version}-{hashlib.sha256(body).hexdigest()[:12]}"'
    return Kept(status, headers, body, cookies)


def read_message(
    route: Route, shape: type[Any], path: Mapping[str, str], query: Any, body: bytes, content_type: str
) -> Any:
    """Path, query and body as one message of the use case's shape; every fault is named at once.

    A write's fields come in its body: addresses end up in logs, and an Idempotency-Key stands for the body alone.
    """
    values: dict[str, Any] = {}
    if body and route.form:
        values |= _read_form(body, content_type)
    elif body:
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in (
            "application/json",
            "application/merge-patch+json",
            route.media if route.media == SCIM else "",
        ):
            raise Problem("unsupported_media_type")
        content = parse(body)
        if not isinstance(content, dict):
            raise Problem(
                "invalid",
                "The body must be a JSON object.",
                errors=[FieldError("", "object_expected", "must be an object")],
            )
        values |= content
    if route.writes and not route.lenient and (astray := [name for name in query if name not in route.query]):
        faults = [FieldError(f"/{name}", "not_in_query", "doesn't go into the address") for name in astray]
        raise Problem("invalid", errors=faults)
    known = {field.alias or name for name, field in shape.model_fields.items()} if route.lenient else None
    if known is not None:
        values = {name: value for name, value in values.items() if name in known}
    for source in (query, path):
        for name in source:
            if known is not None and name not in known:
                continue
            if name in values:
                raise Problem("invalid", errors=[FieldError(f"/{name}", "repeated", "is given twice")])
            several = source.getall(name) if hasattr(source, "getall") else [source[name]]
            values[name] = several[0] if len(several) == 1 else several
    if _may_hold_nul(body, query, path) and (faults := list(_with_nul(values, ""))):
        raise Problem("invalid", errors=faults)
    try:
        return shape.model_validate(values)
    except ValidationError as wrong:
        raise Problem("invalid", errors=faults_of(wrong)) from None


def _read_form(body: bytes, content_type: str) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Problem("unsupported_media_type", "Send Content-Type: application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise Problem("malformed_request", "The body isn't a form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Problem("malformed_request", "A field of the form is there twice.")
    return fields


def _cookie(route: Route, header: str) -> str | None:
    """The value of the cookie that the route wants; of two with its name, none."""
    pairs = (pair.partition("=") for pair in header.split(";"))
    values = [value.strip() for name, _, value in pairs if route.cookie and name.strip() == route.cookie]
    return values[0] if len(values) == 1 else None


def _may_hold_nul(body: bytes, *sources: Mapping[str, str]) -> bool:
    """Most requests are seen to have none without a walk through their values: JSON can only write it as an escape."""
    return any(nul in body for nul in NULS) or any(
        "\x00" in word for one in sources for pair in one.items() for word in pair
    )


def _with_nul(value: Any, pointer: str) -> Iterator[FieldError]:
    """Text with a NUL, which PostgreSQL can't keep or compare, is never anything's name."""
    if isinstance(value, str):
        if "\x00" in value:
            yield FieldError(pointer, "nul", "must not contain a NUL character")
    elif isinstance(value, dict):
        for name, inner in value.items():
            within = f"{pointer}{pointer_to((name,))}"
            yield from _with_nul(name, within)
            yield from _with_nul(inner, within)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _with_nul(inner, f"{pointer}/{place}")
