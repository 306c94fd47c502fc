"""A running gateway, and small services that play those behind it: real HTTP peers on the real kernel, answering from a dict."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import orjson
from aiohttp import web

from services.gateway import app
from services.gateway.app import RunningGateway
from services.gateway.rates import DEFAULT_RATES, Rates
from services.gateway.usecases.documents import EMBED_SAMPLES
from shared.auth import Actor, private_key
from shared.bus import Bus, Message, Receive
from shared.config import Settings
from shared.docs import asyncapi, event_schema, openapi
from shared.errors import Problem
from shared.events import Envelope, Event
from shared.events.org import Member, MemberRoleChanged
from shared.fields import Message as Input
from shared.fields import Nothing
from shared.ids import new_event_id, new_id
from shared.outbox import routing_key
from shared.published import PublishedDocuments
from shared.service import Answer, Ctx, Service, anyone, get, member, on, person, post, service
from shared.web.address import Address
from shared.web.client import Client
from shared.web.server import Limits, Request, serve
from tests.kernel.toy import COUNTER, MANY_NOTES, NOTES, NoteWritten, count_note, write_note, write_notes
from tests.world import Databases, Reply, World, world_of

PUBLIC_URL = "http://tenantry.test"
NOWHERE = Path(__file__).parent / "no_migrations"


@dataclass
class People:
    """What the stand-ins for identity and org know, and how they behave."""

    keys: dict[str, str] = field(default_factory=lambda: {"k1": secrets.token_urlsafe(32)})
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    api_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    afters: list[str] = field(default_factory=list)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    holding: dict[str, asyncio.Event] = field(default_factory=dict)

    async def answer(self, kind: str, look: Callable[[], Any]) -> Any:
        """Looks first, and answers when it is let go: so an answer can be made older than an event."""
        self.asked.append(kind)
        if kind in self.away:
            raise Problem("unavailable")
        found = look()
        if kind in self.hold:
            self.holding[kind].set()
            await self.hold[kind].wait()
        return found

    def hold_back(self, kind: str) -> asyncio.Event:
        """From now on answers of a kind are held back; the event tells that one is."""
        self.hold[kind], self.holding[kind] = asyncio.Event(), asyncio.Event()
        return self.holding[kind]

    def let_go(self, kind: str) -> None:
        self.hold.pop(kind).set()


@dataclass
class Somebody:
    """A person with a session, as identity and org know them."""

    people: People
    user_id: str
    session_id: str
    org_id: str | None
    cookie: str

    def token(self, *, kid: str = "k1", header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": PUBLIC_URL,
            "aud": "tenantry",
            "sub": self.user_id,
            "sid": self.session_id,
            "org": self.org_id,
            "amr": ["pwd"],
            "auth_time": now,
            "iat": now,
            "exp": now + 300,
        } | claims
        said = {name: value for name, value in said.items() if value is not None}
        heads = {"typ": "at+jwt", "kid": kid} | dict(header or {})
        return jwt.encode(said, private_key(self.people.keys[kid]), algorithm="EdDSA", headers=heads)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    @property
    def session(self) -> dict[str, Any]:
        return self.people.sessions[self.session_id]

    @property
    def membership(self) -> dict[str, Any]:
        return self.people.members[self.user_id, self.org_id or ""]


def somebody(
    people: People, role: str = "admin", *, user_id: str | None = None, org_id: str | None = "new"
) -> Somebody:
    """A new person with a live session; an active member of a new organization unless told otherwise."""
    org = new_id("org") if org_id == "new" else org_id
    one = Somebody(people, user_id or new_id("usr"), new_id("ses"), org, secrets.token_urlsafe(32))
    people.sessions[one.session_id] = {
        "session_id": one.session_id,
        "live": True,
        "user_id": one.user_id,
        "org_id": org,
        "amr": ["pwd"],
        "auth_time": int(time.time()) - 5,
        "email": "ana@example.com",
        "name": "Ana",
    }
    people.cookies[one.cookie] = one.session_id
    if org is not None:
        people.members[one.user_id, org] = {
            "user_id": one.user_id,
            "org_id": org,
            "role": role,
            "effective_role": role,
            "status": "active",
            "organizations": [{"org_id": org, "name": "Acme", "role": role, "status": "active"}],
        }
    return one


class WhichSession(Input):
    session_id: str


class WhichCookie(Input):
    token: str


class WhichKey(Input):
    token: str
    source_ip: str | None = None


class WhichStanding(Input):
    user_id: str
    org_id: str = ""


class Echo(Input):
    thing_id: str = ""
    q: str = ""


class Text(Input):
    text: str = ""


def play(people: People) -> list[Service]:
    """Services of the same names, with the same internal endpoints."""

    def dead(session_id: str | None) -> dict[str, Any]:
        return {"session_id": session_id, "live": False} | dict.fromkeys(
            ("user_id", "org_id", "auth_time", "email", "name")
        )

    async def session(ctx: Ctx, which: WhichSession) -> dict[str, Any]:
        return await people.answer(
            "session", lambda: dict(people.sessions.get(which.session_id, dead(which.session_id)))
        )  # type: ignore[no-any-return]

    async def cookie_session(ctx: Ctx, which: WhichCookie) -> dict[str, Any]:
        sid = people.cookies.get(which.token, "")
        return await people.answer("cookie", lambda: dict(people.sessions.get(sid, dead(None))))  # type: ignore[no-any-return]

    async def api_key(ctx: Ctx, which: WhichKey) -> dict[str, Any]:
        return await people.answer("api key", lambda: dict(people.api_keys.get(which.token, {"refused": "unknown"})))  # type: ignore[no-any-return]

    async def jwks(ctx: Ctx, _: Nothing) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            public = {kid: private_key(seed).public_key().public_bytes_raw() for kid, seed in people.keys.items()}
            return {
                "keys": [
                    {
                        "kty": "OKP",
                        "crv": "Ed25519",
                        "kid": kid,
                        "use": "sig",
                        "alg": "EdDSA",
                        "x": base64.urlsafe_b64encode(raw).decode().rstrip("="),
                    }
                    for kid, raw in public.items()
                ]
            }

        return await people.answer("jwks", look)  # type: ignore[no-any-return]

    async def standing(ctx: Ctx, which: WhichStanding) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            none = {
                "user_id": which.user_id,
                "org_id": None,
                "role": None,
                "effective_role": None,
                "status": "none",
                "organizations": [],
            }
            if which.org_id:
                return dict(people.members.get((which.user_id, which.org_id), none))
            mine = [m for (user, _), m in people.members.items() if user == which.user_id and m["status"] == "active"]
            return dict(mine[0] if mine else none)

        return await people.answer("standing", look)  # type: ignore[no-any-return]

    def capabilities(name: str) -> Any:
        async def said(ctx: Ctx, _: Nothing) -> dict[str, Any]:
            def look() -> dict[str, Any]:
                because = {"kind": "role", "detail": "Admins only"}
                allowed = ctx.actor.role == "admin"
                return {
                    "capabilities": [
                        {"action": f"{name}.rule", "allowed": allowed, "because": None if allowed else because}
                    ]
                }

            return await people.answer(f"capabilities of {name}", look)  # type: ignore[no-any-return]

        return get("/internal/capabilities", said, person("me.read"))

    async def sign_in(ctx: Ctx, wanted: Text) -> Answer[dict[str, Any]]:
        """Signs in."""
        if wanted.text == "crowd":
            raise Problem("overloaded", retry_after=2)
        return Answer(
            {"as": ctx.actor.kind, "user_id": ctx.actor.user_id},
            headers={"Set-Cookie": "__Host-session=abc; Path=/; Secure; HttpOnly"},
        )

    async def echo(ctx: Ctx, wanted: Echo) -> Answer[dict[str, Any]]:
        """Tells who asks, as the service sees it."""
        facts = dict(vars(ctx.actor))
        return Answer(
            {
                "actor": facts,
                "message": wanted.model_dump(),
                "ip": ctx.request.source_ip,
                "agent": ctx.request.user_agent,
                "request": ctx.request.id,
            },
            headers={"Set-Cookie": "evil=1", "Link": '<?cursor=abc>; rel="next"', "Server-Secret": "no"},
        )

    def echoing(name: str) -> Any:
        async def named(ctx: Ctx, wanted: Echo) -> Answer[dict[str, Any]]:
            return await echo(ctx, wanted)

        named.__name__, named.__doc__ = name, echo.__doc__
        return named

    async def rename(ctx: Ctx, wanted: Text) -> dict[str, Any]:
        """Changes one's own name."""
        people.sessions[ctx.actor.session_id or ""]["name"] = wanted.text
        return {}

    async def inner(ctx: Ctx, _: Nothing) -> dict[str, Any]:
        return {"inner": True}

    return [
        Service(
            "identity",
            NOWHERE,
            routes=[
                get("/internal/sessions/{session_id}", session, service("sessions.read")),
                post("/internal/cookie-sessions", cookie_session, service("sessions.read")),
                post("/internal/api-key-standings", api_key, service("sessions.read"), unrecorded=True),
                get("/.well-known/jwks.json", jwks, anyone("keys.read")),
                post("/v1/auth/sessions", sign_in, anyone("sessions.start")),
                post("/v1/me/name", rename, person("me.rename")),
                capabilities("identity"),
            ],
        ),
        Service(
            "org",
            NOTES,
            routes=[
                get("/internal/standings/{user_id}", standing, service("standings.read")),
                get("/internal/inner", inner, member("inner.read")),
                get("/v1/echo/{thing_id}", echoing("read_thing"), person("echo.read")),
                get("/v1/members-only", echoing("read_members"), member("members.read")),
                get("/v1/things", echoing("read_things"), member("things.read"), key="things:view"),
                post("/v1/things", echoing("write_things"), member("things.write"), key="things:manage"),
                get("/v1/open", echoing("read_open"), anyone("open.read")),
                post("/v1/open", echoing("write_open"), anyone("open.write")),
                post("/v1/echo/{thing_id}", echoing("write_thing"), person("echo.write")),
                post("/v1/notes", write_note, member("notes.write"), status=201),
                post("/v1/notes/batches", write_notes, member("notes.write"), status=202),
                capabilities("org"),
            ],
            publishes=[NoteWritten],
            operations=[MANY_NOTES],
        ),
        Service(
            "sharing",
            COUNTER,
            routes=[get("/v1/heard", echoing("read_heard"), member("heard.read")), capabilities("sharing")],
            consumers=[on(NoteWritten, count_note)],
            sources=["org"],
        ),
    ]


