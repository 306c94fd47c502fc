"""A stage on which Stripe collects: what a person and Stripe do there, and the jobs that collect and compare."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.billing.app import opening
from services.billing.app import service as billing
from services.billing.usecases.collecting import collect
from services.billing.usecases.reconciling import reconcile
from services.billing.usecases.stripe_provider import Stripe
from shared.clock import MovableClock
from shared.jobs import run_job
from shared.payments import StripeAccount
from shared.service import Job, Service
from tests.billing.conftest import OPERATOR, Stage, organization_created, without_jobs
from tests.billing.neighbours import Neighbours
from tests.billing.stripe_server import KEY, SECRET, StripeServer, stripe_server
from tests.world import Databases, Reply, an_admin, world_of

NO_CARD = {"default_payment_method": None}


@dataclass
class PaidStage(Stage):
    """A stage on which Stripe collects."""

    stripe: StripeServer

    async def page(self, purpose: str, **more: Any) -> str:
        """The id of the hosted page that was opened."""
        reply = await self.ask("POST", "/v1/payment-method-sessions", {"purpose": purpose, **more})
        return str(reply.ok()["url"].rpartition("/")[2])

    async def tell(self, event: dict[str, Any], **more: Any) -> Reply:
        body, signature = self.stripe.signed(event, **more)
        return await self.tell_bytes(body, signature)

    async def tell_bytes(self, body: bytes, signature: str) -> Reply:
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
        return await self.world.ask("billing", "POST", "/v1/webhooks/stripe", raw=body, headers=headers)

    async def store_card(self, card: str = "visa", last4: str = "4242") -> None:
        event = self.stripe.completes_setup(await self.page("add"), card, last4)
        assert (await self.tell(event)).status == 204

    async def run(self, *jobs: Any) -> None:
        for job in jobs or (collect,):
            await run_job(self.world.started["billing"].env, Job(job, 1))
        await self.world.settle()

    async def invoices(self) -> list[Any]:
        return list((await self.ask("GET", "/v1/invoices")).ok()["data"])

    async def drift(self) -> dict[str, str]:
        found = (await self.ask("GET", "/internal/drift", actor=OPERATOR)).ok()["differences"]
        return {one["subject"]: one["kind"] for one in found}

    async def compare(self) -> None:
        """A day later, the night's comparison."""
        self.world.clock.advance(timedelta(days=1))
        await self.run(reconcile)


def account_at(server: StripeServer) -> StripeAccount:
    secrets = (SecretStr("whsec_old"), SecretStr(SECRET))
    return StripeAccount(api_key=SecretStr(KEY), webhook_secrets=secrets, api_url=server.url)


def collecting(server: StripeServer) -> Service:
    """Billing whose provider is that server."""
    return replace(without_jobs(billing), opens=opening(lambda _: Stripe(account_at(server))))


@asynccontextmanager
async def paid_stage(databases: Databases, folder: Path) -> AsyncIterator[PaidStage]:
    """With an organization, and no card yet."""
    clock = MovableClock()
    async with stripe_server(clock) as server:
        neighbours = Neighbours()
        async with world_of([collecting(server), *neighbours.services()], databases, folder, clock=clock) as world:
            stage = PaidStage(world, neighbours, an_admin(), server)
            await world.hear("org", organization_created(stage.ada, "Northwind Analytics"))
            yield stage
