"""What the tests of subscribers share: a service that says, a database of one's own, and the guide's example as a process."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from shared.events.billing import PlanChanged
from shared.fields import Message
from shared.ids import new_id
from shared.service import Ctx, Service, admin, post
from shared.testkit import sample
from tests.world import Databases, World, an_admin

CHECKOUT = Path(__file__).parent.parent.parent
EXAMPLE = CHECKOUT / "docs" / "guides" / "examples" / "reports.py"
GUIDE = CHECKOUT / "docs" / "guides" / "subscribing.md"
PATIENCE = 60.0
REPORTS = """
create table reports (
    org_id text primary key, frozen boolean not null default false, changes integer not null default 0, slowness float not null default 0
);
create function count_change() returns trigger language plpgsql as
    'begin perform pg_sleep(old.slowness); new.changes = old.changes + 1; return new; end';
create trigger count_change before update on reports for each row execute function count_change();
"""


class ChangePlan(Message):
    plan: str


async def change_plan(ctx: Ctx, wanted: ChangePlan) -> None:
    """Says that the plan changed."""
    async with ctx.tx() as tx:
        await tx.emit(sample(PlanChanged, org_id=ctx.actor.org(), entitlements={"plan": wanted.plan}))


billing = Service(
    name="billing",
    migrations=None,
    routes=[post("/v1/plan", change_plan, admin("plan.change"), status=204)],
    publishes=[PlanChanged],
)


async def change(world: World, org_id: str, *plans: str) -> None:
    """Changes an organization's plan, to one after the other."""
    for plan in plans:
        (await world.ask("billing", "POST", "/v1/plan", {"plan": plan}, actor=an_admin(org_id))).ok()


@dataclass(frozen=True)
class Reports:
    """The database of a service outside the product."""

    dsn: str
    connection: asyncpg.Connection[asyncpg.Record]

    async def of(self, count: int) -> list[str]:
        """Organizations that it has reports of."""
        orgs = [new_id("org") for _ in range(count)]
        await self.connection.executemany("insert into reports (org_id) values ($1)", [(org,) for org in orgs])
        return orgs

    async def changes(self, org_id: str) -> int:
        return int(await self.connection.fetchval("select changes from reports where org_id = $1", org_id))

    async def frozen(self) -> set[str]:
        return {row["org_id"] for row in await self.connection.fetch("select org_id from reports where frozen")}

    async def events(self, state: str) -> int:
        """How many events of its inbox are in this state; none while it was never started."""
        try:
            count = await self.connection.fetchval("select count(*) from tenantry.inbox where state = $1", state)
        except asyncpg.UndefinedTableError:
            return 0
        return int(count)

    async def has_done(self, count: int) -> None:
        async def done() -> bool:
            return await self.events("done") >= count

        await until(done, f"{count} events applied")


@asynccontextmanager
async def reports_database(databases: Databases) -> AsyncIterator[Reports]:
    dsn = await databases.empty("reports")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(REPORTS)
        yield Reports(dsn, connection)
    finally:
        await connection.close()


class Example:
    """The guide's example, run as its reader runs it: by a Python that has the distribution and not the checkout."""

    def __init__(self, python: Path, amqp_url: str, reports: Reports) -> None:
        self._python = python
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._environ = clean | {
            "REPORTS_AMQP_URL": amqp_url,
            "REPORTS_DATABASE_URL": reports.dsn,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(str(self._python), str(EXAMPLE), env=self._environ)

    async def end(self, how: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await asyncio.wait_for(self._process.wait(), 25)


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not (await found if inspect.isawaitable(found := condition()) else found):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None