async def read_raw(ctx: Ctx, _: Nothing) -> dict[str, Any]:
    """Answers what exactly arrived."""
    raise NotImplementedError


async def write_raw(ctx: Ctx, _: Nothing) -> dict[str, Any]:
    """Answers what exactly arrived."""
    raise NotImplementedError


async def write_csv(ctx: Ctx, _: Nothing) -> dict[str, Any]:
    """Answers what exactly arrived."""
    raise NotImplementedError


# Not run by the kernel: `House` answers in its place, to see each byte that arrives.
RAW = Service(
    "billing",
    NOWHERE,
    routes=[
        get("/v1/raw/{name}", read_raw, anyone("raw.read")),
        post("/v1/raw", write_raw, anyone("raw.write")),
        post("/v1/raw/csv", write_csv, anyone("raw.write"), body_bytes=10 * 1024 * 1024),
    ],
)


def documents(services: Sequence[Service]) -> PublishedDocuments:
    events = {event.TYPE: event_schema(event) for one in services for event in one.publishes}
    samples = {name: f"a program in {language}" for name, language in EMBED_SAMPLES.items()}
    return PublishedDocuments(openapi(services), asyncapi(services), events, samples)


@cache
def published() -> PublishedDocuments:
    """Whoever the people are, the routes are the same."""
    return documents([app.service, *play(People()), RAW])


