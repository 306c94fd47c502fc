"""`tenantry events trigger`: a subscriber or a webhook of a test organization is tried out, and nobody else hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.billing.app import service as billing
from services.launcher import PRODUCT
from shared.auth import Actor
from shared.bus import Message
from shared.events.billing import EntitlementsChanged, PlanChanged
from shared.events.courier import WebhookTested
from shared.events.org import MemberJoined
from shared.ids import new_id
from shared.outbound import Outbound
from shared.service import Ctx
from shared.subscriber import Subscriber
from shared.testkit import envelope_of, sample
from tests.billing.conftest import organization_created, without_jobs
from tests.bus.world import Admin, healthy
from tests.courier.house import HERE, Receiver, member, reaching, receiving
from tests.system.commands import Said, announce, tenantry
from tests.system.subscribing import Reports, reports_database, until
from tests.world import Databases, World, an_admin, world_of

TYPE = PlanChanged.TYPE
FREE = '{"entitlements": {"plan": "free"}}'


@dataclass
class Stage:
    """A test organization on a trial, and how the command is run there."""

    world: World
    data: Path
    ada: Actor
    environ: dict[str, str]

    async def trigger(self, *arguments: str) -> Said:
        command = ("events", "trigger", *arguments, "--data", str(self.data))
        return await tenantry(PRODUCT, *command, environ=self.environ)


async def until_answered(world: World, service: str, method: str, path: str, by: Actor, body: Any = None) -> Any:
    """The first answer that isn't a refusal: what the service has to have heard is under way."""
    found: list[Any] = []

    async def is_done() -> bool:
        found.append(await world.ask(service, method, path, body, actor=by))
        return bool(found[-1].status < 400)

    await until(is_done, f"{method} {path}")
    return found[-1].json


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path, amqp_url: str) -> AsyncIterator[Stage]:
    admin = Admin(amqp_url)
    await admin.delete("reports.events", "billing.events", "courier.events")
    services = [without_jobs(billing), reaching(Outbound(policy=HERE))]
    async with world_of(services, databases, tmp_path, bus_url=amqp_url) as world:
        await healthy(world.bus)
        ada, data = an_admin(), tmp_path / "data"
        await world.hear("org", organization_created(ada, "Northwind"))
        await until_answered(world, "billing", "GET", "/v1/subscription", ada)
        announce(data, urls=dict(world.settings.urls), bus_url=amqp_url)
        secrets = tmp_path / "secrets.json"
        world.settings.secrets.save(secrets)
        environ = {f"TENANTRY_{name.upper()}_URL": str(url) for name, url in world.settings.urls.items()}
        yield Stage(world, data, ada, environ | {"TENANTRY_SECRETS_FILE": str(secrets)})
    await admin.delete("reports.events", "billing.events", "courier.events")


@pytest.fixture
async def tested(stage: Stage) -> Stage:
    """Its organization is a test organization."""
    started = await tenantry(
        PRODUCT, "clock", "start", stage.ada.org(), "--data", str(stage.data), environ=stage.environ
    )
    assert started.code == 0, started.output
    return stage


@pytest.fixture
async def reports(databases: Databases) -> AsyncIterator[Reports]:
    async with reports_database(databases) as reports:
        yield reports


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_one_subscriber_hears_a_valid_event_that_is_marked_and_moves_no_number(
    tested: Stage, reports: Reports, amqp_url: str
) -> None:
    sub, heard = Subscriber(amqp_url, service="reports", database=reports.dsn), []

    @sub.on(PlanChanged)
    async def note(ctx: Ctx, told: PlanChanged) -> None:
        assert ctx.cause is not None
        if told.previous_plan == "boom":
            raise ValueError("no such report")
        heard.append((ctx.cause.is_sample, ctx.cause.replayed, told.org_id, told.entitlements.plan))

    async with sub.hearing():
        said = await tested.trigger(TYPE, "--to", "reports", "--with", FREE, "--database", reports.dsn)
        assert (said.code, "applied by note" in said.output) == (0, True), said.output
        assert heard == [(True, False, tested.ada.org(), "free")]
        failing = '{"previous_plan": "boom"}'
        said = await tested.trigger(TYPE, "--to", "reports", "--with", failing, "--database", reports.dsn)
        assert (said.code, "failed in note: ValueError: no such report" in said.output) == (1, True), said.output
        assert (await tested.world.ask("billing", "POST", "/v1/subscription/trial", actor=tested.ada)).status == 201
        await until(lambda: len(heard) == 2, "what really happens, for which the sample took no number")
        assert heard[1][:3] == (False, False, tested.ada.org())
        database = await asyncpg.connect(reports.dsn)
        rows = await database.fetch(
            "select sequence, state from tenantry.inbox where type = $1 order by received_at", TYPE
        )
        await database.close()
    assert [(row["sequence"] > 0, row["state"]) for row in rows] == [
        (False, "done"),
        (False, "skipped"),
        (True, "done"),
    ]


