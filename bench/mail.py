"""How fast mails leave, beside a mail server that refuses, hangs and answers late; and that none is lost on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from random import Random

from bench.suite.shape import Benchmark, Contender, Figures, Goal
from bench.suite.surroundings import folder, postgres
from services.audit.app import service as audit
from services.courier.app import service as courier
from services.courier.usecases.own import senders
from services.courier.usecases.sending import AT_ONCE
from services.courier.usecases.transports import MailServer
from shared.bus import Message
from shared.clock import MovableClock
from shared.ids import new_event_id
from shared.outbound import Outbound
from shared.outbox import routing_key
from shared.testkit import envelope_of
from tests.courier.smtp_server import FakeServer, mail_server
from tests.courier.test_sending import invitation
from tests.world import Databases, World, world_of

PER_SECOND = 150
SECONDS = 1.0  # for an answer of the mail server


@dataclass
class Scene:
    world: World
    server: FakeServer
    transport: MailServer
    clock: MovableClock
    chance: Random


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        postgresql = await stack.enter_async_context(postgres())
        place, clock = await stack.enter_async_context(folder()), MovableClock()
        server = await stack.enter_async_context(mail_server())
        transport = MailServer("127.0.0.1", server.port, secured=False, username=None, password=None, seconds=SECONDS)
        service = replace(courier, opens=lambda env: senders(env, transport, Outbound()))
        world = await stack.enter_async_context(world_of([service, audit], Databases(postgresql), place, clock=clock))
        yield Scene(world, server, transport, clock, Random(7))


async def bare(scene: Scene, seconds: float) -> Figures:
    """The same conversations, as many at once, and nothing else."""
    count = int(PER_SECOND * seconds)
    fresh(scene.server)
    left = iter(range(count))

    async def send() -> None:
        for number in left:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", f"{number}"
            message.set_content("x" * 1500)
            await scene.transport.take(str(number), datetime.now(UTC), message)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    return {"/s": count / (time.perf_counter() - began)}


def sent(plan: str | None, share: float = 0) -> Callable[[Scene, float], Awaitable[Figures]]:
    """So many mails asked for at once; for a share of the tries the server behaves that way."""

    async def run(scene: Scene, seconds: float) -> Figures:
        server, count = scene.server, int(PER_SECOND * seconds)
        fresh(server)
        if plan is not None:
            server.script = [plan if scene.chance.random() < share else "take" for _ in range(count * 2)]
        asked = [message_of(f"vera{number}@northwind.example") for number in range(count)]
        began = time.perf_counter()
        await scene.world.bus.publish(asked)
        while len(ids(server)) < count:
            scene.clock.advance(timedelta(seconds=30))  # what wasn't taken is due again: here only work is measured
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        server.release.set()
        lost, again = count - len(ids(server)), len(server.taken) - len(ids(server))
        return {"/s": count / took, "lost": float(lost), "taken again": float(again)}

    return run


def message_of(to: str) -> Message:
    """As if org had said it, of an organization of its own."""
    envelope = replace(envelope_of(invitation(to)), id=new_event_id("org"), source="org", sequence=1)
    return Message(routing_key("org", envelope.type), envelope.body())


def fresh(server: FakeServer) -> None:
    server.script, server.release = [], asyncio.Event()
    server.taken.clear()


def ids(server: FakeServer) -> set[str]:
    return {str(mail["Message-ID"]) for mail in server.taken}


BARE, ALL = "bare conversations", "the server takes all"
BUSY, HANGS, DIES = "a fifth is refused for now", "one in twenty hangs", "one in twenty is taken without a word"
BENCHMARK = Benchmark(
    what=f"{PER_SECOND} mails a second of the round, from the events that ask for them until the mail server has them all, each once. Each is rendered, leased, and marked in transactions; bare conversations are the same SMTP client and nothing else. "
    "The clock is moved on to when a retry is due; the server gets a second for each answer.",
    opens=scene,
    contenders=[
        Contender(BARE, bare),
        Contender(ALL, sent(None)),
        Contender(BUSY, sent("450 busy", 0.2)),
        Contender(HANGS, sent("hang", 0.05)),
        Contender(DIES, sent("take and drop", 0.05)),
    ],
    goals=[
        *(Goal(name, "lost", most=0) for name in (ALL, BUSY, HANGS, DIES)),
        *(Goal(name, "taken again", most=0) for name in (ALL, BUSY, HANGS)),
    ],
    notes=[
        "A server that took a mail and died before it said so gets it again, with the same Message-ID (RFC 1047): that is what *taken again* counts there."
    ],
)
