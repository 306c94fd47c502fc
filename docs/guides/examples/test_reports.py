"""Its test: samples of events, delivered in memory, on a PostgreSQL database for tests."""

import asyncpg
from reports import sub
from tenantry_subscriber.events.billing import PlanChanged
from tenantry_subscriber.testkit import deliver, sample


async def test_reports_are_frozen_on_the_free_plan() -> None:
    told = sample(PlanChanged, entitlements={"plan": "free"})  # what you don't give is made up
    reports = await asyncpg.connect(sub.database)
    await reports.execute("insert into reports (org_id) values ($1)", told.org_id)
    await deliver(sub, told, twice=True)  # as it may come from a broker
    assert await reports.fetchval("select frozen from reports where org_id = $1", told.org_id)
    await reports.close()