async def test_a_webhook_is_told_signed_and_whoever_did_it_is_on_record(tested: Stage, receiver: Receiver) -> None:
    world, ada = tested.world, tested.ada
    await world.hear("org", MemberJoined(org_id=ada.org(), member=member(ada, "Ada")))
    (await world.ask("billing", "POST", "/v1/subscription/trial", actor=ada)).ok()
    wanted = {"url": receiver.url, "types": ["org.*"]}
    hook = await until_answered(world, "courier", "POST", "/v1/webhooks", ada, wanted)
    said = await tested.trigger(TYPE, "--webhook", hook["id"], "--with", FREE)
    assert said.code == 0, said.output
    await until(lambda: receiver.taken, "the sample at the receiver")
    told: Any = receiver.verified(hook["secret"])
    assert (told["type"], told["sequence"], told["org_id"]) == (TYPE, 0, ada.org())
    assert told["data"]["entitlements"]["plan"] == "free"
    assert [one.data["sample"] for one in await world.said("courier", WebhookTested)] == [TYPE]
    wanted = {"org_id": ada.org(), "webhook_id": hook["id"], "type": TYPE, "data": {"previous_plan": 1}}
    by_hand = await world.ask(
        "courier", "POST", "/internal/webhook-samples", wanted, actor=Actor("service", service="org")
    )
    assert by_hand.json["errors"][0]["pointer"] == "/data"


async def test_no_real_organization_is_told_what_did_not_happen(stage: Stage, receiver: Receiver) -> None:
    world, ada = stage.world, stage.ada
    said = await stage.trigger(TYPE, "--to", "reports", "--org", ada.org())
    assert (said.code, "is no test organization" in said.output) == (1, True)
    (await world.ask("billing", "POST", "/v1/subscription/trial", actor=ada)).ok()
    hook = await until_answered(world, "courier", "POST", "/v1/webhooks", ada, {"url": receiver.url})
    wanted = {"org_id": ada.org(), "webhook_id": hook["id"], "type": TYPE, "data": sample(PlanChanged).data()}
    asked = await world.ask(
        "courier", "POST", "/internal/webhook-samples", wanted, actor=Actor("service", service="org")
    )
    assert (asked.status, asked.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        ((TYPE,), "Name one that shall hear it"),
        ((TYPE, "--to", "reports", "--webhook", "whk_1"), "Name one that shall hear it"),
        (("billing.subscription.plan_change.v1", "--to", "reports"), f"Do you mean {TYPE}"),
        (("identity.password.changed.v1", "--to", "reports"), "belongs to no organization"),
        ((TYPE, "--to", "sharing"), "one of the product's own services"),
        ((TYPE, "--to", "nobody-here"), "can't be reached"),
        ((TYPE, "--to", "reports", "--with", "{"), "isn't JSON"),
        ((TYPE, "--to", "reports", "--with", "[]"), "is a JSON object"),
        ((TYPE, "--to", "reports", "--with", '{"entitlements": {"version": "x"}}'), "entitlements.version"),
        ((TYPE, "--to", "reports", "--with", '{"nonsense": 1}'), "nonsense"),
        ((TYPE, "--to", "reports", "--org", new_id("org")), "is no test organization"),
    ],
)
async def test_what_can_not_be_sent_is_refused_in_words(
    tested: Stage, arguments: tuple[str, ...], because: str
) -> None:
    said = await tested.trigger(*arguments)
    assert (said.code, because in said.output) == (1, True), said.output


async def test_the_products_own_services_take_no_made_up_event(tested: Stage) -> None:
    world, ada = tested.world, tested.ada
    made_up = envelope_of(sample(EntitlementsChanged, org_id=ada.org(), entitlements={"plan": "enterprise"}))
    await world.bus.publish([Message(EntitlementsChanged.TYPE, made_up.body(), to="courier.events")])
    (await world.ask("billing", "POST", "/v1/subscription/trial", actor=ada)).ok()
    await until_answered(world, "courier", "POST", "/v1/webhooks", ada, {"url": "http://127.0.0.1:9/"})
    async with world.started["courier"].env.database.read("*") as read:
        assert await read.value("select plan from entitlements where org_id = $1", ada.org()) == "business"
        assert await read.value("select count(*) from inbox where id = $1", made_up.id) == 0
