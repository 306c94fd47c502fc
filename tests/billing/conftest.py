"""Billing at work, with stand-ins for org and sharing, and an organization that it has heard of."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.billing.app import service as billing
from services.billing.usecases.time import dun, keep_time
from shared.auth import Actor
from shared.events.org import Organization, OrganizationCreated
from shared.ids import new_id
from shared.jobs import run_job
from shared.service import Job, Service
from tests.billing.neighbours import Neighbours
from tests.world import Databases, Reply, World, an_admin, world_of

keys = itertools.count()

OPERATOR = Actor("service", service="billing")


@dataclass
class Stage:
    """The world, what the neighbours say, and the Admin of an organization."""

    world: World
    neighbours: Neighbours
    ada: Actor

    async def ask(self, method: str, path: str, body: Any = None, actor: Actor | None = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.world.ask("billing", method, path, body, actor=actor or self.ada, headers=sent)

    async def subscription(self, actor: Actor | None = None) -> Any:
        return (await self.ask("GET", "/v1/subscription", actor=actor)).ok()

    async def preview(self, plan: str, interval: str = "month", **more: Any) -> Any:
        return (await self.ask("POST", "/v1/subscription/change-previews", wanted(plan, interval, more))).ok()

    async def change(self, plan: str, interval: str = "month", fingerprint: str | None = None, **more: Any) -> Reply:
        """Looks at a preview (unless its fingerprint is given) and confirms it."""
        seen = fingerprint or (await self.preview(plan, interval, **more))["fingerprint"]
        body = {**wanted(plan, interval, more), "fingerprint": seen}
        return await self.ask("POST", "/v1/subscription/changes", body, Idempotency_Key=f"key-{next(keys)}")

    async def pay(self) -> None:
        """Pays all that is to be paid."""
        path = f"/internal/invoices?org_id={self.ada.org_id}"
        for one in (await self.ask("GET", path, actor=OPERATOR)).ok()["data"]:
            payment = {"number": one["number"], "reference": "bank", "by": "olga"}
            (await self.ask("POST", "/internal/payments", payment, actor=OPERATOR)).ok()

    async def pass_time(self, **how_much: float) -> None:
        """Moves the clock, and lets billing do what is due by then."""
        self.world.clock.advance(timedelta(**how_much))
        for job in (keep_time, dun):
            await run_job(self.world.started["billing"].env, Job(job, 1))
        await self.world.settle()

    async def found(self, name: str = "Northwind Analytics") -> Actor:
        """Another organization's Admin."""
        actor = an_admin()
        await self.world.hear("org", organization_created(actor, name))
        return actor


def wanted(plan: str, interval: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"plan": plan, "interval": interval, **more}


def organization_created(actor: Actor, name: str) -> OrganizationCreated:
    return OrganizationCreated(
        org_id=actor.org(),
        organization=Organization(name=name, location="eu", contact_email="ada@northwind.example", product_mails=False),
        created_by=actor.person(),
    )


def without_jobs(service: Service) -> Service:
    """Time passes only when a test says so."""
    return replace(service, jobs=())


@pytest.fixture
async def stage(databases: Databases, tmp_path: Path) -> AsyncIterator[Stage]:
    neighbours = Neighbours()
    async with world_of([without_jobs(billing), *neighbours.services()], databases, tmp_path) as world:
        stage = Stage(world, neighbours, an_admin(new_id("org")))
        await world.hear("org", organization_created(stage.ada, "Northwind Analytics"))
        yield stage
