"""Billing for itself: what the others do without it for an hour, and who signs in when it takes a plan away."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.launcher import PRODUCT
from shared.cli.demo.api import PASSWORD, Gateway, Person, until
from shared.clock import MovableClock
from shared.config import SERVICES, Secrets, Settings
from shared.process import process
from tests.broker import Broker
from tests.ports import free_port
from tests.system.renewing import RenewingGateway
from tests.system.whole import ROOT, a_cast
from tests.world import Databases

TABLE: dict[str, str] = yaml.safe_load((Path(__file__).parent / "authorization.yaml").read_text())
PAGE = ROOT / "docs" / "guides" / "billing.md"
NEW_PERSON = "/v1/signups"


@dataclass
class Apart:
    """Everybody but billing in one part, billing in another, RabbitMQ between them."""

    gateway: Gateway
    settings: Settings
    clock: MovableClock
    _billing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def billing_comes(self) -> None:
        alone = self.settings.model_copy(
            update={"services": ("billing",), "admin_listen": f"tcp://127.0.0.1:{free_port()}"}
        )
        await self._billing.enter_async_context(process(PRODUCT, alone, clock=self.clock))

    async def billing_goes(self) -> None:
        await self._billing.aclose()


@pytest.fixture(scope="module")
async def apart(databases: Databases, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Apart]:
    sockets = {name: f"unix:///tmp/tt-{secrets.token_hex(5)}.sock" for name in SERVICES}
    port = free_port()
    addresses = sockets | {"gateway": f"tcp://127.0.0.1:{port}"}
    clock = MovableClock()
    async with databases.lent(map(PRODUCT.service, PRODUCT.storing)) as urls:
        settings = Settings(
            services=tuple(name for name in SERVICES if name != "billing"),
            secrets=Secrets.generate(),
            bus_url=broker.url,
            database_urls=urls,
            listens=addresses,
            urls=addresses,
            admin_listen=f"tcp://127.0.0.1:{free_port()}",
            public_url=f"http://127.0.0.1:{port}",
            mail=f"file://{tmp_path_factory.mktemp('apart')}/mail",
            pool_size=5,
        )
        async with process(PRODUCT, settings, clock=clock), RenewingGateway(settings.public_url) as gateway:
            stage = Apart(gateway, settings, clock)
            await stage.billing_comes()
            try:
                yield stage
            finally:
                await stage.billing_goes()


async def probe(admin: Person, method: str, path: str) -> Any:
    """An empty or an odd request, so that nothing changes. Names in the path are of nothing that is there."""
    target = re.sub(r"{\w+}", "nothing", path)
    target += "?after=nowhere" if target == "/v1/event-stream" else ""
    headers = {"If-Match": "*", "Idempotency-Key": "away"} if method != "GET" else {}
    return await admin.ask(method, target, {"no_such_field": True} if method != "GET" else None, headers=headers, after="")  # fmt: skip


async def test_whoever_could_sign_in_can_when_the_plan_is_gone_and_no_demand_on_them_is(apart: Apart) -> None:
    people = await a_cast(apart.gateway)
    admin, analyst, viewer = people.admin, people.analyst, people.viewer
    demanded = (await admin.ask("GET", "/v1/security-policy")).ok()
    preview = (await admin.ask("POST", "/v1/subscription/change-previews", {"plan": "free", "when": "now"})).ok()
    body = {"plan": "free", "when": "now", "fingerprint": preview["fingerprint"]}
    (await admin.write("POST", "/v1/subscription/changes", body)).ok()
    (await admin.ask("GET", "/v1/groups")).ok()
    progress = await until(
        lambda: admin.ask("GET", f"/v1/changes/{admin.last_change[-1]}", after=""),
        lambda reply: reply.status == 200 and all(one["state"] == "applied" for one in reply.json["subscribers"]),
    )
    told = {one["service"] for one in progress.json["subscribers"]}
    assert {"org", "sharing", "audit", "courier"} <= told, "progress of the effects, service by service"
    for person, role in ((admin, "admin"), (analyst, "analyst"), (viewer, "viewer")):
        await person.sign_in()
        me = (await person.ask("GET", "/v1/me", after=admin.last_change[-1])).ok()
        assert me["organization"]["role"] == role
    assert (await admin.ask("GET", "/v1/security-policy")).ok() == demanded


async def test_an_hour_without_billing_refuses_what_the_page_says_and_nothing_else(apart: Apart) -> None:
    gateway, people = apart.gateway, await a_cast(apart.gateway)
    admin = people.admin
    (await admin.write("POST", "/v1/dashboards", {"id": "dsh-away", "title": "Away"})).ok()
    change = admin.last_change[-1]
    await apart.billing_goes()
    apart.clock.advance(timedelta(hours=1))
    for person in (admin, people.analyst, people.viewer):
        await person.sign_in()
    refused = set()
    for route in sorted(TABLE):
        method, path = route.split(" ")
        reply = await probe(admin, method, path)
        assert reply.status < 500 or reply.status == 503, f"{route}: {reply}"
        if reply.status == 503:
            assert reply.code in ("unavailable", "auth_unavailable"), f"{route}: {reply}"
            refused.add(route)
    page = PAGE.read_text().partition("## When billing is away")[2].partition("\n## ")[0]
    assert refused == set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \| 503", page, re.MULTILINE))
    (await admin.write("POST", "/v1/groups", {"name": "Founded meanwhile"})).ok()
    (await admin.write("POST", "/v1/dashboards/dsh-away/links", {"name": "Made meanwhile"})).ok()
    progress = (await admin.ask("GET", f"/v1/changes/{change}", after="")).ok()
    assert {one["service"]: one["state"] for one in progress["subscribers"]}.get("billing") in (None, "unknown")
    stranger = await a_new_organization(gateway)
    (await stranger.write("POST", "/v1/dashboards", {"id": "dsh-new", "title": "New"})).ok()
    link = await stranger.write("POST", "/v1/dashboards/dsh-new/links", {"name": "Too early"})
    assert (link.status, link.code) == (403, "plan_required")
    await apart.billing_comes()
    await until(lambda: stranger.ask("GET", "/v1/subscription"), lambda reply: reply.status == 200)
    assert (await admin.ask("GET", "/v1/subscription")).ok()["status"] == "trialing"


async def a_new_organization(gateway: Gateway) -> Person:
    """Signs up as `sign_up` does, without waiting for billing to hear of it."""
    email = f"eve@new-{secrets.token_hex(4)}.example"
    body = {"email": email, "password": PASSWORD, "name": "Eve", "company": "New", "location": "eu"}
    signup = (await gateway.send("POST", NEW_PERSON, {**body, "accept_terms": True})).ok()
    token = await gateway.mailed_token(email)
    path = f"{NEW_PERSON}/{signup['id']}/confirmation"
    confirmed = await gateway.send("POST", path, {"token": token})
    person = Person(gateway, email, "Eve", confirmed.ok()["user_id"])
    session = (await gateway.send("POST", "/v1/auth/sessions", {"email": email, "password": body["password"]})).ok()
    person.token = session["access_token"]
    person.last_change.append(confirmed.headers["tenantry-change"])
    await until(lambda: person.ask("GET", "/v1/organization"), lambda reply: reply.status == 200)
    return person
