"""What a service is made of: its routes, what it publishes and consumes, its jobs; and the context its use cases get.

A use case is `async def verb(ctx, message) -> answer`. An HTTP request, an event and a timer are all messages to such a function.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

from shared.api_keys import why_not
from shared.auth import BREAK_GLASS, Actor
from shared.clock import Clock
from shared.db import Database, Read, Tx
from shared.errors import Problem
from shared.events import Envelope, Event
from shared.ids import new_event_id
from shared.sealed_columns import SealedColumn
from shared.tracing import Tracer, current_traceparent

if TYPE_CHECKING:
    from shared.config import Settings
    from shared.erasure import Erasing
    from shared.internal import Internal
    from shared.operations import Operation
    from shared.records import Records

T = TypeVar("T")

UseCase = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Permission:
    """A named action and who may take it. The names are what `GET /v1/me/capabilities` lists."""

    action: str
    roles: frozenset[str] = frozenset()
    anyone: bool = False
    person: bool = False
    service: bool = False

    def allows(self, actor: Actor) -> bool:
        if self.service:
            return actor.kind == "service"
        if self.anyone:
            return True
        if self.person:
            return actor.kind == "person"
        return actor.kind == "person" and actor.org_id is not None and actor.role in self.roles


def anyone(action: str) -> Permission:
    """No credential is needed."""
    return Permission(action, anyone=True)


def person(action: str) -> Permission:
    """Any signed-in person, whatever the organization."""
    return Permission(action, person=True)


def member(action: str) -> Permission:
    return Permission(action, frozenset({"admin", "analyst", "viewer"}))


def analyst(action: str) -> Permission:
    """Admins and Analysts."""
    return Permission(action, frozenset({"admin", "analyst"}))


def admin(action: str) -> Permission:
    return Permission(action, frozenset({"admin"}))


def nobody(action: str) -> Permission:
    """No person, whatever their role: what is for keys alone."""
    return Permission(action)


def service(action: str) -> Permission:
    """Other services only: an internal endpoint, which the gateway never routes."""
    return Permission(action, service=True)


ANY_KEY = "*"


@dataclass(frozen=True)
class Route:
    """One endpoint. `known_by(read, org_id, **path)` answers whether what the path names exists for this organization: if not, 404 before anything else.

    `seen_by(read, actor, **path)` does the same for what not every member may know of.
    `unrecorded`: a secret is in the request or its answer, so no Idempotency-Key keeps them.
    `key` names the scope by which an API key may call it: `ANY_KEY` for every one, None for none.
    `while_closed`: an Admin may do it in an organization that is closed, where everything else that writes is refused.
    `signed_by` names the header that carries the signature of the body, which then arrives as it was sent (`shared.fields.Signed`).
    `form`: the body is `application/x-www-form-urlencoded`. `lenient`: another's server chooses what else is in query and form, so
    unknown fields are ignored. `cookie`: the one cookie that travels from the browser to `ctx.request.cookie`.
    `ignores_body`: whatever is in the body, of whatever type, says nothing.
    `emergency`: also open to who signed in by break-glass, which nothing else is.
    `noted(ctx, answered)` hears of every answer, refusals too, in a transaction of its own after what was done is committed or rolled back.
    """

    method: str
    path: str
    use_case: UseCase
    may: Permission
    status: int = 200
    known_by: Callable[..., Awaitable[bool]] | None = None
    seen_by: Callable[..., Awaitable[bool]] | None = None
    if_match: bool = False
    needs_key: bool = False
    fresh: bool = False
    query: tuple[str, ...] = ()
    unrecorded: bool = False
    while_closed: bool = False
    signed_by: str = ""
    ignores_body: bool = False
    body_bytes: int = 1024 * 1024
    media: str = "application/json"
    key: str | None = None
    form: bool = False
    lenient: bool = False
    cookie: str | None = None
    emergency: bool = False
    noted: Callable[[Ctx, Answered], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        if self.key is not None and (self.fresh or self.may.anyone or self.may.service):
            raise ValueError(
                f"{self.method} {self.path}: no API key can give a fresh proof, and none needs to be let in where anyone is"
            )

    def check_allows(self, actor: Actor) -> None:
        """403 `forbidden` for who may not, because of their role, or of the scopes of their key; `emergency_only` after break-glass."""
        if actor.kind == "key" and not self.may.anyone:
            if self.key is None or (self.key != ANY_KEY and self.key not in actor.scopes):
                raise out_of_scope(self, actor)
        elif not self.may.allows(actor):
            raise forbidden(self.may, actor)
        if self.is_closed_to(actor):
            raise Problem("emergency_only")

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    def is_closed_to(self, actor: Actor) -> bool:
        """Whether the actor signed in by break-glass and this isn't for that. Internal endpoints are asked by services."""
        emergency = BREAK_GLASS in actor.amr
        return emergency and not (self.emergency or self.may.anyone or self.path.startswith("/internal/"))

    @property
    def message(self) -> type[Any]:
        hints = get_type_hints(self.use_case)
        names = [name for name in hints if name not in ("return", "ctx")]
        return hints[names[0]]  # type: ignore[no-any-return]

    @property
    def answer(self) -> Any:
        return get_type_hints(self.use_case).get("return")