class Ears:
    """A bus whose private feeds can be made deaf to heartbeats, or to everything."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.deaf_to: Callable[[bytes], bool] = lambda body: False
        self.heard: list[bytes] = []

    async def subscribe(self, receive: Receive, *, queue: str | None = None, keys: Sequence[str] = ()) -> None:
        async def hear(bodies: Sequence[bytes]) -> None:
            wanted = [body for body in bodies if not self.deaf_to(body)]
            if wanted or not bodies:
                await receive(wanted)
            self.heard += bodies

        await self._bus.subscribe(hear, queue=queue, keys=keys)

    def mute(self, *sources: str) -> None:
        """No more heartbeats of these."""
        beats = tuple(b'"source":"%b"' % source.encode() for source in sources)
        self.deaf_to = lambda body: b'"heartbeat"' in body and any(beat in body for beat in beats)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


@dataclass
class Watch:
    """Monotonic time that passes when a test moves it, and not because the machine is slow."""

    offset: float = 1000.0

    def __call__(self) -> float:
        return self.offset


@dataclass
class House:
    """A gateway in front of stand-ins."""

    world: World
    people: People
    running: RunningGateway
    settings: Settings
    ears: Ears
    watch: Watch
    client: Client
    arrived: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]]
    sequence: int = 0

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None, raw: bytes = b""
    ) -> Reply:
        sent = dict(headers or {})
        content = raw or (b"" if body is None else orjson.dumps(body))
        if content and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        pairs = [(k.encode(), v.encode()) for k, v in sent.items()]
        answer = await self.client.send(method, path, pairs, content, deadline=15)
        return Reply(answer.status, {k.decode().lower(): v.decode() for k, v in answer.headers}, answer.body)

    async def raw(self, data: bytes) -> bytes:
        """The head of what a client that writes these bytes is answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.listening.port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        finally:
            writer.close()

    async def whole(self) -> None:
        """Waits until both owners are heard."""
        async with asyncio.timeout(60):
            while not self.running.feed.alive:
                await asyncio.sleep(0.005)

    async def hear(self, source: str, *events: Event) -> None:
        """News from a service, as if it had said it; back when the gateway has heard."""
        for event in events:
            self.sequence += 1
            envelope = Envelope(
                id=new_event_id(source),
                source=source,
                type=event.TYPE,
                subject=event.subject,
                time=self.world.clock.now(),
                data=event.data(),
                sequence=self.sequence,
                org_id=getattr(event, "org_id", None),
            )
            await self.world.bus.publish([Message(routing_key(source, event.TYPE), envelope.body(), lasting=False)])
            async with asyncio.timeout(60):
                while envelope.body() not in self.ears.heard:
                    await asyncio.sleep(0.001)

    async def hear_member(self, ana: Somebody, event: type[Any], **changes: Any) -> None:
        """org changes a member, and says so."""
        ana.membership.update(changes)
        state = Member(
            user_id=ana.user_id,
            email="ana@example.com",
            name="Ana",
            role=ana.membership["role"],
            effective_role=ana.membership["effective_role"],
            status=ana.membership["status"],
            joined_at=self.world.clock.now(),
        )
        more = {"previous_role": "admin"} if event is MemberRoleChanged else {}
        await self.hear("org", event(org_id=ana.org_id, member=state, **more))

    async def close(self) -> None:
        await self.client.close()


