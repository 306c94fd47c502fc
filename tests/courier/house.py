"""A house for webhook tests: courier (and audit, which hears it) with a receiver on this machine, an organization on a plan, and an Admin who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier

from services.audit.app import service as audit
from services.courier.app import service as courier
from services.courier.usecases.own import Own, senders
from services.courier.usecases.transports import Folder
from shared.auth import Actor
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.org import Group, GroupCreated, Member, MemberJoined
from shared.ids import new_id
from shared.mailbox import FileMailbox
from shared.outbound import Fetched, Outbound, Policy
from shared.service import Environment, Service
from tests.world import Databases, Reply, World, an_admin, world_of

HERE = Policy(schemes=frozenset({"http"}), may_connect=lambda address: address == "127.0.0.1", seconds=20)


def reaching(outbound: Outbound) -> Service:
    """Courier as it is, but for what its webhooks may reach."""

    @asynccontextmanager
    async def opens(env: Environment) -> AsyncIterator[Own]:
        mailbox = FileMailbox(Path(env.settings.mail.removeprefix("file://")))
        async with senders(env, Folder(mailbox), outbound) as own:
            yield own

    return replace(courier, opens=opens)


@dataclass
class Receiver:
    """Somebody's server. `script` says how it treats the next requests: a status, `hang`, or `late`; then it takes everything."""

    port: int = 0
    script: list[Any] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def names(self) -> list[str]:
        """Of the groups that it was told of, in the order in which it took them."""
        return [orjson.loads(body)["data"]["group"]["name"] for body in self.taken]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, body))
        how = self.script.pop(0) if self.script else 204
        if how in ("hang", "late"):
            if how == "late":
                self.taken.append(body.decode())
            await self.release.wait()
            how = 204
        elif 200 <= how < 300:
            self.taken.append(body.decode())
        return web.Response(status=how, body=b"" if how == 204 else b"what came of it \x00 \xff")

    def verified(self, secret: str, place: int = -1) -> Any:
        headers, body = self.got[place]
        return Verifier(secret).verify(body, headers)


@dataclass(frozen=True)
class Reaching(Outbound):
    """Waits a second where the receiver is about to hang; where it isn't, a slow machine is no receiver in trouble."""

    receiver: Receiver = field(default_factory=Receiver)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Fetched:
        hangs = self.receiver.script[:1] in (["hang"], ["late"])
        policy = replace(self.policy, seconds=1) if hangs else self.policy
        return await Outbound(policy, self.resolve, self.tls).post(url, body, headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        receiver.release.set()
        await runner.cleanup()


@dataclass
class House:
    """One organization; `version` of its plan grows with each change."""

    world: World
    receiver: Receiver
    admin: Actor
    version: int = 0

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.world.ask("courier", method, path, body, **{"actor": self.admin, **options})

    async def on_plan(self, plan: str) -> None:
        self.version += 1
        await self.world.hear("billing", granted(self.admin.org(), self.version, plan))

    async def webhook(self, **more: Any) -> Any:
        return (await self.ask("POST", "/v1/webhooks", {"url": self.receiver.url, **more})).ok()

    async def happens(self, *names: str) -> None:
        await self.world.hear("org", *(group(self.admin, name) for name in names))

    async def log(self, webhook: Any, query: str = "") -> list[Any]:
        """The deliveries, the oldest first."""
        reply = await self.ask("GET", f"/v1/webhooks/{webhook['id']}/deliveries?limit=200{query}")
        return list(reversed(reply.ok()["data"]))

    async def until(self, webhook: Any, *states: str) -> list[Any]:
        """The log, once the deliveries are in these states."""
        async with asyncio.timeout(60):
            while True:
                log = await self.log(webhook)
                if [one["state"] for one in log] == list(states):
                    return log
                await asyncio.sleep(0.01)

    async def until_tried(self, webhook: Any, attempts: int, place: int = 0) -> Any:
        """The delivery, once it has been tried so often."""
        async with asyncio.timeout(60):
            while True:
                log = await self.log(webhook)
                if len(log) > place and log[place]["attempts"] == attempts:
                    return log[place]
                await asyncio.sleep(0.01)


@asynccontextmanager
async def house_of(databases: Databases, folder: Path, outbound: Outbound | None = None) -> AsyncIterator[House]:
    async with receiving() as receiver:
        service = reaching(outbound or Reaching(HERE, receiver=receiver))
        async with world_of([service, audit], databases, folder) as world:
            house = House(world, receiver, an_admin())
            await world.hear("org", MemberJoined(org_id=house.admin.org(), member=member(house.admin, "Ada")))
            await house.on_plan("pro")
            yield house


def member(actor: Actor, name: str, role: Any = "admin", status: Any = "active") -> Member:
    return Member(
        user_id=actor.person(),
        email=f"{name.lower()}@northwind.example",
        name=name,
        role=role,
        effective_role=role,
        status=status,
        joined_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def group(actor: Actor, name: str) -> GroupCreated:
    made = Group(group_id=new_id("grp"), kind="custom", name=name, description="")
    return GroupCreated(org_id=actor.org(), group=made)


def granted(org_id: str, version: int, plan: str) -> EntitlementsChanged:
    pays = plan != "free"
    return EntitlementsChanged(
        org_id=org_id,
        entitlements=Entitlements(
            version=version,
            plan=plan,
            plan_name=plan.title(),
            author_slots=5,
            viewer_slots=None,
            share_all_analysts=pays,
            custom_groups=False,
            additional_domains="none",
            single_sign_on=pays,
            scim=False,
            sharing_links=pays,
            interactive_embedding=False,
            api_keys=pays,
            audit_days=30,
        ),
    )