def get(path: str, use_case: UseCase, may: Permission, **options: Any) -> Route:
    return Route("GET", path, use_case, may, **options)


def post(path: str, use_case: UseCase, may: Permission, **options: Any) -> Route:
    return Route("POST", path, use_case, may, **options)


def put(path: str, use_case: UseCase, may: Permission, **options: Any) -> Route:
    return Route("PUT", path, use_case, may, **options)


def patch(path: str, use_case: UseCase, may: Permission, **options: Any) -> Route:
    return Route("PATCH", path, use_case, may, **options)


def delete(path: str, use_case: UseCase, may: Permission, **options: Any) -> Route:
    return Route("DELETE", path, use_case, may, status=204, **options)


def forbidden(may: Permission, actor: Actor) -> Problem:
    """The 403 of who may not take an action because of their role."""
    facts = {"action": may.action, "because": "role", "role": actor.role, "roles": sorted(may.roles)}
    return Problem("forbidden", meta=facts)


def out_of_scope(route: Route, actor: Actor) -> Problem:
    """The 403 of an API key that wasn't given what an action needs."""
    facts = {"action": route.may.action, "because": "scope", "scope": route.key, "scopes": sorted(actor.scopes)}
    return Problem("forbidden", why_not(actor.scopes, route.key), meta=facts)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer with headers or a status of its own. `cookies` are whole `Set-Cookie` values."""

    body: T
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    cookies: Sequence[str] = ()


@dataclass(frozen=True)
class Consumer:
    """A function that hears one kind of event, or, with `event=None`, everything (it then gets the envelope)."""

    event: type[Event] | None
    use_case: UseCase

    @property
    def name(self) -> str:
        return self.use_case.__name__


def on(event: type[Event], use_case: UseCase) -> Consumer:
    return Consumer(event, use_case)


def on_everything(use_case: UseCase) -> Consumer:
    return Consumer(None, use_case)


@dataclass(frozen=True)
class Job:
    """A function that runs every so often, on one replica at a time."""

    use_case: Callable[[Ctx], Awaitable[None]]
    every_seconds: float


@dataclass(frozen=True)
class Service:
    """The table of contents of a service. `sources` are the services whose events it hears.

    `records` is what it gives into an organization's export, `erasing` how it forgets one, `sealed` where it keeps sealed secrets.
    """

    name: str
    migrations: Path | None
    routes: Sequence[Route] = ()
    publishes: Sequence[type[Event]] = ()
    consumers: Sequence[Consumer] = ()
    sources: Sequence[str] = ()
    jobs: Sequence[Job] = ()
    operations: Sequence[Operation] = ()
    records: Sequence[Records] = ()
    erasing: Erasing | None = None
    sealed: Sequence[SealedColumn] = ()
    opens: Callable[[Environment], AbstractAsyncContextManager[Any]] | None = None


@dataclass
class Environment:
    """What a running service was given: its database, clock, settings, the way to its neighbours, and what it opened itself (`own`).

    `work_waits` is set when long work was begun here.
    """

    service: Service
    database: Database
    clock: Clock
    settings: Settings
    internal: Internal
    own: Any = None
    work_waits: asyncio.Event = field(default_factory=asyncio.Event)
    tracer: Tracer | None = None


class Ctx:
    """What a use case gets besides its message. One per message; all of `tx()` is one transaction, committed by the kernel at the end."""

    def __init__(
        self,
        env: Environment,
        actor: Actor,
        *,
        cause: Envelope | None = None,
        correlation_id: str | None = None,
        request: RequestFacts | None = None,
    ) -> None:
        self.env = env
        self.actor = actor
        self._speaker: Actor | None = None
        self.cause = cause
        self.correlation_id = correlation_id
        self.request = request or RequestFacts()
        self.now: datetime = env.clock.now()
        self._began_at = self.now
        self._stack = AsyncExitStack()
        self._tx: Tx | None = None
        self._scope: str | None = None

    @property
    def own(self) -> Any:
        return self.env.own

    @asynccontextmanager
    async def tx(self, org_id: str | None = None) -> AsyncIterator[Tx]:
        """The message's transaction, inside one organization: the actor's, unless another is named. It commits after the use case returned."""
        scope = org_id if org_id is not None else self.actor.org_id or ""
        if self._tx is None:
            self._tx = await self._stack.enter_async_context(self.env.database.tx(scope, self.say))
            self._scope = scope
        elif scope != self._scope and org_id is not None:
            await self._tx.connection.execute("select set_config('tenantry.org_id', $1, true)", scope)
            self._scope = scope
        yield self._tx

    @asynccontextmanager
    async def read(self, org_id: str | None = None) -> AsyncIterator[Read]:
        """A read-only look; inside an open `tx()` it sees what that did."""
        if self._tx is not None:
            async with self.tx(org_id) as tx:
                yield tx
        else:
            async with self.env.database.read(org_id if org_id is not None else self.actor.org_id or "") as read:
                yield read

    def speak_as(self, user_id: str, amr: Sequence[str] = ()) -> None:
        """What is said from here on is this person's doing: they have just proven who they are, and no token says so yet."""
        self._speaker = replace(self.actor, kind="person", user_id=user_id, amr=tuple(amr))

    def say(self, event: Event) -> Envelope:
        """The envelope of an event that this message causes."""
        source, speaker = self.env.service.name, self._speaker or self.actor
        return Envelope(
            id=new_event_id(source),
            source=source,
            type=event.TYPE,
            subject=event.subject,
            time=self._began_at,
            data=event.data(),
            org_id=getattr(event, "org_id", None),
            actor_id=speaker.id,
            correlation_id=self.correlation_id,
            causation_id=self.cause.id if self.cause else None,
            traceparent=current_traceparent() or self.request.traceparent,
            actor_amr=speaker.amr,
            source_ip=self.request.source_ip if speaker.user_id or speaker.key_id else None,
        )

    def adopt(self, tx: Tx, scope: str) -> None:
        """Makes `tx()` join a transaction that the kernel holds."""
        self._tx, self._scope = tx, scope

    @property
    def change(self) -> str | None:
        """The id of the last event said so far."""
        return self._tx.said[-1].id if self._tx is not None and self._tx.said else None

    @contextlib.asynccontextmanager
    async def finishing(self) -> AsyncIterator[None]:
        """Commits what `tx()` began when the block ends well, rolls it back when it raises."""
        async with self._stack:
            yield

    def check_version(self, version: int, changed_by: str | None = None, changed_at: datetime | None = None) -> None:
        """412 unless `If-Match` (when sent) names this version."""
        wanted = self.request.if_match
        fits = wanted in (None, "*", f'"{version}"') or str(wanted).startswith(f'"{version}-')
        if not fits:
            facts = {"changed_by": changed_by, "changed_at": changed_at and changed_at.isoformat()}
            told = {"current_version": version} | {name: fact for name, fact in facts.items() if fact is not None}
            raise Problem("precondition_failed", meta=told, headers={"ETag": f'"{version}"'})


@dataclass(frozen=True)
class Answered:
    """A request and what became of it; `problem` when it was refused."""

    method: str
    path: str
    status: int
    problem: Problem | None


@dataclass(frozen=True)
class RequestFacts:
    """What a use case may know of the request that carried its message. `query` is that of its address, letter by letter as it came."""

    id: str | None = None
    if_match: str | None = None
    after: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    traceparent: str | None = None
    cookie: str | None = None
    query: str = ""
