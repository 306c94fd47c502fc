"""An organization that is erased here is forgotten at the provider as well: its customer, cards and subscriptions, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.billing.usecases.closing import forget_customers
from shared.db import EVERY_ORG
from shared.erasure import erase_what_waits
from shared.events.billing import OrganizationErased
from shared.events.org import OrganizationErasureStarted
from shared.jobs import run_job
from shared.service import Job
from tests.billing.conftest import organization_created
from tests.billing.paid_stage import PaidStage, paid_stage
from tests.world import Databases, an_admin


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[PaidStage]:
    async with paid_stage(databases, tmp_path) as stage:
        await stage.store_card()
        yield stage


def customer_of(stage: PaidStage) -> dict[str, Any]:
    """The only one there."""
    (customer,) = stage.stripe.all("customer")
    return customer


async def is_erased(stage: PaidStage) -> None:
    told = OrganizationErasureStarted(org_id=stage.ada.org(), closed_at=stage.world.clock.now() - timedelta(days=30))
    await stage.world.hear("org", told)
    while not await stage.world.said("billing", OrganizationErased):
        await run_job(stage.world.started["billing"].env, Job(erase_what_waits, 1))
        await stage.world.settle()


async def still_to_go(stage: PaidStage) -> int:
    async with stage.world.started["billing"].env.database.read(EVERY_ORG) as read:
        return int(await read.value("select count(*) from departed_customers"))


async def forgets(stage: PaidStage) -> None:
    await run_job(stage.world.started["billing"].env, Job(forget_customers, 1))


async def test_the_customer_with_cards_and_subscriptions_is_gone_there(stage: PaidStage) -> None:
    other = replace(an_admin())
    await stage.world.hear("org", organization_created(other, "Southwind"))
    page = (await stage.ask("POST", "/v1/payment-method-sessions", {"purpose": "add"}, actor=other)).ok()["url"]
    kept = stage.stripe.objects[page.rpartition("/")[2]]["customer"]
    (mine,) = [one for one in stage.stripe.all("customer") if one["id"] != kept]
    subscription = stage.stripe.make("sub", "subscription", customer=mine["id"], status="active")
    await forgets(stage)
    assert "deleted" not in stage.stripe.objects[mine["id"]], "nothing goes before the organization does"
    await is_erased(stage)
    assert await still_to_go(stage) == 1
    await forgets(stage)
    assert stage.stripe.objects[mine["id"]] == {"id": mine["id"], "object": "customer", "deleted": True}
    assert subscription["status"] == "canceled"
    assert stage.stripe.all("payment_method") == []
    assert "deleted" not in stage.stripe.objects[kept], "another organization's stays"
    assert await still_to_go(stage) == 0
    asked = len(stage.stripe.asked)
    await forgets(stage)
    assert len(stage.stripe.asked) == asked, "and it is left in peace"


async def test_a_lost_answer_is_asked_for_again_until_the_provider_says_that_it_is_gone(stage: PaidStage) -> None:
    customer = customer_of(stage)["id"]
    await is_erased(stage)
    stage.stripe.away = True
    await forgets(stage)
    assert "deleted" not in stage.stripe.objects[customer]
    stage.stripe.away, stage.stripe.lose = False, 100
    stage.world.clock.advance(timedelta(minutes=2))
    await forgets(stage)
    assert stage.stripe.objects[customer]["deleted"] is True
    assert await still_to_go(stage) == 1, "who wasn't answered doesn't know"
    stage.stripe.lose = 0
    await forgets(stage)
    assert await still_to_go(stage) == 1, "nor asks without a pause"
    stage.world.clock.advance(timedelta(minutes=5))
    await forgets(stage)
    assert await still_to_go(stage) == 0
    assert [one["type"] for one in stage.stripe.events].count("customer.deleted") == 1


async def test_what_the_provider_tells_of_a_customer_that_is_gone_changes_nothing(stage: PaidStage) -> None:
    await is_erased(stage)
    await forgets(stage)
    assert (await stage.tell(stage.stripe.events[-1])).status == 204
    async with stage.world.started["billing"].env.database.read(EVERY_ORG) as read:
        assert await read.value("select count(*) from payers") == 0