@asynccontextmanager
async def a_house(
    databases: Databases,
    folder: Path,
    *,
    rates: Rates = DEFAULT_RATES,
    listen: str = "tcp://127.0.0.1:0",
    **changes: Any,
) -> AsyncIterator[House]:
    people, watch = People(), Watch()
    services = play(people)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(world_of(services, databases, folder))
        arrived: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]] = []

        async def record(request: Request) -> web.Response:
            body = await request.body()
            if request.safe_path == "/internal/capabilities":
                return web.Response(body=b'{"capabilities":[]}')
            if request.safe_path.startswith("/internal/"):
                raise Problem("not_found")
            arrived.append((request.method, request._message.path, list(request.raw_headers), body))
            answered = {
                "X-Powered-By": "raw",
                "Set-Cookie": "evil=1",
                "ETag": '"7"',
                "Tenantry-Change": "evt_x",
                "Location": "/v1/raw/x",
                "X-User-Id": "usr_evil",
            }
            return web.Response(
                status=201 if request.method == "POST" else 200,
                body=body or b'{"raw":true}',
                headers=answered,
                content_type="application/json",
            )

        raw = await serve(record, Address.parse(world.settings.urls["billing"]), Limits(body_bytes=11 * 1024 * 1024))
        stack.push_async_callback(raw.close)
        listens = {**world.settings.listens, "gateway": listen}
        settings = world.settings.model_copy(update={"listens": listens, "public_url": PUBLIC_URL, **changes})
        ears = Ears(world.bus)
        door = await stack.enter_async_context(
            app.gateway(settings, ears, world.clock, published(), rates=rates, monotonic=watch)  # type: ignore[arg-type]
        )
        house = House(world, people, door, settings, ears, watch, Client(door.listening.address), arrived)
        stack.push_async_callback(house.close)
        await house.whole()
        yield house


def seen(house: House, reply: Reply) -> Actor:
    """The actor that a service saw."""
    facts = reply.ok()["actor"]
    return Actor(**{**facts, "amr": tuple(facts["amr"]), "scopes": tuple(facts["scopes"])})
